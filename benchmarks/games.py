"""Exact games of real restorers: v of every subset of the frames of bursts made for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.demo_tasks import render_tasks
from dataset_builder.bursts import plan_source
from dataset_builder.labeling.game import LabelingTask
from dataset_builder.labeling.restorations import Restorations
from dataset_builder.labeling.spaces import to_space
from dataset_builder.labeling.truth import project_truth
from dataset_builder.recipe import Recipe, parse_recipe
from dataset_builder.work.local import ONE_WORKER
from manifests.images.pixels import write_png
from restorers import create
from restorers.fidelity import METRICS, measure

SCENARIOS = (
    ("denoise/hdrplus", "handheld"),
    ("denoise/robust_mean", "handheld"),
    ("deblur/fourier", "handheld"),
    ("sr/handheld@x2", "handheld"),
    ("hdr/radiance", "bracket"),
)
"""Restorers, only the first of which merges linearly, and the presets of their bursts."""
METRIC_NAMES = ("psnr", "ssim")
PHOTOGRAPHS = ("astronaut", "chelsea", "coffee")


@dataclass(frozen=True, eq=False)
class ExactGame:
    """All fidelities of one burst.

    Attributes:
        name: scenario, metric and number of the burst.
        values: float64 [2^n] by the number of the subset: bit k stands for the k-th frame beside the reference.
    """

    name: str
    values: NDArray[np.float64]

    @property
    def count(self) -> int:
        """n, the frames beside the reference."""
        return len(self.values).bit_length() - 1


def make_recipe(folder: Path, *, num_frames: int, side: int, seed: int) -> Recipe:
    """One burst of each photograph for each preset, of `num_frames` frames of `side` px; exposures of brackets lie closer than usual."""
    from skimage import data

    for name in PHOTOGRAPHS:
        write_png(folder / "photos", f"{name}.png", getattr(data, name)())
    source = {"kind": "photographs", "root": "photos", "bursts_per_photograph": 1}
    shape = {"frame_height": side, "frame_width": side, "scale": 2, "shorter_side": 256}
    return parse_recipe(
        {
            "seed": seed,
            "presets": {
                "long-handheld": {"base": "handheld", "num_frames": num_frames},
                "long-bracket": {"base": "bracket", "num_frames": num_frames, "exposure_step": 0.5},
            },
            "sources": [
                {"name": preset, "preset": f"long-{preset}", **source, **shape} for preset in ("handheld", "bracket")
            ],
        },
        "games",
    )


def make_games(folder: Path, *, num_frames: int, side: int, seed: int) -> Iterator[ExactGame]:
    """Restore every subset of every burst under every scenario and measure it by every metric."""
    recipe = make_recipe(folder, num_frames=num_frames, side=side, seed=seed)
    tasks = {}
    for source in recipe.sources:
        plan = plan_source(source, folder, folder, seed=recipe.seed, presets=recipe.presets, workers=ONE_WORKER)
        tasks[source.name] = render_tasks(plan.units, folder)
    for scenario, preset in SCENARIOS:
        for number, task in enumerate(tasks[preset]):
            values = evaluate_all(scenario, task)
            for row, metric in enumerate(METRIC_NAMES):
                yield ExactGame(f"{scenario} {metric} {number}", values[row])


def evaluate_all(scenario: str, task: LabelingTask) -> NDArray[np.float64]:
    """v of all subsets by each of `METRIC_NAMES`, float64 [metrics, 2^n]."""
    restorer, burst = create(scenario), task.burst
    truth = project_truth(task.truth, restorer.info, domain=burst.domain, scale=task.scale, cfa=burst.cfa)
    metrics = [METRICS[name] for name in METRIC_NAMES]
    expected = [to_space(truth, metric.space, info=restorer.info, burst=burst) for metric in metrics]
    restore = Restorations(restorer, burst).restore
    values = np.empty((len(metrics), 2 ** len(burst.others)))
    for number in range(values.shape[1]):
        image = restore(frozenset(frame for bit, frame in enumerate(burst.others) if number >> bit & 1))
        for row, metric in enumerate(metrics):
            seen = to_space(image, metric.space, info=restorer.info, burst=burst)
            values[row, number] = measure(metric, seen, expected[row], border=metric.border // 2)
    return values


def write_games(path: Path, games: Iterator[ExactGame]) -> None:
    """Keep games as float32, a byte of whose rounding is far below what any estimator is off by."""
    np.savez_compressed(path, **{game.name: game.values.astype(np.float32) for game in games})


def read_games(path: Path) -> list[ExactGame]:
    """What `write_games` wrote."""
    with np.load(path) as held:
        return [ExactGame(name, held[name].astype(np.float64)) for name in held.files]
