"""Named distributions of a number, as presets state them: `{ distribution = "uniform", low = 1, high = 2 }`, or a plain number."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, model_validator

from dataset_builder.settings import Part

Values = NDArray[np.float64]


class _Distribution(Part):
    model_config = ConfigDict(allow_inf_nan=False)


class _Bounded(_Distribution):
    low: float
    high: float

    @model_validator(mode="after")
    def _check_order(self) -> _Bounded:
        if not self.low <= self.high:
            raise ValueError(f"expected low <= high, got {self.low:g} and {self.high:g}")
        return self

    @property
    def support(self) -> tuple[float, float]:
        """Smallest and largest value."""
        return self.low, self.high


class Constant(_Distribution):
    """Always `value`."""

    distribution: Literal["constant"] = "constant"
    value: float

    @property
    def support(self) -> tuple[float, float]:
        """Smallest and largest value."""
        return self.value, self.value

    def sample(self, rng: np.random.Generator, size: int) -> Values:  # noqa: ARG002  # as its siblings
        """Float64 [size]."""
        return np.full(size, self.value)


class Uniform(_Bounded):
    """Uniform in [low, high]."""

    distribution: Literal["uniform"] = "uniform"

    def sample(self, rng: np.random.Generator, size: int) -> Values:
        """Float64 [size]."""
        return rng.uniform(self.low, self.high, size)


class LogUniform(_Bounded):
    """Its logarithm is uniform; low must be positive."""

    distribution: Literal["log_uniform"] = "log_uniform"
    low: float = Field(gt=0)

    def sample(self, rng: np.random.Generator, size: int) -> Values:
        """Float64 [size]."""
        values: Values = np.exp(rng.uniform(np.log(self.low), np.log(self.high), size))
        return values.clip(self.low, self.high)


class Normal(_Bounded):
    """Gaussian; what falls outside [low, high] becomes the nearer end."""

    distribution: Literal["normal"] = "normal"
    mean: float
    deviation: float = Field(ge=0)

    def sample(self, rng: np.random.Generator, size: int) -> Values:
        """Float64 [size]."""
        return rng.normal(self.mean, self.deviation, size).clip(self.low, self.high)


class Integers(_Bounded):
    """Uniform over the whole numbers low..high."""

    distribution: Literal["integers"] = "integers"
    low: int
    high: int

    def sample(self, rng: np.random.Generator, size: int) -> Values:
        """Float64 [size], whole."""
        return rng.integers(self.low, self.high, size, endpoint=True).astype(np.float64)


class Poisson(_Distribution):
    """Poisson; what exceeds `high` becomes `high`."""

    distribution: Literal["poisson"] = "poisson"
    mean: float = Field(ge=0, le=1000)
    high: int = Field(ge=0)

    @property
    def support(self) -> tuple[float, float]:
        """Smallest and largest value."""
        return 0.0, float(self.high)

    def sample(self, rng: np.random.Generator, size: int) -> Values:
        """Float64 [size], whole."""
        return rng.poisson(self.mean, size).clip(0, self.high).astype(np.float64)


class Choice(_Distribution):
    """One of some values, all equally likely; repeat a value to make it likelier."""

    distribution: Literal["choice"] = "choice"
    values: tuple[float, ...] = Field(min_length=1)

    @property
    def support(self) -> tuple[float, float]:
        """Smallest and largest value."""
        return min(self.values), max(self.values)

    def sample(self, rng: np.random.Generator, size: int) -> Values:
        """Float64 [size]."""
        return np.asarray(self.values, np.float64)[rng.integers(len(self.values), size=size)]


KINDS = (Constant, Uniform, LogUniform, Normal, Integers, Poisson, Choice)
DISTRIBUTIONS: dict[str, type[Part]] = {kind.model_fields["distribution"].default: kind for kind in KINDS}


def _expand_number(value: Any) -> Any:
    """A plain number stands for a constant."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return {"distribution": "constant", "value": value} if is_number else value


Distribution = Annotated[
    Annotated[
        Constant | Uniform | LogUniform | Normal | Integers | Poisson | Choice, Field(discriminator="distribution")
    ],
    BeforeValidator(_expand_number),
]


def within(low: float, high: float) -> AfterValidator:
    """Validator: no value of the distribution lies outside [low, high]."""

    def check(value: Any) -> Any:
        least, most = value.support
        if not low <= least <= most <= high:
            raise ValueError(f"expected values in {low:g}..{high:g}, got {least:g}..{most:g}")
        return value

    return AfterValidator(check)


def draw(distribution: Distribution, rng: np.random.Generator) -> float:
    """One value, snapped."""
    return float(snap(distribution.sample(rng, 1))[0])


def snap(values: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """Round to 24 significant bits."""
    return np.asarray(values).astype(np.float32).astype(np.float64)
