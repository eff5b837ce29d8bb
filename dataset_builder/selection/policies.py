"""From scores to the frames that are kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

PARTS = ("one", "a quarter", "half", "three quarters", "all but one")
"""How many of the frames besides the reference are kept."""
DROP_HARMFUL = "drop_harmful"
"""Keep all frames but those whose score is below 0; for a perfect selector: as many as suit the burst best."""
SIZED: Mapping[str, str] = MappingProxyType(
    {
        "best_one": "one",
        "best_quarter": "a quarter",
        "best_half": "half",
        "best_three_quarters": "three quarters",
        "all_but_one": "all but one",
    }
)
"""Policies that keep a fixed part of the frames besides the reference: the one of `PARTS`."""
CURVE = (DROP_HARMFUL, *SIZED)
POLICIES = (DROP_HARMFUL, "best_quarter", "best_half", "best_three_quarters")
"""Those that `buiqa gain` compares; `CURVE` has all."""


def choose_frames(scores: NDArray[np.float64], others: Sequence[int], policy: str) -> frozenset[int]:
    """The frames besides the reference that a policy keeps.

    Args:
        scores: float64 [T], more is better; NaN where unknown. Such frames are the last to be kept by `SIZED` policies, and never harmful.
        others: the frames that may be kept: all but the reference.
        policy: one of `CURVE`.

    Raises:
        ValueError: if there is no such policy.
    """
    if policy == DROP_HARMFUL:
        return frozenset(index for index in others if not scores[index] < 0)
    if policy not in SIZED:
        raise ValueError(f"policy: expected one of {', '.join(CURVE)}, got {policy!r}")
    return choose_best(scores, others, choose_sizes(len(others))[SIZED[policy]])


def choose_sizes(num_others: int) -> dict[str, int]:
    """For each of `PARTS`, how many of the frames besides the reference are kept: at least one, and not all if there are two."""
    most = max(num_others - 1, 1)
    shares = (1, round(num_others / 4), round(num_others / 2), round(3 * num_others / 4), most)
    return {part: min(max(size, 1), most) for part, size in zip(PARTS, shares, strict=True)}


def order_frames(scores: NDArray[np.float64]) -> NDArray[np.int64]:
    """Frames with a score, best first, the earlier of equals in front."""
    order: NDArray[np.int64] = np.argsort(-scores, kind="stable").astype(np.int64)
    return order[np.isfinite(scores[order])]


def choose_best(scores: NDArray[np.float64], others: Sequence[int], kept: int) -> frozenset[int]:
    """The `kept` frames besides the reference of highest score, the earlier of equals first; those of unknown score come last."""
    ranked = [int(index) for index in order_frames(scores) if index in others]
    return frozenset((ranked + [index for index in others if np.isnan(scores[index])])[:kept])
