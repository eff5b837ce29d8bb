"""Wavelet shrinkage of a single frame (Chang, Yu & Vetterli, IEEE TIP 2000)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.fft import dct

from restorers.base import RestorerInfo
from restorers.burst import Burst, FloatImage
from restorers.classical.stabilisation import denoise_stabilised, describe_denoiser

_INFO = describe_denoiser(
    version="2",
    summary="BayesShrink soft thresholds with cycle spinning, after variance stabilisation",
    paper="Chang, Yu & Vetterli, Adaptive wavelet thresholding for image denoising and compression, 2000",
)

_BAND = 64
"""Rows of the planes that are combined at a time."""


@dataclass(frozen=True)
class WaveletShrinkage:
    """Soft thresholds per sub-band (BayesShrink) after variance stabilisation (`denoise_stabilised`).

    Colours are decorrelated first by an orthonormal transform of the planes: their mean and differences. The result is averaged over
    `shifts` x `shifts` translations (cycle spinning, Coifman & Donoho 1995), since shrinkage depends on where the grid lies.

    The transformed planes are denoised one by one; scikit-image works in about 5 of them.

    Attributes:
        wavelet: name, as PyWavelets has it.
        shifts: translations along each axis.
    """

    wavelet: str = "haar"
    shifts: int = 4

    @property
    def info(self) -> RestorerInfo:
        """Facts for callers."""
        return _INFO

    def restore(self, burst: Burst) -> FloatImage:
        """Denoise the only frame, float32 [H, W] or [H, W, 3]."""
        from skimage.restoration import denoise_wavelet

        def denoise(planes: Sequence[FloatImage], deviation: float) -> None:
            mixing = _mixing_matrix(len(planes))
            _mix(planes, mixing)
            for plane in planes:
                total = np.zeros(plane.shape, np.float32)
                for shift in np.ndindex(self.shifts, self.shifts):
                    shrunk = denoise_wavelet(np.roll(plane, shift, (0, 1)), sigma=deviation, wavelet=self.wavelet)
                    total += np.roll(shrunk, (-shift[0], -shift[1]), (0, 1))
                np.divide(total, np.float32(self.shifts**2), out=plane)
            _mix(planes, mixing.T)

        return denoise_stabilised(_INFO, burst, denoise)


def _mixing_matrix(size: int) -> FloatImage:
    """Orthonormal cosine transform [size, size]; its first row is the mean times a constant."""
    return np.asarray(dct(np.eye(size), axis=0, norm="ortho"), np.float32)


def _mix(planes: Sequence[FloatImage], mixing: FloatImage) -> None:
    """Replace planes by their combinations, in place, some rows at a time."""
    for start in range(0, len(planes[0]), _BAND):
        rows = slice(start, start + _BAND)
        for plane, combined in zip(planes, np.tensordot(mixing, [each[rows] for each in planes], 1), strict=True):
            plane[rows] = combined
