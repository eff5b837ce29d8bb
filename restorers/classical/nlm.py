"""Non-local means of a single raw frame (Buades, Coll & Morel, CVPR 2005)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from restorers.base import RestorerInfo, check_accepts
from restorers.burst import Burst, Domain, FloatArray, FloatImage
from restorers.classical.mosaic import join_planes, noise_levels, split_planes

_INFO = RestorerInfo(
    task="denoise",
    version="1",
    input_domains=frozenset({Domain.RAW_BAYER}),
    output_domain=Domain.RAW_BAYER,
    max_frames=1,
    summary="non-local means of the four colour planes together, after variance stabilisation",
    paper="Buades, Coll & Morel, A non-local algorithm for image denoising, 2005",
)

_GAUSSIAN_SHOT = 1e-9
"""Shot noise below which the noise counts as Gaussian: the transform would divide by it."""


@dataclass(frozen=True)
class NonLocalMeans:
    """Non-local means on a mosaic: the generalised Anscombe transform makes the noise unit Gaussian, its unbiased inverse undoes it.

    The four colour planes are one image of four channels, so patches are compared in all colours. Without a noise model the noise is
    measured (`estimate_noise`). The output is not clipped.

    Attributes:
        strength: decay of the patch weights, in standard deviations of the noise.
        patch_size: side of the patches, in colour-plane pixels.
        patch_distance: how far patches are sought, in colour-plane pixels.
    """

    strength: float = 0.5
    patch_size: int = 3
    patch_distance: int = 5

    @property
    def info(self) -> RestorerInfo:
        """Facts for callers."""
        return _INFO

    def restore(self, burst: Burst) -> FloatImage:
        """Denoise the only frame, float32 [H, W]."""
        from skimage.restoration import denoise_nl_means

        check_accepts(_INFO, burst)
        shot, read = (float(level[0]) for level in noise_levels(burst))
        frame = burst.reference / np.float32(burst.exposure_ratio[burst.reference_index])
        if shot == read == 0:
            return frame
        planes = np.moveaxis(split_planes(stabilise(frame, shot, read).astype(np.float32)), 0, -1)
        denoised = denoise_nl_means(
            planes,
            patch_size=self.patch_size,
            patch_distance=self.patch_distance,
            h=self.strength,
            sigma=1.0,
            fast_mode=True,
            channel_axis=-1,
        )
        stabilised = join_planes(np.ascontiguousarray(np.moveaxis(denoised, -1, 0)))
        return unstabilise(stabilised.astype(np.float64), shot, read).astype(np.float32)


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
