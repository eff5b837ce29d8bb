"""Properties of a frame that may explain its score: one table for the statistics, the page and the contact sheet."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MID_GREY = 0.18
"""Signal at which the noise of a frame is stated: the reflectance of a grey card."""


@dataclass(frozen=True)
class FrameFactor:
    """One property.

    Attributes:
        column: column of `frames`, by which it may explain scores.
        word: in sentences and tables.
        axis: title of a chart's axis; empty if scores are not drawn against it.
        label: in lists beside a frame; empty if it is not listed.
        unit: unit of the listed values.
        explains: whether the audit asks how far it explains scores.
    """

    column: str
    word: str
    axis: str = ""
    label: str = ""
    unit: str = ""
    explains: bool = True


FACTORS = {
    factor.column: factor
    for factor in (
        FrameFactor("shot_noise", "noise", "noise, % of white at mid-grey", "noise", "%"),
        FrameFactor("blur_length", "blur", "blur, px", "blur", "px"),
        FrameFactor("displacement", "displacement", "displacement, px", "shift", "px"),
        FrameFactor("exposure_ratio", "exposure", "exposure, × reference", "exposure", "×"),
        FrameFactor("defocus", "defocus", "defocus, px", "defocus", "px"),
        FrameFactor("occlusion", "occlusion", "occlusion, share of the frame", "occlusion", "%"),
        FrameFactor("jpeg_quality", "compression", label="JPEG", explains=False),
        FrameFactor("sharpness", "sharpness", "sharpness (variance of the Laplacian)"),
        FrameFactor("frame_index", "position in burst", "position in burst"),
        FrameFactor("reference_distance", "distance to reference"),
    )
}
"""By column. `sharpness` is measured, as `audit.features` says; `reference_distance` is |frame_index − reference_index|."""
EXPLAINING = tuple(factor.column for factor in FACTORS.values() if factor.explains)
"""Columns of the factors that the statistics ask about, in the order of their tables."""


def measure_noise(shot: NDArray[np.float64], read: NDArray[np.float64]) -> NDArray[np.float64]:
    """Standard deviation at `MID_GREY` in per cent of white, of variances shot · signal + read."""
    noise: NDArray[np.float64] = 100 * np.sqrt(shot * MID_GREY + read)
    return noise
