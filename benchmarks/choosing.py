"""How far one score for each frame tells the worth of subsets: `python -m benchmarks.choosing [EVERY]`.

For every n-th burst of the demo (2 unless told) and restorers of several kinds, all subsets are restored, of at most 8 frames where the
restorer is no linear merge. Printed are, on average over bursts: the additivity of v, the rank correlation of each estimator with the exact
Shapley value, and which share of the way from the mean subset of half the frames to the best one is made by those that it puts first. The
noise is the same for labels and subsets, so the shares are what selecting can gain at most. This is the table of docs/labels.md.
"""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from benchmarks.demo_tasks import make_demo_tasks
from dataset_builder.labeling.banzhaf import measure_additivity
from dataset_builder.labeling.estimators import find_estimator
from dataset_builder.labeling.game import MAX_ENUMERATED, FidelityGame, LabelingTask
from restorers import LinearMerge, Restorer, create
from restorers.fidelity import PSNR

SCENARIOS = ("denoise/mean", "denoise/hdrplus", "denoise/handheld", "sr/handheld@x2", "deblur/fourier")
ESTIMATORS = ("leave_one_out", "add_one", "half_sum", "banzhaf", "shapley")
BAR = 0.9
"""Rank correlation of `half_sum` with the Shapley value, of linear merges."""


def shorten(task: LabelingTask, length: int) -> LabelingTask:
    """The reference and the first of the other frames."""
    kept = sorted([task.burst.reference_index, *task.burst.others[: length - 1]])
    burst = task.burst.subset([frame for frame in kept if frame != task.burst.reference_index])
    assert task.homographies is not None
    return dataclasses.replace(task, burst=burst, homographies=task.homographies[kept])


def describe_burst(restorer: Restorer, task: LabelingTask) -> NDArray[np.float64]:
    """Additivity; rank correlation of each of `ESTIMATORS` with the Shapley value; share of each of what half the frames can gain."""
    length = task.burst.num_frames if isinstance(restorer, LinearMerge) else MAX_ENUMERATED
    task = shorten(task, length) if length < task.burst.num_frames else task
    game = FidelityGame(restorer, task, PSNR)
    values = game.enumerate_values()
    assert values is not None
    others = list(game.others)
    size = len(others) // 2
    sizes = np.bitwise_count(np.arange(len(values), dtype=np.uint32))
    mean, best = values[sizes == size].mean(), values[sizes == size].max()
    scores = [find_estimator(name).function(game, np.random.default_rng(0)).score[others] for name in ESTIMATORS]
    shares = []
    for score in scores:
        members = frozenset(others[place] for place in np.argsort(-score, kind="stable")[:size].tolist())
        shares.append((game.value(members) - mean) / (best - mean))
    correlations = [float(spearmanr(score, scores[-1]).statistic) for score in scores]
    return np.array([measure_additivity(values), *correlations, *shares])


def main(every: int) -> None:
    with TemporaryDirectory() as scratch:
        tasks = make_demo_tasks(Path(scratch), every=every)
    for scenario in SCENARIOS:
        found = np.mean([describe_burst(create(scenario), task) for task in tasks], axis=0)
        correlations, shares = np.split(found[1:], 2)
        print(f"{scenario}, {len(tasks)} bursts: additivity {found[0]:.2f}")
        for title, figures in (("rank correlation with shapley", correlations), ("share at half the frames", shares)):
            print(f"  {title}: " + ", ".join(f"{name} {x:.2f}" for name, x in zip(ESTIMATORS, figures, strict=True)))
        if isinstance(create(scenario), LinearMerge):
            print(f"  bar {BAR} of {ESTIMATORS[2]}: {'met' if correlations[2] >= BAR else 'missed'}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2)
