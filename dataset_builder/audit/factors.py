"""Properties of a frame that may explain its score: one table for the statistics, the page and the contact sheet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dataset_builder.ingest.measures import find_shift_error

MID_GREY = 0.18
"""Signal at which the noise of a frame is stated: the reflectance of a grey card."""


@dataclass(frozen=True)
class FrameFactor:
    """One property.

    Attributes:
        column: column of `frames`, by which it may explain scores.
        word: its name in sentences and tables.
        axis: title of a chart's axis; empty if scores are not drawn against it.
        label: its name in lists beside a frame; empty if it is not listed.
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


def is_estimated(names: Sequence[str] | float | None, column: str) -> bool:
    """Whether a value of the column `estimated` of `frames`, a list or null, names another column."""
    return names is not None and not isinstance(names, float) and column in list(names)


def find_shift_errors(frames: pd.DataFrame, bursts: pd.DataFrame) -> NDArray[np.float64]:
    """How far the displacement of each frame may be off, px; NaN where it was not estimated.

    Args:
        frames: the table `frames`.
        bursts: the table `bursts`.
    """
    sizes = bursts.drop_duplicates("burst_id").set_index("burst_id")[["domain", "height", "width"]]
    errors = pd.Series([find_shift_error(*row) for row in sizes.itertuples(index=False, name=None)], sizes.index)
    estimated = np.array([is_estimated(names, "displacement") for names in frames["estimated"]], np.bool_)
    return np.where(estimated, frames["burst_id"].map(errors).to_numpy(np.float64), np.nan)


def discount_shifts(frames: pd.DataFrame, bursts: pd.DataFrame) -> pd.DataFrame:
    """Frames whose estimated displacement is 0 where it is within twice its error: of a registered series that is no motion."""
    if "estimated" not in frames:
        return frames
    within = frames["displacement"].astype("float64") < 2 * find_shift_errors(frames, bursts)
    return frames.assign(displacement=frames["displacement"].astype("float64").mask(within, 0.0))
