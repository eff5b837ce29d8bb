"""Labels against calling `restore` for every subset, second runs, and two workers against one: `python -m benchmarks.labeling`.

Every ratio is measured within one run, with one thread per process.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np

from benchmarks.restorers import ONE_THREAD, make_burst
from dataset_builder.labeling.estimators import find_estimator
from dataset_builder.labeling.game import FidelityGame, LabelingTask
from dataset_builder.randomness import make_generator
from manifests.pixels import write_png
from restorers import Burst, Domain, LinearMerge, RestorerInfo, create
from restorers.burst import FloatImage
from restorers.fidelity import PSNR, measure

NUM_BURSTS, NUM_SCENARIOS, BURSTS_PER_PHOTOGRAPH = 2000, 10, 16


class Plain:
    """A restorer that does next to nothing: what remains is the work of the engine."""

    info = RestorerInfo("denoise", "1", frozenset({Domain.RAW_BAYER}), Domain.RAW_BAYER)

    def contributions(self, burst: Burst) -> FloatImage:
        return burst.frames

    def restore(self, burst: Burst) -> FloatImage:
        return burst.frames.mean(axis=0)


# Scenarios differ by name; each attribute is one.
for _number in range(NUM_SCENARIOS):
    globals()[f"Plain{_number}"] = type(f"Plain{_number}", (Plain,), {})


def best_of(runs: int, function: Callable[[], object]) -> float:
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


def measure_estimators(side: int, scenario: str, bar: float) -> None:
    """Leave-one-out and Shapley values through the protocols, against fresh restorations of every subset that they need."""
    burst, clean = make_burst(side)
    restorer = create(scenario)
    scale = int(restorer.info.scale)
    colours = np.repeat(clean[..., None], 3, axis=-1)
    enlarged = cv2.resize(colours, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    task, target = LabelingTask(burst, enlarged, scale, None), clean if scale == 1 else enlarged
    everyone = list(burst.others)
    subsets = [everyone, *([i for i in everyone if i != left] for left in everyone)]

    def restore_all() -> None:
        for members in subsets:
            measure(PSNR, restorer.restore(burst.subset(members)), target)

    def estimate(name: str) -> None:
        find_estimator(name).function(FidelityGame(restorer, task, PSNR), make_generator("00", "benchmark"))

    where = f"{scenario}, T = {burst.num_frames}, {side} x {side} px"
    naive, quick = best_of(2, restore_all), best_of(5, lambda: estimate("leave_one_out"))
    print(f"{where}: leave_one_out {naive / quick:.1f}x faster than fresh restorations (bar {bar})")
    if isinstance(restorer, LinearMerge):
        shapley, once = best_of(7, lambda: estimate("shapley")), best_of(7, lambda: restorer.restore(burst))
        print(f"{where}: exact Shapley values from 8,192 subsets take {shapley / once:.2f}x one restoration (bar 1.5)")


def buiqa(*arguments: object) -> tuple[float, float]:
    """Run the command in a process of its own; seconds and peak memory in MiB of the driver."""
    program = (
        "import resource, sys; from dataset_builder.cli.main import main\n"
        "try: main(sys.argv[1:])\n"
        "finally: print('peak', resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)], check=True, capture_output=True, text=True
    )
    return time.perf_counter() - start, int(done.stdout.rsplit("peak ", 1)[1]) / 1024


def write_photographs(folder: Path, number: int, side: int) -> None:
    rng = np.random.default_rng(1)
    for index in range(number):
        coarse = rng.integers(20, 230, (9, 9, 3), dtype=np.uint8)
        write_png(folder / f"{index:04d}.png", cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC))


def write_recipe(path: Path, *, bursts_per_photograph: int, side: int, scenarios: list[str]) -> None:
    named = "".join(f'[[scenarios]]\nname = "{name}"\n' for name in scenarios)
    path.write_text(
        f'seed = 1\n[[sources]]\nkind = "photographs"\nname = "photos"\nroot = "photos"\nframe_height = {side}\nframe_width = {side}\n'
        f"bursts_per_photograph = {bursts_per_photograph}\n{named}"
    )


def measure_second_run(folder: Path) -> None:
    """A build that finds everything done."""
    write_photographs(folder / "photos", NUM_BURSTS // BURSTS_PER_PHOTOGRAPH, 160)
    scenarios = [f"benchmarks.labeling:Plain{number}" for number in range(NUM_SCENARIOS)]
    recipe = folder / "recipe.toml"
    write_recipe(recipe, bursts_per_photograph=BURSTS_PER_PHOTOGRAPH, side=32, scenarios=scenarios)
    first, peak = buiqa("build", recipe, "--out", folder / "out", "--jobs", 2)
    second, peak_second = buiqa("build", recipe, "--out", folder / "out", "--jobs", 2)
    print(
        f"{NUM_BURSTS} bursts x {NUM_SCENARIOS} scenarios: second run {second:.1f} s (bar 3), {second / first:.3f} of the first; "
        f"driver's peak {peak:.0f} MiB in the first, {peak_second:.0f} MiB in the second (bar 500)"
    )


def measure_workers(folder: Path) -> None:
    """Labels of as many bursts as ten demos hold, by one and by two workers."""
    write_photographs(folder / "photos", 20, 400)
    recipe = folder / "recipe.toml"
    write_recipe(recipe, bursts_per_photograph=16, side=96, scenarios=[])
    buiqa("build", recipe, "--out", folder / "out", "--jobs", 2)
    write_recipe(recipe, bursts_per_photograph=16, side=96, scenarios=["denoise/hdrplus", "sr/backprojection@x2"])
    seconds = []
    for jobs in (1, 2):
        subprocess.run(["cp", "-r", folder / "out", folder / f"out{jobs}"], check=True)
        seconds.append(buiqa("build", recipe, "--out", folder / f"out{jobs}", "--jobs", jobs)[0])
    print(f"320 bursts x 2 scenarios: two workers {seconds[0] / seconds[1]:.2f}x one (bar 1.8; {os.cpu_count()} cores)")


def main() -> None:
    for side in (96, 256):
        measure_estimators(side, "denoise/hdrplus", 10)
        measure_estimators(side, "sr/handheld@x2", 5)
    with TemporaryDirectory() as scratch:
        measure_workers(Path(scratch))
    with TemporaryDirectory() as scratch:
        measure_second_run(Path(scratch))
    print(f"peak memory of the benchmark itself {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")


if __name__ == "__main__":
    os.environ.update(ONE_THREAD)
    cv2.setNumThreads(1)
    main()
