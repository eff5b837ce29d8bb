"""The protocol: how well predicted scores order the frames of each burst, find harmful ones, and how far labels themselves could be met."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from assessors.agreement import SHARES, count_won, kendall, pairwise_accuracy, precision_at, spearman, top_one
from assessors.predictions import Entrant
from assessors.targets import Targets
from manifests.intervals import SceneIntervals, bound_share
from manifests.schema import RELIABILITY, is_marginal
from manifests.store import read_or_empty, table_path

ALL = "all"
"""In place of a preset: bursts of every preset."""
AGAIN = "labels again"
"""The entrant that is the labels themselves, made again with other noise: what nobody can beat."""
MEASURES = ("spearman", "kendall", "pairwise", "top-1", *SHARES, "auc")


@dataclass(frozen=True)
class Result:
    """One number of an evaluation.

    Attributes:
        entrant: whose scores.
        scenario: scenario of the labels.
        estimator: their estimator.
        preset: preset of the bursts; `ALL` for every one.
        measure: one of `MEASURES`.
        value: mean over bursts; of `auc`, over all pairs of a harmful and a harmless frame.
        low: lower bound of its 95 % interval over scenes; None where there are fewer than two.
        high: upper bound.
        bursts: bursts that entered.
        scenes: their scenes.
    """

    entrant: str
    scenario: str
    estimator: str
    preset: str
    measure: str
    value: float
    low: float | None
    high: float | None
    bursts: int
    scenes: int


def evaluate(targets: Targets, entrants: Sequence[Entrant]) -> list[Result]:
    """Judge scores by labels, within bursts.

    The reference frame, and whatever else has no label, takes no part. A scenario that an entrant did not predict gives it no result.

    Returns:
        For each set of labels, preset and entrant a result for each measure that is defined; the ceiling of a set of labels, where their
        reliability was measured, as the entrant `AGAIN`.
    """
    presets = np.array(targets.index.preset.take(targets.bursts).to_pylist())
    groups = {ALL: targets.bursts, **{str(name): targets.bursts[presets == name] for name in np.unique(presets)}}
    if len(groups) == 2:
        del groups[str(presets[0])]
    results = []
    for place, (scenario, estimator) in enumerate(
        zip(targets.labels.scenarios, targets.labels.estimators, strict=True)
    ):
        for preset, bursts in groups.items():
            for entrant in entrants:
                scores = entrant.scores[targets.scenarios.index(scenario)]
                numbers = _judge(targets, place, bursts, scores)
                results += [Result(entrant.name, scenario, estimator, preset, *number) for number in numbers]
        results += _read_ceiling(targets, scenario, estimator)
    return results


def correlate_bursts(targets: Targets, place: int, scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rank correlation within each burst that counts, to see where scores fail.

    Args:
        targets: labels.
        place: which of their sets.
        scores: float64 [F], of one entrant for the scenario of that set.

    Returns:
        float64 [B]; NaN where it is not defined.
    """
    values = targets.labels.values[place].astype(np.float64)
    frames = (_find_known(targets, int(burst), values, scores) for burst in targets.bursts)
    return np.array([spearman(values[at], scores[at]) for at in frames], np.float64)


_Number = tuple[str, float, float | None, float | None, int, int]


def _judge(targets: Targets, place: int, bursts: NDArray[np.int64], scores: NDArray[np.float64]) -> Iterator[_Number]:
    """Measure, value, bounds, bursts and scenes of one set of labels and bursts."""
    values, errors = targets.labels.values[place].astype(np.float64), targets.labels.errors[place].astype(np.float64)
    scenes = pc.rank(targets.index.scene_id, tiebreaker="dense").to_numpy().astype(np.int64)
    frames = [_find_known(targets, int(burst), values, scores) for burst in bursts]
    measures: dict[str, Callable[[NDArray[np.int64]], float]] = {
        "spearman": lambda at: spearman(values[at], scores[at]),
        "kendall": lambda at: kendall(values[at], scores[at]),
        "pairwise": lambda at: pairwise_accuracy(values[at], scores[at], errors[at]),
        "top-1": lambda at: top_one(values[at], scores[at]),
        **{name: partial(_precision, values, scores, share) for name, share in SHARES.items()},
    }
    for name, measure in measures.items():
        per_burst = np.array([measure(at) for at in frames], np.float64)
        known = np.isfinite(per_burst)
        if known.any():
            own = scenes[bursts[known]]
            least = -1.0 if name in {"spearman", "kendall"} else 0.0
            bounds = SceneIntervals(own).bound_mean(per_burst[known], least=least, most=1.0)
            yield (name, float(per_burst[known].mean()), *_or_none(bounds), int(known.sum()), len(np.unique(own)))
    if is_marginal(targets.labels.estimators[place]):
        yield from _find_harmful(values, errors, scores, frames, scenes[bursts])


def _precision(values: NDArray[np.float64], scores: NDArray[np.float64], share: float, at: NDArray[np.int64]) -> float:
    return precision_at(values[at], scores[at], share)


def _find_harmful(
    values: NDArray[np.float64],
    errors: NDArray[np.float64],
    scores: NDArray[np.float64],
    frames: Sequence[NDArray[np.int64]],
    scenes: NDArray[np.int64],
) -> Iterator[_Number]:
    """Area under the ROC curve of finding frames with a label below 0 among all frames of all bursts.

    What lies within its own error of 0 is left out.
    """
    clear = [at[np.abs(values[at]) > errors[at]] for at in frames]
    entered = [place for place, at in enumerate(clear) if len(at)]
    names = np.unique(scenes[entered])
    harmful: list[NDArray[np.float64]] = []
    harmless: list[NDArray[np.float64]] = []
    for scene in names:
        own = np.concatenate([clear[place] for place in entered if scenes[place] == scene])
        harmful.append(scores[own[values[own] < 0]])
        harmless.append(scores[own[values[own] > 0]])
    counts = [np.array([len(part) for part in parts], np.float64) for parts in (harmful, harmless)]
    if not counts[0].any() or not counts[1].any():
        return
    pairs = np.array([[count_won(first, second) for second in harmless] for first in harmful])
    bounds = bound_share(pairs, *counts)
    value = float(pairs.sum() / (counts[0].sum() * counts[1].sum()))
    yield ("auc", value, *_or_none(bounds), len(entered), len(names))


def _find_known(
    targets: Targets, burst: int, values: NDArray[np.float64], scores: NDArray[np.float64]
) -> NDArray[np.int64]:
    rows = targets.rows(burst)
    known: NDArray[np.int64] = np.arange(rows.start, rows.stop)
    return known[np.isfinite(values[rows]) & np.isfinite(scores[rows])]


def _read_ceiling(targets: Targets, scenario: str, estimator: str) -> list[Result]:
    table = read_or_empty(targets.root, table_path("reliability"), RELIABILITY)
    key = (scenario, estimator, targets.metric)
    results = []
    for row in table.to_pylist():
        if (row["scenario"], row["estimator"], row["metric"]) != key:
            continue
        numbers = {"spearman": row["spearman"], "top-1": row["stable_best"]}
        results += [
            Result(AGAIN, scenario, estimator, ALL, measure, value, None, None, row["bursts"], 0)
            for measure, value in numbers.items()
            if value is not None
        ]
    return results


def average_scenarios(results: Sequence[Result], measure: str) -> dict[tuple[str, str], float]:
    """Mean over scenarios of a measure on all presets, by entrant and estimator; over the scenarios that all entrants were judged on."""
    chosen = [one for one in results if one.measure == measure and one.preset == ALL and one.entrant != AGAIN]
    values: dict[tuple[str, str], dict[str, float]] = {}
    for one in chosen:
        values.setdefault((one.entrant, one.estimator), {})[one.scenario] = one.value
    means: dict[tuple[str, str], float] = {}
    for (entrant, estimator), own in values.items():
        common = _intersect([other for (_, name), other in values.items() if name == estimator])
        means[entrant, estimator] = float(np.mean([own[name] for name in common])) if common else math.nan
    return means


def _intersect(sets: Sequence[Mapping[str, float]]) -> list[str]:
    return sorted(set.intersection(*(set(one) for one in sets)))


def _or_none(bounds: tuple[float, float]) -> tuple[float | None, float | None]:
    low, high = bounds
    return (None, None) if math.isnan(low) else (low, high)
