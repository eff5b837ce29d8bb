"""Confidence intervals of what is measured on bursts, by scenes: bursts of one scene are no independent witnesses.

Student's t on the jackknife that leaves out a scene at a time (Efron & Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 11;
with clusters of unequal size the variance is that of MacKinnon & White's HC3 for clusters, Journal of Econometrics 1985). Where every
scene holds as many bursts it is the plain t interval of the means of scenes. Percentiles of resampled scenes, the common choice, hold
the true mean in 84 % of the cases with five scenes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

COVERAGE = 0.95


@dataclass(frozen=True, eq=False)
class SceneIntervals:
    """Intervals over the scenes of some bursts.

    Attributes:
        scenes: int64 [B], the scene of each burst, numbered from 0.
    """

    scenes: NDArray[np.int64]

    def bound_mean(
        self, per_burst: NDArray[np.float64], *, least: float = -np.inf, most: float = np.inf
    ) -> tuple[float, float]:
        """95 % interval of the mean over bursts.

        Args:
            per_burst: float64 [B]; bursts that are NaN do not enter.
            least: what such a number cannot fall below.
            most: what it cannot exceed.

        Returns:
            Lower and upper bound; NaN where fewer than two scenes enter.
        """
        known = np.isfinite(per_burst)
        counts = np.bincount(self.scenes[known])
        entered = counts > 0
        number = int(entered.sum())
        if number < 2:
            return np.nan, np.nan
        sums = np.bincount(self.scenes[known], per_burst[known])[entered]
        counts = counts[entered]
        bounds = _reach(sums.sum() / counts.sum(), (sums.sum() - sums) / (counts.sum() - counts))
        low, high = np.clip(bounds, least, most).tolist()
        return low, high

    def bound_correlation(self, per_burst: NDArray[np.float64]) -> tuple[float, float]:
        """As `bound_mean`, for numbers in −1..1."""
        return self.bound_mean(per_burst, least=-1.0, most=1.0)


def bound_share(
    pairs: NDArray[np.float64], first: NDArray[np.float64], second: NDArray[np.float64]
) -> tuple[float, float]:
    """95 % interval of a share of pairs: Σ pairs over Σ first · Σ second, such as an area under an ROC curve.

    Args:
        pairs: float64 [S, S], those of things of the first kind in scene s with things of the second in scene t that count.
        first: float64 [S], things of the first kind in each scene.
        second: float64 [S], of the second.

    Returns:
        Lower and upper bound, within 0..1; NaN for fewer than two scenes, and where one scene holds all of a kind.
    """
    rest = (first.sum() - first) * (second.sum() - second)
    if len(first) < 2 or not rest.all():
        return np.nan, np.nan
    without = (pairs.sum() - pairs.sum(0) - pairs.sum(1) + pairs.diagonal()) / rest
    low, high = _reach(pairs.sum() / (first.sum() * second.sum()), without)
    return max(low, 0.0), min(high, 1.0)


def _reach(value: float, without: NDArray[np.float64]) -> tuple[float, float]:
    """Student's t about a value, from what it is without each of the scenes."""
    number = len(without)
    error = np.sqrt((number - 1) / number * np.square(without - without.mean()).sum())
    reach = float(stdtrit(number - 1, (1 + COVERAGE) / 2) * error)
    return float(value) - reach, float(value) + reach
