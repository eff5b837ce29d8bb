"""What a burst gains when its frames are chosen by one guide or another."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dataset_builder.labeling.semivalues import SubsetGame
from dataset_builder.selection.policies import DROP_HARMFUL, POLICIES, SIZED, choose_frames, choose_sizes
from restorers import CFA, Burst, Domain
from restorers.burst import FloatImage

ORACLE, RANDOM, FIRST, SHARPEST = "oracle", "random", "first", "sharpest"
BASELINES = (ORACLE, RANDOM, FIRST, SHARPEST)
SIGNED = frozenset({"leave_one_out", "add_one", "half_sum", "shapley", "banzhaf", "marginal", "best_subset"})
"""Estimators whose scores below 0 say that the result is better without the frame."""
RANDOM_SUBSETS = 8
"""How many subsets of a size stand for choosing at random, where not all can be had."""


@dataclass(frozen=True)
class Guide:
    """Scores by which the frames of a burst are chosen.

    Attributes:
        name: of the estimator or model.
        scores: of each frame, more is better; None where unknown.
        signed: whether a score below 0 says that the frame does harm.
    """

    name: str
    scores: tuple[float | None, ...]
    signed: bool = False

    @property
    def array(self) -> NDArray[np.float64]:
        """float64 [T]; NaN where unknown."""
        return np.array([np.nan if score is None else score for score in self.scores], np.float64)


def measure_guides(
    choice: SubsetGame,
    judge: SubsetGame,
    guides: Sequence[Guide],
    rng: np.random.Generator,
    *,
    policies: Sequence[str] = POLICIES,
    random_subsets: int = RANDOM_SUBSETS,
) -> list[dict[str, Any]]:
    """Restore from the frames that each guide and the baselines choose, under each policy that applies.

    Args:
        choice: the burst that the frames are chosen on.
        judge: the burst that they are judged on: the same frames with other noise, or the same game.
        guides: beside the oracle (the best subset of its size, or of any size, of `choice`; where its subsets can be enumerated), random
            frames and the reference alone.
        rng: draws random subsets where they cannot be enumerated.
        policies: of `policies.CURVE`.
        random_subsets: how many of a size stand for choosing at random where not all can be had.

    Returns:
        A row for each guide and policy: `guide`, `policy`, `kept` (frames beside the reference), `gain` (fidelity of `judge` over that
        of all frames), `over_random` (over that of as many random frames), `same_noise` (`gain` in `choice`: too rosy, for its noise
        helped to choose).
    """
    others = judge.others
    values = choice.enumerate_values()
    expect_chosen = _expect_random(choice, values, rng, random_subsets)
    expect_random = (
        expect_chosen if choice is judge else _expect_random(judge, judge.enumerate_values(), rng, random_subsets)
    )
    whole, chosen_whole = judge.value(frozenset(others)), choice.value(frozenset(others))
    rows = []
    for guide, policy, kept in _list_choices(others, values, guides, policies):
        fidelity = judge.value(kept)
        rows.append(
            {
                "guide": guide,
                "policy": policy,
                "kept": len(kept),
                "gain": fidelity - whole,
                "over_random": fidelity - expect_random(len(kept)),
                "same_noise": choice.value(kept) - chosen_whole,
            }
        )
    sizes = choose_sizes(len(others))
    for policy in policies:
        if policy == DROP_HARMFUL:
            continue
        size = sizes[SIZED[policy]]
        gain, same = expect_random(size) - whole, expect_chosen(size) - chosen_whole
        rows.append(
            {"guide": RANDOM, "policy": policy, "kept": size, "gain": gain, "over_random": 0.0, "same_noise": same}
        )
    return rows


def measure_sharpness(burst: Burst) -> tuple[float, ...]:
    """Variance of the Laplacian of each frame's green in the exposure of the reference, by which apps find the sharpest; [T]."""
    planes = burst.frames[..., 1] if burst.cfa is None else _pick_green(burst.frames, burst.cfa)
    exposure = np.ones(burst.num_frames) if burst.domain is Domain.SRGB else burst.exposure_ratio
    return tuple(
        float(cv2.Laplacian(np.ascontiguousarray(plane / ratio, np.float32), cv2.CV_32F).var())
        for plane, ratio in zip(planes, exposure, strict=True)
    )


def _pick_green(frames: FloatImage, cfa: CFA) -> FloatImage:
    row, column = divmod(cfa.channels.index(1), 2)
    return frames[:, row::2, column::2]


def _list_choices(
    others: Sequence[int], values: NDArray[np.float64] | None, guides: Sequence[Guide], policies: Sequence[str]
) -> Iterator[tuple[str, str, frozenset[int]]]:
    if values is not None:
        counts = np.bitwise_count(np.arange(len(values), dtype=np.uint32))
        sizes = choose_sizes(len(others))
        for policy in policies:
            allowed = values if policy == DROP_HARMFUL else np.where(counts == sizes[SIZED[policy]], values, -np.inf)
            number = int(allowed.argmax())
            yield ORACLE, policy, frozenset(frame for bit, frame in enumerate(others) if number >> bit & 1)
    for guide in guides:
        scores = guide.array
        if np.isfinite(scores[list(others)]).any():
            for policy in policies:
                if policy == DROP_HARMFUL and not guide.signed:
                    continue  # its 0 means nothing
                yield guide.name, policy, choose_frames(scores, others, policy)


def _expect_random(
    game: SubsetGame, values: NDArray[np.float64] | None, rng: np.random.Generator, random_subsets: int
) -> Callable[[int], float]:
    """Mean fidelity of the subsets of a size: of all, or of some where they cannot be enumerated."""
    if values is not None:
        counts = np.bitwise_count(np.arange(len(values), dtype=np.uint32))
        return lambda size: float(values[counts == size].mean())
    others = list(game.others)

    @cache
    def sample(size: int) -> float:
        if size in (0, len(others)):
            return game.value(frozenset(others[:size]))
        drawn = [frozenset(rng.choice(others, size, replace=False).tolist()) for _ in range(random_subsets)]
        game.expect(drawn)
        return float(np.mean([game.value(members) for members in drawn]))

    return sample
