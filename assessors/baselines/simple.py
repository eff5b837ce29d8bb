"""Assessors that ask one thing of each frame: the yardsticks of all others."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from assessors.base import AssessorInfo
from assessors.inputs import BurstInputs

_MIDDLE, _SPREAD = 0.5, 0.2
"""Of the Gaussian that says how well a value is exposed, as Mertens et al. chose them."""


@dataclass(frozen=True)
class CaptureOrder:
    """The nearer to the reference in capture order, the better."""

    info = AssessorInfo("index", "nearest to the reference in capture order")

    def score(self, inputs: BurstInputs, scenario: str) -> NDArray[np.float64]:  # noqa: ARG002  # whatever the frames are for
        """Minus the distance in frames."""
        return -np.abs(np.arange(inputs.num_frames) - inputs.reference_index).astype(np.float64)


@dataclass(frozen=True)
class RandomOrder:
    """An order that depends on the pixels, by a hash of them, and on nothing that they show."""

    info = AssessorInfo("random", "a random order")

    def score(self, inputs: BurstInputs, scenario: str) -> NDArray[np.float64]:
        """Uniform in [0, 1)."""
        pixels = np.ascontiguousarray(inputs.planes[:, :, ::8, ::8])
        digest = hashlib.sha256(scenario.encode() + pixels.tobytes()).digest()
        generator = np.random.Generator(np.random.Philox(int.from_bytes(digest[:16], "big")))
        return generator.random(inputs.num_frames)


@dataclass(frozen=True)
class Sharpness:
    """Variance of the Laplacian of the grey image, in one exposure and with one noise for all frames."""

    info = AssessorInfo(
        "sharpness",
        "variance of the Laplacian",
        paper="Pech-Pacheco et al., Diatom autofocusing in brightfield microscopy, ICPR 2000",
    )

    def score(self, inputs: BurstInputs, scenario: str) -> NDArray[np.float64]:  # noqa: ARG002
        """In units of the reference's noise, squared."""
        greys = inputs.planes.mean(1)
        return np.array([cv2.Laplacian(grey, cv2.CV_32F).var(dtype=np.float64) for grey in greys])


@dataclass(frozen=True)
class KnownNoise:
    """The less noise metadata state in the exposure of the reference, the better; measured where they state none."""

    info = AssessorInfo("noise", "least noise by the sensor's model, in the exposure of the reference")

    def score(self, inputs: BurstInputs, scenario: str) -> NDArray[np.float64]:  # noqa: ARG002
        """Minus its standard deviation, that of the reference being about 1."""
        return -inputs.noise.astype(np.float64)


@dataclass(frozen=True)
class WellExposed:
    """How well the frame is exposed, as exposure fusion weighs pixels."""

    info = AssessorInfo("exposure", "well-exposedness", paper="Mertens et al., Exposure Fusion, PG 2007, section 3.1")

    def score(self, inputs: BurstInputs, scenario: str) -> NDArray[np.float64]:  # noqa: ARG002
        """Mean over pixels of the product over R, G, B of a Gaussian around middle grey."""
        distance = np.square(inputs.display() - _MIDDLE).sum(-1)
        return np.asarray(np.exp(-distance / (2 * _SPREAD**2)).mean(axis=(1, 2), dtype=np.float64))


@dataclass(frozen=True)
class AlignmentDifference:
    """The less a frame differs from the reference once it is aligned, the better."""

    info = AssessorInfo("alignment_difference", "least difference to the reference after alignment")

    def score(self, inputs: BurstInputs, scenario: str) -> NDArray[np.float64]:  # noqa: ARG002
        """Minus the mean absolute difference where the frame reaches, in units of the reference's noise."""
        difference = np.abs(inputs.aligned - inputs.aligned[inputs.reference_index]).mean(1)
        counts = inputs.valid.sum((1, 2))
        sums = (difference * inputs.valid).sum((1, 2), dtype=np.float64)
        means = np.divide(sums, counts, out=np.full(len(sums), np.nan), where=counts > 0)
        # What shows nothing of the scene is worse than all that do.
        return np.asarray(-np.where(counts > 0, means, np.nanmax(means) + 1))
