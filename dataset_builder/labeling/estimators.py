"""How the worth of a frame is derived from fidelities (DESIGN.md, section 5).

Burst with frames 0..T−1, reference r, others N; v(S) is the fidelity of what the restorer makes of the reference and the frames S ⊆ N.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from dataset_builder.labeling import semivalues
from restorers.errors import UnsupportedBurstError


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
    """

    score: NDArray[np.float64]
    std_error: NDArray[np.float64]
    num_evaluations: NDArray[np.int64]


Family = Literal["marginal", "alone", "as_reference"]


@dataclass(frozen=True)
class Estimator:
    """A definition of worth.

    Attributes:
        name: as in the column `estimator`, with its parameter if it has one: `marginal(4)`.
        version: changes whenever equal fidelities would give other scores.
        formula: the score of frame i.
        family: what it asks of the game: values of subsets, of single frames, or of bursts with another reference.
        min_frames: shortest burst that it is defined for.
        function: computes it; the generator decides what is sampled, if anything is.
        exact: whether it is defined only where all v(S) can be had.
        keyed_as: the name that its labels have in their keys: the one that it had when its scores last changed.
    """

    name: str
    version: str
    formula: str
    family: Family
    min_frames: int
    function: Callable[[Game, np.random.Generator], Estimate]
    exact: bool = False
    keyed_as: str = ""

    def identify(self) -> list[str]:
        """What tells its scores from those of other estimators."""
        return [self.keyed_as or self.name, self.version]


def leave_one_out(game: Game) -> Estimate:
    """v(N) − v(N∖{i}): what is lost without frame i."""
    others = frozenset(game.others)
    game.expect([others, *(others - {i} for i in game.others)])
    whole = game.value(others)
    return _collect(game, {i: whole - game.value(others - {i}) for i in game.others}, evaluations=2)


def add_one(game: Game) -> Estimate:
    """v({i}) − v(∅): what frame i adds to the reference alone."""
    game.expect([frozenset(), *(frozenset({i}) for i in game.others)])
    nothing = game.value(frozenset())
    return _collect(game, {i: game.value(frozenset({i})) - nothing for i in game.others}, evaluations=2)


def shapley(game: Game, rng: np.random.Generator, *, std_error: float) -> Estimate:
    """Shapley value: the mean gain of frame i over all orders in which frames may arrive; see `semivalues`."""
    return _scatter(game, semivalues.shapley(game, rng, std_error=std_error))


def shapley_exactly(game: Game) -> Estimate:
    """Shapley value from all v(S).

    Raises:
        UnsupportedBurstError: if they cannot be had.
    """
    gains = semivalues.shapley_exactly(game)
    if gains is None:
        raise UnsupportedBurstError(
            f"shapley(exact): too many subsets of {len(game.others)} frames to restore each; use shapley, which samples them"
        )
    return _scatter(game, gains)


def marginal(game: Game, rng: np.random.Generator, *, size: int) -> Estimate:
    """Mean gain of frame i over the subsets of `size` other frames; see `semivalues`."""
    return _scatter(game, semivalues.marginal(game, rng, size=size))


def solo(game: Game) -> Estimate:
    """Fidelity of frame i restored alone, on its own grid; defined for the reference too."""
    return _collect(game, {i: game.value_alone(i) for i in range(game.num_frames)}, evaluations=1)


def as_reference(game: Game) -> Estimate:
    """Fidelity of the whole burst restored on the grid of frame i; defined for the reference too."""
    return _collect(game, {i: game.value_as_reference(i) for i in range(game.num_frames)}, evaluations=1)


def _define(name: str, formula: str, family: Family, function: Callable[[Game], Estimate]) -> Estimator:
    least = 2 if family == "marginal" else 1
    return Estimator(name, "1", formula, family, least, lambda game, _: function(game))


_SHAPLEY_FORMULA = "Shapley value of i in (N, v): Σ |S|! (|N|−|S|−1)! / |N|! · (v(S∪{i}) − v(S)) over S ⊆ N∖{i}"
_PLAIN = (
    _define("leave_one_out", "v(N) − v(N∖{i})", "marginal", leave_one_out),
    _define("add_one", "v({i}) − v(∅)", "marginal", add_one),
    _define("solo", "Q(restore(frame i alone), truth on the grid of frame i)", "alone", solo),
    _define(
        "as_reference", "Q(restore(all frames, on the grid of frame i), truth there)", "as_reference", as_reference
    ),
    replace(_define("shapley(exact)", _SHAPLEY_FORMULA, "marginal", shapley_exactly), exact=True),
)
SHAPLEY_ERROR = 0.05
"""Standard error, in the metric's unit, at which `shapley` stops sampling."""


def _make_shapley(name: str, std_error: float) -> Estimator:
    if not 0 < std_error < np.inf:
        raise ValueError(f"{name}: expected a positive standard error, for example shapley(0.05)")
    formula = (
        f"{_SHAPLEY_FORMULA}; exact where all v(S) can be had, "
        f"else the mean over antithetic pairs of random orders until the standard error is {std_error:g}"
    )
    return Estimator(name, "1", formula, "marginal", 2, lambda game, rng: shapley(game, rng, std_error=std_error))


def _make_marginal(name: str, size: float) -> Estimator:
    if size != int(size) or not 0 <= size <= 100:
        raise ValueError(f"{name}: expected a whole number of frames, for example marginal(4)")
    formula = f"mean of v(S∪{{i}}) − v(S) over the S ⊆ N∖{{i}} with |S| = {int(size)}; over a random sample of them where they are many"
    return Estimator(
        name,
        "1",
        formula,
        "marginal",
        int(size) + 2,
        lambda game, rng: marginal(game, rng, size=int(size)),
        keyed_as=name.replace("marginal", "banzhaf"),
    )


_PARAMETRIC: Mapping[str, tuple[Callable[[str, float], Estimator], float]] = MappingProxyType(
    {"shapley": (_make_shapley, SHAPLEY_ERROR), "marginal": (_make_marginal, 4.0)}
)
NAMES = (*(estimator.name for estimator in _PLAIN), "shapley", "shapley(STD_ERROR)", "marginal(SIZE)")


def find_estimator(name: str) -> Estimator:
    """The estimator of a name like `leave_one_out`, `shapley`, `shapley(0.02)` or `marginal(4)`.

    `marginal(4)` was once called `banzhaf(4)` and is still found by that name.

    Raises:
        ValueError: if there is none; names those that there are.
    """
    for estimator in _PLAIN:
        if estimator.name == name:
            return estimator
    name = re.sub(r"^banzhaf(?=\()", "marginal", name)
    match = re.fullmatch(r"(shapley|marginal)(?:\(([0-9]{1,6}(?:\.[0-9]{1,6})?)\))?", name)
    if match is None:
        raise ValueError(f"expected one of {', '.join(NAMES)}, got {name!r}")
    make, default = _PARAMETRIC[match[1]]
    return make(name, float(match[2]) if match[2] else default)


def is_estimator(name: str) -> bool:
    """Whether `find_estimator` knows the name; labels may also come from elsewhere, for example from people's preferences."""
    try:
        find_estimator(name)
    except ValueError:
        return False
    return True


def choose_estimators(requested: tuple[str, ...], *, single_frame: bool) -> tuple[str, ...]:
    """What to compute: what was asked for, else every estimator that makes sense for the restorer at no great cost.

    Raises:
        ValueError: if an estimator that compares bursts is asked of a single-frame restorer.
    """
    if not requested:
        return ("solo",) if single_frame else ("leave_one_out", "add_one")
    wrong = [name for name in requested if single_frame and find_estimator(name).family != "alone"]
    if wrong:
        raise ValueError(
            f"estimator {wrong[0]}: the restorer looks at one frame only, so no frame adds to others; use solo"
        )
    return tuple(dict.fromkeys(find_estimator(name).name for name in requested))


def _collect(game: Game, scores: Mapping[int, float], *, evaluations: int) -> Estimate:
    score = np.full(game.num_frames, np.nan)
    score[list(scores)] = list(scores.values())
    known = np.isfinite(score)
    return Estimate(score, np.where(known, 0.0, np.nan), np.where(known, evaluations, 0))


def _scatter(game: Game, gains: semivalues.Gains) -> Estimate:
    estimate = _collect(game, dict(zip(game.others, gains.mean, strict=True)), evaluations=gains.num_evaluations)
    estimate.std_error[list(game.others)] = gains.std_error
    return estimate
