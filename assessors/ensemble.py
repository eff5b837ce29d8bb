"""Several trained models that score as one: the mean of what they predict, each in units of the burst's root mean square."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from assessors.base import Assessor, AssessorInfo
from assessors.inputs import BurstInputs
from assessors.model_files import ModelHeader, describe_model

KIND = "ensemble"


class StorableModel(Assessor, Protocol):
    """A trained model that can be written to a file."""

    @property
    def header(self) -> ModelHeader:
        """What it is."""
        ...

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Its numbers."""
        ...


@dataclass(frozen=True, eq=False)
class Ensemble:
    """A mean of models.

    Attributes:
        header: what the model is; `members` of its settings are the headers of the members.
        members: with the same heads.
    """

    header: ModelHeader
    members: tuple[Assessor, ...]

    @property
    def info(self) -> AssessorInfo:
        """Facts for callers."""
        return describe_model(self.header, f"mean of {len(self.members)} trained models")

    def score(self, inputs: BurstInputs, scenario: str) -> NDArray[np.float64]:
        """Predicted worth, in units of the burst's root mean square.

        Raises:
            KeyError: if it was not trained for the scenario.
        """
        return np.asarray(np.mean([member.score(inputs, scenario) for member in self.members], axis=0), np.float64)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Those of the members, each name behind the place of its member."""
        return {
            f"{place}:{name}": array
            for place, member in enumerate(self.members)
            for name, array in member.to_arrays().items()  # type: ignore[attr-defined]  # what was trained or read can be written
        }


def join_models(models: Sequence[StorableModel], name: str) -> Ensemble:
    """One model of several.

    Raises:
        ValueError: if they have other heads or features.
    """
    first = models[0].header
    if any((one.header.heads, one.header.features) != (first.heads, first.features) for one in models):
        raise ValueError("members: expected the same heads and features")
    members = [dataclasses.asdict(one.header) for one in models]
    return Ensemble(
        dataclasses.replace(first, kind=KIND, name=name, settings={"members": members}, training={}), tuple(models)
    )
