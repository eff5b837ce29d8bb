"""How the worth of a frame is derived from fidelities (DESIGN.md, section 5).

Burst with frames 0..T−1, reference r, others N; v(S) is the fidelity of what the restorer makes of the reference and the frames S ⊆ N.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal

import numpy as np

from dataset_builder.labeling import semivalues
from dataset_builder.labeling.banzhaf import PAIRS, banzhaf
from dataset_builder.labeling.best_subset import best_subset
from dataset_builder.labeling.estimate import Estimate, Game, collect, measure_each, scatter
from dataset_builder.labeling.sampling import sample_shapley
from dataset_builder.labeling.stopping import Criterion, parse_rule
from restorers.errors import UnsupportedBurstError

Family = Literal["marginal", "alone", "as_reference"]


@dataclass(frozen=True)
class Estimator:
    """A definition of worth.

    Attributes:
        name: the name in the column `estimator`, with its parameter if it has one: `marginal(4)`.
        version: changes whenever equal fidelities would give other scores.
        formula: the score of frame i.
        family: what it asks of the game: values of subsets, of single frames, or of bursts with another reference.
        min_frames: shortest burst that it is defined for.
        function: computes it; the generator decides what is sampled, if anything is.
        exact: whether it is defined only where all v(S) can be had.
    """

    name: str
    version: str
    formula: str
    family: Family
    min_frames: int
    function: Callable[[Game, np.random.Generator], Estimate]
    exact: bool = False

    def identify(self) -> list[str]:
        """What tells its scores from those of other estimators."""
        return [self.name, self.version]


def leave_one_out(game: Game) -> Estimate:
    """v(N) − v(N∖{i}): what is lost without frame i."""
    others = frozenset(game.others)
    game.expect([others, *(others - {i} for i in game.others)])
    whole = game.value(others)
    return collect(game, {i: whole - game.value(others - {i}) for i in game.others}, evaluations=2)


def add_one(game: Game) -> Estimate:
    """v({i}) − v(∅): what frame i adds to the reference alone."""
    game.expect([frozenset(), *(frozenset({i}) for i in game.others)])
    nothing = game.value(frozenset())
    return collect(game, {i: game.value(frozenset({i})) - nothing for i in game.others}, evaluations=2)


def half_sum(game: Game) -> Estimate:
    """Half of leave_one_out and half of add_one: the mean gain of frame i as the last and as the first to come, near the Shapley value."""
    last, first = leave_one_out(game), add_one(game)
    return replace(last, score=(last.score + first.score) / 2, num_evaluations=2 * last.num_evaluations)


def interaction(game: Game) -> Estimate:
    """leave_one_out less add_one: how much more frame i adds to all others than to the reference alone.

    It is the sum of the Shapley interaction indices of i with every other frame (`banzhaf.interact_pairs`): along a random order, the
    changes of i's gain add up to that from the first place to the last.
    """
    last, first = leave_one_out(game), add_one(game)
    return replace(last, score=last.score - first.score, num_evaluations=2 * last.num_evaluations)


def shapley(game: Game, rng: np.random.Generator, *, rule: Criterion) -> Estimate:
    """Shapley value: the mean gain of frame i over all orders in which frames may arrive; from all v(S) or from some, see `sampling`."""
    return scatter(game, semivalues.shapley_exactly(game) or sample_shapley(game, rng, rule))


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
    return scatter(game, gains)


def marginal(game: Game, rng: np.random.Generator, *, size: int) -> Estimate:
    """Mean gain of frame i over the subsets of `size` other frames; see `semivalues`."""
    return scatter(game, semivalues.marginal(game, rng, size=size))


def solo(game: Game) -> Estimate:
    """Fidelity of frame i restored alone, on its own grid, over what all frames show; defined for the reference too."""
    return measure_each(game, game.value_alone)


def as_reference(game: Game) -> Estimate:
    """Fidelity of the whole burst restored on the grid of frame i, over what all frames show; defined for the reference too."""
    return measure_each(game, game.value_as_reference)


def _define(
    name: str, formula: str, family: Family, function: Callable[[Game], Estimate], *, version: str = "1"
) -> Estimator:
    least = 2 if family == "marginal" else 1
    return Estimator(name, version, formula, family, least, lambda game, _: function(game))


_SHAPLEY_FORMULA = "Shapley value of i in (N, v): Σ |S|! (|N|−|S|−1)! / |N|! · (v(S∪{i}) − v(S)) over S ⊆ N∖{i}"
_PLAIN = (
    _define("leave_one_out", "v(N) − v(N∖{i})", "marginal", leave_one_out),
    _define("add_one", "v({i}) − v(∅)", "marginal", add_one),
    _define("half_sum", "(v(N) − v(N∖{i}) + v({i}) − v(∅)) / 2", "marginal", half_sum),
    _define(
        "interaction",
        "v(N) − v(N∖{i}) − v({i}) + v(∅): sum over j of the Shapley interaction indices of i and j",
        "marginal",
        interaction,
    ),
    Estimator(
        "banzhaf",
        "2",
        "mean of v(S∪{i}) − v(S) over all S ⊆ N∖{i}; exact where all v(S) can be had, else by maximum sample reuse from "
        f"{PAIRS} random subsets and their complements",
        "marginal",
        2,
        lambda game, rng: scatter(game, banzhaf(game, rng)),
    ),
    _define(
        "solo",
        "Q(restore(frame i alone), truth on the grid of frame i), over what all frames show",
        "alone",
        solo,
        version="2",
    ),
    _define(
        "as_reference",
        "Q(restore(all frames, on the grid of frame i), truth there), over what all frames show",
        "as_reference",
        as_reference,
        version="2",
    ),
    replace(_define("shapley(exact)", _SHAPLEY_FORMULA, "marginal", shapley_exactly), exact=True),
)
STOPPING_RULE = "spread(0.25)"
"""When `shapley` stops sampling, as `stopping.parse_rule` reads it."""


def find_rule(name: str) -> Criterion:
    """When an estimator called `shapley`, `shapley(RULE)`, or `shapley(0.05)`, short for `shapley(error(0.05))`, stops sampling.

    Raises:
        ValueError: if the name is none of these.
    """
    match = re.fullmatch(r"shapley(?:\((.{1,100})\))?", name)
    if match is None:
        raise ValueError(f"expected shapley or shapley(RULE), got {name!r}")
    text = match[1] or STOPPING_RULE
    try:
        return parse_rule(f"error({text})" if text[0].isdigit() else text)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def _make_shapley(name: str) -> Estimator:
    rule = find_rule(name)
    formula = (
        f"{_SHAPLEY_FORMULA}; exact where all v(S) can be had, else by regression on random pairs S, N∖S until {rule}"
    )
    return Estimator(name, f"2 {rule}", formula, "marginal", 2, lambda game, rng: shapley(game, rng, rule=rule))


def _make_marginal(name: str, size: float) -> Estimator:
    if size != int(size) or not 0 <= size <= 100:
        raise ValueError(f"{name}: expected a whole number of frames, for example marginal(4)")
    formula = f"mean of v(S∪{{i}}) − v(S) over the S ⊆ N∖{{i}} with |S| = {int(size)}; over a random sample of them where they are many"
    return Estimator(
        name,
        "2",
        formula,
        "marginal",
        int(size) + 2,
        lambda game, rng: marginal(game, rng, size=int(size)),
    )


def _make_best_subset(name: str, size: float) -> Estimator:
    if size != int(size) or not 1 <= size <= 100:
        raise ValueError(f"{name}: expected a whole number of frames of at least 1, for example best_subset(4)")
    formula = (
        f"max v(S) over S ∋ i less max v(S) over S ∌ i, S ⊆ N with |S| = {int(size)}: above 0 for members of the best subset; by greedy "
        "choice and exchanges where not all v(S) can be had"
    )
    return Estimator(
        name, "1", formula, "marginal", int(size) + 2, lambda game, _: scatter(game, best_subset(game, size=int(size)))
    )


_PARAMETRIC: Mapping[str, tuple[Callable[[str, float], Estimator], float]] = MappingProxyType(
    {
        "marginal": (_make_marginal, 4.0),
        "best_subset": (_make_best_subset, 4.0),
    }
)
NAMES = (
    *(estimator.name for estimator in _PLAIN),
    "shapley",
    "shapley(RULE)",
    "marginal(SIZE)",
    "best_subset(SIZE)",
)


def find_estimator(name: str) -> Estimator:
    """The estimator of a name like `leave_one_out`, `shapley`, `shapley(spread(0.1)|evaluations(500))` or `marginal(4)`.

    `marginal(4)` was once called `banzhaf(4)` and is still found by that name.

    Raises:
        ValueError: if there is none; names those that there are.
    """
    for estimator in _PLAIN:
        if estimator.name == name:
            return estimator
    if name.partition("(")[0] == "shapley":
        return _make_shapley(name)
    name = re.sub(r"^banzhaf(?=\()", "marginal", name)
    match = re.fullmatch(r"(marginal|best_subset)(?:\(([0-9]{1,6}(?:\.[0-9]{1,6})?)\))?", name)
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
