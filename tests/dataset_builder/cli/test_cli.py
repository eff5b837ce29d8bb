import errno
import json
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import cv2
import pytest
from click.testing import CliRunner
from filelock import FileLock

from dataset_builder.cli import main as entry
from dataset_builder.cli.console import show_progress
from dataset_builder.cli.main import main
from manifests.description import read_description
from manifests.errors import ManifestError
from manifests.images.pixels import write_png
from manifests.store import read_dataset_table
from manifests.verification.verify import verify
from tests.photographs import make_photograph, write_photographs
from tests.places import ROOT

COMMANDS = (
    "build",
    "synthesize",
    "ingest",
    "label",
    "split",
    "audit",
    "verify",
    "pack",
    "migrate",
    "scenarios",
    "show",
)
SMALL = ("--height", "32", "--width", "32", "--bursts", "1")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A data set from `buiqa synthesize`, with one scenario labelled."""
    folder = tmp_path_factory.mktemp("cli")
    write_photographs(folder / "My Photos", 2, height=200, width=200)
    root = folder / "Set One"
    assert buiqa("synthesize", folder / "My Photos", "--out", root, *SMALL, "--license", "CC0-1.0").exit_code == 0
    labelled = buiqa("label", root, "--scenario", "denoise/mean", "--estimator", "add_one")
    assert labelled.exit_code == 0
    assert "expect denoise/mean: 2 bursts, about 20 evaluations\n" in labelled.output
    return root


@pytest.fixture
def copy(made, tmp_path):
    return Path(shutil.copytree(made, tmp_path / "copy"))


def buiqa(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def refuse(*arguments, status=1):
    """Run a command that must fail; return its one line."""
    result = buiqa(*arguments)
    assert result.exit_code == status, result.output
    assert result.output.count("\n") == 1, result.output
    assert result.output.startswith("Error: ")
    return result.output


def test_help_names_every_command_without_heavy_imports():
    program = (
        "import sys; from dataset_builder.cli.main import main; main(['--help'], standalone_mode=False);"
        "print({'numpy', 'torch', 'pandas', 'pyarrow', 'cv2', 'rich'} & sys.modules.keys())"
    )
    output = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert output.endswith("set()\n")
    assert all(f"  {command} " in output for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command):
    result = buiqa(command, "--help")
    assert result.exit_code == 0
    assert "Usage:" in result.output


def test_the_installed_command_is_this_one():
    script = ROOT / "pyproject.toml"
    assert tomllib.loads(script.read_text())["project"]["scripts"] == {"buiqa": f"{entry.__name__}:main"}


@pytest.mark.slow
def test_synthesize_names_things_after_the_folders(made):
    assert read_description(made)["name"] == "set-one"
    bursts = read_dataset_table(made, "bursts").to_pandas()
    assert set(bursts.source) == {"my-photos"}
    assert set(bursts.license) == {"CC0-1.0"}
    assert (bursts.height == 32).all()
    assert verify(made) == []


@pytest.mark.slow
def test_synthesize_takes_single_files_and_adds_to_what_is_there(copy, tmp_path):
    write_photographs(tmp_path / "more", 3, height=180, width=180)
    names = [path.name for path in sorted((tmp_path / "more").iterdir())]
    result = buiqa("synthesize", *(tmp_path / "more" / name for name in names[:2]), "--out", copy, *SMALL)
    assert result.exit_code == 0, result.output
    bursts = read_dataset_table(copy, "bursts").to_pandas()
    assert bursts.groupby("source").size().to_dict() == {"more": 2, "my-photos": 2}
    assert sorted(bursts.origin_path[bursts.source == "more"]) == names[:2]
    assert verify(copy) == []


def test_synthesize_refuses_another_seed(copy):
    source = copy.parent / "photos"
    write_photographs(source, 1, height=180, width=180)
    assert "was built with seed 0" in refuse("synthesize", source, "--out", copy, "--seed", "7", *SMALL)


@pytest.mark.slow
def test_ingest_folder(tmp_path):
    for index in range(3):
        write_png(tmp_path, f"walk/one/{index}.png", make_photograph(40, 50, seed=index))
    out = tmp_path / "out"
    result = buiqa("ingest", "folder", tmp_path / "walk", "--out", out, "--reference", "1")
    assert result.exit_code == 0, result.output
    burst = read_dataset_table(out, "bursts").to_pandas().iloc[0]
    assert (burst.source, burst.num_frames, burst.reference_index) == ("walk", 3, 1)
    result = buiqa("label", out, "--scenario", "denoise/nlm")
    assert result.exit_code == 3
    assert "no ground truth" in result.output


def test_ingest_fails_when_a_burst_does(tmp_path):
    write_png(tmp_path, "walk/one/0.png", make_photograph(40, 50))
    (tmp_path / "walk/one/1.png").touch()
    result = buiqa("ingest", "folder", tmp_path / "walk", "--out", tmp_path / "out")
    assert result.exit_code == 3
    assert "one/1.png: the file is empty (0 bytes); copy it again or remove it" in result.output
    assert "failed" in result.output
    assert not any((tmp_path / "out/frames").rglob("*.png"))
    assert verify(tmp_path / "out") == []


def test_label_says_what_it_did(copy):
    command = ("label", copy, "--scenario", "denoise/mean", "--estimator", "add_one")
    result = buiqa(*command)
    assert result.exit_code == 0
    assert "expect " not in result.output
    rows = [line.split() for line in result.output.splitlines()]
    assert ["stage", "created", "reused", "rebuilt", "removed", "skipped", "failed"] in rows
    assert ["labels", "0", "2", "0", "0", "0", "0"] in rows
    assert "audit/index.html" in result.output


def test_label_says_what_it_will_cost(made):
    more = ("--estimator", "add_one", "--metric", "ssim", "--dry-run")
    assert "note denoise/mean: 2 bursts, about" in buiqa("label", made, "--scenario", "denoise/mean", *more).output


def test_unknown_scenarios_are_answered_with_close_matches(made):
    assert "denoise/hdrplus" in refuse("label", made, "--scenario", "denoise/hdrpls")
    assert "no_such_module_here" in refuse("label", made, "--scenario", "no_such_module_here:Thing")


def test_unknown_estimators_and_metrics_name_the_allowed_ones(made):
    message = refuse("label", made, "--scenario", "denoise/mean", "--estimator", "loo")
    assert "estimators" in message
    assert "leave_one_out" in message
    assert "psnr" in refuse("label", made, "--scenario", "denoise/mean", "--metric", "vmaf")


def test_unknown_presets_name_the_allowed_ones(tmp_path):
    write_photographs(tmp_path / "photos", 1)
    assert "handheld" in refuse("synthesize", tmp_path / "photos", "--out", tmp_path / "out", "--preset", "handhold")
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_scenarios_lists_facts():
    facts = json.loads(buiqa("scenarios", "--json", "--no-cost").output)
    assert facts["denoise/hdrplus"]["protocol"] == "LinearMerge"
    assert facts["sr/backprojection@x2"]["protocol"] == "SubsetRestorer"
    assert facts["sr/backprojection@x2"]["scale"] == 2
    assert (facts["denoise/nlm"]["min_frames"], facts["denoise/nlm"]["max_frames"]) == (1, 1)
    text = buiqa("scenarios", "--no-cost").output
    assert all(name in text for name in facts)


def test_show_draws_a_burst(made, tmp_path):
    burst_id = read_dataset_table(made, "bursts").column("burst_id")[0].as_py()
    result = buiqa("show", made, burst_id, "--out", tmp_path / "sheet.png")
    assert result.output == f"{tmp_path / 'sheet.png'}\n"
    sheet = cv2.imread(str(tmp_path / "sheet.png"))
    assert min(sheet.shape[:2]) > 100
    assert sheet.std() > 10


def test_show_suggests_a_burst(made, tmp_path):
    burst_id = read_dataset_table(made, "bursts").column("burst_id")[0].as_py()
    assert burst_id in refuse("show", made, burst_id[:-1] + "x", "--out", tmp_path / "sheet.png")


def test_split_redraws(copy):
    result = buiqa("split", copy, "--val", "0.5", "--test", "0.5")
    assert result.exit_code == 0
    assert result.output.startswith("train: 0 bursts, val: ")
    assert verify(copy) == []
    assert "splits.test: expected less than or equal to 1, got 1.5" in buiqa("split", copy, "--test", "1.5").output


def test_verify_says_what_is_wrong(copy):
    assert buiqa("verify", copy).output.endswith("no problems\n")
    frame = next((copy / "frames").rglob("01.png"))
    data = bytearray(frame.read_bytes())
    data[-20] ^= 1
    frame.write_bytes(data)
    result = buiqa("verify", copy)
    assert result.exit_code == 1
    assert frame.relative_to(copy).as_posix() in result.output
    assert buiqa("verify", copy, "--fast").exit_code == 0


@pytest.mark.parametrize("command", ["label", "split", "audit", "show"])
def test_commands_refuse_what_is_no_data_set(tmp_path, command):
    extra = {"label": ["--scenario", "denoise/mean"], "show": ["b"]}.get(command, [])
    assert re.search("dataset.json|no such table", refuse(command, tmp_path / "nothing", *extra))
    assert not (tmp_path / "nothing").exists()


def test_recipes_that_are_wrong(tmp_path):
    recipe = tmp_path / "recipe.toml"
    assert "recipe.toml: cannot be read (No such file or directory)" in refuse(
        "build", recipe, "--out", tmp_path / "out"
    )
    for text, expected in {
        "sede = 1": "sede: unknown key; did you mean seed? allowed are",
        'seed = "1"': "seed: expected a valid integer, got '1'",
        "seed = -1": "seed: expected greater than or equal to 0, got -1",
        "name = ": "not valid TOML",
        '[[scenarios]]\nname = "denoise/men"': "denoise/mean",
        '[[sources]]\nkind = "photographs"\nname = "a"\nroot = "x"\nfiles = ["../../etc/passwd"]': "leaves root",
        '[[sources]]\nkind = "photographs"\nname = "a"\nroot = "missing"': "missing",
    }.items():
        recipe.write_text(text)
        assert expected in refuse("build", recipe, "--out", tmp_path / "out")


def test_outputs_that_cannot_be_used(tmp_path):
    recipe = tmp_path / "recipe.toml"
    recipe.write_text("")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/diary.txt").write_text("private")
    message = refuse("build", recipe, "--out", tmp_path / "mine")
    assert "is not empty and holds no data set; name a new folder" in message
    assert "is a file; name a folder" in refuse("build", recipe, "--out", recipe)
    assert "cannot be written" in refuse("build", recipe, "--out", recipe / "below")


def test_read_only_outputs(tmp_path):
    recipe = tmp_path / "recipe.toml"
    recipe.write_text("")
    closed = tmp_path / "closed"
    closed.mkdir()
    closed.chmod(0o555)
    if os.access(closed, os.W_OK):
        closed = Path("/sys")  # the superuser writes wherever the file system lets him
        if not closed.is_dir():
            pytest.skip("needs a folder that nobody may write to")
    message = refuse("build", recipe, "--out", closed / "out")
    assert re.fullmatch(r"Error: .*/out: cannot be written \(.*\); choose a folder that you may write to\n", message)


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["build.build_bursts", "build.build_labels", "finish.write_card"])
def test_a_full_disk_stops_the_build(tmp_path, monkeypatch, stage):
    def fail(*arguments, **options):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(tmp_path / "out"))

    write_photographs(tmp_path / "photos", 1, height=180, width=180)
    arguments = ("synthesize", tmp_path / "photos", "--out", tmp_path / "out", *SMALL)
    monkeypatch.setattr(f"dataset_builder.{stage}", fail)
    message = refuse(*arguments)
    assert f"the disk is full ({tmp_path / 'out'}): make room and run the same command again" in message
    monkeypatch.undo()
    result = buiqa(*arguments)
    assert result.exit_code == 0, result.output
    assert verify(tmp_path / "out") == []


def test_two_builds_on_one_folder(copy):
    with FileLock(copy / ".work/lock"):
        (copy / ".work/holder.json").write_text('{"pid": 4321, "host": "studio"}')
        message = refuse("label", copy, "--scenario", "denoise/mean")
    assert "process 4321 on studio is building here; wait for it, or stop it" in message
    assert buiqa("label", copy, "--scenario", "denoise/mean", "--estimator", "add_one").exit_code == 0


def test_debug_shows_the_traceback(tmp_path):
    assert isinstance(buiqa("split", tmp_path).exception, SystemExit)
    assert isinstance(buiqa("--debug", "split", tmp_path).exception, ManifestError)


def test_progress_says_count_rate_and_time_left(monkeypatch, capsys):
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich takes it for a terminal
    monkeypatch.setenv("COLUMNS", "120")
    with show_progress("labels", 40) as advance:
        for _ in range(10):
            advance()
            time.sleep(0.03)
    shown = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", capsys.readouterr().err)
    assert re.search(r"labels .* \d+/40 +\d+\.\d/(s|min) +0:00:0\d left 0:\d\d:\d\d", shown)
    monkeypatch.delenv("FORCE_COLOR")
    with show_progress("labels", 40) as advance:
        advance()
    assert capsys.readouterr().err == ""
