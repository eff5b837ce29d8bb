"""Percentile intervals by resampling scenes: bursts of one scene are no independent witnesses.

Efron & Tibshirani, "An Introduction to the Bootstrap" (1993), sections 13.3 and 8.3 (clusters as units).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from dataset_builder.randomness import derive_seed, make_generator

DRAWS = 1000
COVERAGE = 0.95
_DRAWS_AT_ONCE = 50


@dataclass(frozen=True, eq=False)
class SceneBootstrap:
    """Resampled scenes, the same ones for every statistic of a data set.

    Attributes:
        scenes: int64 [B], the scene of each burst, numbered from 0.
        draws: number of resamples.
    """

    scenes: NDArray[np.int64]
    draws: int = DRAWS

    @cached_property
    def weights(self) -> NDArray[np.float32]:
        """float32 [draws, scenes]: how often a resample holds each scene."""
        number = int(self.scenes.max()) + 1 if len(self.scenes) else 0
        if not number:
            return np.zeros((self.draws, 0), np.float32)
        random = make_generator(derive_seed("audit", number), "bootstrap")
        weights = np.empty((self.draws, number), np.float32)
        shares = np.full(number, 1 / number)
        # Block by block, as the same numbers: all at once they would take three times the memory.
        for start in range(0, self.draws, _DRAWS_AT_ONCE):
            block = weights[start : start + _DRAWS_AT_ONCE]
            block[:] = random.multinomial(number, shares, size=len(block))
        return weights

    def bound_mean(self, per_burst: NDArray[np.float64]) -> tuple[float, float]:
        """95 % interval of the mean over bursts.

        Args:
            per_burst: float64 [B]; bursts that are NaN do not enter.

        Returns:
            Lower and upper bound; NaN where fewer than two scenes enter.
        """
        known = np.isfinite(per_burst)
        number = self.weights.shape[1]
        sums = np.bincount(self.scenes[known], per_burst[known], minlength=number)
        counts = np.bincount(self.scenes[known], minlength=number)
        if (counts > 0).sum() < 2:
            return np.nan, np.nan
        totals = self.weights @ np.stack([sums, counts], axis=1).astype(np.float32)
        means = totals[totals[:, 1] > 0]
        tail = (1 - COVERAGE) / 2
        low, high = np.quantile(means[:, 0] / means[:, 1], [tail, 1 - tail])
        return float(low), float(high)
