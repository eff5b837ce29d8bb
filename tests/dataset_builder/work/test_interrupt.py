"""Signals to a build that has workers in the middle of long units, and what is left of it."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from manifests.confined.plain import hash_plain
from tests.photographs import write_photographs
from tests.places import ROOT
from tests.signals import heed_signals

pytestmark = pytest.mark.slow

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
    return make_folder(tmp_path)


def make_folder(tmp_path):
    write_photographs(tmp_path / "photos", 2, height=180, width=180)
    (tmp_path / "own_restorer.py").write_text(RESTORER)
    source = 'kind = "photographs"\nname = "photos"\nroot = "photos"\nbursts_per_photograph = 2\nframe_height = 32\nframe_width = 32\n'
    scenarios = (
        '[[scenarios]]\nname = "denoise/mean"\n[[scenarios]]\nname = "own_restorer:Slow"\nestimators = ["add_one"]\n'
    )
    (tmp_path / "recipe.toml").write_text(f"seed = 1\n[[sources]]\n{source}{scenarios}")
    return tmp_path


def start(folder, out, preexec_fn=heed_signals):
    command = ["-m", "dataset_builder.cli.main", "build", "recipe.toml", "--out", out, "--jobs", "2"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, *command], cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        text=True, start_new_session=True, preexec_fn=preexec_fn,  # noqa: PLW1509  # no threads here
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


def list_processes(session):
    """Processes of a build: its driver and its workers, which have process groups of their own."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if os.getsid(int(entry.name)) == session and "Z" not in (entry / "stat").read_text().rpartition(")")[2][:3]:
                found.append(int(entry.name))
    return found


@pytest.fixture(scope="module")
def calm(tmp_path_factory):
    """What an undisturbed build gives, and the folder that it was built from."""
    folder = make_folder(tmp_path_factory.mktemp("calm"))
    assert finish(start(folder, "out"))[0] == 0
    return fingerprint(folder / "out")


def check_resumed(folder, calm):
    (folder / "slow").unlink()
    assert finish(start(folder, "out"))[0] == 0
    assert fingerprint(folder / "out") == calm


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)], ids=str
)
def test_a_signalled_build_stops_and_resumes_to_the_same_bytes(folder, calm, number, status):
    (folder / "slow").touch()
    process = start(folder, "out")
    wait_until((folder / "reached").exists)
    os.killpg(process.pid, number)
    began = time.monotonic()
    found, errors = finish(process)
    assert time.monotonic() - began < 5
    assert found == status
    assert errors.splitlines()[-1] == "Stopped. Run the same command again; what a build has finished is kept."
    assert "Traceback" not in errors
    wait_until(lambda: not list_processes(process.pid))
    assert not (folder / "out" / "dataset.json").exists()
    assert list((folder / "out").rglob(".*.tmp")) == []
    check_resumed(folder, calm)


def test_a_build_in_the_background_answers_sigterm(folder):
    """A shell starts it with SIGINT ignored."""
    (folder / "slow").touch()
    process = start(folder, "out", preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN))
    wait_until((folder / "reached").exists)
    process.send_signal(signal.SIGINT)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(timeout=1)
    process.terminate()
    assert finish(process)[0] == 143
    wait_until(lambda: not list_processes(process.pid))


def test_workers_die_with_their_driver_and_leave_nothing_behind(folder, calm):
    (folder / "slow").touch()
    process = start(folder, "out")
    wait_until((folder / "reached").exists)
    process.kill()
    process.communicate()
    wait_until(lambda: not list_processes(process.pid))
    check_resumed(folder, calm)


def run_code(code):
    command = [sys.executable, "-c", code]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=PATIENCE, cwd=ROOT)


def test_a_signal_that_nobody_asks_about_ends_the_process():
    code = """
import signal, time
from dataset_builder.work import stopping
stopping.PATIENCE = 0.2
with stopping.heed_signals():
    signal.raise_signal(signal.SIGTERM)
    print("noted", flush=True)
    while True:
        time.sleep(0.01)
"""
    done = run_code(code)
    assert (done.returncode, done.stdout) == (143, "noted\n")


def test_a_second_signal_ends_the_process_at_once():
    code = """
import signal
from dataset_builder.work.stopping import heed_signals
with heed_signals():
    signal.raise_signal(signal.SIGINT)
    signal.raise_signal(signal.SIGINT)
    print("still here")
"""
    done = run_code(code)
    assert (done.returncode, done.stdout) == (130, "")
