"""Pairs and lists of frames of one burst, for losses that compare them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from manifests.certainty import find_probability_better
from manifests.loading.items import BurstItem, keep_frames


def list_pairs(
    scores: NDArray[np.float32],
    errors: NDArray[np.float32] | None = None,
    *,
    min_gap: float = 0.0,
    min_probability: float = 0.0,
    higher_is_better: bool = True,
) -> NDArray[np.int64]:
    """All pairs of frames whose scores differ by more than a gap, and by more than their noise.

    Args:
        scores: float32 [T]; NaN takes part in no pair.
        errors: float32 [T], standard deviation of each score by sampling and noise; NaN or None where unknown.
        min_gap: smallest difference that does not count, in the unit of the scores; for labels that are estimates, a few
            standard errors.
        min_probability: how probable it must be, by the errors, that the one frame is truly better than the other; pairs of unknown
            errors count as sure.
        higher_is_better: False for ranks.

    Returns:
        int64 [P, 2]: the better and the worse frame.

    Examples:
        >>> list_pairs(np.array([0.1, np.nan, 0.9, 0.2], np.float32), min_gap=0.5).tolist()
        [[2, 0], [2, 3]]
    """
    worth = scores if higher_is_better else -scores
    # Comparisons with NaN are false.
    chosen = worth[:, None] - worth[None] > min_gap
    if errors is not None and min_probability > 0:
        probability = find_probability_better(worth[:, None], worth[None], errors[:, None], errors[None])
        chosen &= ~(probability < min_probability)
    pairs: NDArray[np.int64] = np.argwhere(chosen)
    return pairs


@dataclass(frozen=True)
class DrawPairs:
    """A transform that draws pairs of frames for every scenario: `pairs`, int64 [S, count, 2], the better frame first.

    Pairs are drawn without replacement while they last, then again; where a scenario has none, all are −1.

    Attributes:
        count: pairs for each scenario.
        min_gap: the same as for `list_pairs`.
        min_probability: the same as for `list_pairs`, by the item's `score_errors`: leaves out pairs whose order is noise.
        higher_is_better: False for ranks.
    """

    count: int
    min_gap: float = 0.0
    min_probability: float = 0.0
    higher_is_better: bool = True

    def __call__(self, item: BurstItem, random: np.random.Generator) -> BurstItem:
        """Draw pairs among the frames that the item has now."""
        drawn = np.full((len(item["scores"]), self.count, 2), -1, np.int64)
        for row, scores, errors in zip(drawn, item["scores"].numpy(), item["score_errors"].numpy(), strict=True):
            pairs = list_pairs(
                scores,
                errors,
                min_gap=self.min_gap,
                min_probability=self.min_probability,
                higher_is_better=self.higher_is_better,
            )
            if len(pairs):
                rounds = -(-self.count // len(pairs))
                order = np.concatenate([random.permutation(len(pairs)) for _ in range(rounds)])
                row[:] = pairs[order[: self.count]]
        return {**item, "pairs": torch.from_numpy(drawn)}


@dataclass(frozen=True)
class DrawFrames:
    """A transform that keeps a random list of frames, in capture order, the reference always among them.

    Attributes:
        count: frames to keep; shorter bursts stay whole.
    """

    count: int

    def __post_init__(self) -> None:
        """Refuse a list that could not hold the reference.

        Raises:
            ValueError: if `count` is below 1.
        """
        if self.count < 1:
            raise ValueError(f"count: expected at least 1, got {self.count}")

    def __call__(self, item: BurstItem, random: np.random.Generator) -> BurstItem:
        """Draw the list."""
        length, reference = len(item["frames"]), item["reference_index"]
        if length <= self.count:
            return item
        others = np.delete(np.arange(length), reference)
        kept = np.sort([reference, *random.choice(others, self.count - 1, replace=False)])
        return keep_frames(item, torch.from_numpy(kept))
