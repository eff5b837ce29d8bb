"""Labels against calling `restore` for every subset, second runs, and two workers against one: `python -m benchmarks.labeling`.

Every ratio is measured within one run, with one thread per process.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import cv2
import numpy as np

from benchmarks.restorers import ONE_THREAD, make_burst
from dataset_builder.labeling.estimators import find_estimator
from dataset_builder.labeling.game import FidelityGame, LabelingTask
from dataset_builder.randomness import make_generator
from manifests.images.pixels import write_png
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


def time_in_turn(runs: int, *functions: Callable[[], object]) -> list[float]:
    """Least seconds of each of several functions that are run in turn, so that a busy machine is busy for all of them."""
    times: list[list[float]] = [[] for _ in functions]
    for _ in range(runs):
        for function, taken in zip(functions, times, strict=True):
            start = time.perf_counter()
            function()
            taken.append(time.perf_counter() - start)
    return [min(taken) for taken in times]


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
    naive, quick = time_in_turn(3, restore_all, lambda: estimate("leave_one_out"))
    print(f"{where}: leave_one_out {naive / quick:.1f}x faster than fresh restorations (bar {bar})")
    if isinstance(restorer, LinearMerge):
        shapley, once = time_in_turn(15, lambda: estimate("shapley"), lambda: restorer.restore(burst))
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
    """Patches of colour with a texture as fine as a pixel, so that no screening takes them for blurred."""
    rng = np.random.default_rng(1)
    for index in range(number):
        patches = cv2.resize(
            rng.integers(40, 210, (9, 9, 3), dtype=np.uint8), (side, side), interpolation=cv2.INTER_NEAREST
        )
        texture = rng.integers(0, 40, (side, side, 1), dtype=np.uint8)
        write_png(folder, f"{index:04d}.png", patches + texture)


def measure_second_run(folder: Path) -> None:
    """A build that finds everything done."""
    write_photographs(folder / "photos", NUM_BURSTS // BURSTS_PER_PHOTOGRAPH, 160)
    named = "".join(f'[[scenarios]]\nname = "benchmarks.labeling:Plain{number}"\n' for number in range(NUM_SCENARIOS))
    recipe = folder / "recipe.toml"
    recipe.write_text(
        'seed = 1\n[[sources]]\nkind = "photographs"\nname = "photos"\nroot = "photos"\nframe_height = 32\nframe_width = 32\n'
        f"bursts_per_photograph = {BURSTS_PER_PHOTOGRAPH}\n{named}"
    )
    first, peak = buiqa("build", recipe, "--out", folder / "out", "--jobs", 2)
    second, peak_second = map(
        min, zip(*(buiqa("build", recipe, "--out", folder / "out") for _ in range(3)), strict=True)
    )
    print(
        f"{NUM_BURSTS} bursts x {NUM_SCENARIOS} scenarios: second run {second:.1f} s (bar 3), {second / first:.3f} of the first; "
        f"driver's peak {peak:.0f} MiB in the first, {peak_second:.0f} MiB in the second (bar 500)"
    )


def measure_workers(folder: Path) -> None:
    """Labels of ten times the demo's bursts under its scenarios, by one and by two workers, from the start of the driver to the report."""
    demo = (Path(__file__).parents[1] / "recipes" / "demo.toml").read_text()
    demo = demo.replace("bursts_per_photograph = 4", "bursts_per_photograph = 40")
    head, _, scenarios = demo.partition("[[scenarios]]")
    recipe = folder / "recipe.toml"
    recipe.write_text(head + scenarios[scenarios.index("[splits]") :])
    buiqa("build", recipe, "--out", folder / "bursts", "--jobs", 2)
    recipe.write_text(demo)

    def label(jobs: int) -> float:
        shutil.rmtree(folder / "out", ignore_errors=True)
        shutil.copytree(folder / "bursts", folder / "out")
        return buiqa("build", recipe, "--out", folder / "out", "--jobs", jobs)[0]

    # A pair of runs in a row meets the same neighbours; the median forgives one pair that does not.
    pairs = [(label(1), label(2)) for _ in range(3)]
    alone, beside = time_in_turn(3, lambda: keep_busy(1), lambda: keep_busy(2))
    ratios = [one / two for one, two in pairs]
    seconds = ", ".join(f"{one:.0f} and {two:.0f} s" for one, two in pairs)
    print(
        f"the demo's bursts x 10: two workers {median(ratios):.2f}x one (bar 1.8), median of three pairs ({seconds}); "
        f"two processes that only count get {2 * alone / beside:.2f}x one here ({os.cpu_count()} cores, load {os.getloadavg()[1]:.1f})"
    )


def keep_busy(processes: int) -> None:
    """Count in some processes at once: what they do beside each other says how many cores this machine has to spare."""
    count = [sys.executable, "-c", "sum(range(10**8))"]
    for process in [subprocess.Popen(count) for _ in range(processes)]:
        process.wait()


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
