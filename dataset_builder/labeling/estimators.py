"""How the worth of a frame is derived from fidelities (DESIGN.md, section 5).

Burst with frames 0..T−1, reference r, others N; v(S) is the fidelity of what the restorer makes of the reference and the frames S ⊆ N.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Game(Protocol):
    """What an estimator may ask about one burst under one restorer and metric."""

    @property
    def num_frames(self) -> int:
        """T."""
        ...

    @property
    def reference_index(self) -> int:
        """r."""
        ...

    def value(self, members: frozenset[int]) -> float:
        """v(S) of the frames S, none of which is the reference."""
        ...

    def value_alone(self, index: int) -> float:
        """Fidelity of what the restorer makes of frame `index` alone, on that frame's own grid."""
        ...


@dataclass(frozen=True, eq=False)
class Estimate:
    """Scores of all frames of a burst.

    Attributes:
        score: float64 [T]; NaN where the estimator defines none.
        std_error: float64 [T]; 0 when nothing was sampled; NaN with score.
        num_evaluations: int64 [T]; fidelities that each score was computed from.
    """

    score: NDArray[np.float64]
    std_error: NDArray[np.float64]
    num_evaluations: NDArray[np.int64]


@dataclass(frozen=True)
class Estimator:
    """A definition of worth.

    Attributes:
        name: as in the column `estimator`.
        version: changes whenever equal fidelities would give other scores.
        formula: the score of frame i.
        single_frame: whether it makes sense for restorers that look at one frame.
        function: computes it.
    """

    name: str
    version: str
    formula: str
    single_frame: bool
    function: Callable[[Game], Estimate]


def leave_one_out(game: Game) -> Estimate:
    """v(N) − v(N∖{i}): what is lost without frame i."""
    others = _others(game)
    whole = game.value(others)
    return _collect(game, {i: whole - game.value(others - {i}) for i in others}, evaluations=2)


def add_one(game: Game) -> Estimate:
    """v({i}) − v(∅): what frame i adds to the reference alone."""
    nothing = game.value(frozenset())
    return _collect(game, {i: game.value(frozenset({i})) - nothing for i in _others(game)}, evaluations=2)


def solo(game: Game) -> Estimate:
    """Fidelity of frame i restored alone, on its own grid; defined for the reference too."""
    return _collect(game, {i: game.value_alone(i) for i in range(game.num_frames)}, evaluations=1)


ESTIMATORS: Mapping[str, Estimator] = MappingProxyType(
    {
        estimator.name: estimator
        for estimator in (
            Estimator("leave_one_out", "1", "v(N) − v(N∖{i})", False, leave_one_out),
            Estimator("add_one", "1", "v({i}) − v(∅)", False, add_one),
            Estimator("solo", "1", "Q(restore(frame i alone), truth on the grid of frame i)", True, solo),
        )
    }
)


def choose_estimators(requested: tuple[str, ...], *, single_frame: bool) -> tuple[str, ...]:
    """What to compute: what was asked for, else every estimator that makes sense for the restorer at no great cost.

    Raises:
        ValueError: if a marginal estimator is asked of a single-frame restorer.
    """
    if not requested:
        return ("solo",) if single_frame else ("leave_one_out", "add_one")
    wrong = [name for name in requested if single_frame and not ESTIMATORS[name].single_frame]
    if wrong:
        raise ValueError(
            f"estimator {wrong[0]}: the restorer looks at one frame only, so no frame adds to others; use solo"
        )
    return tuple(dict.fromkeys(requested))


def rank_scores(score: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Rank within the burst (1 = best, equal scores share the better rank, 0 where there is no score) and score scaled to 0..1.

    Where all scores are equal, the scaled score is 0.5.
    """
    known = np.isfinite(score)
    rank = np.zeros(len(score), np.int64)
    rank[known] = 1 + (score[known][None, :] > score[known][:, None]).sum(axis=1)
    scaled = np.full(len(score), np.nan)
    if known.any():
        low, high = score[known].min(), score[known].max()
        scaled[known] = (score[known] - low) / (high - low) if high > low else 0.5
    return rank, scaled


def _others(game: Game) -> frozenset[int]:
    return frozenset(range(game.num_frames)) - {game.reference_index}


def _collect(game: Game, scores: Mapping[int, float], *, evaluations: int) -> Estimate:
    score = np.full(game.num_frames, np.nan)
    score[list(scores)] = list(scores.values())
    known = np.isfinite(score)
    return Estimate(score, np.where(known, 0.0, np.nan), np.where(known, evaluations, 0))
