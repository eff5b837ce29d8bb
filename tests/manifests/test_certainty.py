"""How sure it is that one frame is better than another."""

import numpy as np
import pytest

from manifests import combine_errors, find_probability_better


def test_the_probability_is_how_often_the_truth_has_this_order():
    """Truths drawn around the scores by their errors, and counted."""
    rng = np.random.default_rng(0)
    for score, other, error, other_error in ((1.0, 0.2, 0.5, 1.0), (-0.3, 0.1, 0.2, 0.2), (2.0, 2.0, 1.0, 0.1)):
        counted = np.mean(rng.normal(score, error, 200_000) > rng.normal(other, other_error, 200_000))
        found = find_probability_better(np.array(score), np.array(other), np.array(error), np.array(other_error))
        assert found == pytest.approx(counted, abs=0.005)


def test_without_any_error_the_order_is_certain_and_a_tie_is_a_toss():
    scores = np.array([2.0, 1.0, 1.0])
    nothing = np.zeros(3)
    table = find_probability_better(scores[:, None], scores[None], nothing[:, None], nothing[None])
    assert table.tolist() == [[0.5, 1, 1], [0, 0.5, 0.5], [0, 0.5, 0.5]]


def test_unknown_noise_is_no_certainty():
    errors = combine_errors(np.array([0.0, 0.3, 0.3, np.nan]), np.array([0.4, 0.4, np.nan, 0.4]))
    assert errors[:2].tolist() == pytest.approx([0.4, 0.5])
    assert np.isnan(errors[2])
    assert errors[3] == pytest.approx(0.4)
    assert np.isnan(find_probability_better(np.ones(1), np.zeros(1), errors[2:3], errors[:1]))
