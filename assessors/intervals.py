"""Percentile intervals by resampling scenes: bursts of one scene are no independent witnesses.

Efron & Tibshirani, "An Introduction to the Bootstrap" (1993), sections 13.3 and 8.3 (clusters as units).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

DRAWS = 1000
COVERAGE = 0.95
_SEED = 20251107


def draw_scenes(number: int) -> NDArray[np.float64]:
    """How often each of some scenes is in each resample: float64 [DRAWS, number]; the same at every call."""
    generator = np.random.Generator(np.random.Philox(_SEED))
    return generator.multinomial(number, np.full(number, 1 / number), size=DRAWS).astype(np.float64)


def bound_mean(per_burst: NDArray[np.float64], scenes: NDArray[np.int64]) -> tuple[float, float]:
    """95 % interval of the mean over bursts.

    Args:
        per_burst: float64 [B], all known.
        scenes: int64 [B], the scene of each.

    Returns:
        Lower and upper bound; NaN for fewer than two scenes.
    """
    names, members = np.unique(scenes, return_inverse=True)
    if len(names) < 2:
        return math.nan, math.nan
    weights = draw_scenes(len(names))
    sums, counts = weights @ np.bincount(members, per_burst), weights @ np.bincount(members)
    return _cut(sums / counts)


def bound_ratio(
    pairs: NDArray[np.float64], first: NDArray[np.float64], second: NDArray[np.float64]
) -> tuple[float, float]:
    """95 % interval of Σ pairs over Σ first · Σ second, where each scene counts as often as a resample holds it.

    Args:
        pairs: float64 [S, S], of things of the first kind in scene s with things of the second in scene t.
        first: float64 [S], things of the first kind in each scene.
        second: float64 [S], of the second.

    Returns:
        Lower and upper bound; NaN for fewer than two scenes.
    """
    if len(first) < 2:
        return math.nan, math.nan
    weights = draw_scenes(len(first))
    below = (weights @ first) * (weights @ second)
    above = np.einsum("ds,ds->d", weights @ pairs, weights)
    return _cut(above[below > 0] / below[below > 0])


def _cut(statistics: NDArray[np.float64]) -> tuple[float, float]:
    tail = (1 - COVERAGE) / 2
    low, high = np.quantile(statistics, [tail, 1 - tail])
    return float(low), float(high)
