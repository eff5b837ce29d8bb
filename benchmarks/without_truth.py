"""How labels without ground truth agree with those that the hidden truth gives: `python -m benchmarks.without_truth [SEEDS]`.

Rank correlation within bursts of the preset `handheld`, on average over nine bursts from each of some seeds (12 unless told), with the
standard error of that mean over the bursts. This is the table for `mse_held_out` in docs/building.md.
"""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from scipy.stats import spearmanr

from benchmarks.demo_tasks import make_handheld_tasks
from dataset_builder.labeling.estimators import find_estimator
from dataset_builder.labeling.game import FidelityGame, LabelingTask
from dataset_builder.labeling.held_out import HeldOutFrames
from dataset_builder.labeling.without_truth import average_parts
from restorers import Restorer, create
from restorers.fidelity import METRICS, PSNR

ESTIMATORS = ("add_one", "shapley", "leave_one_out")
BAR = 0.8


def correlate(restorer: Restorer, task: LabelingTask) -> list[float]:
    """Rank correlation with the labels by PSNR, for each of `ESTIMATORS`."""
    game = FidelityGame(restorer, task, PSNR)
    comparison = HeldOutFrames(restorer, task.burst, METRICS["mse_held_out"])
    found = []
    for name in ESTIMATORS:
        estimator = find_estimator(name)
        expected = estimator.function(game, np.random.default_rng(0)).score
        known = np.isfinite(expected)
        scores = average_parts(estimator, comparison, lambda: np.random.default_rng(0)).score
        found.append(float(spearmanr(scores[known], expected[known]).statistic))
    return found


def main(seeds: int) -> None:
    with TemporaryDirectory() as scratch:
        tasks = [
            task
            for seed in range(seeds)
            for task in make_handheld_tasks(Path(scratch, str(seed)), side=144, bursts=3, seed=seed)
        ]
    for scenario in ("denoise/mean", "denoise/hdrplus"):
        correlations = np.array([correlate(create(scenario), task) for task in tasks])
        means, errors = correlations.mean(axis=0), correlations.std(axis=0, ddof=1) / np.sqrt(len(tasks))
        figures = ", ".join(
            f"{name} {mean:.3f} ± {error:.3f}" for name, mean, error in zip(ESTIMATORS, means, errors, strict=True)
        )
        print(f"mse_held_out, {scenario}, {len(tasks)} handheld bursts: {figures} (bar {BAR})")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 12)
