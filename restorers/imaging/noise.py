"""The noise of frames: as their metadata tell it, or measured."""

from __future__ import annotations

import cv2
import numpy as np

from restorers.burst import Burst, FloatArray, FloatImage
from restorers.imaging.mosaic import PLANE_OFFSETS, split_planes

_BLOCK = 4
"""Side of the blocks, in pixels."""


def noise_levels(burst: Burst) -> tuple[FloatArray, FloatArray]:
    """Shot and read noise of each frame of a linear burst after division by its exposure ratio.

    With x the exposure-normalised signal, frame t has variance `shot[t]·x + read[t]`. Frames without a noise model are measured
    by `estimate_noise`.

    Returns:
        shot and read, float64 [T].
    """
    if burst.shot_noise is None or burst.read_noise is None:
        measured = np.array([estimate_noise(frame) for frame in burst.frames])
        shot, read = measured[:, 0], measured[:, 1]
    else:
        shot, read = burst.shot_noise, burst.read_noise
    return shot / burst.exposure_ratio, read / burst.exposure_ratio**2


def estimate_noise(frame: FloatImage, *, bins: int = 8) -> tuple[float, float]:
    """Measure shot and read noise in one linear frame, variance = shot·signal + read.

    The diagonal Haar detail of each plane, (a − b − c + d) / 2, has the variance of the noise and little of the scene; its median
    absolute deviation (Donoho & Johnstone 1994) within `bins` classes of equal count by brightness gives one variance each, and
    non-negative least squares the line through them. Texture raises the estimate, clipping lowers it: it is a fallback for
    bursts that carry no noise model. RGB is measured over blocks: demosaicking and compression correlate its noise, so that
    neighbours tell less than half of it; the result is the white noise of the same strength in coarse structure, which is what
    merges must remove.

    Args:
        frame: float32 [H, W] or [H, W, 3].
        bins: brightness classes.
    """
    from scipy.optimize import nnls

    planes, averaged = (split_planes(frame), 1) if frame.ndim == 2 else _reduce(frame)
    height, width = (side // 2 * 2 for side in planes.shape[1:])
    a, b, c, d = (planes[:, dy:height:2, dx:width:2].ravel() for dx, dy in PLANE_OFFSETS)
    signal, detail = (a + b + c + d) / 4, np.abs(a - b - c + d) / 2
    order = np.argsort(signal, kind="stable")
    groups = [group for group in np.array_split(order, bins) if group.size]
    level = np.array([max(float(signal[group].mean()), 0.0) for group in groups])
    variance = np.array([(float(np.median(detail[group])) / 0.6745) ** 2 for group in groups])
    if not variance.any():
        return 0.0, 0.0
    weight = 1 / np.maximum(variance, variance.max() * 1e-3)
    (shot, read), _ = nnls(np.stack([level, np.ones_like(level)], 1) * weight[:, None], variance * weight)
    return float(shot) * averaged, float(read) * averaged


def _reduce(frame: FloatImage) -> tuple[FloatImage, int]:
    """Planes of RGB, averaged over blocks, and the pixels of a block."""
    side = _BLOCK if min(frame.shape[:2]) >= 16 * _BLOCK else 1
    size = (frame.shape[1] // side, frame.shape[0] // side)
    reduced = np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), np.float32)
    return np.moveaxis(reduced, -1, 0), side**2
