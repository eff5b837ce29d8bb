"""Banzhaf values, interactions, half sums and best subsets against their definitions, term by term."""

from itertools import chain, combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataset_builder.labeling.banzhaf import PAIRS, interact_pairs, measure_additivity
from dataset_builder.labeling.estimators import find_estimator
from dataset_builder.labeling.scenarios import ScenarioChoice, list_renamed, resolve_scenarios
from dataset_builder.labeling.unbiased_risk import UnbiasedRisk
from dataset_builder.labeling.without_truth import average_parts
from restorers.fidelity import METRICS
from tests.dataset_builder.labeling.test_estimators import (
    RNG,
    TableGame,
    additive,
    define_shapley,
    make_concave,
    tables,
    worths,
)
from tests.dataset_builder.labeling.test_game import Averager, Plain, make_task


def subsets(frames):
    frames = list(frames)
    return [frozenset(s) for s in chain.from_iterable(combinations(frames, n) for n in range(len(frames) + 1))]


def estimate(name, game, seed=0):
    return find_estimator(name).function(game, RNG(seed))


@settings(max_examples=40, deadline=None)
@given(tables)
def test_banzhaf_values_are_means_over_all_subsets(game):
    found = estimate("banzhaf", game)
    for frame in game.others:
        rest = subsets(other for other in game.others if other != frame)
        gains = [game.value(s | {frame}) - game.value(s) for s in rest]
        assert found.score[frame] == pytest.approx(np.mean(gains), abs=1e-9)
    assert np.isnan(found.score[0])
    assert (found.std_error[1:] == 0).all()
    assert found.num_evaluations[1] == len(game.values)


def test_sampled_banzhaf_values_are_right_on_average_and_know_their_error():
    table = RNG(5).normal(size=2**10) + make_concave(5, count=10).values
    exact = estimate("banzhaf", TableGame(table)).score[1:]
    found = [estimate("banzhaf", TableGame(table, sampled=True), seed) for seed in range(60)]
    errors = np.array([each.score[1:] - exact for each in found])
    stated = np.array([each.std_error[1:] for each in found])
    assert (stated > 0).all()
    # 600 errors, those of one draw hardly depend on each other.
    assert np.sqrt(np.mean((errors / stated) ** 2)) == pytest.approx(1, abs=0.12)
    assert abs(np.mean(errors / stated)) < 0.15
    assert found[0].num_evaluations[1] <= 2 * PAIRS


def test_what_frames_add_independently_costs_no_precision():
    """Plain maximum sample reuse has an error of about 2·std(v) / √samples, were v additive or not."""
    game = make_concave(1, count=12)
    game.sampled = True
    found = estimate("banzhaf", game)
    assert found.std_error[1:].max() < 0.25 * 2 * game.values.std() / np.sqrt(2 * PAIRS)
    exact = estimate("banzhaf", TableGame(game.values)).score
    assert (np.abs(found.score - exact)[1:] < 4 * found.std_error[1:]).all()
    assert set(game.asked) == game.expected


def test_names_of_old_and_new():
    assert find_estimator("banzhaf(4)").name == "marginal(4)"
    choice = ScenarioChoice(name="denoise/mean", estimators=("banzhaf(4)", "banzhaf", "marginal(4)"), metrics=("psnr",))
    assert list_renamed([choice, choice]) == ["the estimator banzhaf(4) is called marginal(4) now"]
    (resolved,) = resolve_scenarios([choice])
    assert [definition.estimator for definition in resolved.definitions] == ["marginal(4)", "banzhaf"]
    # Neither is taken for what was called banzhaf, ["banzhaf", "1"] in the keys of labels.
    assert find_estimator("marginal(4)").identify() == ["marginal(4)", "2"]
    assert find_estimator("banzhaf").identify() == ["banzhaf", "2"]


@settings(max_examples=30, deadline=None)
@given(tables)
def test_half_sum_and_interaction_follow_from_the_ends(game):
    last, first = (estimate(name, game).score for name in ("leave_one_out", "add_one"))
    half, both = (estimate(name, game) for name in ("half_sum", "interaction"))
    np.testing.assert_allclose(half.score, (last + first) / 2, atol=1e-12)
    np.testing.assert_allclose(both.score, last - first, atol=1e-12)
    assert half.num_evaluations.tolist() == both.num_evaluations.tolist() == [0, *[4] * len(game.others)]
    assert (half.std_error[1:] == 0).all()


def test_half_sum_costs_two_restorations_a_frame_and_two():
    game = make_concave(0, count=6)
    estimate("half_sum", game)
    assert len(set(game.asked)) == 2 * 6 + 2


def test_half_sum_is_near_the_shapley_value():
    game = make_concave(2, count=6)
    assert np.corrcoef(estimate("half_sum", game).score[1:], define_shapley(game))[0, 1] > 0.98


def define_interaction(game, i, j):
    """Mean over the orders in which S, and then the pair as one, may arrive: |S|! (n−|S|−2)! / (n−1)!."""
    from math import factorial

    rest = [frame for frame in game.others if frame not in (i, j)]
    count, total = len(game.others), 0.0
    for s in subsets(rest):
        weight = factorial(len(s)) * factorial(count - len(s) - 2) / factorial(count - 1)
        total += weight * (game.value(s | {i, j}) - game.value(s | {i}) - game.value(s | {j}) + game.value(s))
    return total


@settings(max_examples=20, deadline=None)
@given(tables)
def test_interactions_of_pairs_add_up_to_that_of_a_frame(game):
    table = interact_pairs(game.values)
    for place, i in enumerate(game.others):
        assert table[place, place] == 0
        for other, j in enumerate(game.others):
            if i != j:
                assert table[place, other] == pytest.approx(define_interaction(game, i, j), abs=1e-9)
    np.testing.assert_allclose(table.sum(axis=1), estimate("interaction", game).score[1:], atol=1e-8)


@settings(max_examples=40, deadline=None)
@given(worths)
def test_frames_of_an_additive_game_neither_help_nor_replace_each_other(worth):
    game = additive(worth, 0)
    np.testing.assert_allclose(estimate("interaction", game).score[1:], 0, atol=1e-9)
    for name in ("half_sum", "banzhaf"):
        np.testing.assert_allclose(estimate(name, game).score[1:], worth[1:], atol=1e-9)
        if name == "banzhaf":
            sampled = estimate(name, TableGame(game.values, sampled=True))
            np.testing.assert_allclose(sampled.score[1:], worth[1:], atol=1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_additivity_is_the_share_that_a_linear_fit_explains(seed):
    count = 5
    values = RNG(seed).normal(size=2**count) + make_concave(seed, count).values
    design = np.column_stack([np.ones(2**count), *(np.arange(2**count) >> bit & 1 for bit in range(count))])
    residual = values - design @ np.linalg.lstsq(design, values, rcond=None)[0]
    assert measure_additivity(values) == pytest.approx(1 - residual.var() / values.var())


def test_additivity_at_its_ends():
    assert measure_additivity(additive([0, 1.0, 2.0, -3.0], 0).values) == pytest.approx(1)
    assert measure_additivity(np.array([0.0, 1.0, 1.0, 0.0])) == pytest.approx(0)
    assert np.isnan(measure_additivity(np.ones(8)))


@settings(max_examples=40, deadline=None)
@given(tables, st.integers(1, 4))
def test_best_subsets_by_brute_force(game, size):
    if len(game.others) < 2:
        return
    size = min(size, len(game.others) - 1)
    found = estimate(f"best_subset({size})", game)
    chosen = [s for s in subsets(game.others) if len(s) == size]
    best = max(chosen, key=game.value)
    for frame in game.others:
        score = max(game.value(s) for s in chosen if frame in s) - max(game.value(s) for s in chosen if frame not in s)
        assert found.score[frame] == pytest.approx(score, abs=1e-12)
        if score:
            assert (frame in best) == (score > 0)
    assert np.isnan(found.score[0])


@settings(max_examples=20, deadline=None)
@given(worths.filter(lambda worth: len(worth) > 3), st.integers(1, 3))
def test_the_search_finds_what_is_best_where_frames_do_not_depend_on_each_other(worth, size):
    size = min(size, len(worth) - 2)
    exact, searched = (
        estimate(f"best_subset({size})", TableGame(additive(worth, 0).values, sampled=sampled))
        for sampled in (False, True)
    )
    np.testing.assert_allclose(searched.score[1:], exact.score[1:], atol=1e-9)
    ranked = np.sort(worth[1:])[::-1]
    expected = np.array(worth[1:]) - np.where(np.array(worth[1:]) >= ranked[size - 1], ranked[size], ranked[size - 1])
    if len(set(worth[1:])) == len(worth) - 1:
        np.testing.assert_allclose(exact.score[1:], expected, atol=1e-9)


@pytest.mark.parametrize("seed", range(6))
def test_the_search_ends_where_no_exchange_helps(seed):
    values = make_concave(seed, count=8).values + 0.3 * RNG(seed).normal(size=2**8)
    game = TableGame(values, sampled=True)
    found = estimate("best_subset(3)", game).score
    members = frozenset(np.flatnonzero(found > 0).tolist())
    assert len(members) == 3
    for frame in game.others:
        exchanged = [s for s in subsets(game.others) if len(s) == 3 and len(s & members) == 2]
        rival = max(game.value(s) for s in exchanged if (frame in s) != (frame in members))
        gap = game.value(members) - rival
        assert gap >= 0
        assert found[frame] == pytest.approx(gap if frame in members else -gap)
    assert set(game.asked) >= game.expected
    assert len(set(game.asked)) < 100


def test_best_subset_needs_frames_to_choose_from():
    assert find_estimator("best_subset(3)").min_frames == 5
    with pytest.raises(ValueError, match=r"best_subset\(2\): expected at least 4 frames, got 3"):
        estimate("best_subset(2)", additive([1.0, 2.0, 3.0], 0))
    for name in ("best_subset(0)", "best_subset(1.5)", "best_subset(101)"):
        with pytest.raises(ValueError, match="best_subset"):
            find_estimator(name)


@pytest.mark.parametrize("name", ["half_sum", "interaction", "banzhaf", "best_subset(2)"])
def test_without_truth_the_quick_way_of_linear_merges_is_the_definition(name):
    poses = ((0.0, 0.0, 0.0), (2.3, -1.7, 0.0), (-3.1, 0.6, 0.0), (0.5, 4.2, 0.0), (-1.2, -2.5, 0.0))
    burst = make_task(poses=poses, side=48).burst
    quick, slow = (
        average_parts(
            find_estimator(name),
            UnbiasedRisk(restorer, burst, METRICS["mse_unbiased"], RNG(0)),
            lambda: RNG(0),
        )
        for restorer in (Averager(), Plain(Averager()))
    )
    assert np.isfinite(quick.score).tolist() == [False, True, True, True, True]
    assert (quick.std_error[1:] > 0).all()
    np.testing.assert_allclose(quick.score, slow.score, rtol=1e-4, atol=1e-9)
