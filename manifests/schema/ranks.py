"""Order of the frames of a burst by their scores, where scores that differ by less than rounding count as equal."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

TOLERANCES: Mapping[str, float] = MappingProxyType({"dB": 1e-6, "1": 1e-7, "signal²": 1e-10})
"""Largest difference that does not count, by the unit of the score.

Restored images are float32: order of summation alone moves their PSNR by 1e-8 to 1e-7 dB, SSIM by 1e-9 to 1e-8, squared errors by
1e-12. What frames are worth is larger by four orders of magnitude.
"""
RELATIVE_TOLERANCE = 1e-12
"""Of the largest score of the burst, whatever its unit: rounding of float64."""


def describe_tolerances() -> str:
    """What counts as equal, in words."""
    floors = ", ".join(f"{value:g} {unit}".removesuffix(" 1") for unit, value in TOLERANCES.items())
    return f"within {floors}, by unit, or {RELATIVE_TOLERANCE:g} of the largest"


def rank_scores(
    score: NDArray[np.float64], unit: str, groups: NDArray[np.int64] | None = None
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Rank of each score in its group, and the score scaled to 0..1 there.

    From the best downwards, each score takes those within the tolerance below it along: they share its rank and its scaled score. So no
    two scores that share a rank differ by more than the tolerance.

    Args:
        score: float64 [N]; NaN where there is none.
        unit: unit of the scores, on which the tolerance depends.
        groups: int64 [N], scores of the same number belong together (a burst, an estimator, a metric); None for all of one burst.

    Returns:
        int64 [N], 1 = best, equal scores sharing the better rank, 0 where there is no score; and float64 [N], (score − worst) / (best −
        worst), 0.5 where all are equal, NaN where there is no score.
    """
    rank, scaled = np.zeros(len(score), np.int64), np.full(len(score), np.nan)
    merged = merge_ties(score, unit, groups)
    places, starts, sizes = _sort(merged, groups)
    values = merged[places]
    first, last = np.repeat(starts, sizes), np.repeat(starts + sizes - 1, sizes)
    fresh = np.append(True, (values[1:] != values[:-1]) | (first[1:] != first[:-1]))[: len(values)]
    rank[places] = 1 + np.maximum.accumulate(np.where(fresh, np.arange(len(values)), 0)) - first
    spread = values[first] - values[last]
    scaled[places] = np.divide(values - values[last], spread, out=np.full(len(values), 0.5), where=spread > 0)
    return rank, scaled


def merge_ties(score: NDArray[np.float64], unit: str, groups: NDArray[np.int64] | None = None) -> NDArray[np.float64]:
    """Scores with each replaced by the best that it counts as equal to; arguments as of `rank_scores`."""
    merged = score.copy()
    places, starts, sizes = _sort(score, groups)
    if not len(places):
        return merged
    values = score[places]
    largest = np.maximum.reduceat(np.abs(values), starts)
    tolerance = np.repeat(np.maximum(TOLERANCES.get(unit, 0.0), RELATIVE_TOLERANCE * largest), sizes)
    merged[places] = values[_find_leaders(values, np.repeat(starts, sizes), tolerance)]
    return merged


def _sort(
    score: NDArray[np.float64], groups: NDArray[np.int64] | None
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Places of the known scores, group by group from the best downwards; where each group begins among them, and its size."""
    known = np.flatnonzero(np.isfinite(score))
    owners = np.zeros(len(known), np.int64) if groups is None else groups[known]
    order = np.lexsort((-score[known], owners))
    owners = owners[order]
    starts = np.flatnonzero(np.append(True, owners[1:] != owners[:-1])[: len(owners)])
    return known[order], starts, np.diff(np.append(starts, len(owners)))


def _find_leaders(
    values: NDArray[np.float64], starts: NDArray[np.int64], tolerance: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Place of the best score that each counts as equal to; scores fall within each group, which begins at `starts`."""
    place = np.arange(len(values))
    apart = np.append(True, (values[:-1] - values[1:] > tolerance[1:]) | (starts[1:] != starts[:-1]))
    leaders: NDArray[np.int64] = np.maximum.accumulate(np.where(apart, place, 0))
    # Chains of neighbours that are equal two by two, but not from end to end, are cut from the best downwards.
    long = np.unique(leaders[values[leaders] - values > tolerance])
    for start in long.tolist():
        leader = start
        for index in np.flatnonzero(leaders == start).tolist():
            if values[leader] - values[index] > tolerance[index]:
                leader = index
            leaders[index] = leader
    return leaders
