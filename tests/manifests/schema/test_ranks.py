"""Ranks follow scores; what differs by rounding only is equal."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.schema.ranks import RELATIVE_TOLERANCE, TOLERANCES, describe_tolerances, merge_ties, rank_scores

scores = st.lists(st.one_of(st.integers(-3, 3).map(float), st.just(np.nan)), max_size=12).map(
    lambda values: np.array(values, np.float64)
)


@given(scores)
def test_ranks_follow_scores(score: np.ndarray) -> None:
    rank, scaled = rank_scores(score, "dB")
    known = np.isfinite(score)
    assert (rank[~known] == 0).all()
    assert np.isnan(scaled[~known]).all()
    for i in np.flatnonzero(known):
        assert rank[i] == 1 + sum(score[j] > score[i] for j in np.flatnonzero(known))
        assert 0 <= scaled[i] <= 1
    if known.any() and score[known].min() < score[known].max():
        assert scaled[np.nanargmax(score)] == 1
        assert scaled[np.nanargmin(score)] == 0
    else:
        assert (scaled[known] == 0.5).all()


@given(st.lists(st.tuples(st.integers(0, 3), st.floats(-1, 1)), max_size=30), st.sampled_from(["dB", "votes"]))
def test_groups_are_ranked_each_for_itself(pairs: list[tuple[int, float]], unit: str) -> None:
    groups = np.array([group for group, _ in pairs], np.int64)
    score = np.array([value for _, value in pairs], np.float64)
    rank, scaled = rank_scores(score, unit, groups)
    for group in set(groups.tolist()):
        alone = rank_scores(score[groups == group], unit)
        np.testing.assert_array_equal(rank[groups == group], alone[0])
        np.testing.assert_array_equal(scaled[groups == group], alone[1])


@pytest.mark.parametrize("unit", TOLERANCES)
def test_rounding_is_no_order(unit: str) -> None:
    tolerance = TOLERANCES[unit]
    score = np.array([0.0, 0.9, -0.1, 1.2, 0.3]) * tolerance
    rank, scaled = rank_scores(score, unit)
    assert rank.tolist() == [4, 1, 4, 1, 1]
    np.testing.assert_array_equal(scaled, [0, 1, 0, 1, 1])
    assert rank_scores(20 * score, unit)[0].tolist() == [4, 2, 5, 1, 3]
    assert rank_scores(np.linspace(0, tolerance, 6), unit)[0].tolist() == [1] * 6
    assert (rank_scores(np.linspace(0, tolerance, 6), unit)[1] == 0.5).all()


@given(st.lists(st.integers(-12, 12), max_size=20).map(lambda steps: 0.4e-6 * np.array(steps, np.float64)))
def test_no_two_of_one_rank_are_further_apart_than_the_tolerance(score: np.ndarray) -> None:
    rank, _ = rank_scores(score, "dB")
    for each in set(rank.tolist()):
        assert np.ptp(score[rank == each]) <= TOLERANCES["dB"]
    better = score[:, None] - score > TOLERANCES["dB"]
    assert (rank[:, None] < rank)[better].all()
    assert not (rank[:, None] < rank)[score[:, None] < score].any()


def test_scores_within_the_tolerance_become_the_best_of_them() -> None:
    score = np.array([1.0, 1.0 + 4e-7, np.nan, 0.5, 1.0 - 5e-7])
    np.testing.assert_array_equal(merge_ties(score, "dB"), [1.0 + 4e-7, 1.0 + 4e-7, np.nan, 0.5, 1.0 + 4e-7])
    np.testing.assert_array_equal(merge_ties(score, "dB", np.array([0, 1, 1, 1, 2])), score)
    np.testing.assert_array_equal(merge_ties(score, "1"), score)
    assert merge_ties(np.zeros(0), "dB").shape == (0,)


def test_units_of_which_nothing_is_known() -> None:
    assert rank_scores(np.array([1e6, 1e6 + 1e-7, 1e6 - 1e-3]), "votes")[0].tolist() == [1, 1, 3]
    assert rank_scores(np.array([0.0, 1e-9]), "votes")[0].tolist() == [2, 1]


def test_the_tolerance_is_stated() -> None:
    text = describe_tolerances()
    assert text == f"within 1e-06 dB, 1e-07, 1e-10 signal², by unit, or {RELATIVE_TOLERANCE:g} of the largest"
