"""Trees split where trying every split says, predict what they were fitted to, and come out the same again."""

from __future__ import annotations

import numpy as np
import pytest

from assessors.boosting import BoostingSettings, grow_forest


def make_table(count: int = 400) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    table = rng.standard_normal((count, 5)).astype(np.float32)
    table[:, 3] = np.round(table[:, 3])  # few values
    targets = np.where(table[:, 1] > 0.4, 2.0, -1.0) + 0.5 * (table[:, 3] > 0) + 0.1 * rng.standard_normal(count)
    return table, targets, rng.uniform(0.5, 1.5, count)


def test_the_first_split_is_the_best_of_all() -> None:
    table, targets, weights = make_table(60)  # fewer values than bins: every split can be made
    settings = BoostingSettings(trees=1, depth=1, rate=1, ridge=2, features=1, least=3)
    forest = grow_forest(table, targets, weights, settings)
    best = (-np.inf, 0, 0.0)
    for feature in range(5):
        for value in table[:, feature]:
            left = table[:, feature] <= value
            if min(weights[left].sum(), weights[~left].sum()) >= 3:
                gain = sum((weights[s] @ targets[s]) ** 2 / (weights[s].sum() + 2) for s in (left, ~left))
                best = max(best, (gain, feature, value))
    assert forest.features[0, 0] == best[1]
    left = table[:, best[1]] <= best[2]
    np.testing.assert_array_equal(table[:, best[1]] <= forest.thresholds[0, 0], left)
    expected = [(weights[s] @ targets[s]) / (weights[s].sum() + 2) for s in (left, ~left)]
    np.testing.assert_allclose(forest.values[0], expected, rtol=1e-6)


def test_they_learn_and_predict_what_they_saw() -> None:
    table, targets, weights = make_table()
    forest = grow_forest(table, targets, weights, BoostingSettings(trees=80, depth=3, rate=0.2, ridge=1, features=1))
    assert np.square(forest.predict(table) - targets).mean() < 0.03
    unseen, truth, _ = (part[400:] for part in make_table(800))
    assert np.square(forest.predict(unseen) - truth).mean() < 0.06


def test_equal_input_gives_equal_trees_and_other_seeds_others() -> None:
    table, targets, weights = make_table(100)
    first, second, other = (
        grow_forest(table, targets, weights, BoostingSettings(trees=4, seed=seed, features=0.4)) for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first.values, second.values)
    assert not np.array_equal(first.features, other.features)


@pytest.mark.parametrize("constant", [True, False])
def test_what_cannot_be_split_is_left_whole(constant: bool) -> None:
    table = np.zeros((50, 2), np.float32) if constant else np.arange(100, dtype=np.float32).reshape(50, 2)
    targets = np.full(50, 3.0)
    forest = grow_forest(table, targets, np.ones(50), BoostingSettings(trees=3, rate=1, ridge=0, least=30))
    assert np.isinf(forest.thresholds).all()
    np.testing.assert_allclose(forest.predict(table), 3)
