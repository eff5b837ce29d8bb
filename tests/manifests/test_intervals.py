"""Intervals over scenes: against SciPy's t interval, a sandwich estimator, and by how often they hold the truth."""

import numpy as np
import pytest
from scipy import stats

from manifests.intervals import SceneIntervals, bound_share


def test_the_interval_of_equal_scenes_is_that_of_student():
    means = np.random.default_rng(1).normal(2, 1, 9)
    expected = stats.t.interval(0.95, 8, loc=means.mean(), scale=stats.sem(means))
    assert SceneIntervals(np.arange(9)).bound_mean(means) == pytest.approx(expected)
    # Ten bursts of a scene that say the same are one witness.
    assert SceneIntervals(np.repeat(np.arange(9), 10)).bound_mean(np.repeat(means, 10)) == pytest.approx(expected)


def test_unequal_scenes_have_the_variance_of_the_jackknife_for_clusters():
    random = np.random.default_rng(2)
    sizes = np.array([1, 2, 8, 3, 5])
    scenes = np.repeat(np.arange(5), sizes)
    values = random.normal(0, 1, 5)[scenes] + random.normal(0, 1, sizes.sum())
    low, high = SceneIntervals(scenes).bound_mean(values)
    without = np.array([values[scenes != scene].mean() for scene in range(5)])
    error = np.sqrt(4 / 5 * np.square(without - without.mean()).sum())
    assert (low + high) / 2 == pytest.approx(values.mean())
    assert high - values.mean() == pytest.approx(stats.t.ppf(0.975, 4) * error)


def test_unknown_values_and_single_scenes():
    assert np.isnan(SceneIntervals(np.zeros(4, int)).bound_mean(np.arange(4.0))).all()
    assert np.isnan(SceneIntervals(np.arange(4)).bound_mean(np.array([1.0, np.nan, np.nan, np.nan]))).all()
    assert SceneIntervals(np.arange(4)).bound_mean(np.array([1.0, 1.0, 1.0, np.nan])) == pytest.approx((1, 1))
    assert np.isnan(SceneIntervals(np.zeros(0, int)).bound_mean(np.zeros(0))).all()


def test_correlations_stay_between_their_ends():
    intervals, correlations = SceneIntervals(np.arange(3)), np.array([0.99, 0.9, 1.0])
    low, high = intervals.bound_mean(correlations)
    assert high > 1
    assert intervals.bound_correlation(correlations) == (low, 1.0)
    assert np.isnan(intervals.bound_correlation(np.array([0.5, np.nan, np.nan]))).all()


@pytest.mark.parametrize("scenes", [5, 8, 12])
@pytest.mark.parametrize("shape", ["normal", "skewed"])
def test_intervals_of_few_scenes_cover(scenes, shape):
    """95 % of them hold the true mean, within 2: scenes of two bursts, whose levels are normal or of skewness 1."""
    random = np.random.default_rng(3)
    owners = np.repeat(np.arange(scenes), 2)
    intervals = SceneIntervals(owners)
    held = []
    for _ in range(2000):
        levels = random.normal(0, 1, scenes) if shape == "normal" else (random.gamma(4, 1, scenes) - 4) / 2
        low, high = intervals.bound_mean(levels[owners] + random.normal(0, 0.5, len(owners)))
        held.append(low <= 0 <= high)
    assert 0.93 <= np.mean(held) <= 0.97


def test_the_interval_of_a_share_of_pairs_covers_and_stays_within_its_ends():
    random = np.random.default_rng(4)
    held = []
    for _ in range(400):
        first, second = random.integers(1, 5, (2, 12)).astype(float)
        hard = random.uniform(0, 0.2, 12)  # of scenes, whose pairs have this much less
        pairs = (0.8 - hard[:, None] - hard[None]) * np.outer(first, second)
        low, high = bound_share(pairs, first, second)
        held.append(low <= 0.6 <= high)
        assert 0 <= low <= pairs.sum() / (first.sum() * second.sum()) <= high <= 1
    assert 0.9 <= np.mean(held) <= 0.99
    assert np.isnan(bound_share(pairs[:1, :1], first[:1], second[:1])).all()
    alone = np.zeros(12)
    alone[0] = 3
    assert np.isnan(bound_share(pairs, alone, second)).all()
