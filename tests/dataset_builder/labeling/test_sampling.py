"""Shapley values from a sample, on games of which all values are known: those of restorers, and made ones."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.estimators import GAMES, TableGame, compute_exactly, sample
from benchmarks.games import read_games
from benchmarks.samplers import CountedGame, antithetic_permutations
from dataset_builder.labeling.estimators import find_estimator
from dataset_builder.labeling.sampling import count_evaluations, draw_rounds
from dataset_builder.labeling.stopping import parse_rule

RNG = np.random.default_rng


@pytest.fixture(scope="module")
def games():
    """Of restorers, by PSNR and SSIM in turn."""
    return read_games(GAMES)[::3]


def deviate(found, exact):
    return (found.mean - exact) / found.std_error


def test_a_third_of_the_evaluations_has_less_than_half_of_the_error_of_permutations(games):
    ours, permutations = [], []
    for game in games:
        exact = compute_exactly(game.values)
        ours.append((sample(game.values, "evaluations(64)", 0).mean - exact) / exact.std())
        found = antithetic_permutations(CountedGame(game.values), 190, RNG(0))
        permutations.append((found - exact) / exact.std())
    assert np.sqrt(np.mean(np.square(ours))) < 0.5 * np.sqrt(np.mean(np.square(permutations)))


@pytest.mark.parametrize("rule", ["spread(0.25)", "evaluations(80)"])
def test_standard_errors_cover_what_they_say(games, rule):
    deviations = []
    for seed, game in enumerate(games):
        found = sample(game.values, rule, seed)
        deviations.append(deviate(found, compute_exactly(game.values)))
    assert 0.88 < np.mean(np.abs(deviations) < 1.96) < 0.995
    assert 0.7 < np.sqrt(np.mean(np.square(deviations))) < 1.35


def test_standard_errors_are_honest_where_nothing_of_the_model_holds():
    """Fidelities without any order: all that the regression explains is chance."""
    deviations = []
    for seed in range(8):
        values = RNG(seed).normal(size=2**9)
        deviations.append(deviate(sample(values, "evaluations(120)", seed), compute_exactly(values)))
    assert np.mean(np.abs(deviations) < 1.96) > 0.88
    assert 0.7 < np.sqrt(np.mean(np.square(deviations))) < 1.35


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_scores_are_exact_once_all_subsets_were_seen(count, seed):
    values = RNG(seed).normal(size=2**count)
    found = sample(values, "error(0.000000001)", seed)
    np.testing.assert_allclose(found.mean, compute_exactly(values), atol=1e-10)
    assert (found.std_error == 0).all()
    assert found.num_evaluations == 2**count


def test_scores_sum_to_what_all_frames_gain(games):
    values = games[0].values
    assert sample(values, "evaluations(46)", 1).mean.sum() == pytest.approx(values[-1] - values[0], abs=1e-10)


@pytest.mark.parametrize("metric", ["psnr", "ssim"])
def test_games_are_sampled_as_often_in_every_unit(metric):
    game = next(game for game in read_games(GAMES) if game.name == f"sr/handheld@x2 {metric} 2")
    found = {scale: sample(scale * game.values, "spread(0.06)", 0) for scale in (1e-3, 1.0, 1e3)}
    least, _ = count_evaluations(game.count, parse_rule("spread(0.06)"))
    assert {each.num_evaluations for each in found.values()} == {found[1.0].num_evaluations}
    assert found[1.0].num_evaluations > least
    for scale, each in found.items():
        np.testing.assert_allclose(each.mean, scale * found[1.0].mean, rtol=1e-6)
        np.testing.assert_allclose(each.std_error, scale * found[1.0].std_error, rtol=1e-6)
        assert each.std_error.max() <= 0.06 * each.mean.std()


def test_what_is_sampled_depends_on_the_seed_and_not_on_the_fidelities():
    class Recorder(TableGame):
        def __init__(self, values):
            super().__init__(values)
            self.asked = []

        def value(self, members):
            self.asked.append(members)
            return super().value(members)

    def list_asked(values, seed):
        game = Recorder(values)
        find_estimator("shapley(evaluations(70))").function(_Sampled(game), RNG(seed))
        return game.asked

    one, other = (RNG(number).normal(size=2**8) for number in (0, 1))
    assert list_asked(one, 0) == list_asked(other, 0)
    assert list_asked(one, 0) != list_asked(one, 1)


class _Sampled:
    """A game all of whose values are too many to be had at once."""

    num_frames = 9

    def __init__(self, game):
        self.game, self.others, self.resolution = game, game.others, 0.0
        self.value, self.expect = game.value, game.expect

    def enumerate_values(self):
        return None


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 8, 13])
def test_evaluations_are_counted_in_advance(count):
    values = RNG(0).normal(size=2**count)
    for text in ("evaluations(1)", "evaluations(90)"):
        rule = parse_rule(text)
        least, most = count_evaluations(count, rule)
        found = sample(values, text, 0)
        assert least <= found.num_evaluations <= most
        assert most <= max(rule.cap, least)
    assert (
        count_evaluations(count, parse_rule("evaluations(1)"))[0] == sample(values, "evaluations(1)", 0).num_evaluations
    )


@pytest.mark.parametrize("count", [4, 5, 7, 8])
def test_no_pair_of_subsets_is_drawn_twice(count):
    drawn = [frozenset(np.flatnonzero(row).tolist()) for rows in draw_rounds(count, RNG(0)) for row in rows]
    pairs = {frozenset({subset, frozenset(range(count)) - subset}) for subset in drawn}
    # All but those of the empty set and of single frames.
    assert len(drawn) == len(pairs) == 2 ** (count - 1) - 1 - count
