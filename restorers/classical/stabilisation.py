"""Denoising of one frame by methods that expect noise of one known strength: the variance is stabilised before and restored after."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from restorers.base import RestorerInfo, check_accepts
from restorers.burst import Burst, FloatArray, FloatImage
from restorers.imaging.color import linearise
from restorers.imaging.noise import noise_levels
from restorers.imaging.planes import MERGED_DOMAINS, view_planes

_GAUSSIAN_SHOT = 1e-9
"""Shot noise below which the noise counts as Gaussian: the transform would divide by it."""
_BAND = 64
"""Rows worked on at a time: the transforms need more digits than the frame."""


def describe_denoiser(*, version: str, summary: str, paper: str) -> RestorerInfo:
    """Facts of a restorer that denoises one frame of any domain."""
    return RestorerInfo(
        task="denoise",
        version=version,
        input_domains=MERGED_DOMAINS,
        output_domain=None,
        max_frames=1,
        summary=summary,
        paper=paper,
    )


def denoise_stabilised(
    info: RestorerInfo, burst: Burst, denoise: Callable[[Sequence[FloatImage], float], None]
) -> FloatImage:
    """Denoise the only frame of a burst: the generalised Anscombe transform makes its noise unit Gaussian, the unbiased inverse undoes it.

    Args:
        info: facts of the restorer.
        burst: burst of one frame. Without a noise model the noise is measured (`restorers.imaging.noise`).
        denoise: changes in place what it is given: the planes of the frame divided by their largest value, views of float32 [h, w], four
            of a mosaic and three of RGB; and the standard deviation of their noise.

    Returns:
        float32 [H, W] or [H, W, 3], in the exposure of ratio 1, not clipped.
    """
    check_accepts(info, burst)
    burst = linearise(burst)
    shot, read = (float(level[0]) for level in noise_levels(burst))
    image = burst.reference / np.float32(burst.exposure_ratio[burst.reference_index])
    if shot == read == 0:
        return image
    bands = [image[start : start + _BAND] for start in range(0, len(image), _BAND)]
    for band in bands:
        band[...] = stabilise(band, shot, read)
    largest = max(float(image.max()), -float(image.min()), 1.0)
    image /= np.float32(largest)
    denoise(view_planes(image), 1 / largest)
    for band in bands:
        band[...] = unstabilise(band.astype(np.float64) * largest, shot, read)
    return image


def stabilise(signal: FloatImage | FloatArray, shot: float, read: float) -> FloatArray:
    """Generalised Anscombe transform: noise of variance shot·x + read becomes noise of variance 1 (Starck et al. 1998)."""
    values = np.asarray(signal, np.float64)
    if shot < _GAUSSIAN_SHOT:
        return np.asarray(values / np.sqrt(read))
    return np.asarray(2 / shot * np.sqrt(np.maximum(shot * values + 0.375 * shot**2 + read, 0)))


def unstabilise(stabilised: FloatArray, shot: float, read: float) -> FloatArray:
    """Closed form of the exact unbiased inverse of `stabilise` (Mäkitalo & Foi, IEEE TIP 2013, equation 10)."""
    if shot < _GAUSSIAN_SHOT:
        return np.asarray(stabilised * np.sqrt(read))
    # Values below the transform of signal 0 belong to no signal; the negative powers would explode there.
    d = np.maximum(stabilised, 2 * np.sqrt(0.375 + read / shot**2))
    root = np.sqrt(1.5)
    counts = d**2 / 4 + root / 4 / d - 11 / 8 / d**2 + 5 / 8 * root / d**3 - 1 / 8
    return np.asarray(shot * counts - read / shot)
