"""Whether ground truth that came with a burst shows what its reference shows."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from dataset_builder.decoding.frame import Frame
from dataset_builder.ingest.measures import view_frame
from dataset_builder.ingest.reader import Truth

_FLAT = 0.01
"""Standard deviation by mean below which a picture shows nothing."""
_ALIKE = 0.5
_SMOOTHINGS = (1.5, 6.0)
"""Standard deviations in grey pixels: details, and what heavy noise leaves of a picture."""
_LEAST_PIXELS = 64


def find_doubt(reference: Frame, truth: Truth) -> str:
    """Why a truth is not to be trusted; empty if nothing speaks against it.

    Reference and truth are compared in grey, smoothed against noise, where the truth's own mask trusts it: a truth that is flat, or that
    does not go up and down with the reference, ranks frames by accident.

    Args:
        reference: the frame on whose grid it lies, whole.
        truth: the truth, whole.
    """
    seen = view_frame(reference).grey
    height, width = seen.shape
    grey = truth.pixels.mean(axis=2, dtype=np.float32)
    expected = np.asarray(cv2.resize(grey, (width, height), interpolation=cv2.INTER_AREA), np.float32)
    mask = np.ones((height, width), np.bool_)
    if truth.mask is not None:
        share = cv2.resize(truth.mask.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)
        mask = np.asarray(share > 0.5)
    if np.count_nonzero(mask) < _LEAST_PIXELS:
        return "it is trusted next to nowhere"
    shown = _smooth(expected, _SMOOTHINGS[0])[mask]
    contrast = float(shown.std()) / max(float(shown.mean()), 1e-6)
    if contrast < _FLAT:
        return f"it is flat, its contrast is {contrast:.4f}"
    correlation = max(_correlate(_smooth(seen, sigma)[mask], _smooth(expected, sigma)[mask]) for sigma in _SMOOTHINGS)
    if correlation < _ALIKE:
        return f"its correlation with the reference is {correlation:.2f}"
    return ""


def _correlate(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    return float(np.corrcoef(first, second)[0, 1]) if first.std() > 0 and second.std() > 0 else 0.0


def _smooth(image: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), np.float32)
