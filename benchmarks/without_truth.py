"""How labels without ground truth agree with those that the hidden truth gives: `python -m benchmarks.without_truth FOLDER …`.

The photographs of the folders (without one: those that scikit-image ships) become bursts of each preset and frame size; docs/labels.md has
the table for seventeen photographs on which nothing was tuned. A row is the rank correlation within bursts with labels by truth, on average
over bursts, for each of `ESTIMATORS`, with the standard error of the mean. The first row of a block is what labels by truth reach among
themselves when the noise is drawn anew: no other label can be expected to do better.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from benchmarks.demo_tasks import render_tasks
from dataset_builder.bursts import plan_source
from dataset_builder.labeling.estimators import find_estimator
from dataset_builder.labeling.full_stack import StackGame
from dataset_builder.labeling.game import FidelityGame, LabelingTask
from dataset_builder.labeling.held_out import HeldOutFrames
from dataset_builder.labeling.suitability import choose_metrics
from dataset_builder.labeling.unbiased_risk import UnbiasedRisk
from dataset_builder.labeling.without_truth import Comparison, average_parts
from dataset_builder.recipe import parse_source
from dataset_builder.synthesis.builtin import PRESETS
from dataset_builder.work.local import ONE_WORKER
from restorers import Restorer, create
from restorers.errors import UnsupportedBurstError
from restorers.fidelity import METRICS

ESTIMATORS = ("leave_one_out", "shapley", "add_one")
METRICS_WITHOUT_TRUTH = ("mse_held_out", "mse_unbiased", "mef_ssim")
CHOSEN = ("daylight", "handheld", "night", "action", "kpn", "burst_sr", "bracket", "ntire2025_hdr", "focus")
SIDES = (96, 144)
SCENARIOS = ("denoise/mean", "denoise/hdrplus")
SHORTER_SIDE = 500
Scores = NDArray[np.float64]


def make_pairs(folder: str, preset: str, side: int, scratch: Path) -> list[tuple[LabelingTask, LabelingTask]]:
    """A burst of each photograph of a folder, and the same with other noise."""
    geometry = {"frame_height": side, "frame_width": side, "scale": 2, "shorter_side": SHORTER_SIDE}
    source = parse_source(
        name="unseen",
        kind="photographs",
        root=folder,
        preset=preset,
        bursts_per_photograph=1,
        **geometry,
    )
    units = plan_source(source, Path.cwd(), scratch, seed=3, presets={}, workers=ONE_WORKER).units
    again = [replace(unit, redraw=1) for unit in units]
    return list(zip(render_tasks(units, scratch), render_tasks(again, scratch / "again"), strict=True))


def compare(name: str, restorer: Restorer, task: LabelingTask) -> Comparison:
    """The metric without truth of a name."""
    if name == "mse_held_out":
        return HeldOutFrames(restorer, task.burst, METRICS[name])
    return UnbiasedRisk(restorer, task.burst, METRICS[name], np.random.default_rng(0))


def score_by_truth(restorer: Restorer, task: LabelingTask) -> list[Scores]:
    """Labels by each of `ESTIMATORS`, by the metric that suits the burst."""
    metric = choose_metrics(restorer.info.task, {"ground_truth_white": float(task.truth.max())})[0]
    game = FidelityGame(restorer, task, METRICS[metric])
    return [find_estimator(name).function(game, np.random.default_rng(0)).score for name in ESTIMATORS]


def score_without(name: str, restorer: Restorer, task: LabelingTask) -> list[Scores]:
    """Labels by each of `ESTIMATORS`, by a metric without truth; NaN where it cannot judge the burst."""
    try:
        if METRICS[name].compares_stack:
            game = StackGame(restorer, task.burst, METRICS[name])
            return [find_estimator(each).function(game, np.random.default_rng(0)).score for each in ESTIMATORS]
        comparison = compare(name, restorer, task)
        estimators = (find_estimator(estimator) for estimator in ESTIMATORS)
        return [average_parts(each, comparison, lambda: np.random.default_rng(0)).score for each in estimators]
    except UnsupportedBurstError:
        return [np.full(task.burst.num_frames, np.nan)] * len(ESTIMATORS)


def correlate(found: Sequence[Scores], expected: Sequence[Scores]) -> list[float]:
    """Rank correlation of each pair over the frames that both know; NaN for fewer than 3."""
    rows = []
    for mine, truth in zip(found, expected, strict=True):
        known = np.isfinite(mine) & np.isfinite(truth)
        rows.append(float(spearmanr(mine[known], truth[known]).statistic) if known.sum() > 2 else np.nan)
    return rows


def show(label: str, rows: Sequence[Sequence[float]]) -> None:
    """Print means with their standard errors."""
    values = np.array(rows)
    count = int(np.isfinite(values).all(axis=1).sum())
    cells = []
    for column in values.T:
        known = column[np.isfinite(column)]
        error = known.std(ddof=1) / np.sqrt(len(known)) if len(known) > 1 else np.nan
        cells.append(f"{known.mean():5.2f} ± {error:.2f}" if len(known) else "  none     ")
    print(f"{label:58s} {count:3d} bursts  " + "  ".join(cells), flush=True)


def choose_scenarios(preset: str, scenarios: Sequence[str]) -> Sequence[str]:
    """What restores the bursts of a preset."""
    if any(PRESETS[preset].exposure_step.support):
        return ("hdr/radiance",)
    return ("focus/stack",) if preset == "focus" else scenarios


def main(folders: Sequence[str], presets: Sequence[str], sides: Sequence[int], scenarios: Sequence[str]) -> None:
    """Print the table; exposure series are restored by `hdr/radiance` and focus series by `focus/stack`, whatever the scenarios."""
    print(f"{'':70s}" + "  ".join(f"{name:13s}" for name in ESTIMATORS))
    for preset in presets:
        for side in sides:
            with TemporaryDirectory() as scratch:
                pairs = [
                    pair
                    for place, folder in enumerate(folders)
                    for pair in make_pairs(folder, preset, side, Path(scratch, str(place)))
                ]
            for scenario in choose_scenarios(preset, scenarios):
                restorer = create(scenario)
                truths = [[score_by_truth(restorer, task) for task in pair] for pair in pairs]
                show(f"{preset} {side} px {scenario}: truth, noise drawn anew", [correlate(b, a) for a, b in truths])
                for name in METRICS_WITHOUT_TRUTH:
                    found = [score_without(name, restorer, task) for task, _ in pairs]
                    rows = [correlate(mine, truth[0]) for mine, truth in zip(found, truths, strict=True)]
                    show(f"{preset} {side} px {scenario}: {name}", rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folders", nargs="*", default=["package:skimage/data"])
    parser.add_argument("--presets", default=",".join(CHOSEN))
    parser.add_argument("--sides", default=",".join(map(str, SIDES)))
    parser.add_argument("--scenarios", default=",".join(SCENARIOS))
    given = parser.parse_args()
    sides = [int(side) for side in given.sides.split(",")]
    main(given.folders, given.presets.split(","), sides, given.scenarios.split(","))
