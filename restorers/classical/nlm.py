"""Non-local means of a single frame (Buades, Coll & Morel, CVPR 2005)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from restorers.base import RestorerInfo
from restorers.burst import Burst, FloatImage
from restorers.classical.stabilisation import denoise_stabilised, describe_denoiser

_INFO = describe_denoiser(
    version="2",
    summary="non-local means of all colours together, after variance stabilisation",
    paper="Buades, Coll & Morel, A non-local algorithm for image denoising, 2005",
)

_BAND = 96
"""Rows of a plane that scikit-image is given at a time, which bounds what it works in."""


@dataclass(frozen=True)
class NonLocalMeans:
    """Non-local means after variance stabilisation (`denoise_stabilised`).

    The planes of a frame, four of a mosaic, are channels of one image, so patches are compared in all colours.

    Attributes:
        strength: decay of the patch weights, in standard deviations of the noise.
        patch_size: side of the patches, in pixels of a plane.
        patch_distance: how far patches are sought, in pixels of a plane.
    """

    strength: float = 0.5
    patch_size: int = 3
    patch_distance: int = 5

    @property
    def info(self) -> RestorerInfo:
        """Facts for callers."""
        return _INFO

    def restore(self, burst: Burst) -> FloatImage:
        """Denoise the only frame, float32 [H, W] or [H, W, 3]."""
        from skimage.restoration import denoise_nl_means

        def denoise(planes: Sequence[FloatImage], deviation: float) -> None:
            # What a row can learn from: patches whose middles are no further than `patch_distance` away.
            reach = self.patch_distance + self.patch_size // 2
            above = np.empty((0, planes[0].shape[1], len(planes)), np.float32)
            for start in range(0, len(planes[0]), _BAND):
                noisy = np.concatenate(
                    [above, np.stack([plane[start : start + _BAND + reach] for plane in planes], -1)]
                )
                denoised = denoise_nl_means(
                    noisy,
                    patch_size=self.patch_size,
                    patch_distance=self.patch_distance,
                    h=self.strength * deviation,
                    sigma=deviation,
                    fast_mode=True,
                    channel_axis=-1,
                )
                rows = slice(len(above), len(above) + _BAND)
                for channel, plane in enumerate(planes):
                    plane[start : start + _BAND] = denoised[rows, :, channel]
                above = noisy[: rows.stop][-reach:].copy()

        return denoise_stabilised(_INFO, burst, denoise)
