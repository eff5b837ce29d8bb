"""When sampling stops: criteria that combine with `&` and `|`, as those of pyDVL do, and how a recipe writes them.

A rule such as `spread(0.25)&ranks(0.9)|evaluations(500)` is a disjunction of conjunctions of criteria; `&` binds closer than `|`.
"""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from restorers.fidelity import MetricConvention

MOST_EVALUATIONS = 2000
"""Where a rule says nothing of `evaluations`; whatever a first estimate needs is computed all the same."""
_RESOLUTIONS = MappingProxyType({"dB": 0.005, "1": 5e-5, "signal²": 1e-8})
_ATOM = re.compile(r"([a-z]{1,20})\(([0-9]{1,9}(?:\.[0-9]{1,9})?)\)")


def find_resolution(metric: MetricConvention) -> float:
    """Differences of fidelities that nobody sees, in the metric's unit: 0.005 dB, 5e-5 of SSIM, 1e-8 of a squared signal; 0 elsewhere."""
    return _RESOLUTIONS.get(metric.unit, 0.0)


@dataclass(frozen=True, eq=False)
class Standing:
    """What is known while scores are sampled.

    Attributes:
        mean: float64 [n], the scores as they stand.
        std_error: float64 [n], of the same unit.
        earlier: float64 [n], the scores as they stood with half of the sample; None at the first look.
        num_evaluations: fidelities that were computed.
        resolution: what `find_resolution` takes or gives.
    """

    mean: NDArray[np.float64]
    std_error: NDArray[np.float64]
    earlier: NDArray[np.float64] | None
    num_evaluations: int
    resolution: float = 0.0


class Criterion(ABC):
    """A reason to stop. Its text is what `parse_rule` reads."""

    @property
    def cap(self) -> float:
        """Evaluations with which it is met in any case; infinity if there are none."""
        return math.inf

    @abstractmethod
    def is_met(self, standing: Standing) -> bool:
        """Whether sampling may stop."""

    def __and__(self, other: Criterion) -> Criterion:
        # A disjunction is multiplied out, so that a rule can be written without brackets.
        if isinstance(self, Either):
            return (self.one & other) | (self.other & other)
        if isinstance(other, Either):
            return (self & other.one) | (self & other.other)
        return Both(self, other)

    def __or__(self, other: Criterion) -> Criterion:
        return Either(self, other)


@dataclass(frozen=True)
class Both(Criterion):
    """Stops when two criteria are met at once."""

    one: Criterion
    other: Criterion

    @property
    def cap(self) -> float:
        """The larger one."""
        return max(self.one.cap, self.other.cap)

    def is_met(self, standing: Standing) -> bool:
        """Whether both are."""
        return self.one.is_met(standing) and self.other.is_met(standing)

    def __str__(self) -> str:
        return f"{self.one}&{self.other}"


@dataclass(frozen=True)
class Either(Criterion):
    """Stops when one of two criteria is met."""

    one: Criterion
    other: Criterion

    @property
    def cap(self) -> float:
        """The smaller one."""
        return min(self.one.cap, self.other.cap)

    def is_met(self, standing: Standing) -> bool:
        """Whether one is."""
        return self.one.is_met(standing) or self.other.is_met(standing)

    def __str__(self) -> str:
        return f"{self.one}|{self.other}"


@dataclass(frozen=True)
class Spread(Criterion):
    """The largest standard error is at most a share of the standard deviation of the burst's own scores, or below the resolution."""

    share: float

    def is_met(self, standing: Standing) -> bool:
        """Whether it is. Equal in all units: scores times c are sampled as often."""
        limit = max(self.share * float(standing.mean.std()), standing.resolution)
        return bool(standing.std_error.max() <= limit)

    def __str__(self) -> str:
        return f"spread({self.share:g})"


@dataclass(frozen=True)
class Error(Criterion):
    """The largest standard error is at most a number in the metric's unit."""

    limit: float

    def is_met(self, standing: Standing) -> bool:
        """Whether it is."""
        return bool(standing.std_error.max() <= self.limit)

    def __str__(self) -> str:
        return f"error({self.limit:g})"


@dataclass(frozen=True)
class Ranks(Criterion):
    """The order of the frames has settled: its rank correlation (Spearman) with that at half of the sample is at least a number."""

    correlation: float

    def is_met(self, standing: Standing) -> bool:
        """Whether it has; scores that are all equal have no order to change."""
        if standing.earlier is None:
            return False
        now, then = (rankdata(scores) for scores in (standing.mean, standing.earlier))
        if now.std() == 0 or then.std() == 0:
            return bool(now.std() == then.std())
        return bool(np.corrcoef(now, then)[0, 1] >= self.correlation)

    def __str__(self) -> str:
        return f"ranks({self.correlation:g})"


@dataclass(frozen=True)
class Evaluations(Criterion):
    """A number of fidelities has been computed."""

    most: int

    @property
    def cap(self) -> float:
        """Its number."""
        return self.most

    def is_met(self, standing: Standing) -> bool:
        """Whether it has."""
        return standing.num_evaluations >= self.most

    def __str__(self) -> str:
        return f"evaluations({self.most})"


_CRITERIA: Mapping[str, tuple[Callable[[float], Criterion], Callable[[float], bool], str]] = MappingProxyType(
    {
        "spread": (Spread, lambda number: 0 < number <= 1, "a share above 0 and up to 1, as spread(0.25)"),
        "error": (
            Error,
            lambda number: 0 < number < math.inf,
            "a positive number in the metric's unit, as error(0.05)",
        ),
        "ranks": (Ranks, lambda number: 0 < number <= 1, "a rank correlation above 0 and up to 1, as ranks(0.9)"),
        "evaluations": (
            lambda number: Evaluations(int(number)),
            lambda number: number == int(number) and number >= 1,
            "a whole number from 1, as evaluations(500)",
        ),
    }
)


def parse_rule(text: str) -> Criterion:
    """The rule that a text writes, capped at `MOST_EVALUATIONS` unless it caps itself.

    Raises:
        ValueError: saying what is expected.
    """
    alternatives = [reduce(Criterion.__and__, map(_parse_criterion, part.split("&"))) for part in text.split("|")]
    rule = reduce(Criterion.__or__, alternatives)
    return rule if math.isfinite(rule.cap) else rule | Evaluations(MOST_EVALUATIONS)


def _parse_criterion(text: str) -> Criterion:
    match = _ATOM.fullmatch(text)
    if match is None or match[1] not in _CRITERIA:
        raise ValueError(
            f"expected {', '.join(f'{name}(NUMBER)' for name in _CRITERIA)}, joined by & and |, got {text!r}"
        )
    make, is_allowed, expected = _CRITERIA[match[1]]
    number = float(match[2])
    if not is_allowed(number):
        raise ValueError(f"{match[1]}: expected {expected}, got {match[2]}")
    return make(number)
