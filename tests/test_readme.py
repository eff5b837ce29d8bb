"""What the README shows works as shown."""

import re
import shutil
import subprocess
import sys

import pandas as pd
import pytest
from click.testing import CliRunner

from dataset_builder.cli.main import main
from tests.photographs import write_photographs
from tests.places import ROOT


@pytest.fixture(scope="module")
def blocks():
    return re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    folder = tmp_path_factory.mktemp("readme")
    write_photographs(folder / "photos", 6, height=200, width=200)
    arguments = [
        "synthesize",
        folder / "photos",
        "--out",
        folder / "demo",
        "--height",
        32,
        "--width",
        32,
        "--bursts",
        1,
    ]
    assert CliRunner().invoke(main, [str(argument) for argument in arguments]).exit_code == 0
    return folder / "demo"


def run_python(*arguments, folder):
    return subprocess.run([sys.executable, *arguments], cwd=folder, capture_output=True, text=True, check=True)


@pytest.mark.slow
def test_the_restorer_in_20_lines(blocks, demo):
    assert len(blocks[0].splitlines()) <= 22
    (demo.parent / "mymodule.py").write_text(blocks[0])
    command = re.search(r"^buiqa (label demo --scenario mymodule:.*)$", (ROOT / "README.md").read_text(), re.MULTILINE)
    run_python("-m", "dataset_builder.cli.main", *command[1].split(), folder=demo.parent)
    labels = pd.read_parquet(next((demo / "manifests/labels").glob("mymodule~*.parquet")))
    assert labels.score.notna().sum() > 0


@pytest.mark.slow
def test_the_split_in_5(blocks, demo):
    for scenario in ("denoise/hdrplus", "sr/backprojection@x2"):
        assert CliRunner().invoke(main, ["label", str(demo), "--scenario", scenario]).exit_code == 0
    assert len([line for line in blocks[1].splitlines() if line.strip()]) <= 6
    script = blocks[1].replace(
        'batch["mask"]  #', 'batch["mask"]; print(batch["frames"].shape, batch["scores"].shape) #'
    )
    printed = run_python("-c", script, folder=demo.parent).stdout
    assert re.match(r"torch.Size\(\[\d+, \d+, 1, 32, 32\]\) torch.Size\(\[\d+, 2, \d+\]\)", printed)


def test_every_file_it_names_is_there():
    for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md"), ROOT / "CONTRIBUTING.md", ROOT / "DATASET.md"):
        for target in re.findall(r"\]\((?!http)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} names {target}"


def test_every_command_it_names_is_there():
    named = set(re.findall(r"^buiqa (\w+)", (ROOT / "README.md").read_text(), re.MULTILINE))
    assert named
    for command in named:
        assert CliRunner().invoke(main, [command, "--help"]).exit_code == 0


@pytest.mark.skipif(not shutil.which("make"), reason="needs make")
def test_the_two_commands_are_targets():
    for target in ("demo", "test", "lint", "bench"):
        assert subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, check=False).returncode == 0
