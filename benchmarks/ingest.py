"""Taking in real bursts against the least that such work can cost, each pair timed in turns in one run; and memory.

Run with `python -m benchmarks.ingest`; `python -m benchmarks.ingest --large` adds 45,000 small frames. The real pair lists are
looked for in `../shared/data/labels_photo_triage`.
"""

from __future__ import annotations

import hashlib
import io
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from dataset_builder.bursts import build_bursts, plan_source
from dataset_builder.ingest.kinds.photo_triage import read_pairs
from dataset_builder.recipe import parse_source
from dataset_builder.work.local import ONE_WORKER
from dataset_builder.work.report import no_progress
from dataset_builder.work.unit import Desk

LISTS = Path(__file__).parents[1].parent / "shared" / "data" / "labels_photo_triage"
ROUNDS = 5
_MEMORY_CODE = """
import resource, sys
from pathlib import Path
from dataset_builder import build
from dataset_builder.recipe import parse_source

peaks = []
finish = build.finish_dataset

def note(*arguments, **options):
    peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
    return finish(*arguments, **options)

build.finish_dataset = note
reports = build.add_source(Path(sys.argv[2]), parse_source(name="large", kind="folders", root=sys.argv[1]))
assert not reports[0].failures, reports[0].failures[0]
print(*peaks, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""
BURSTS, FRAMES = 6, 10
LARGE_BURSTS, LARGE_FRAMES, LARGE_SIDE = 4500, 10, 48


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        for suffix, side in ((".jpg", 2000), (".png", 1000)):
            measure_folder(Path(folder) / suffix[1:], suffix, side)
    measure_lists()
    if "--large" in sys.argv:
        measure_memory()


def measure_folder(root: Path, suffix: str, side: int) -> None:
    """Bursts of frames of side x 3/4 side px against decoding and hashing the same bytes, one process each."""
    paths = write_bursts(root / "in", suffix, side, BURSTS, FRAMES)

    def decode_and_hash() -> None:
        for path in paths:
            data = path.read_bytes()
            hashlib.sha256(data).hexdigest()
            with Image.open(io.BytesIO(data)) as image:
                image.load()

    source = parse_source(name="bench", kind="folders", root=str(root / "in"))
    turn = iter(range(1000))

    def take_in() -> None:
        out = root / f"out{next(turn)}"
        plans = {"bench": plan_source(source, root, out, seed=0, presets={}, workers=ONE_WORKER)}
        assert build_bursts(out, plans, workers=ONE_WORKER, progress=no_progress).counts["created"] == BURSTS

    def take_in_here() -> None:
        out = root / f"here{next(turn)}"
        for unit in plan_source(source, root, out, seed=0, presets={}, workers=ONE_WORKER).units:
            unit.run(out, Desk())

    take_in()  # starts the worker
    name = f"{suffix[1:].upper()} folders against decoding plus hashing"
    report(f"{name}, by the clock", decode_and_hash, take_in, bar=0.85)
    report(f"{name}, by processor time", decode_and_hash, take_in_here, bar=0.85, clock=time.process_time)


def measure_lists() -> None:
    """Read both real pair lists and fit their scores."""
    if not LISTS.is_dir():
        print(f"Photo Triage lists: skipped, no {LISTS}")
        return
    source = parse_source(name="triage", kind="photo_triage", root=str(LISTS))
    reading = min(
        time_call(lambda: [read_pairs(LISTS / f"{part}_pairlist.txt", part) for part in ("train", "val")])
        for _ in range(3)
    )
    whole = min(time_call(lambda: source.read_annotations(LISTS)) for _ in range(3))
    print(f"Photo Triage lists: {reading:.2f} s to read, {whole:.2f} s to read and fit (bar: 5 s)")


def measure_memory() -> None:
    """Peak memory of `buiqa ingest folder` over many small frames, of the command itself and of its worker."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_bursts(root / "in", ".png", LARGE_SIDE, LARGE_BURSTS, LARGE_FRAMES)
        start = time.perf_counter()
        command = [sys.executable, "-c", _MEMORY_CODE, str(root / "in"), str(root / "out")]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        taken, whole = done.stdout.split()[-2:]
        worker = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
        print(
            f"{LARGE_BURSTS * LARGE_FRAMES:,} frames of {LARGE_SIDE} px: {taken} MiB to take them in, {whole} MiB with card and audit, "
            f"{worker} MiB in the largest process, {time.perf_counter() - start:.0f} s (bar: 500 MiB)"
        )


def write_bursts(root: Path, suffix: str, side: int, bursts: int, frames: int) -> list[Path]:
    """Write noisy views of smooth scenes, as natural in their compression as that allows."""
    random = np.random.default_rng(0)
    height = side * 3 // 4
    noise = random.normal(0, 4, (height + 64, side + 64, 3))
    paths = []
    for burst in range(bursts):
        scene = cv2.resize(random.uniform(20, 220, (9, 12, 3)), (side, height), interpolation=cv2.INTER_CUBIC)
        for frame in range(frames):
            top, left = divmod((burst * frames + frame) * 29 % 4096, 64)  # no two frames of a burst alike
            image = (scene + noise[top : top + height, left : left + side]).clip(0, 255).astype(np.uint8)
            path = root / f"b{burst:04d}" / f"{frame}{suffix}"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(path, **({"quality": 92} if suffix == ".jpg" else {"compress_level": 1}))
            paths.append(path)
    return paths


def time_call(call: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    start = clock()
    call()
    return clock() - start


def report(
    name: str,
    least: Callable[[], object],
    ours: Callable[[], object],
    *,
    bar: float,
    clock: Callable[[], float] = time.perf_counter,
) -> None:
    """Print the ratio of speeds: best of several rounds, taken in turns so that both see the same machine."""
    rounds = [(time_call(least, clock), time_call(ours, clock)) for _ in range(ROUNDS)]
    base, mine = (min(times) for times in zip(*rounds, strict=True))
    print(f"{name}: {base / mine:.2f} of its speed (bar: {bar})")


if __name__ == "__main__":
    main()
