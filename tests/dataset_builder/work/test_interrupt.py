"""Ctrl-C on a build that has workers in the middle of long units."""

import os
import signal
import subprocess
import sys
import time

import pytest

from manifests.confined.plain import hash_plain
from tests.photographs import write_photographs
from tests.places import ROOT

PATIENCE = 60
"""Seconds until something that takes a few counts as hung."""
RESTORER = """
import time
from pathlib import Path
from restorers import Domain, RestorerInfo

HERE = Path(__file__).parent

class Slow:
    info = RestorerInfo("denoise", "1", frozenset({Domain.RAW_BAYER}), Domain.RAW_BAYER)

    def restore(self, burst):
        if (HERE / "slow").exists():
            (HERE / "reached").touch()
            time.sleep(600)
        return burst.frames.mean(axis=0)
"""


@pytest.fixture
def folder(tmp_path):
    write_photographs(tmp_path / "photos", 2, height=180, width=180)
    (tmp_path / "own_restorer.py").write_text(RESTORER)
    source = 'kind = "photographs"\nname = "photos"\nroot = "photos"\nbursts_per_photograph = 2\nframe_height = 32\nframe_width = 32\n'
    scenarios = (
        '[[scenarios]]\nname = "denoise/mean"\n[[scenarios]]\nname = "own_restorer:Slow"\nestimators = ["add_one"]\n'
    )
    (tmp_path / "recipe.toml").write_text(f"seed = 1\n[[sources]]\n{source}{scenarios}")
    return tmp_path


def start(folder, out):
    command = ["-m", "dataset_builder.cli.main", "build", "recipe.toml", "--out", out, "--jobs", "2"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, *command], cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        text=True, start_new_session=True,
    )  # fmt: skip


def finish(process):
    _, errors = process.communicate(timeout=PATIENCE)
    return process.returncode, errors


def fingerprint(root):
    paths = (path for path in root.rglob("*") if path.is_file() and ".work" not in path.parts)
    return {path.relative_to(root).as_posix(): hash_plain(path) for path in sorted(paths)}


def wait_until(condition):
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def is_gone(group):
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return True
    return False


def test_an_interrupted_build_stops_and_resumes_to_the_same_bytes(folder):
    assert finish(start(folder, "calm"))[0] == 0
    (folder / "slow").touch()
    process = start(folder, "interrupted")
    wait_until((folder / "reached").exists)
    os.killpg(process.pid, signal.SIGINT)  # a terminal sends it to the workers, too
    status, errors = finish(process)
    assert status == 130
    assert errors.strip() == "Stopped. Finished work is kept: run the same command again to go on."
    wait_until(lambda: is_gone(process.pid))
    assert not (folder / "interrupted" / "dataset.json").exists()
    (folder / "slow").unlink()
    assert finish(start(folder, "interrupted"))[0] == 0
    assert fingerprint(folder / "interrupted") == fingerprint(folder / "calm")
