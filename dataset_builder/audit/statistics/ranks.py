"""Order of frames within their burst, the only comparison that selecting frames makes."""

from __future__ import annotations

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


def correlate_within(
    groups: NDArray[np.int64], first: NDArray[np.float64], second: NDArray[np.float64], num_groups: int
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Spearman's rank correlation of two variables inside each group, ties sharing their average rank.

    Args:
        groups: int64 [N], the group (burst) of each row, below `num_groups`.
        first: float64 [N]; rows where either variable is NaN are dropped before ranking.
        second: float64 [N].
        num_groups: G.

    Returns:
        float64 [G], NaN in groups of fewer than `MIN_FRAMES` rows or where a variable is constant; and int64 [G], the rows that
        entered.
    """
    kept = np.isfinite(first) & np.isfinite(second)
    codes = groups[kept]
    size = np.bincount(codes, minlength=num_groups)
    a, b = center_ranks(first[kept], codes), center_ranks(second[kept], codes)
    product, square_a, square_b = (_sum_groups(values, codes, num_groups) for values in (a * b, a * a, b * b))
    valid = (size >= MIN_FRAMES) & (square_a > 0) & (square_b > 0)
    spearman = np.full(num_groups, np.nan)
    np.divide(product, np.sqrt(square_a * square_b), out=spearman, where=valid)
    return spearman, size


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
    # A stable sort by value keeps the first of equals in front.
    order = rows[np.lexsort((-values[rows], groups[rows]))]
    owners, first, count = np.unique(groups[order], return_index=True, return_counts=True)
    differs = values[order[first]] > values[order[first + count - 1]]
    best[owners[differs]] = order[first[differs]]
    return best


def mean_or_nan(values: NDArray[np.float64]) -> float:
    """Mean of what is known; NaN if nothing is."""
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else np.nan


def _sum_groups(values: NDArray[np.float64], codes: NDArray[np.int64], number: int) -> NDArray[np.float64]:
    return np.bincount(codes, values, minlength=number).astype(np.float64)
