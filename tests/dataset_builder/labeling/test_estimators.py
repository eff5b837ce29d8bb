import math
import re
from dataclasses import dataclass, field
from itertools import combinations, permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataset_builder.labeling.estimators import (
    as_reference,
    choose_estimators,
    find_estimator,
    is_estimator,
    solo,
)
from manifests.schema.words import ESTIMATOR
from restorers.errors import UnsupportedBurstError

RNG = np.random.default_rng


@dataclass
class TableGame:
    """A game of `values` by the number of the subset; `sampled` hides that all could be had."""

    values: np.ndarray
    reference_index: int = 0
    sampled: bool = False
    resolution: float = 0.0
    asked: list[frozenset] = field(default_factory=list)
    expected: set[frozenset] = field(default_factory=set)

    @property
    def num_frames(self):
        return len(self.values).bit_length()

    @property
    def others(self):
        return tuple(i for i in range(self.num_frames) if i != self.reference_index)

    def value(self, members):
        self.asked.append(members)
        return float(self.values[sum(1 << self.others.index(member) for member in members)])

    def expect(self, subsets):
        self.expected |= set(subsets)

    def enumerate_values(self):
        return None if self.sampled else self.values

    def value_alone(self, index):
        return 20.0 + index

    def value_as_reference(self, index):
        return 30.0 - index


def additive(worth, reference):
    """v(S) = sum of worths: every estimator must find the worth itself."""
    values = np.array([30.0])
    for index, gain in enumerate(worth):
        if index != reference:
            values = np.concatenate([values, values + gain])
    return TableGame(values, reference)


worths = st.lists(st.floats(-5, 5), min_size=2, max_size=8)
tables = st.integers(1, 5).flatmap(
    lambda n: st.lists(st.floats(-10, 10), min_size=2**n, max_size=2**n).map(lambda values: TableGame(np.array(values)))
)


def define_shapley(game):
    """Mean over all orders of arrival, one by one."""
    orders = list(permutations(game.others))
    totals = dict.fromkeys(game.others, 0.0)
    for order in orders:
        for place, frame in enumerate(order):
            totals[frame] += game.value(frozenset(order[: place + 1])) - game.value(frozenset(order[:place]))
    return np.array([totals[frame] / len(orders) for frame in game.others])


@settings(max_examples=60, deadline=None)
@given(tables)
def test_shapley_values_are_means_over_all_orders(game):
    estimate = find_estimator("shapley").function(game, RNG(0))
    others = list(game.others)
    np.testing.assert_allclose(estimate.score[others], define_shapley(game), atol=1e-9)
    assert np.isnan(estimate.score[0])
    assert (estimate.std_error[others] == 0).all()
    assert estimate.num_evaluations[1] == len(game.values)
    # Efficiency: they sum to v(N) − v(∅).
    assert estimate.score[others].sum() == pytest.approx(game.values[-1] - game.values[0], abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(tables, st.integers(0, 4))
def test_marginal_values_are_means_over_subsets_of_one_size(game, size):
    size = min(size, len(game.others) - 1)
    for game.sampled in (False, True):
        estimate = find_estimator(f"marginal({size})").function(game, RNG(0))
        for frame in game.others:
            rest = [other for other in game.others if other != frame]
            gains = [game.value(frozenset({*s, frame})) - game.value(frozenset(s)) for s in combinations(rest, size)]
            assert estimate.score[frame] == pytest.approx(np.mean(gains), abs=1e-9)
            assert estimate.std_error[frame] == 0


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(-10, 10), min_size=16, max_size=16), st.booleans())
def test_symmetric_frames_score_alike_and_useless_ones_nothing(values, sampled):
    """Of the 4 frames, the first two are interchangeable and the last changes nothing."""
    table = np.array(values)
    for number in range(16):
        swapped = (number & 0b1100) | (number & 1) << 1 | (number & 2) >> 1
        table[number] = table[min(number, swapped) & 0b0111]
    estimate = find_estimator("shapley(0.000001)").function(TableGame(table, sampled=sampled), RNG(1))
    assert estimate.score[4] == pytest.approx(0, abs=1e-12)
    error = 0 if not sampled else 4 * math.hypot(*estimate.std_error[1:3]) + 1e-9
    assert estimate.score[1] == pytest.approx(estimate.score[2], abs=error + 1e-9)


def make_concave(seed, count=9):
    """Gains that shrink as frames arrive, as those of real merges do."""
    worth = RNG(seed).uniform(0.2, 3, count)
    numbers = np.arange(2**count)
    total = sum((numbers >> bit & 1) * worth[bit] for bit in range(count))
    return TableGame(10 * np.log10(1 + total), sampled=True)


def test_sampled_shapley_values_lie_within_their_errors():
    inside = []
    for seed in range(20):
        game = make_concave(seed)
        estimate = find_estimator("shapley(0.06)").function(game, RNG(seed))
        others = list(game.others)
        assert (estimate.std_error[others] > 0).all()
        assert estimate.std_error[others].max() <= 0.06
        assert estimate.score[others].sum() == pytest.approx(game.values[-1] - game.values[0], abs=1e-9)
        game.sampled = False
        exact = find_estimator("shapley").function(game, RNG(0)).score[others]
        inside.append(np.abs(estimate.score[others] - exact) <= 3 * estimate.std_error[others])
        assert estimate.num_evaluations[1] == len(set(game.asked))
    assert np.mean(inside) > 0.98


def test_sampling_depends_on_its_seed_alone():
    first, again, other = (find_estimator("shapley(1)").function(make_concave(0), RNG(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.score, again.score)
    assert (first.score[1:] != other.score[1:]).any()


def test_sampled_marginal_values_lie_within_their_errors():
    game = make_concave(3, count=12)
    estimate = find_estimator("marginal(5)").function(game, RNG(0))
    game.sampled = False
    exact = find_estimator("marginal(5)").function(game, RNG(0))
    assert (estimate.std_error[1:] > 0).all()
    assert (np.abs(estimate.score - exact.score)[1:] <= 4 * estimate.std_error[1:]).all()


def test_marginal_needs_enough_frames():
    assert find_estimator("marginal(4)").min_frames == 6
    with pytest.raises(ValueError, match=r"marginal\(4\): expected at least 6 frames, got 3"):
        find_estimator("marginal(4)").function(additive([1.0, 2.0, 3.0], 0), RNG(0))


@pytest.mark.parametrize(
    "name",
    [
        "shapely",
        "shapley()",
        "shapley(0)",
        "shapley(-1)",
        "shapley(nan)",
        "marginal(1.5)",
        "marginal(101)",
        "solo(1)",
        "",
        "shapley(1",
        "shapley(spread(2))",
        "shapley(spread(0.1)&)",
        "shapley(spread(0.1) | ranks(0.9))",
    ],
)
def test_names_that_mean_nothing_are_refused(name):
    assert not is_estimator(name)
    with pytest.raises(ValueError, match="expected"):
        find_estimator(name)


def test_names_carry_their_parameter():
    assert find_estimator("marginal").formula == find_estimator("marginal(4)").formula
    assert "|S| = 2" in find_estimator("marginal(2)").formula
    assert "0.02" in find_estimator("shapley(0.02)").formula


def test_the_rule_by_which_sampling_stops_tells_labels_apart(monkeypatch):
    names = ("shapley", "shapley(spread(0.25)&ranks(0.9)|evaluations(300))", "shapley(0.02)")
    assert all(re.fullmatch(ESTIMATOR, name) for name in names)
    first = [find_estimator(name).identify() for name in names]
    assert len({tuple(facts) for facts in first}) == 3
    # A changed default makes the labels that follow it anew, and no others.
    monkeypatch.setattr("dataset_builder.labeling.estimators.STOPPING_RULE", "spread(0.1)")
    assert [find_estimator(name).identify() == before for name, before in zip(names, first, strict=True)] == [
        False,
        True,
        True,
    ]


@settings(max_examples=40, deadline=None)
@given(worth=worths, data=st.data())
def test_marginal_estimators_find_the_worth_of_an_additive_game(worth, data):
    game = additive(worth, data.draw(st.integers(0, len(worth) - 1)))
    game.sampled = data.draw(st.booleans())
    for name in ("leave_one_out", "add_one", "shapley", "marginal(0)"):
        estimate = find_estimator(name).function(game, RNG(0))
        others = [i for i in range(len(worth)) if i != game.reference_index]
        np.testing.assert_allclose(estimate.score[others], np.array(worth)[others], atol=1e-9)
        assert np.isnan(estimate.score[game.reference_index])
        assert np.isnan(estimate.std_error[game.reference_index])
        np.testing.assert_allclose(estimate.std_error[others], 0, atol=1e-9)
        assert estimate.num_evaluations[game.reference_index] == 0


def test_solo_scores_the_reference_too():
    game = additive([1.0, 2.0, 3.0], 1)
    estimate = solo(game)
    np.testing.assert_array_equal(estimate.score, [20, 21, 22])
    np.testing.assert_array_equal(as_reference(game).score, [30, 29, 28])
    assert (estimate.num_evaluations == 1).all()


def test_defaults_suit_the_restorer():
    assert choose_estimators((), single_frame=True) == ("solo",)
    assert choose_estimators((), single_frame=False) == ("leave_one_out", "add_one")
    assert choose_estimators(("solo", "solo"), single_frame=False) == ("solo",)
    with pytest.raises(ValueError, match="one frame only"):
        choose_estimators(("leave_one_out",), single_frame=True)


@pytest.mark.parametrize("name", ["leave_one_out", "add_one", "shapley(0.06)", "marginal(2)"])
def test_what_is_asked_for_is_announced(name):
    game = TableGame(RNG(0).random(2**6), sampled=True)
    find_estimator(name).function(game, RNG(0))
    assert set(game.asked) == game.expected


def test_exact_shapley_values_are_exact_or_refused():
    values = RNG(0).random(2**5)
    estimate = find_estimator("shapley(exact)").function(TableGame(values), RNG(0))
    np.testing.assert_allclose(estimate.score[1:], define_shapley(TableGame(values)), atol=1e-9)
    with pytest.raises(UnsupportedBurstError, match="use shapley, which samples them"):
        find_estimator("shapley(exact)").function(TableGame(values, sampled=True), RNG(0))
