"""Wavelet shrinkage of a single frame (Chang, Yu & Vetterli, IEEE TIP 2000)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.fft import dct

from restorers.base import RestorerInfo
from restorers.burst import Burst, FloatImage
from restorers.classical.stabilisation import denoise_stabilised, describe_denoiser

_INFO = describe_denoiser(
    version="1",
    summary="BayesShrink soft thresholds with cycle spinning, after variance stabilisation",
    paper="Chang, Yu & Vetterli, Adaptive wavelet thresholding for image denoising and compression, 2000",
)


@dataclass(frozen=True)
class WaveletShrinkage:
    """Soft thresholds per sub-band (BayesShrink) after variance stabilisation (`denoise_stabilised`).

    Colours are decorrelated first by an orthonormal transform of the planes: their mean and differences. The result is averaged over
    `shifts` x `shifts` translations (cycle spinning, Coifman & Donoho 1995), since shrinkage depends on where the grid lies.

    scikit-image works in about 10 times the float32 size of the frame.

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

        def denoise(image: FloatImage, deviation: float) -> FloatImage:
            mixing = _mixing_matrix(image.shape[-1])
            mixed = image @ mixing.T
            total = np.zeros_like(mixed)
            for shift in np.ndindex(self.shifts, self.shifts):
                moved = np.roll(mixed, shift, (0, 1))
                shrunk = denoise_wavelet(moved, sigma=deviation, wavelet=self.wavelet, channel_axis=-1)
                total += np.roll(shrunk, (-shift[0], -shift[1]), (0, 1))
            denoised: FloatImage = total @ mixing / np.float32(self.shifts**2)
            return denoised

        return denoise_stabilised(_INFO, burst, denoise)


def _mixing_matrix(size: int) -> FloatImage:
    """Orthonormal cosine transform [size, size]; its first row is the mean times a constant."""
    return np.asarray(dct(np.eye(size), axis=0, norm="ortho"), np.float32)
