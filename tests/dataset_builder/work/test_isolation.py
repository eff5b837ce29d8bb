"""A restorer that fails costs its own labels only, with a row that says how."""

import contextlib
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from dataset_builder.cli.main import main
from manifests.store import read_dataset_table, read_labels
from tests.photographs import write_photographs

pytestmark = pytest.mark.slow


FAILURES = {
    "Raising": ("RuntimeError", "this model is broken"),
    "NotANumber": ("RestorationError", "expected finite values"),
    "WrongShape": ("RestorationError", "expected shape [32, 32], got [30, 32]"),
    "NoArray": ("RestorationError", "expected shape [32, 32], got []"),
    "Greedy": ("MemoryError", "Unable to allocate"),
    "Crashing": ("WorkerDiedError", "SIGSEGV"),
    "Stuck": ("TimeLimitError", "took more than 8 s"),
    "Stopping": ("TimeLimitError", "took more than 8 s"),
    "Deaf": ("TimeLimitError", "took more than 8 s"),
    "Leaking": ("OSError", "Too many open files"),
    "Exiting": ("SystemExit", "0"),
    "Interrupting": ("KeyboardInterrupt", "KeyboardInterrupt()"),
    "Closing": ("GeneratorExit", "GeneratorExit()"),
    "Ending": ("OwnKindOfEnd", "enough"),
    "Unspeakable": ("Error", "it cannot say what is wrong"),
    "Garbled": ("ValueError", "file \\udcff is odd"),
    "Verbose": ("ValueError", "xxx"),
}
HARMLESS = ("Wandering", "Forking", "Deafening")
"""Those that give an image and leave their process in disorder."""


@pytest.fixture(scope="module")
def labelled(tmp_path_factory):
    """A data set of one burst, labelled by every hostile restorer and two that work."""
    folder = tmp_path_factory.mktemp("isolation")
    write_photographs(folder / "photos", 1, height=200, width=200)
    settings = ["--out", folder / "set", "--height", 32, "--width", 32, "--bursts", 1, "--seed", 3]
    assert invoke("synthesize", folder / "photos", *settings).exit_code == 0
    own = [f"tests.hostile_restorers:{name}" for name in (*HARMLESS, "Sound", *FAILURES)]
    names = [own[0], "denoise/mean", *own[1:]]
    assert (
        invoke("label", shutil.copytree(folder / "set", folder / "calm"), "--scenario", "denoise/mean").exit_code == 0
    )
    scenarios = [part for name in names for part in ("--scenario", name)]
    limits = ["--time-limit", 8, "--memory-limit", 4]
    return folder / "set", invoke("label", folder / "set", *scenarios, *limits, "--jobs", 2, "--no-check")


def invoke(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_each_failure_is_a_row_of_its_own(labelled):
    root, result = labelled
    assert result.exit_code == 3
    rows = {row["scenario"].partition(":")[2]: row for row in read_dataset_table(root, "failures").to_pylist()}
    assert rows.keys() == FAILURES.keys()
    for name, (error, message) in FAILURES.items():
        assert rows[name]["error_type"] == error
        assert message in rows[name]["message"]
        assert len(rows[name]["message"]) <= 2100
        assert rows[name]["attempts"] == (2 if error == "WorkerDiedError" else 1)


def test_the_others_are_labelled_as_if_they_were_alone(labelled):
    root, _ = labelled
    labels = read_labels(root)
    own = {f"tests.hostile_restorers:{name}" for name in (*HARMLESS, "Sound")}
    assert set(labels.column("scenario").to_pylist()) == {"denoise/mean", *own}
    assert read_labels(root, ["denoise/mean"]).equals(read_labels(root.with_name("calm"), ["denoise/mean"]))


def test_nothing_is_left_running(labelled):
    """Whatever forked, stopped itself or would not wake is gone with its worker."""
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            command = (entry / "cmdline").read_bytes()
            if b"dataset_builder.work.worker" in command:
                assert (entry / "stat").read_text().rpartition(")")[2].split()[0] != "T"


def test_the_data_set_is_sound(labelled):
    assert invoke("verify", labelled[0]).output.endswith("no problems\n")
