"""Gradient boosting of regression trees on histograms: small, deterministic, and nothing to unpickle.

Friedman, "Greedy Function Approximation: A Gradient Boosting Machine" (Annals of Statistics 2001) for squared error, with the regularised
gain of Chen & Guestrin, "XGBoost" (KDD 2016, equation 7) and splits between the bins of each feature.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

_BINS = 64


@dataclass(frozen=True)
class BoostingSettings:
    """How trees are grown.

    Attributes:
        trees: how many.
        depth: decisions from the root to a leaf.
        rate: share of each tree that is added.
        ridge: weight of the penalty on the values of leaves.
        features: share of the features that a tree may ask for.
        least: weight that a leaf must hold.
        seed: seed of the draws of features.
    """

    trees: Annotated[int, Field(ge=1, le=10_000)] = 200
    depth: Annotated[int, Field(ge=1, le=10)] = 4
    rate: Annotated[float, Field(gt=0, le=1)] = 0.06
    ridge: Annotated[float, Field(ge=0)] = 10.0
    features: Annotated[float, Field(gt=0, le=1)] = 0.3
    least: Annotated[float, Field(ge=0)] = 10.0
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Forest:
    """M complete binary trees of depth D; node n has the children 2n + 1, taken up to the threshold, and 2n + 2, above it.

    Attributes:
        features: int32 [M, 2^D − 1], the feature that a node asks for.
        thresholds: float32 [M, 2^D − 1]; infinite where there is nothing to split.
        values: float32 [M, 2^D], of the leaves.
    """

    features: NDArray[np.int32]
    thresholds: NDArray[np.float32]
    values: NDArray[np.float32]

    def predict(self, table: NDArray[np.float32]) -> NDArray[np.float64]:
        """Sum of the trees for rows of features [N, F]: float64 [N]."""
        depth = int(self.values.shape[1]).bit_length() - 1
        result = np.zeros(len(table))
        rows = np.arange(len(table))
        for features, thresholds, values in zip(self.features, self.thresholds, self.values, strict=True):
            node = np.zeros(len(table), np.int64)
            for _ in range(depth):
                node = 2 * node + 1 + (table[rows, features[node]] > thresholds[node])
            result += values[node - (2**depth - 1)]
        return result


def grow_forest(
    table: NDArray[np.float32],
    targets: NDArray[np.float64],
    weights: NDArray[np.float64],
    settings: BoostingSettings,
) -> Forest:
    """Fit trees to targets, each to what those before it left over; equal input gives equal trees.

    Args:
        table: float32 [N, F], finite.
        targets: float64 [N].
        weights: float64 [N], about 1 on average.
        settings: how.
    """
    binned, edges = _bin(table)
    generator = np.random.Generator(np.random.Philox(settings.seed))
    inner, leaves = 2**settings.depth - 1, 2**settings.depth
    features = np.zeros((settings.trees, inner), np.int32)
    thresholds = np.full((settings.trees, inner), np.inf, np.float32)
    values = np.zeros((settings.trees, leaves), np.float32)
    rest = targets.astype(np.float64).copy()
    asked = max(1, round(settings.features * table.shape[1]))
    for tree in range(settings.trees):
        chosen = np.sort(generator.choice(table.shape[1], asked, replace=False))
        own = binned[:, chosen]
        place = np.zeros(len(table), np.int64)
        for level in range(settings.depth):
            best, cut = _split_level(own, place, nodes=2**level, rest=rest, weights=weights, settings=settings)
            first = 2**level - 1
            wanted = cut < _BINS
            features[tree, first : first + 2**level] = chosen[best]
            thresholds[tree, first : first + 2**level][wanted] = edges[chosen[best], np.minimum(cut, _BINS - 1)][wanted]
            place = 2 * place + (own[np.arange(len(own)), best[place]] > cut[place])
        sums, masses = (np.bincount(place, terms, leaves) for terms in (weights * rest, weights))
        values[tree] = settings.rate * sums / np.maximum(masses + settings.ridge, 1e-12)
        rest -= values[tree, place]
    return Forest(features, thresholds, values)


def _bin(table: NDArray[np.float32]) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Bin of each number, and for each feature the upper edges of its bins: infinite from the last on. A bin holds its upper edge."""
    edges = np.full((table.shape[1], _BINS), np.inf, np.float32)
    binned = np.empty(table.shape, np.uint8)
    for feature, column in enumerate(table.T):
        ordered = np.unique(column)
        middle = (ordered[1:] + ordered[:-1]) / 2
        if len(middle) >= _BINS:
            middle = np.unique(np.quantile(column, np.arange(1, _BINS) / _BINS).astype(np.float32))
        own = middle[: _BINS - 1]
        edges[feature, : len(own)] = own
        binned[:, feature] = np.searchsorted(own, column, side="left")
    return binned, edges


def _split_level(
    binned: NDArray[np.uint8],
    place: NDArray[np.int64],
    *,
    nodes: int,
    rest: NDArray[np.float64],
    weights: NDArray[np.float64],
    settings: BoostingSettings,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """For each node of a level the feature whose split gains most, and the last bin that goes left; `_BINS` where none gains."""
    count = binned.shape[1]
    cells = (place[:, None] * count + np.arange(count)) * _BINS + binned
    shape = (nodes, count, _BINS)
    sums, masses = (
        np.bincount(cells.ravel(), np.repeat(values, count), nodes * count * _BINS).reshape(shape).cumsum(-1)
        for values in (weights * rest, weights)
    )
    whole, mass = sums[..., -1:], masses[..., -1:]
    with np.errstate(invalid="ignore", divide="ignore"):  # sides that are empty, which are too small anyway
        gain = (
            sums**2 / (masses + settings.ridge)
            + (whole - sums) ** 2 / (mass - masses + settings.ridge)
            - whole**2 / (mass + settings.ridge)
        )
    gain[(masses < settings.least) | (mass - masses < settings.least)] = 0
    flat = gain.reshape(nodes, -1)
    best = flat.argmax(1)
    feature, cut = np.divmod(best, _BINS)
    return feature, np.where(flat[np.arange(nodes), best] > 1e-12, cut, _BINS)
