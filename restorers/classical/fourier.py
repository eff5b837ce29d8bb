"""Burst deblurring by Fourier burst accumulation (Delbracio & Sapiro, CVPR 2015)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import fft

from restorers.align import align_burst
from restorers.base import RestorerInfo, check_accepts
from restorers.burst import Burst, Domain, FloatImage
from restorers.classical.planes import MERGED_DOMAINS, align_colours
from restorers.color import linearise
from restorers.noise import noise_levels

_INFO = RestorerInfo(
    task="deblur",
    version="1",
    input_domains=MERGED_DOMAINS,
    output_domain=Domain.LINEAR_RGB,
    summary="mean of the aligned spectra, each frequency weighted by the power of its magnitude in each frame",
    paper="Delbracio & Sapiro, Burst deblurring: removing camera shake through Fourier burst accumulation, 2015",
)

_LEAST_VARIANCE = 1e-8
_PADDING = 16
"""Pixels mirrored along each side: the transform joins opposite edges, and their step would count as sharpness."""


@dataclass(frozen=True, eq=False)
class PreparedBurst:
    """Spectra of the frames that could be aligned, by frame index.

    Attributes:
        spectra: complex64 [3, h, w/2 + 1]; the smoothed magnitude of what is not noise, float32 [h, w/2 + 1]; and the noise variance of a
            pixel.
        reference_index: of the burst.
        shape: rows and columns of a frame.
    """

    spectra: dict[int, tuple[NDArray[np.complex64], FloatImage, float]]
    reference_index: int
    shape: tuple[int, int]


@dataclass(frozen=True)
class FourierAccumulation:
    """Fourier burst accumulation (a `SubsetRestorer`): what any frame kept sharp, in linear camera RGB.

    A blur attenuates frequencies and amplifies none, so at each frequency the frame of largest magnitude is the least blurred. With
    |F| the magnitude averaged over the colours and smoothed, frame t weighs |F_t|^power / Σ |F|^power. Frames of one burst may differ
    in noise, which the paper leaves out: its expected power is taken off |F|², and weights are divided by it, so that frequencies in
    which no frame shows more than noise become the mean of least noise. Mosaics are demosaicked first.
    Frames are aligned by one rigid motion; the reference stands in where a frame does not reach or is saturated and the reference is
    not, and frames that cannot be aligned are left out. The output is not clipped.

    The prepared state takes 1.2 times the float32 size of RGB frames; `fuse` works in 6 times that of one frame.

    Attributes:
        power: p; 0 is the plain mean, infinity takes the largest. The paper finds 7 to 30 useful; noise asks for less.
        smoothing: standard deviation of the Gaussian over frequencies, as a fraction of the shorter side.
    """

    power: float = 7.0
    smoothing: float = 1 / 50

    @property
    def info(self) -> RestorerInfo:
        """Facts for callers."""
        return _INFO

    def restore(self, burst: Burst) -> FloatImage:
        """Merge all frames, float32 [H, W, 3]."""
        return self.fuse(self.prepare(burst), burst.others)

    def prepare(self, burst: Burst) -> PreparedBurst:
        """Align and transform every frame."""
        check_accepts(_INFO, burst)
        burst = linearise(burst)
        alignment = align_burst(burst)
        own = align_colours(burst, burst.reference_index, alignment)
        assert own is not None
        reference, clean = own
        shot, read = noise_levels(burst)
        signal = max(float(reference.mean()), 0.0)
        variance = np.maximum(shot * signal + read, _LEAST_VARIANCE)
        spectra = {burst.reference_index: self._transform(reference, float(variance[burst.reference_index]))}
        for index in burst.others:
            aligned = align_colours(burst, index, alignment)
            if aligned is not None:
                colours, usable = aligned
                spectra[index] = self._transform(np.where(usable | ~clean, colours, reference), float(variance[index]))
        return PreparedBurst(spectra, burst.reference_index, reference.shape[1:])

    def fuse(self, prepared: PreparedBurst, members: Sequence[int]) -> FloatImage:
        """Merge the reference and the frames `members`."""
        wanted = sorted({prepared.reference_index, *members})
        chosen = [prepared.spectra[index] for index in wanted if index in prepared.spectra]
        # Divided by the largest before the power, which would leave the range of float32.
        largest = np.max([magnitude for _, magnitude, _ in chosen], axis=0)
        least = min(variance for *_, variance in chosen)
        total = np.zeros_like(chosen[0][0])
        weights = np.zeros_like(largest)
        for spectrum, magnitude, variance in chosen:
            weight = (magnitude / largest) ** np.float32(self.power) * np.float32(least / variance)
            total += weight * spectrum
            weights += weight
        total /= weights
        height, width = (side + 2 * _PADDING for side in prepared.shape)
        image = fft.irfft2(total, s=(height, width))[:, _PADDING:-_PADDING, _PADDING:-_PADDING]
        return np.ascontiguousarray(np.moveaxis(image, 0, -1), np.float32)

    def _transform(self, colours: FloatImage, variance: float) -> tuple[NDArray[np.complex64], FloatImage, float]:
        """Spectrum of mirrored colours [3, H, W] and its smoothed magnitude without the noise of this variance per pixel."""
        sides = ((0, 0), (_PADDING, _PADDING), (_PADDING, _PADDING))
        mode: Literal["reflect", "edge"] = "reflect" if min(colours.shape[1:]) > _PADDING else "edge"
        padded = np.pad(colours, sides, mode=mode)
        spectrum: NDArray[Any] = fft.rfft2(padded)
        power = np.square(np.abs(spectrum)).mean(0)
        deviation = self.smoothing * min(colours.shape[1:])
        noise = np.float32(variance * padded[0].size)
        # Half the noise stays as a floor: what is below cannot be told from it in any frame.
        shown = np.maximum(_smooth_magnitude(power, deviation, padded.shape[2]) - noise, noise / 2)
        return spectrum.astype(np.complex64), np.sqrt(shown), variance


def _smooth_magnitude(magnitude: FloatImage, deviation: float, width: int) -> FloatImage:
    """Gaussian over the frequencies of a half spectrum [h, w/2 + 1], which goes on periodically and mirrored at the origin."""
    height, half = magnitude.shape
    reach = min(int(4 * deviation) + 1, half - 1, height - 1)
    # The missing half is the other one turned by 180 degrees: frequency (−v, −u) has the magnitude of (v, u).
    turned = np.roll(magnitude[::-1], 1, axis=0)
    left = turned[:, reach:0:-1]
    end = half - 1 if width % 2 == 0 else half
    right = turned[:, end - 1 : end - 1 - reach : -1]
    wide = np.hstack([left, magnitude, right])
    wide = np.vstack([wide[-reach:], wide, wide[:reach]])
    smooth = cv2.GaussianBlur(wide, (0, 0), max(deviation, 0.1), borderType=cv2.BORDER_REPLICATE)
    return np.asarray(smooth[reach : reach + height, reach : reach + half], np.float32)
