"""Measures of agreement against SciPy and against counting by hand."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

from assessors.agreement import count_won, kendall, pairwise_accuracy, precision_at, spearman, top_one

# Whole numbers, so that ties are common.
pairs = st.integers(3, 12).flatmap(
    lambda size: st.tuples(*(st.lists(st.integers(-4, 4), min_size=size, max_size=size) for _ in range(2)))
)


def to_arrays(lists: tuple[list[int], list[int]]) -> tuple[np.ndarray, np.ndarray]:
    labels, scores = (np.array(values, float) for values in lists)
    assume(np.ptp(labels) > 0)
    return labels, scores


@settings(max_examples=40)
@given(pairs)
def test_rank_correlations_are_those_of_scipy(lists) -> None:
    labels, scores = to_arrays(lists)
    assume(np.ptp(scores) > 0)
    assert spearman(labels, scores) == pytest.approx(stats.spearmanr(labels, scores).statistic, abs=1e-12)
    assert kendall(labels, scores) == pytest.approx(stats.kendalltau(labels, scores).statistic, abs=1e-12)


@settings(max_examples=40)
@given(pairs)
def test_pairs_are_counted(lists) -> None:
    labels, scores = to_arrays(lists)
    errors = np.linspace(0.2, 1.2, len(labels))
    won, clear = 0.0, 0
    for i, j in itertools.permutations(range(len(labels)), 2):
        if labels[i] - labels[j] > math.sqrt(errors[i] ** 2 + errors[j] ** 2):
            clear += 1
            won += 1.0 if scores[i] > scores[j] else 0.5 if scores[i] == scores[j] else 0.0
    expected = won / clear if clear else math.nan
    assert pairwise_accuracy(labels, scores, errors) == pytest.approx(expected, nan_ok=True)
    assert math.isnan(pairwise_accuracy(labels, scores, errors + 100))


@settings(max_examples=40)
@given(pairs)
def test_area_under_the_curve_is_that_of_mann_and_whitney(lists) -> None:
    harmful, harmless = (np.array(values, float) for values in lists)
    statistic = stats.mannwhitneyu(harmless, harmful).statistic
    assert count_won(harmful, harmless) == pytest.approx(statistic)


orders = st.integers(2, 12).flatmap(lambda size: st.tuples(*(st.permutations(range(size)) for _ in range(2))))


@settings(max_examples=40)
@given(orders, st.sampled_from([0.25, 0.5, 0.75]))
def test_what_is_kept_is_compared_as_sets(lists, share: float) -> None:
    labels, scores = to_arrays(lists)
    kept = min(max(round(share * len(labels)), 1), len(labels) - 1)
    best, chosen = (set(sorted(range(len(labels)), key=lambda i: -values[i])[:kept]) for values in (labels, scores))
    assert precision_at(labels, scores, share) == len(best & chosen) / kept
    assert top_one(labels, scores) == float(np.argmax(labels) == np.argmax(scores))


def test_scores_that_tell_nothing_get_what_chance_would() -> None:
    labels, equal = np.array([1.0, 2, 3, 4]), np.zeros(4)
    assert (spearman(labels, equal), kendall(labels, equal)) == (0, 0)
    assert pairwise_accuracy(labels, equal, np.zeros(4)) == 0.5
    assert top_one(labels, equal) == 0.25
    assert [precision_at(labels, equal, share) for share in (0.25, 0.5, 0.75)] == [0.25, 0.5, 0.75]
    assert count_won(equal, equal) == 8


def test_labels_that_tell_nothing_do_not_count() -> None:
    scores, equal = np.array([1.0, 2, 3, 4]), np.ones(4)
    assert all(math.isnan(measure(equal, scores)) for measure in (spearman, kendall, top_one))
    assert math.isnan(precision_at(equal, scores, 0.5))
    assert math.isnan(pairwise_accuracy(equal, scores, np.zeros(4)))
    assert math.isnan(spearman(scores[:2], scores[:2]))  # two frames can only agree or disagree
