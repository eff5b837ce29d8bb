"""What a large data set costs beside time: `make torture` builds, verifies, audits and loads it at two sizes.

A stage may hold as many file descriptors, threads and shared-memory files for the large one as for the small one, and leaves none behind,
nor a process, nor a temporary file; it runs in a session of its own and is watched from outside. Bursts are folders of tiny photographs.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import click
import cv2
import numpy as np

LENGTH = 10
SHARED_MEMORY = "/dev/shm/"
SLACK = 8
"""By how much two runs of one command differ anyway: how many results are on their way when somebody looks."""
LOAD = """
import itertools
import sys
from collections import Counter
from torch.utils.data import DataLoader
from manifests import BucketBatchSampler, BurstQualityDataset, collate_bursts

if __name__ == "__main__":
    root, method = sys.argv[1:]
    dataset = BurstQualityDataset(root, "all", [])
    counts = Counter()
    for rank in range(2):
        sampler = BucketBatchSampler(dataset, 2, seed=1, rank=rank, world_size=2, uneven="keep")
        options = dict(collate_fn=collate_bursts, num_workers=2, multiprocessing_context=method)
        for batch in itertools.islice(DataLoader(dataset, batch_sampler=sampler, **options), 2):
            counts.update(batch["burst_id"])
        sampler.load_state_dict(sampler.state_dict(batches_done=2))
        for batch in DataLoader(dataset, batch_sampler=sampler, **options):
            counts.update(batch["burst_id"])
    assert counts == dict.fromkeys(dataset.burst_ids, 1), "a burst was not given exactly once"
"""


@dataclass(frozen=True)
class Held:
    """The most that all processes of a stage held at one time.

    Attributes:
        descriptors: open files of the process that has most of them.
        threads: threads of the process that has most of them.
        zombies: processes that ended and were not waited for.
        shared: files in /dev/shm that they map.
        left: those of the processes, of temporary files and of files in /dev/shm that are still there two seconds after the end.
    """

    descriptors: int = 0
    threads: int = 0
    zombies: int = 0
    shared: int = 0
    left: int = 0

    def widen(self, other: "Held") -> "Held":
        """The larger of each."""
        return Held(*map(max, astuple(self), astuple(other)))


def write_photographs(root: Path, num_frames: int) -> None:
    """Folders of LENGTH noisy photographs each, all different."""
    random = np.random.default_rng(0)
    for burst in range(num_frames // LENGTH):
        folder = root / f"{burst:06d}"
        folder.mkdir(parents=True)
        for frame in range(LENGTH):
            pixels = random.integers(0, 255, (16, 16, 3), np.uint8)
            (folder / f"{frame}.png").write_bytes(cv2.imencode(".png", pixels)[1].tobytes())


def list_session(session: int) -> list[Path]:
    """Folders in /proc of the processes of a session."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if os.getsid(int(entry.name)) == session:
                found.append(entry)
        except ProcessLookupError:
            continue
    return found


def count(folder: Path) -> int:
    """Number of entries of a folder."""
    return sum(1 for _ in folder.iterdir())


def look(session: int) -> tuple[Held, set[Path]]:
    """What the processes of a session hold now, and the files of shared memory among it."""
    held, shared = Held(), set()
    for process in list_session(session):
        try:
            state = (process / "stat").read_text().rpartition(")")[2].split()[0]
            now = Held(count(process / "fd"), count(process / "task"), int(state == "Z"))
            mapped = [line.split() for line in (process / "maps").read_text().splitlines() if SHARED_MEMORY in line]
        except OSError:
            continue
        held = held.widen(now)
        shared |= {Path(columns[5]) for columns in mapped if columns[-1] != "(deleted)"}
    return held.widen(Held(shared=len(shared))), shared


def watch(command: list[str], scratch: Path) -> Held:
    """Run a stage and look at it ten times a second.

    Raises:
        ClickException: if it fails.
    """
    temporary = scratch / "tmp"
    temporary.mkdir()
    held, shared = Held(), set()
    with (scratch / "log").open("wb") as log:
        environment = os.environ | {"TMPDIR": str(temporary)}
        stage = subprocess.Popen(command, stdout=log, stderr=log, env=environment, start_new_session=True)
        while stage.poll() is None:
            now, files = look(stage.pid)
            held, shared = held.widen(now), shared | files
            time.sleep(0.1)
    if stage.returncode:
        raise click.ClickException(f"{' '.join(command)}: {(scratch / 'log').read_text()[-2000:]}")
    time.sleep(2)
    left = [*list_session(stage.pid), *temporary.iterdir(), *(path for path in shared if path.exists())]
    shutil.rmtree(temporary)
    return held.widen(Held(left=len(left)))


def run_stages(num_frames: int, scratch: Path) -> dict[str, Held]:
    """Build, verify, audit and load a data set of this many frames."""
    photographs, out = scratch / "photographs", scratch / "out"
    write_photographs(photographs, num_frames)
    script = scratch / "load.py"
    script.write_text(LOAD)
    buiqa = [sys.executable, "-m", "dataset_builder.cli.main"]
    ingest = [*buiqa, "ingest", "folder", str(photographs), "--out", str(out), "--jobs", "2"]
    stages = {
        "ingest": ingest,
        "ingest again": ingest,
        "verify": [*buiqa, "verify", str(out)],
        "audit": [*buiqa, "audit", str(out)],
        "load, forked": [sys.executable, str(script), str(out), "fork"],
        "load, spawned": [sys.executable, str(script), str(out), "spawn"],
    }
    held = {name: watch(command, scratch) for name, command in stages.items()}
    shutil.rmtree(photographs)
    shutil.rmtree(out)
    return held


@click.command()
@click.option("--frames", default=50_000, show_default=True, help="Of the large data set; the small one has a tenth.")
def main(frames: int) -> None:
    """Compare what the stages hold for a small and for a large data set; status 1 if it grows or is left behind."""
    with tempfile.TemporaryDirectory() as scratch:
        small, large = (run_stages(count, Path(scratch)) for count in (frames // 10, frames))
    names = [field.name for field in fields(Held)]
    click.echo(f"{'stage':16}" + "".join(f"{name:>22}" for name in names))
    grown = False
    for stage, most in large.items():
        pairs = list(zip(astuple(small[stage]), astuple(most), strict=True))
        grown |= any(after > before + SLACK for before, after in pairs) or most.left > 0
        click.echo(f"{stage:16}" + "".join(f"{f'{before} -> {after}':>22}" for before, after in pairs))
    click.echo(f"{frames // 10:,} and {frames:,} frames: {'grows' if grown else 'nothing grows, nothing is left'}")
    if grown:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
