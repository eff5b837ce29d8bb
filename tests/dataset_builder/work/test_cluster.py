"""Work on real dask processes on loopback, started with the commands of the documentation."""

import dataclasses
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from dataset_builder.errors import ClusterError
from dataset_builder.labeling.units import read_bursts
from dataset_builder.records.loading import load_burst
from dataset_builder.work import cluster as cluster_module
from manifests.confined.plain import hash_plain
from manifests.store import read_dataset_table, read_labels
from manifests.verification.verify import verify
from tests.photographs import write_photographs
from tests.places import ROOT

pytestmark = pytest.mark.slow

distributed = pytest.importorskip("distributed", reason="needs the extra dask")
OWN_RESTORERS = """
import os, signal, time
from pathlib import Path
from restorers import Domain, RestorerInfo


class Slow:
    info = RestorerInfo("denoise", "1", frozenset({Domain.RAW_BAYER}), Domain.RAW_BAYER)

    def restore(self, burst):
        time.sleep(0.02)
        return burst.frames.mean(axis=0)

class Endless(Slow):
    def restore(self, burst):
        Path(__file__).with_name("reached").touch()
        time.sleep(600)

class Leaver(Slow):
    def restore(self, burst):
        raise SystemExit(3)

class Poison(Slow):
    def restore(self, burst):
        if burst.frames.sum() == float(Path(__file__).with_name("poison").read_text()):
            os.kill(os.getpid(), signal.SIGKILL)
        return burst.frames.mean(axis=0)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cluster")
    write_photographs(folder / "photos", 4, height=180, width=180)
    (folder / "own_restorers.py").write_text(OWN_RESTORERS)
    arguments = ["synthesize", folder / "photos", "--out", folder / "set", "--height", 32, "--width", 32, "--bursts", 3]
    finish(start(folder, *arguments))
    return folder


@pytest.fixture(scope="module")
def cluster(folder):
    """Scheduler and two workers: the address and the processes."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    page = (ROOT / "docs/cluster.md").read_text().replace("8786", str(port))
    commands = [shlex.split(line, comments=True) for line in re.findall(r"^dask .*$", page, re.MULTILINE)]
    assert [command[1] for command in commands] == ["scheduler", "worker", "worker"]
    environment = {
        **os.environ,
        "PYTHONPATH": f"{ROOT}:{folder}",
        "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "1",
    }
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "dask", *command[1:]],
            env=environment,
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        for command in commands
    ]
    yield f"tcp://127.0.0.1:{port}", started
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def start(folder, *arguments):
    """The command in a process of its own, which finds modules in `folder`."""
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{folder}"}
    program = [sys.executable, "-m", "dataset_builder.cli.main", *map(str, arguments)]
    pipe = subprocess.PIPE
    return subprocess.Popen(program, env=environment, cwd=folder, stdout=pipe, stderr=subprocess.STDOUT, text=True)


def finish(process, status=0):
    output, _ = process.communicate(timeout=240)
    assert process.returncode == status, output
    return output


def fingerprint(root):
    return {path.name: hash_plain(path) for path in sorted((root / "manifests").rglob("*.parquet"))}


def find_children(pid):
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in text.split()]


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="finds worker processes through /proc")
def test_labels_are_those_of_one_machine_though_a_worker_dies(folder, cluster):
    address, (_, first, _) = cluster
    local, remote = (Path(shutil.copytree(folder / "set", folder / name)) for name in ("local", "remote"))
    scenario = ("--scenario", "own_restorers:Slow", "--scenario", "denoise/mean")
    finish(start(folder, "label", local, *scenario))
    driver = start(folder, "label", remote, *scenario, "--dask", address)
    deadline = time.monotonic() + 120
    while len(list(remote.glob(".work/labels/*/*.json"))) < 2 and driver.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    for worker in find_children(first.pid):
        os.kill(worker, signal.SIGKILL)
    assert "24" in finish(driver)
    assert fingerprint(remote) == fingerprint(local)
    assert verify(remote) == []


def test_a_poisonous_unit_costs_itself(folder, cluster):

    address, _ = cluster
    root = Path(shutil.copytree(folder / "set", folder / "poisoned"))
    victim, rows = next(iter(read_bursts(root).items()))
    (folder / "poison").write_text(str(float(load_burst(root, rows.burst, rows.frames).frames.sum())))
    output = finish(start(folder, "label", root, "--scenario", "own_restorers:Poison", "--dask", address), status=3)
    assert "WorkerDiedError" in output
    failures = read_dataset_table(root, "failures").to_pandas()
    assert failures.burst_id.tolist() == [victim]
    labelled = read_labels(root, ["own_restorers:Poison"]).column("burst_id").unique().to_pylist()
    assert len(labelled) == 11
    assert victim not in labelled


@dataclasses.dataclass(frozen=True)
class Trifle:
    """A unit of work that is done at once."""

    key: str = "0"
    part: str = "trifle"

    def run(self, root, desk):
        return {}


def test_workers_that_are_on_their_way_are_waited_for(tmp_path, monkeypatch):
    with distributed.LocalCluster(
        n_workers=0, threads_per_worker=1, processes=False, dashboard_address=":0"
    ) as started:
        workers = cluster_module.DaskWorkers(started.scheduler_address)
        monkeypatch.setattr(cluster_module, "_WORKER_SECONDS", 0.5)
        with pytest.raises(ClusterError, match="the cluster has no workers; start some with `dask worker ADDRESS`"):
            list(workers.run([Trifle()], tmp_path))
        monkeypatch.setattr(cluster_module, "_WORKER_SECONDS", 60)
        later = threading.Timer(1, started.scale, [1])
        later.start()
        assert list(workers.run([Trifle()], tmp_path)) == [(Trifle(), None)]
        later.join()


@dataclasses.dataclass(frozen=True)
class Numbered:
    """One of many small units; every seventh fails."""

    number: int

    @property
    def key(self):
        return str(self.number)

    @property
    def part(self):
        return f"many/{self.number}"

    def run(self, root, desk):
        return {"digit": 7 // (self.number % 7)}


def test_many_small_units_go_out_in_batches(tmp_path, monkeypatch):
    """100 units for one core that is to get at least ten batches are batches of ten; each unit has its own outcome."""

    def run_batch(units, root, seconds, sources):
        with (root / "sizes").open("a") as log:
            print(len(units), file=log)
        return [cluster_module._run_bounded(unit, root, seconds) for unit in units]

    monkeypatch.setattr(cluster_module, "_run_batch", run_batch)
    monkeypatch.setattr(cluster_module, "_BATCHES_PER_CORE", 10)
    # Signals come to the main thread only, where a worker of its own process would be.
    monkeypatch.setattr(signal, "setitimer", lambda *_: None)
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=":0"
    ) as started:
        outcomes = list(cluster_module.DaskWorkers(started.scheduler_address).run(map(Numbered, range(100)), tmp_path))
    assert (tmp_path / "sizes").read_text().split() == ["10"] * 10
    assert sorted(unit.number for unit, _ in outcomes) == list(range(100))
    failed = {unit.number: failure.error_type for unit, failure in outcomes if failure is not None}
    assert failed == dict.fromkeys(range(0, 100, 7), "ZeroDivisionError")


def test_clusters_that_cannot_be_used(folder):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        nobody = f"tcp://127.0.0.1:{probe.getsockname()[1]}"
    root = Path(shutil.copytree(folder / "set", folder / "lonely"))
    output = finish(start(folder, "label", root, "--scenario", "denoise/mean", "--dask", nobody), status=1)
    assert re.search(r"Error: --dask tcp://.*: no scheduler answers \(.*\); start one with `dask scheduler`", output)


def test_a_unit_that_would_leave_costs_itself(folder, cluster):
    root = Path(shutil.copytree(folder / "set", folder / "left"))
    scenario = ("--scenario", "own_restorers:Leaver")
    assert "SystemExit" in finish(start(folder, "label", root, *scenario, "--dask", cluster[0]), status=3)
    assert set(read_dataset_table(root, "failures").column("error_type").to_pylist()) == {"SystemExit"}


def test_workers_with_other_code_are_refused(tmp_path, monkeypatch):
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=":0"
    ) as started:
        answers = iter(["the driver's", "another"])
        monkeypatch.setattr(cluster_module, "hash_sources", lambda: next(answers))
        with pytest.raises(
            ClusterError, match=r"address: worker on .* has other code of buiqa-toolkit than the driver"
        ):
            list(cluster_module.DaskWorkers(started.scheduler_address).run([Trifle()], tmp_path))


def test_a_cluster_that_shows_no_life_is_given_up(folder, cluster):
    """The last test of this cluster: first its scheduler is stopped, then killed."""
    address, (scheduler, *_) = cluster
    root = Path(shutil.copytree(folder / "set", folder / "stopped"))
    command = ("label", root, "--scenario", "own_restorers:Endless", "--dask", address)
    for number, said in ((signal.SIGSTOP, "showed life; see to the cluster"), (signal.SIGKILL, "the scheduler ended")):
        driver = start(folder, *command, "--patience", 0.05)
        deadline = time.monotonic() + 120
        while not (folder / "reached").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(8)  # the second driver's units wait for workers that are still with those of the first
        os.kill(scheduler.pid, number)
        output = finish(driver, status=1)
        assert said in output
        assert output.count("Error: --dask tcp://") == 1
        assert "Traceback" not in output
        scheduler.send_signal(signal.SIGCONT)
