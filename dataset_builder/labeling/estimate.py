"""What an estimator asks of a burst, and what it answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from dataset_builder.labeling import semivalues
from dataset_builder.work.unit import is_fatal


class Game(semivalues.SubsetGame, Protocol):
    """What an estimator may ask about one burst under one restorer and metric."""

    @property
    def num_frames(self) -> int:
        """T."""
        ...

    def value_alone(self, index: int) -> float:
        """Fidelity of what the restorer makes of frame `index` alone, on that frame's own grid."""
        ...

    def value_as_reference(self, index: int) -> float:
        """Fidelity of what the restorer makes of all frames on the grid of frame `index`."""
        ...


@dataclass(frozen=True, eq=False)
class Estimate:
    """Scores of all frames of a burst.

    Attributes:
        score: float64 [T]; NaN where the estimator defines none.
        std_error: float64 [T]; 0 when nothing was sampled; NaN with score, or when it is unknown.
        num_evaluations: int64 [T]; fidelities that each score was computed from.
        failures: why frames that should have a score have none, by frame.
    """

    score: NDArray[np.float64]
    std_error: NDArray[np.float64]
    num_evaluations: NDArray[np.int64]
    failures: Mapping[int, Exception] = field(default_factory=dict)


def collect(game: Game, scores: Mapping[int, float], *, evaluations: int) -> Estimate:
    """Scores of some frames, each computed without sampling from so many fidelities."""
    score = np.full(game.num_frames, np.nan)
    score[list(scores)] = list(scores.values())
    known = np.isfinite(score)
    return Estimate(score, np.where(known, 0.0, np.nan), np.where(known, evaluations, 0))


def scatter(game: Game, gains: semivalues.Gains) -> Estimate:
    """Gains of the frames that take part."""
    estimate = collect(game, dict(zip(game.others, gains.mean, strict=True)), evaluations=gains.num_evaluations)
    estimate.std_error[list(game.others)] = gains.std_error
    return estimate


def measure_each(game: Game, measure: Callable[[int], float]) -> Estimate:
    """The fidelity of each frame; one that has none costs no other its own.

    Raises:
        Exception: of the first frame, if all fail.
    """
    scores: dict[int, float] = {}
    failures: dict[int, Exception] = {}
    for index in range(game.num_frames):
        try:
            scores[index] = measure(index)
        except Exception as error:  # whatever third-party code raises
            if is_fatal(error):
                raise
            failures[index] = error
    if not scores:
        raise failures[0]
    return replace(collect(game, scores, evaluations=1), failures=failures)
