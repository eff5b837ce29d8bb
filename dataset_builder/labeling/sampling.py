"""Shapley values from random subsets and their complements, as many as a stopping rule asks for."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from dataset_builder.labeling.semivalues import Gains, SubsetGame
from dataset_builder.labeling.slopes import Edge, estimate_shapley
from dataset_builder.labeling.stopping import Criterion, Standing

_FIRST_LOOK = 1.5
"""Pairs for each frame, before the first look; with fewer, standard errors come out too small now and then."""
_GROWTH = 1.1
"""By how much the sample grows at least from one look to the next: who looks often stops by chance."""


def sample_shapley(game: SubsetGame, rng: np.random.Generator, rule: Criterion) -> Gains:
    """Shapley values, exact once all subsets were seen.

    After the subsets of 0, 1, n − 1 and n frames come rounds of pairs of complementary subsets, one pair of each size, without replacement.
    Which they are depends on the generator alone and not on their values.

    Args:
        game: whose values they are.
        rng: chooses the subsets.
        rule: when to stop; looked at as the sample grows, at first with more pairs than frames.
    """
    count = len(game.others)
    edge, evaluations = _measure_edge(game)
    members, differences = np.empty((0, count), bool), np.empty(0)
    looks: list[tuple[int, NDArray[np.float64]]] = []
    due = _FIRST_LOOK * count
    for chosen in draw_rounds(count, rng):
        members = np.concatenate([members, chosen])
        differences = np.concatenate([differences, _subtract_complements(game, chosen)])
        evaluations += 2 * len(chosen)
        last = evaluations + 2 * len(chosen) > rule.cap
        if len(members) < (_FIRST_LOOK * count if last else due) or evaluations == 2**count:
            continue
        due = _GROWTH * len(members)
        mean, error = estimate_shapley(edge, members, differences)
        earlier = next((scores for pairs, scores in reversed(looks) if 2 * pairs <= len(members)), None)
        looks.append((len(members), mean))
        if last or rule.is_met(Standing(mean, error, earlier, evaluations, game.resolution)):
            return Gains(mean, error, evaluations)
    mean = estimate_shapley(edge, members, differences)[0] if len(members) else edge.combine(np.zeros(count))
    return Gains(mean, np.zeros(count), evaluations)


def count_evaluations(count: int, rule: Criterion) -> tuple[int, int]:
    """Fidelities that are computed for `count` frames beside the reference, at least and at most."""
    sizes = max(count // 2 - 1, 0)
    pairs = sizes * math.ceil(_FIRST_LOOK * count / sizes) if sizes else 0
    least = min(2 * count + 2 + 2 * pairs, 2**count)
    return least, int(min(max(rule.cap, least), 2**count))


def draw_rounds(count: int, rng: np.random.Generator) -> Iterator[NDArray[np.bool_]]:
    """Subsets of `count` players, bool [sizes, count]: one of each size from 2 to n/2, none again or beside its complement."""
    left = {size: math.comb(count, size) // (2 if 2 * size == count else 1) for size in range(2, count // 2 + 1)}
    seen: set[bytes] = set()
    while sizes := [size for size, number in left.items() if number]:
        chosen = np.zeros((len(sizes), count), bool)
        for row, size in zip(chosen, sizes, strict=True):
            while not row.any() or row.tobytes() in seen:
                row[:] = False
                row[rng.choice(count, size, replace=False)] = True
            seen |= {row.tobytes(), (~row).tobytes()}
            left[size] -= 1
        yield chosen


def _measure_edge(game: SubsetGame) -> tuple[Edge, int]:
    others = frozenset(game.others)
    single = [frozenset({frame}) for frame in game.others]
    asked = dict.fromkeys([frozenset(), others, *single, *(others - each for each in single)])
    game.expect(asked)
    edge = Edge.from_values(
        game.value(frozenset()),
        game.value(others),
        np.array([game.value(each) for each in single]),
        np.array([game.value(others - each) for each in single]),
    )
    return edge, len(asked)


def _subtract_complements(game: SubsetGame, members: NDArray[np.bool_]) -> NDArray[np.float64]:
    """v(S) − v(N∖S) of rows of members."""
    frames = np.array(game.others)
    pairs = [(frozenset(frames[row].tolist()), frozenset(frames[~row].tolist())) for row in members]
    game.expect(subset for pair in pairs for subset in pair)
    return np.array([game.value(subset) - game.value(rest) for subset, rest in pairs])
