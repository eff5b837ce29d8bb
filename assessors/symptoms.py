"""What can be seen to be wrong with frames, beside their scores: for people, who want to know why a frame is left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assessors.features import measure_frames
from assessors.inputs import BurstInputs


@dataclass(frozen=True, eq=False)
class Symptoms:
    """Of the T frames of a burst.

    Attributes:
        detail: float64 [T], amplitude of fine structure over that of the mean of the others, noise left out of account; less than of other
            frames is blurred. Of the reference, beyond whose edges nothing else is seen, the median of the others.
        mismatched: float64 [T], share of the frame that shows something else than the reference after alignment.
        noise: float64 [T], standard deviation of the noise over that of the reference.
        saturated: float64 [T], share of the frame.
        found: float64 [T], in how large a part of what was seen the frame could be aligned.
    """

    detail: NDArray[np.float64]
    mismatched: NDArray[np.float64]
    noise: NDArray[np.float64]
    saturated: NDArray[np.float64]
    found: NDArray[np.float64]


def find_symptoms(windows: Sequence[BurstInputs]) -> Symptoms:
    """Measure what is wrong with the frames of a burst: medians over its windows, where a frame could be aligned.

    Args:
        windows: of one burst, at least one, each with all its frames.
    """
    tables = []
    for inputs in windows:
        names, values = measure_frames(inputs)
        tables.append(values[:, [names.index(name) for name in ("gain fine", "mismatched", "saturated")]])
    found = np.stack([inputs.found for inputs in windows])
    measured = np.where(found[..., None], np.stack(tables), np.nan).astype(np.float64)
    nowhere = ~found.any(0)
    measured[:, nowhere] = np.stack(tables)[:, nowhere]
    detail, mismatched, saturated = np.nanmedian(measured, axis=0).T.copy()
    reference = windows[0].reference_index
    detail[reference] = np.median(np.delete(detail, reference))
    noise = np.median([inputs.noise for inputs in windows], axis=0)
    return Symptoms(detail, mismatched, np.asarray(noise, np.float64), saturated, found.mean(0))
