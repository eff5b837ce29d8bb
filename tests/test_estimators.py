from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataset_builder.labeling.estimators import add_one, choose_estimators, leave_one_out, rank_scores, solo


@dataclass
class Additive:
    """v(S) = sum of worths: every estimator must find the worth itself."""

    worth: list[float]
    reference_index: int = 0
    asked: list[frozenset] = field(default_factory=list)

    @property
    def num_frames(self):
        return len(self.worth)

    def value(self, members):
        assert self.reference_index not in members
        self.asked.append(members)
        return 30.0 + sum(self.worth[i] for i in sorted(members))

    def value_alone(self, index):
        return 20.0 + self.worth[index]


worths = st.lists(st.floats(-5, 5), min_size=2, max_size=10)


@given(worth=worths, data=st.data())
def test_marginal_estimators_find_the_worth_of_an_additive_game(worth, data):
    game = Additive(worth, data.draw(st.integers(0, len(worth) - 1)))
    for estimator in (leave_one_out, add_one):
        estimate = estimator(game)
        others = [i for i in range(len(worth)) if i != game.reference_index]
        np.testing.assert_allclose(estimate.score[others], np.array(worth)[others], atol=1e-9)
        assert np.isnan(estimate.score[game.reference_index])
        assert np.isnan(estimate.std_error[game.reference_index])
        assert (estimate.std_error[others] == 0).all()
        assert estimate.num_evaluations[game.reference_index] == 0


def test_solo_scores_the_reference_too():
    estimate = solo(Additive([1.0, 2.0, 3.0]))
    np.testing.assert_array_equal(estimate.score, [21, 22, 23])
    assert (estimate.num_evaluations == 1).all()


@given(st.lists(st.one_of(st.integers(-3, 3).map(float), st.just(np.nan)), max_size=12).map(np.array))
def test_ranks_follow_scores(score):
    score = score.astype(float)
    rank, scaled = rank_scores(score)
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


def test_defaults_suit_the_restorer():
    assert choose_estimators((), single_frame=True) == ("solo",)
    assert choose_estimators((), single_frame=False) == ("leave_one_out", "add_one")
    assert choose_estimators(("solo", "solo"), single_frame=False) == ("solo",)
    with pytest.raises(ValueError, match="one frame only"):
        choose_estimators(("leave_one_out",), single_frame=True)
