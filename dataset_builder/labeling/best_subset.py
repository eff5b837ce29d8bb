"""The best subset of k frames, and what each frame has to do with it."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from dataset_builder.labeling.semivalues import Gains, SubsetGame


def best_subset(game: SubsetGame, *, size: int) -> Gains:
    """By how much the best subset of `size` frames with a frame is better than the best one without it.

    Above 0 for the members of the best subset: what is lost when that frame may not be used. Below 0 for the others: what is lost when it
    must be (their regret). Exact where all subsets can be had. Else frames are taken one by one, the best first, and exchanged one for one
    while that helps; the score then compares with the best subset that is one exchange away, and nothing says how good that is.

    Raises:
        ValueError: if fewer than `size` + 1 frames take part.
    """
    if size >= len(game.others):
        raise ValueError(f"best_subset({size}): expected at least {size + 2} frames, got {len(game.others) + 1}")
    values = game.enumerate_values()
    return _search(game, size) if values is None else _compare_all(values, size)


def _compare_all(values: NDArray[np.float64], size: int) -> Gains:
    numbers = np.arange(len(values), dtype=np.uint32)
    chosen = numbers[np.bitwise_count(numbers) == size]
    fidelity = values[chosen]
    count = len(values).bit_length() - 1
    within = chosen[:, None] >> np.arange(count, dtype=np.uint32) & 1 > 0
    scores = np.array([fidelity[own].max() - fidelity[~own].max() for own in within.T])
    return Gains(scores, np.zeros(count), len(values))


def _search(game: SubsetGame, size: int) -> Gains:
    known: dict[frozenset[int], float] = {}

    def find_best(subsets: Iterable[frozenset[int]]) -> frozenset[int]:
        asked = list(subsets)
        game.expect(asked)
        known.update({members: game.value(members) for members in asked})
        return max(asked, key=known.__getitem__)  # of equals the first

    best: frozenset[int] = frozenset()
    for _ in range(size):
        best = find_best(best | {frame} for frame in game.others if frame not in best)
    while True:
        exchanged = [best - {member} | {frame} for member in sorted(best) for frame in game.others if frame not in best]
        better = find_best([best, *exchanged])
        if better == best:
            break
        best = better
    scores = []
    for frame in game.others:
        rival = max(known[members] for members in exchanged if (frame in members) != (frame in best))
        scores.append(known[best] - rival if frame in best else rival - known[best])
    return Gains(np.array(scores), np.zeros(len(scores)), len(known))
