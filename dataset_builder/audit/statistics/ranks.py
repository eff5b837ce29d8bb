"""Order of frames within their burst, the only comparison that selecting frames makes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

MIN_FRAMES = 3
"""Shortest burst with a rank correlation: two frames can only agree or disagree."""


def center_ranks(values: NDArray[np.float64], groups: NDArray[np.int64]) -> NDArray[np.float64]:
    """Average ranks within groups minus the group's mean rank; 0 where the value is NaN.

    Args:
        values: float64 [N].
        groups: int64 [N].
    """
    if not len(values):
        return np.zeros(0)
    known = np.isfinite(values)
    ranks = pd.Series(np.where(known, values, np.nan)).groupby(groups).rank().to_numpy(np.float64)
    sums = np.bincount(groups, np.where(known, ranks, 0))
    counts = np.bincount(groups, known)
    means = np.divide(sums, counts, out=np.zeros_like(sums), where=counts > 0)
    return np.where(known, ranks - means[groups], 0.0)


class RankedColumns:
    """Variables over the same rows, correlated within groups; ranks are computed once for each set of rows that they are needed for."""

    def __init__(self, groups: NDArray[np.int64], num_groups: int, columns: Mapping[str, NDArray[np.float64]]) -> None:
        """Take the variables.

        Args:
            groups: int64 [N], the group (burst) of each row, below `num_groups`.
            num_groups: G.
            columns: float64 [N] each, by name; NaN where unknown.
        """
        self._groups, self._num_groups, self._columns = groups, num_groups, columns
        self._known = {name: np.isfinite(values) for name, values in columns.items()}
        self._sizes: dict[bytes, NDArray[np.int64]] = {}
        self._ranks: dict[tuple[str, bytes], tuple[NDArray[np.float64], NDArray[np.float64]]] = {}

    def correlate(self, first: str, second: str) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Spearman's rank correlation of two variables inside each group, ties sharing their average rank.

        Rows where either variable is unknown are dropped before ranking.

        Returns:
            float64 [G], NaN in groups of fewer than `MIN_FRAMES` rows or where a variable is constant; and int64 [G], the rows
            that entered.
        """
        kept = self._known[first] & self._known[second]
        key = np.packbits(kept).tobytes()
        if key not in self._sizes:
            self._sizes[key] = np.bincount(self._groups[kept], minlength=self._num_groups)
        size = self._sizes[key]
        (a, square_a), (b, square_b) = self._rank(first, kept, key), self._rank(second, kept, key)
        product = np.bincount(self._groups, a * b, minlength=self._num_groups)
        valid = (size >= MIN_FRAMES) & (square_a > 0) & (square_b > 0)
        spearman = np.full(self._num_groups, np.nan)
        np.divide(product, np.sqrt(square_a * square_b), out=spearman, where=valid)
        return spearman, size

    def _rank(self, name: str, kept: NDArray[np.bool_], key: bytes) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        if (name, key) not in self._ranks:
            ranks = center_ranks(np.where(kept, self._columns[name], np.nan), self._groups)
            squares = np.bincount(self._groups, ranks * ranks, minlength=self._num_groups).astype(np.float64)
            self._ranks[name, key] = ranks, squares
        return self._ranks[name, key]


def correlate_within(
    groups: NDArray[np.int64], first: NDArray[np.float64], second: NDArray[np.float64], num_groups: int
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """`RankedColumns.correlate` of two variables."""
    return RankedColumns(groups, num_groups, {"first": first, "second": second}).correlate("first", "second")


def find_best(values: NDArray[np.float64], groups: NDArray[np.int64], num_groups: int) -> NDArray[np.int64]:
    """Row of the highest value of each group, the first of equals; −1 where no value is known or none differs from another.

    Args:
        values: float64 [N].
        groups: int64 [N], sorted.
        num_groups: G.
    """
    best: NDArray[np.int64] = np.full(num_groups, -1)
    rows = np.flatnonzero(np.isfinite(values))
    if not len(rows):
        return best
    owners, first = np.unique(groups[rows], return_index=True)
    highest, lowest = (function.reduceat(values[rows], first) for function in (np.maximum, np.minimum))
    top = np.full(num_groups, np.nan)
    top[owners[highest > lowest]] = highest[highest > lowest]
    # Written from the last to the first, so that the first of equals stays.
    found = rows[values[rows] == top[groups[rows]]][::-1]
    best[groups[found]] = found
    return best


def mean_or_nan(values: NDArray[np.float64]) -> float:
    """Mean of what is known; NaN if nothing is."""
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else np.nan
