"""Mean marginal gains over subsets of frames: exact Shapley values, and gains at one fixed size, exact or sampled.

Subsets are numbered by their bits: bit k of the number stands for the k-th of the frames that take part.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

MAX_SUBSETS = 256
"""Subsets of fixed size that are drawn for each frame when they are more than that."""


class SubsetGame(Protocol):
    """A cooperative game among the frames of a burst."""

    @property
    def others(self) -> tuple[int, ...]:
        """The frames that take part, in order: all but the reference."""
        ...

    @property
    def resolution(self) -> float:
        """Differences of v below it do not matter; 0 if all do."""
        ...

    def value(self, members: frozenset[int]) -> float:
        """v(S) of the frames S, a subset of `others`."""
        ...

    def expect(self, subsets: Iterable[frozenset[int]]) -> None:
        """Hear which v(S) will be asked for next: some restorers are faster when they restore several subsets at once."""
        ...

    def enumerate_values(self) -> NDArray[np.float64] | None:
        """v of all 2^n subsets by number; None where that would cost too much."""
        ...


@dataclass(frozen=True, eq=False)
class Gains:
    """Mean gain and its standard error, float64 [n] each, of the frames that take part; and the number of fidelities that went in."""

    mean: NDArray[np.float64]
    std_error: NDArray[np.float64]
    num_evaluations: int


def shapley_exactly(game: SubsetGame) -> Gains | None:
    """Shapley values from the fidelities of all subsets; None where those would cost too much."""
    values = game.enumerate_values()
    if values is None:
        return None
    count = len(game.others)
    weights = np.array([1 / (count * math.comb(count - 1, size)) for size in range(count)])
    return average_exactly(values, weights)


def marginal(game: SubsetGame, rng: np.random.Generator, *, size: int) -> Gains:
    """Mean gain over the subsets of `size` other frames, which compares bursts of different length on equal terms.

    Exact where all subsets can be had or there are at most `MAX_SUBSETS` for each frame, else from that many random ones.

    Raises:
        ValueError: if there are not `size` other frames.
    """
    count = len(game.others)
    if size > count - 1:
        raise ValueError(f"marginal({size}): expected at least {size + 2} frames, got {count + 1}")
    values = game.enumerate_values()
    if values is not None:
        return average_exactly(values, np.where(np.arange(count) == size, 1 / math.comb(count - 1, size), 0.0))
    known: set[frozenset[int]] = set()
    gains = [_collect_gains(game, player, size, rng, known) for player in range(count)]
    exact = math.comb(count - 1, size) <= MAX_SUBSETS
    errors = [0.0 if exact else float(np.std(gain, ddof=1) / math.sqrt(len(gain))) for gain in gains]
    return Gains(np.array([gain.mean() for gain in gains]), np.array(errors), len(known))


def average_exactly(values: NDArray[np.float64], weights: NDArray[np.float64]) -> Gains:
    """Weighted sums of v(S ∪ {i}) − v(S) over all S without i, where `weights` [n] are by the size of S."""
    count = len(weights)
    by_size = np.append(weights, 0.0)[np.bitwise_count(np.arange(len(values), dtype=np.uint32))]
    means = np.empty(count)
    for player in range(count):
        pairs = values.reshape(-1, 2, 2**player)
        means[player] = np.sum((pairs[:, 1] - pairs[:, 0]) * by_size.reshape(pairs.shape)[:, 0])
    return Gains(means, np.zeros(count), len(values))


def _collect_gains(
    game: SubsetGame, player: int, size: int, rng: np.random.Generator, known: set[frozenset[int]]
) -> NDArray[np.float64]:
    frame = game.others[player]
    rest = [index for index in game.others if index != frame]
    subsets = _choose_subsets(rest, size, rng)
    game.expect(members for subset in subsets for members in (subset, subset | {frame}))
    return np.array([_ask(game, subset | {frame}, known) - _ask(game, subset, known) for subset in subsets])


def _choose_subsets(rest: list[int], size: int, rng: np.random.Generator) -> list[frozenset[int]]:
    if math.comb(len(rest), size) <= MAX_SUBSETS:
        return [frozenset(subset) for subset in combinations(rest, size)]
    return [frozenset(rng.choice(rest, size, replace=False).tolist()) for _ in range(MAX_SUBSETS)]


def _ask(game: SubsetGame, members: frozenset[int], known: set[frozenset[int]]) -> float:
    known.add(members)
    return game.value(members)
