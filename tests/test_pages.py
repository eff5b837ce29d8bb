"""What the pages show works as written: commands are understood, recipes are read, Python runs."""

from __future__ import annotations

import re
import shlex
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import click
import numpy as np
import pytest

from assessors.recipe import TrainingRecipe
from dataset_builder import add_labels, add_source, parse_recipe, parse_scenario, parse_source
from dataset_builder.cli.main import main
from dataset_builder.synthesis.builtin import PRESETS
from manifests.operations.pack import pack_dataset
from restorers.registry import BUILT_IN
from tests.photographs import write_photographs
from tests.places import ROOT

PAGES = {page.relative_to(ROOT).as_posix(): page for page in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]}
WITH_PYTHON = sorted(name for name, page in PAGES.items() if "```python\n" in page.read_text(encoding="utf-8"))
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
VARIABLE = re.compile(r"[A-Z_]+=.*")


def list_blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def find_command(words: list[str]) -> tuple[click.Command, list[str]]:
    """The command that the first words name, or the group where they name no more, and the words after them."""
    command: click.Command = main
    while words and words[0] in {"-q", "-v", "--debug"}:
        words = words[1:]
    while isinstance(command, click.Group) and words and re.fullmatch(r"[a-z-]+", words[0]) and words[0][0] != "-":
        found = command.get_command(click.Context(command), words[0])
        assert found is not None, f"there is no command {words[0]}"
        command, words = found, words[1:]
    return command, words


def check_line(line: str, folder: Path) -> None:
    """Check that a line of a shell can be carried out, short of doing so."""
    words = shlex.split(line, comments=True)
    while words and VARIABLE.fullmatch(words[0]):
        words = words[1:]
    match words:
        case ["buiqa", "|", "source"]:
            pass
        case ["buiqa", *arguments]:
            parse(arguments, folder)
        case ["make", target]:
            assert re.search(rf"^{target}:", MAKEFILE, re.MULTILINE)
        case ["srun", "buiqa", *arguments]:
            parse(arguments, folder)
        case ["python", "-m", module, *_]:
            assert find_spec(module) is not None
        case ["python", script, *_]:
            assert (ROOT / script).is_file()
        case ["pip", "install", *packages]:
            extras = re.findall(r"\[(.*)\]", " ".join(packages))
            assert all(extra in PROJECT["optional-dependencies"] for names in extras for extra in names.split(","))
        case (
            []
            | ["eval", _]
            | ["sbatch" | "array=$(sbatch", *_]
            | ["dask", "scheduler" | "worker", *_]
            | ["python3", "-m", "venv", _]
            | [".", _]
        ):
            pass
        case _:
            pytest.fail(f"nobody checks this line: {line}")


def parse(arguments: list[str], folder: Path) -> None:
    """Let click read the arguments of `buiqa`; files that they name are there, and empty."""
    arguments = [re.sub(r"\$\w+", "1", word) for word in arguments]
    for word in arguments:
        if re.fullmatch(r"[A-Z]+/", word):
            (folder / word).mkdir(exist_ok=True)
        if re.fullmatch(r"[\w-]+\.\w+", word):
            (folder / word).touch()
    command, rest = find_command(arguments)
    assert not isinstance(command, click.Group), f"{command.name} needs a command"
    command.make_context(command.name, rest)


@pytest.mark.parametrize("name", sorted(PAGES))
def test_lines_for_the_shell_are_understood(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for block in list_blocks(PAGES[name], "sh"):
        for line in re.split(r"\n|&&", block.replace("\\\n", " ")):
            check_line(line, tmp_path)


@pytest.mark.parametrize("name", sorted(PAGES))
def test_commands_within_text_are_there_with_their_options(name: str) -> None:
    for text in re.findall(r"`buiqa ([a-z][^`]*)`", PAGES[name].read_text(encoding="utf-8")):
        command, rest = find_command(re.split(r"[\s\[\]]+", text))
        known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
        named = {word.split("=")[0].rstrip(",") for word in rest if re.match(r"--[a-z]", word)}
        assert isinstance(command, click.Group) or named <= known | {"--help"}, text


@pytest.mark.parametrize("name", sorted(PAGES))
def test_recipes_are_read(name: str) -> None:
    for block in list_blocks(PAGES[name], "toml"):
        facts = tomllib.loads(block)
        if "dataset" in facts:
            TrainingRecipe.model_validate(facts)
        else:
            parse_recipe(facts, name)


def test_the_checks_find_what_is_wrong(tmp_path: Path) -> None:
    for line in ("buiqa lable DIR", "buiqa label DIR --scenari x", "buiqa label", "buiqa split D --val x"):
        with pytest.raises((AssertionError, click.UsageError)):
            check_line(line, tmp_path)
    for line in (
        "make nothing",
        "python -m tests.nothing",
        "python docs/nothing.py",
        "pip install 'buiqa-toolkit[nothing]'",
    ):
        with pytest.raises(AssertionError):
            check_line(line, tmp_path)
    with pytest.raises(pytest.fail.Exception):
        check_line("rm -r demo", tmp_path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the pages speak of: photographs, a data set of them under both its names, and the pack of it."""
    folder = tmp_path_factory.mktemp("pages")
    write_photographs(folder / "PHOTOS", 4, height=240, width=240)
    frames = {"frame_height": 68, "frame_width": 68, "bursts_per_photograph": 1}
    add_source(folder / "demo", parse_source(name="photos", kind="photographs", root=str(folder / "PHOTOS"), **frames))
    scenarios = {"denoise/hdrplus": "leave_one_out", "denoise/nlm": "solo", "sr/backprojection@x2": "leave_one_out"}
    choices = [
        parse_scenario(name=name, estimators=[estimator], metrics=["psnr"]) for name, estimator in scenarios.items()
    ]
    add_labels(folder / "demo", choices)
    (folder / "DATASET").symlink_to("demo")
    pack_dataset(folder / "demo", folder / "PACK")
    return folder


def pretend_tensorflow() -> SimpleNamespace:
    """What a page asks of TensorFlow, which is not installed: a checkpoint of two variables, one of which is no weight."""
    variables = {"conv/kernel": np.ones((3, 3, 1, 2), np.float32), "conv/kernel/Adam": np.zeros(1, np.float32)}
    listed = [(name, value.shape) for name, value in variables.items()]
    train = SimpleNamespace(list_variables=lambda _: listed, load_variable=lambda _, name: variables[name])
    return SimpleNamespace(train=train)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:This DataLoader will create")  # more workers than this machine has cores
@pytest.mark.parametrize("name", WITH_PYTHON)
def test_python_runs_as_written(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.chdir(folder)
    monkeypatch.setenv("BUIQA_CACHE", str(folder / "cache"))
    # Dataclasses look for the module that they are in.
    monkeypatch.setitem(sys.modules, "page", page := ModuleType("page"))
    names: dict[str, Any] = page.__dict__
    if name == "docs/burst_networks.md":
        names |= {"tf": pretend_tensorflow(), "torch": torch, "FOLDER": "checkpoint"}
    for block in list_blocks(PAGES[name], "python"):
        code = compile(block, name, "exec")
        if "import fiftyone" not in block:  # it brings a server of its own
            exec(code, names)
    if name == "docs/burst_networks.md":
        assert list(torch.load("kpn.pth")) == ["conv/kernel"]
    if name == "docs/training.md":
        assert names["checkpoint"]["sampler"] == {"epoch": 9, "first_batch": len(list(names["sampler"]))}
        assert names["rendered"].burst.frames.shape[1:] == (64, 64)


def test_the_gallery_shows_every_preset_and_task() -> None:
    page = PAGES["docs/gallery.md"].read_text(encoding="utf-8")
    assert {preset for preset in PRESETS if f"`{preset}`" not in page} == set()
    for task in {spec.scenario.split("/")[0] for spec in BUILT_IN}:
        assert f"### {task}\n" in page
        assert f"(gallery/{task}.png)" in page
