"""Published estimators of Shapley values, each as its paper has it, for games whose every evaluation counts once.

Subsets are numbers: bit i stands for player i. Every estimator takes a game, the evaluations that it may use, and a generator, and returns
float64 [n]. An evaluation that is asked for again is free.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import combinations
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float64]


@dataclass(eq=False)
class CountedGame:
    """A game of which all values are known, that counts what is asked for.

    Attributes:
        values: float64 [2^n] by the number of the subset.
    """

    values: Scores
    asked: set[int] = field(default_factory=set)

    @property
    def count(self) -> int:
        """n."""
        return len(self.values).bit_length() - 1

    @property
    def everyone(self) -> int:
        """N."""
        return len(self.values) - 1

    def value(self, members: int) -> float:
        """v(S)."""
        self.asked.add(members)
        return float(self.values[members])


Sampler = Callable[[CountedGame, int, np.random.Generator], Scores]


def number(players: NDArray[np.int64]) -> int:
    return sum(1 << int(player) for player in players)


def to_bits(subsets: list[int], count: int) -> Scores:
    return (np.array(subsets)[:, None] >> np.arange(count) & 1).astype(np.float64)


def antithetic_permutations(game: CountedGame, budget: int, rng: np.random.Generator) -> Scores:
    """Pairs of orders, one the reverse of the other (Mitchell et al. 2022)."""
    draws = []
    while len(game.asked) + 2 * (game.count - 1) <= budget or not draws:
        order = rng.permutation(game.count)
        draws.append((_walk(game, order) + _walk(game, order[::-1])) / 2)
    return np.mean(draws, axis=0)


def _walk(game: CountedGame, order: NDArray[np.int64]) -> Scores:
    gains, members, before = np.empty(len(order)), 0, game.value(0)
    for player in order:
        members |= 1 << int(player)
        after = game.value(members)
        gains[player], before = after - before, after
    return gains


def stratified(game: CountedGame, budget: int, rng: np.random.Generator) -> Scores:
    """Gains of each player over as many subsets of each size (Maleki et al. 2013; Castro et al. 2017)."""
    count = game.count
    gains: list[list[list[float]]] = [[[] for _ in range(count)] for _ in range(count)]
    while len(game.asked) + 2 <= budget:
        for size, player in np.ndindex(count, count):
            if len(game.asked) + 2 > budget:
                break
            rest = np.delete(np.arange(count), player)
            members = number(rng.choice(rest, size, replace=False))
            gains[player][size].append(game.value(members | 1 << player) - game.value(members))
        if len(game.asked) == len(game.values):
            break
    return np.array([np.mean([np.mean(each) for each in sizes if each]) if any(sizes) else 0.0 for sizes in gains])


def _draw_pairs(game: CountedGame, budget: int, rng: np.random.Generator, weights: Scores) -> list[int]:
    """Subsets and their complements, of sizes 1..n−1 drawn by weights, with replacement."""
    drawn: list[int] = []
    sizes = np.arange(1, game.count)
    game.value(0), game.value(game.everyone)
    for _ in range(20 * budget):
        members = number(rng.choice(game.count, rng.choice(sizes, p=weights), replace=False))
        if len(game.asked | {members, game.everyone ^ members}) > budget:
            break
        for each in (members, game.everyone ^ members):
            game.value(each)
            drawn.append(each)
    return drawn


def _kernel_weights(count: int) -> Scores:
    sizes = np.arange(1, count)
    weights = 1 / (sizes * (count - sizes))
    return weights / weights.sum()


def _solve(subsets: list[int], game: CountedGame, weights: Scores) -> Scores:
    """Weighted least squares under the constraint that the scores sum to v(N) − v(∅)."""
    design, total = to_bits(subsets, game.count), game.value(game.everyone) - game.value(0)
    target = np.array([game.value(each) for each in subsets]) - game.value(0)
    share = total / game.count
    centred = design - design.mean(axis=1, keepdims=True)
    # Scores are share + a part that sums to 0, and centred rows see only that part.
    rest = target - share * design.sum(axis=1)
    root = np.sqrt(weights)[:, None]
    return share + np.linalg.lstsq(centred * root, rest * root[:, 0], rcond=None)[0]


def paired_kernel(game: CountedGame, budget: int, rng: np.random.Generator) -> Scores:
    """KernelSHAP with paired sampling (Covert & Lee 2021)."""
    drawn = _draw_pairs(game, budget, rng, _kernel_weights(game.count))
    return _solve(drawn, game, np.ones(len(drawn)))


def unbiased_kernel(game: CountedGame, budget: int, rng: np.random.Generator) -> Scores:
    """KernelSHAP with the exact moments of the design, and paired sampling (Covert & Lee 2021, section 3.2)."""
    count = game.count
    weights = _kernel_weights(count)
    drawn = _draw_pairs(game, budget, rng, weights)
    sizes = np.arange(1, count)
    same = float(weights @ sizes) / count
    both = float(weights @ (sizes * (sizes - 1))) / (count * (count - 1))
    moments = np.full((count, count), both) + np.eye(count) * (same - both)
    gains = np.array([game.value(each) for each in drawn]) - game.value(0)
    cross = to_bits(drawn, count).T @ gains / len(drawn)
    inverse = np.linalg.inv(moments)
    total = game.value(game.everyone) - game.value(0)
    plain = inverse @ cross
    ones = inverse.sum(axis=1)
    return plain - ones * (plain.sum() - total) / ones.sum()


def leverage(game: CountedGame, budget: int, rng: np.random.Generator) -> Scores:
    """Leverage SHAP: all sizes alike, pairs without replacement (Musco & Witter 2025)."""
    count = game.count
    drawn: set[int] = set()
    game.value(0), game.value(game.everyone)
    while len(game.asked) + 2 <= budget and len(game.asked) < len(game.values):
        members = number(rng.choice(count, rng.integers(1, count), replace=False))
        drawn |= {members, game.everyone ^ members}
        game.value(members), game.value(game.everyone ^ members)
    subsets = sorted(drawn)
    sizes = to_bits(subsets, count).sum(axis=1)
    # The kernel's weight of a subset over the probability that it was drawn.
    rounds = len(subsets) / (count - 1)
    chance = np.minimum(1, rounds / np.array([math.comb(count, int(size)) for size in sizes]))
    kernel = 1 / (sizes * (count - sizes) * np.array([math.comb(count, int(size)) for size in sizes]))
    return _solve(subsets, game, kernel / chance)


def svarm(game: CountedGame, budget: int, rng: np.random.Generator) -> Scores:
    """SVARM (Kolpaczki et al. 2024, algorithm 1): every value updates all players."""
    count = game.count
    sums, seen = np.zeros((2, count)), np.zeros((2, count))
    for player in range(count):
        rest = np.delete(np.arange(count), player)
        for sign in (0, 1):
            members = number(rng.choice(rest, rng.integers(count), replace=False)) | (1 << player if sign else 0)
            sums[sign, player] += game.value(members)
            seen[sign, player] += 1
    harmonic = 1 / np.arange(1, count + 1)
    harmonic /= harmonic.sum()
    for _ in range(20 * budget):
        if len(game.asked) + 2 > budget:
            break
        # Given that a player is in, each size from 1 to n is as likely; given that it is out, each from 0 to n − 1.
        inside = rng.choice(count, rng.choice(count, p=harmonic) + 1, replace=False)
        outside = rng.choice(count, rng.choice(count, p=harmonic) + 1, replace=False)
        sums[1, inside] += game.value(number(inside))
        seen[1, inside] += 1
        sums[0, outside] += game.value(game.everyone ^ number(outside))
        seen[0, outside] += 1
    means = sums / seen
    return means[1] - means[0]


def stratified_svarm(game: CountedGame, budget: int, rng: np.random.Generator) -> Scores:
    """Stratified SVARM (Kolpaczki et al. 2024, algorithm 2), with its exact border and its warm-up."""
    count = game.count
    sums, seen = np.zeros((2, count, count)), np.zeros((2, count, count))

    def update(members: int, players: NDArray[np.int64] | None = None) -> None:
        value = game.value(members)
        inside = (members >> np.arange(count) & 1).astype(bool)
        size = int(inside.sum())
        for sign, mask, stratum in ((1, inside, size - 1), (0, ~inside, size)):
            chosen = mask if players is None else mask & np.isin(np.arange(count), players)
            if chosen.any():
                sums[sign, chosen, stratum] += value
                seen[sign, chosen, stratum] += 1

    for members in (0, game.everyone, *(1 << i for i in range(count)), *(game.everyone ^ 1 << i for i in range(count))):
        update(members)
    sizes = np.arange(2, count - 1)
    for members, chunk in _warm_up(count, rng):
        if len(game.asked | {members}) <= budget:
            update(members, chunk)
    weights = 1 / np.minimum(sizes, count - sizes)
    weights = weights / weights.sum()
    for _ in range(20 * budget):
        members = number(rng.choice(count, rng.choice(sizes, p=weights), replace=False))
        if len(game.asked | {members}) > budget:
            break
        update(members)
    means = np.divide(sums, seen, out=np.zeros_like(sums), where=seen > 0)
    known = (seen > 0).all(axis=0)
    return np.where(known, means[1] - means[0], 0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)


def _warm_up(count: int, rng: np.random.Generator) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Subsets, and whose values they are: each player once inside and once outside a subset of each size."""
    for size in range(2, count - 1):
        for inside in (True, False):
            order, width = rng.permutation(count), size if inside else count - size
            for start in range(0, count, width):
                chunk = order[start : start + width]
                filled = np.concatenate([chunk, rng.permutation(np.setdiff1d(order, chunk))[: width - len(chunk)]])
                yield number(filled) if inside else 2**count - 1 ^ number(filled), chunk


def odd_regression(game: CountedGame, budget: int, rng: np.random.Generator) -> Scores:
    """Regression of differences between complements on odd Fourier terms up to the third order, after Fumagalli et al. (2026, OddSHAP).

    Their choice of a few terms by gradient-boosted trees is replaced by a ridge on all of the third order, chosen by generalised
    cross-validation. Of a term of order d, a player's Shapley value holds −2/d of each coefficient that has the player.
    """
    count = game.count
    drawn: dict[int, float] = {}
    edge = [1 << i for i in range(count)]
    for members in (0, *edge):
        drawn[members] = game.value(members) - game.value(game.everyone ^ members)
    while len(game.asked) + 2 <= budget and len(game.asked) < len(game.values):
        members = number(rng.choice(count, rng.integers(2, count - 1), replace=False))
        if game.everyone ^ members not in drawn:
            drawn[members] = game.value(members) - game.value(game.everyone ^ members)
    subsets = list(drawn)
    signs = 1 - 2 * to_bits(subsets, count)
    triples = list(combinations(range(count), 3))
    sizes = to_bits(subsets, count).sum(axis=1)
    inner = np.clip(sizes, 1, count - 1)
    kernel = 1 / (inner * (count - inner))
    # The boundary is known; a weight well above the others holds the fit to it.
    root = np.sqrt(np.where(np.isin(sizes, (0, 1)), 10 * kernel.max(), kernel))
    high = np.stack([signs[:, list(triple)].prod(axis=1) for triple in triples], axis=1) * root[:, None]
    linear, target = signs * root[:, None], np.array([drawn[each] for each in subsets]) / 2 * root
    basis = np.linalg.qr(linear)[0]
    free, rest = high - basis @ (basis.T @ high), target - basis @ (basis.T @ target)
    left, sigma, right = np.linalg.svd(free, full_matrices=False)
    parts, rows = left.T @ rest, len(target) - count
    outside = max(float(rest @ rest - parts @ parts), 0.0)
    best = (math.inf, 0.0)
    for ridge in np.geomspace(1e-4, 1e4, 33) * float(np.mean(sigma**2)):
        shrunk = ridge / (sigma**2 + ridge)
        score = (float(np.sum((shrunk * parts) ** 2)) + outside) / (rows - float(np.sum(1 - shrunk))) ** 2
        best = min(best, (score, float(ridge)))
    third = right.T @ (sigma / (sigma**2 + best[1]) * parts)
    first = np.linalg.lstsq(linear, target - high @ third, rcond=None)[0]
    scores = -2 * first
    for triple, coefficient in zip(triples, third, strict=True):
        scores[list(triple)] -= 2 / 3 * coefficient
    total = game.value(game.everyone) - game.value(0)
    return scores + (total - scores.sum()) / count


PUBLISHED: Mapping[str, Sampler] = MappingProxyType(
    {
        "antithetic permutations": antithetic_permutations,
        "stratified": stratified,
        "paired KernelSHAP": paired_kernel,
        "unbiased KernelSHAP": unbiased_kernel,
        "Leverage SHAP": leverage,
        "SVARM": svarm,
        "Stratified SVARM": stratified_svarm,
        "odd regression": odd_regression,
    }
)
