"""Banzhaf values: the mean gain of a frame over all subsets of the others, exact or sampled; and how additive a game is.

With signs s_i = ±1 for the frames that are in a subset and those that are not, and all subsets equally likely, the Banzhaf value of i is
2·E[s_i v(S)] (Banzhaf 1965), which is also the coefficient of i in the additive game that fits v best (Hammer & Holzman, ZOR 1992). So each
v(S) tells something of all frames, whoever is in S: maximum sample reuse (Wang & Jia, "Data Banzhaf", AISTATS 2023).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from dataset_builder.labeling.semivalues import Gains, SubsetGame, average_exactly

PAIRS = 128
"""Random subsets, each with its complement, that sampled Banzhaf values are estimated from."""


def banzhaf(game: SubsetGame, rng: np.random.Generator) -> Gains:
    """Banzhaf values, exact where all subsets can be had, else from `PAIRS` random subsets and their complements."""
    values = game.enumerate_values()
    if values is not None:
        count = len(game.others)
        return average_exactly(values, np.full(count, 1 / 2 ** (count - 1)))
    return _sample(game, rng)


def _sample(game: SubsetGame, rng: np.random.Generator) -> Gains:
    """Maximum sample reuse with the additive part of the game as control variate.

    Each pair gives s_i (v(S) − v(N∖S)), whose mean is the Banzhaf value of i. Most of its spread is what the other frames add, so
    s_i Σ_j b_j s_j is subtracted, whose mean is b_i. The b_j are fitted to one half of the pairs and used in the other: nothing is biased.
    """
    others = game.others
    signs = rng.choice([-1.0, 1.0], size=(PAIRS, len(others)))
    subsets = [
        frozenset(frame for frame, sign in zip(others, row, strict=True) if sign == side)
        for row in signs
        for side in (1.0, -1.0)
    ]
    game.expect(subsets)
    values = np.array([game.value(members) for members in subsets]).reshape(PAIRS, 2)
    differences = values[:, 0] - values[:, 1]
    halves = np.arange(PAIRS) % 2 == 0
    terms = np.empty_like(signs)
    for half in (halves, ~halves):
        worth = np.linalg.lstsq(signs[~half], differences[~half], rcond=None)[0]
        rest = differences[half] - signs[half] @ worth
        terms[half] = signs[half] * rest[:, None] + worth
    # The two halves have other control variates, but each term has the same mean.
    spread = np.mean([terms[half].var(axis=0, ddof=1) for half in (halves, ~halves)], axis=0)
    return Gains(terms.mean(axis=0), np.sqrt(spread / PAIRS), len(set(subsets)))


def interact_pairs(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Shapley interaction indices of all pairs of frames (Grabisch & Roubens, IJGT 1999).

    I_ij = Σ |S|! (n − |S| − 2)! / (n − 1)! · (v(S∪{i, j}) − v(S∪{i}) − v(S∪{j}) + v(S)) over S ⊆ N∖{i, j}: above 0 where the two help
    each other, below where each makes the other needless. Rows sum to leave_one_out − add_one, the estimator `interaction`.

    Args:
        values: float64 [2^n], v of all subsets by number.

    Returns:
        float64 [n, n], symmetric, 0 on the diagonal.
    """
    count = len(values).bit_length() - 1
    numbers = np.arange(len(values), dtype=np.uint32)
    sizes = np.bitwise_count(numbers)
    table = np.zeros((count, count))
    for i in range(count):
        for j in range(i):
            pair = (1 << i) | (1 << j)
            rest = numbers[numbers & pair == 0]
            weights = np.array([1 / ((count - 1) * math.comb(count - 2, size)) for size in range(count - 1)])
            second = values[rest | pair] - values[rest | (1 << i)] - values[rest | (1 << j)] + values[rest]
            table[i, j] = table[j, i] = np.sum(weights[sizes[rest]] * second)
    return table


def measure_additivity(values: NDArray[np.float64]) -> float:
    """Share of the variance of v over all subsets that the best additive game explains (R²): Σ φ_i² / 4 over the variance.

    Args:
        values: float64 [2^n], v of all subsets by number.

    Returns:
        0..1, where 1 means that frames neither help nor replace each other; NaN where v is the same for all subsets.
    """
    count = len(values).bit_length() - 1
    worth = average_exactly(values, np.full(count, 1 / 2 ** (count - 1))).mean
    variance = float(values.var())
    return float(np.sum(worth**2) / 4 / variance) if variance > 0 else math.nan
