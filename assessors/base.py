"""What an assessor is: it scores the frames of a burst by what it sees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from assessors.inputs import BurstInputs


@dataclass(frozen=True)
class AssessorInfo:
    """Facts about an assessor that its callers need.

    Attributes:
        name: how it is called for.
        summary: one line for lists.
        paper: the publication it follows; empty for common knowledge.
        scenarios: the scenarios that it was trained for; None for one that scores frames whatever they are for.
        signed: whether its scores are worths whose zero means something: below it, a frame harms.
        version: changes whenever scores of equal input change.
    """

    name: str
    summary: str
    paper: str = ""
    scenarios: tuple[str, ...] | None = None
    signed: bool = False
    version: str = "1"


@runtime_checkable
class Assessor(Protocol):
    """Scores frames from pixels and from what the camera knows, never from the parameters of a synthesis."""

    @property
    def info(self) -> AssessorInfo:
        """Facts, constant over the life of the object."""
        ...

    def score(self, inputs: BurstInputs, scenario: str) -> NDArray[np.float64]:
        """Worth of each frame, float64 [T], finite, higher for better; that of the reference means nothing under most estimators."""
        ...
