"""The noise of frames: as their metadata tell it, or measured."""

from __future__ import annotations

import numpy as np
from scipy.optimize import nnls

from restorers.burst import Burst, FloatArray, FloatImage
from restorers.classical.mosaic import PLANE_OFFSETS, split_planes


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
    bursts that carry no noise model.

    Args:
        frame: float32 [H, W] or [H, W, 3].
        bins: brightness classes.
    """
    planes = split_planes(frame) if frame.ndim == 2 else np.moveaxis(frame, -1, 0)
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
    return float(shot), float(read)
