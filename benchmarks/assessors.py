"""How well models choose frames: `python -m benchmarks.assessors [PHOTOGRAPHS [FOLDER [MODEL ...]]]`.

Bursts of 14 RAW frames of 96 x 96, one of each photograph below PHOTOGRAPHS under each of handheld, night and action, and under
`hurried`, whose frames differ strongly; without PHOTOGRAPHS (or `-`), of 40 drawn scenes of numbers that no recipe has. They are
built into FOLDER, which is gone on with if it is there, else into a scratch folder. Judged are the trained model that comes with
the package, by both of the estimators that it learnt, MODELs, and all that learns nothing. Printed are rank correlations within
bursts, areas under the ROC curve of finding harmful frames, what dropping these gains over all frames and what the better half gains
over a random half, each with its 95 % interval over scenes and its bar; and times on one core.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd

from assessors.assess import predict
from assessors.errors import MissingPackageError
from assessors.evaluation import ALL, Result, evaluate
from assessors.features import measure_frames
from assessors.predictions import Entrant, check_predictions
from assessors.provider import InputProvider
from assessors.registry import BUILT_IN, SHIPPED, create_assessor
from assessors.targets import Targets, load_targets
from dataset_builder.build import build_dataset
from dataset_builder.labeling.scenarios import ScenarioChoice, resolve_scenarios
from dataset_builder.recipe import read_recipe
from dataset_builder.selection import Guide, measure_gains, summarise_gains
from dataset_builder.selection.policies import DROP_HARMFUL
from dataset_builder.work.local import LocalWorkers

SCENARIOS = ("denoise/hdrplus", "denoise/mean")
LEAVE_ONE_OUT, SHAPLEY = "leave_one_out", "shapley(exact)"
CHOSEN = {LEAVE_ONE_OUT: f"{SHIPPED}@leave_one_out", SHAPLEY: f"{SHIPPED}@half_sum"}
"""Whose scores are held against the bar of each estimator: half_sum costs less to learn from, and is close to the Shapley value."""
USUAL, STRONG = ("handheld", "night", "action"), ("hurried",)
JOBS = 2
TIMED = 20
BARS = {
    ("spearman", LEAVE_ONE_OUT): 0.62,
    ("spearman", SHAPLEY): 0.76,
    ("auc", LEAVE_ONE_OUT): 0.90,
    ("drop", "denoise/hdrplus", False): 0.15,
    ("drop", "denoise/mean", False): 0.6,
    ("half", "denoise/hdrplus", False): 0.5,
    ("drop", "denoise/hdrplus", True): 0.33,
}
MOST_FEATURES, MOST_SCORING = 30.0, 10.0
"""Milliseconds for a burst."""

_SOURCE = """
[presets.{name}_14]
base = "{name}"
num_frames = 14

[[sources]]
name = "{name}"
preset = "{name}_14"
scale = 2
"""
_PHOTOGRAPHS = 'kind = "photographs"\nroot = "{root}"\nbursts_per_photograph = 1\nshorter_side = {side}\n'
_DRAWN = 'kind = "scenes"\nfirst = 900000\ncount = 40\nbursts_per_scene = 1\nscene_height = 416\nscene_width = 416\nnear = 5\n'
_LABELS = "".join(
    f'\n[[scenarios]]\nname = "{name}"\nestimators = ["{LEAVE_ONE_OUT}", "{SHAPLEY}"]\nmetrics = ["psnr"]\n'
    for name in SCENARIOS
)


def build(folder: Path, presets: Sequence[str], photographs: Path | None) -> Path:
    """Bursts and labels, from what is there already."""
    folder.mkdir(parents=True, exist_ok=True)
    text = f'name = "{folder.name}"\nseed = 19\n'
    for name in presets:
        # Strong motion needs room around the frame.
        origin = _DRAWN if photographs is None else _PHOTOGRAPHS.format(root=photographs.absolute(), side=400)
        text += _SOURCE.format(name=name) + origin
    recipe = folder / "recipe-of-benchmark.toml"
    recipe.write_text(text + _LABELS, encoding="utf-8")
    root = folder / "dataset"
    reports = build_dataset(recipe, read_recipe(recipe), root, workers=LocalWorkers(JOBS))
    for report in reports:
        for row in report.failures:
            print(f"left out: {row['source']} {row['burst_id']}: {row['message'][:150]}")
    return root


def list_models(named: Sequence[str]) -> list[str]:
    names = [*CHOSEN.values(), *named]
    for name in BUILT_IN:
        try:
            create_assessor(name)
        except MissingPackageError as error:
            print(f"left out: {error}")
            continue
        if name != SHIPPED:
            names.append(name)
    return names


def judge(root: Path, names: Sequence[str], cache: Path) -> tuple[Targets, list[Entrant], list[Result]]:
    targets = load_targets(root, "all", scenarios=SCENARIOS, estimator=[LEAVE_ONE_OUT, SHAPLEY])
    provider = InputProvider(root, "all", cache=cache)
    models = [create_assessor(name) for name in names]
    tables = predict(models, provider, SCENARIOS)
    entrants = [
        check_predictions(table, targets, name=name, place=name, signed=model.info.signed)
        for name, model, table in zip(names, models, tables, strict=True)
    ]
    return targets, entrants, evaluate(targets, entrants)


def print_agreement(results: Sequence[Result]) -> None:
    for scenario in SCENARIOS:
        for estimator in (LEAVE_ONE_OUT, SHAPLEY):
            own = [one for one in results if (one.scenario, one.estimator, one.preset) == (scenario, estimator, ALL)]
            for measure in ("spearman", "auc"):
                ranked = sorted((one for one in own if one.measure == measure), key=lambda one: -one.value)
                for one in ranked:
                    bar = BARS.get((measure, estimator)) if one.entrant == CHOSEN[estimator] else None
                    interval = "" if one.low is None else f" [{one.low:.2f}, {one.high:.2f}]"
                    print(
                        f"{measure}, {scenario}, {estimator}, {one.entrant}: {one.value:.3f}{interval}, "
                        f"{one.bursts} bursts of {one.scenes} scenes{_compare(one.value, bar)}"
                    )


def measure_selection(root: Path, targets: Targets, entrants: Sequence[Entrant]) -> pd.DataFrame:
    """Mean gains of all presets together."""
    parts = []
    for scenario in resolve_scenarios([ScenarioChoice(name=name) for name in SCENARIOS]):
        guides: dict[str, list[Guide]] = {}
        place = targets.labels.scenarios.index(scenario.name)
        rows = [("labels", targets.labels.values[place], True)]
        rows += [(one.name, one.scores[targets.scenarios.index(scenario.name)], one.signed) for one in entrants]
        for burst in targets.bursts:
            own = [
                Guide(
                    name, tuple(float(x) if np.isfinite(x) else None for x in scores[targets.rows(int(burst))]), signed
                )
                for name, scores, signed in rows
            ]
            guides[targets.index.burst_ids[int(burst)].as_py()] = own
        found, _ = measure_gains(root, scenario, guides, workers=LocalWorkers(JOBS))
        parts.append(found)
    return summarise_gains(pd.concat(parts).assign(preset="all"))


def print_gains(gains: pd.DataFrame, *, strong: bool) -> None:
    for row in gains.to_dict("records"):
        drops = row["policy"] == DROP_HARMFUL
        key = "drop" if drops else "half" if row["policy"] == "best_half" else ""
        chooser = CHOSEN[LEAVE_ONE_OUT if drops else SHAPLEY]
        bar = BARS.get((key, row["scenario"], strong)) if row["guide"] == chooser else None
        value, low, high = (row[name] for name in ("gain", "low", "high"))
        over, over_low, over_high = (row[name] for name in ("over_random", "over_random_low", "over_random_high"))
        judged = value if drops else over
        print(
            f"gain, {row['scenario']}, {row['guide']} {row['policy']}: {value:+.3f} dB [{low:+.2f}, {high:+.2f}], over random "
            f"{over:+.3f} [{over_low:+.2f}, {over_high:+.2f}], kept {row['kept']:.0%}, {row['bursts']} bursts{_compare(judged, bar)}"
        )


def print_times(root: Path, cache: Path) -> None:
    provider, model = InputProvider(root, "all", cache=cache), create_assessor(SHIPPED)
    features, scoring = [], []
    for position in range(min(TIMED, len(provider))):
        inputs = provider[position]
        start = time.perf_counter()
        measure_frames(inputs)
        features.append(1000 * (time.perf_counter() - start))
        start = time.perf_counter()
        model.score(inputs, SCENARIOS[0])
        scoring.append(1000 * (time.perf_counter() - start))
    for name, values, most in (("features", features, MOST_FEATURES), ("scoring", scoring, MOST_SCORING)):
        value = float(np.median(values))
        print(f"time, {name}: {value:.1f} ms for a burst (bar {most:g}: {'met' if value <= most else 'missed'})")


def _compare(value: float, bar: float | None) -> str:
    return "" if bar is None else f" (bar {bar:g}: {'met' if value >= bar else 'missed'})"


def main(photographs: Path | None, folder: Path, named: Sequence[str]) -> None:
    names = list_models(named)
    for title, presets in (("usual", USUAL), ("strong", STRONG)):
        root, cache = build(folder / title, presets, photographs), folder / "inputs"
        print(f"-- {', '.join(presets)} --")
        targets, entrants, results = judge(root, names, cache)
        print_agreement(results)
        trained = [one for one in entrants if one.signed or one.name == "sharpness"]
        print_gains(measure_selection(root, targets, trained), strong=presets == STRONG)
        if presets == USUAL:
            print_times(root, cache)


if __name__ == "__main__":
    arguments = sys.argv[1:]
    where = Path(arguments[0]) if arguments and arguments[0] != "-" else None
    with TemporaryDirectory() as scratch:
        main(where, Path(arguments[1]) if len(arguments) > 1 else Path(scratch), arguments[2:])
