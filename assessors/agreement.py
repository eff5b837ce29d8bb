"""How well the scores of one burst's frames agree with their labels: comparisons within a burst are all that selecting makes.

Every function takes labels float64 [T] and scores float64 [T] of the same frames, all finite. Scores that are all equal tell nothing: they
get what chance would. Where the labels themselves tell nothing, the result is NaN, and the burst does not count.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

Numbers = NDArray[np.float64]

MIN_FRAMES = 3
"""Fewest frames with a rank correlation: two can only agree or disagree."""
SHARES = {"precision@1/4": 0.25, "precision@1/2": 0.5, "precision@3/4": 0.75}
"""Shares of the frames that are kept, by the name of the measure."""


def spearman(labels: Numbers, scores: Numbers) -> float:
    """Spearman's rank correlation, ties sharing their average rank."""
    if len(labels) < MIN_FRAMES or np.ptp(labels) == 0:
        return math.nan
    if np.ptp(scores) == 0:
        return 0.0
    first, second = (rankdata(values) - (len(values) + 1) / 2 for values in (labels, scores))
    return float(first @ second / math.sqrt((first @ first) * (second @ second)))


def kendall(labels: Numbers, scores: Numbers) -> float:
    """Kendall's τ-b (Kendall 1945), which corrects for ties."""
    if len(labels) < MIN_FRAMES or np.ptp(labels) == 0:
        return math.nan
    if np.ptp(scores) == 0:
        return 0.0
    first, second = (np.sign(values[:, None] - values) for values in (labels, scores))
    return float((first * second).sum() / math.sqrt(np.abs(first).sum() * np.abs(second).sum()))


def pairwise_accuracy(labels: Numbers, scores: Numbers, errors: Numbers) -> float:
    """Share of pairs in the order of the labels; equal scores count half.

    Args:
        labels: float64 [T].
        scores: float64 [T].
        errors: float64 [T], standard deviation of each label's own uncertainty, independent of the others'. Pairs that differ by no more
            than that of their difference are left out.
    """
    difference = labels[:, None] - labels
    clear = difference > np.hypot(errors[:, None], errors)
    if not clear.any():
        return math.nan
    ordered = np.sign(scores[:, None] - scores)[clear]
    return float((ordered > 0).mean() + (ordered == 0).mean() / 2)


def top_one(labels: Numbers, scores: Numbers) -> float:
    """Whether the frame of highest score is one of highest label; of several of highest score, the share that is."""
    if len(labels) < 2 or np.ptp(labels) == 0:
        return math.nan
    return float((labels[scores == scores.max()] == labels.max()).mean())


def precision_at(labels: Numbers, scores: Numbers, share: float) -> float:
    """Share of the k frames of highest score that are among the k of highest label; k is the share of the frames, rounded, 1 to T − 1.

    Among equals the earlier frame goes first, in both.
    """
    count = len(labels)
    if count < 2 or np.ptp(labels) == 0:
        return math.nan
    kept = min(max(round(share * count), 1), count - 1)
    if np.ptp(scores) == 0:
        return kept / count
    first, second = (set(np.argsort(-values, kind="stable")[:kept].tolist()) for values in (labels, scores))
    return len(first & second) / kept


def count_won(harmful: Numbers, harmless: Numbers) -> float:
    """Pairs of a harmful and a harmless frame of which the harmful one has the lower score, equal scores counting half.

    Mann & Whitney 1947. Over the number of pairs it is the area under the ROC curve of finding harmful frames.
    """
    order = np.sort(harmless)
    above = len(order) - np.searchsorted(order, harmful, side="right")
    equal = len(order) - np.searchsorted(order, harmful, side="left") - above
    return float(above.sum() + equal.sum() / 2)
