"""Burst deblurring by Fourier burst accumulation (Delbracio & Sapiro, CVPR 2015)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import fft

from restorers.base import RestorerInfo, check_accepts
from restorers.burst import Burst, Domain, FloatImage
from restorers.imaging.color import linearise
from restorers.imaging.noise import noise_levels
from restorers.imaging.planes import MERGED_DOMAINS, align_colours
from restorers.motion.align import align_burst

_INFO = RestorerInfo(
    task="deblur",
    version="2",
    input_domains=MERGED_DOMAINS,
    output_domain=Domain.LINEAR_RGB,
    summary="mean of the aligned spectra, each frequency weighted by the power of its magnitude in each frame",
    paper="Delbracio & Sapiro, Burst deblurring: removing camera shake through Fourier burst accumulation, 2015",
)

_LEAST_VARIANCE = 1e-8
_PADDING = 16
"""Pixels mirrored along each side: the transform joins opposite edges, and their step would count as sharpness."""


Spectrum = tuple[NDArray[np.complex64], FloatImage, float]
"""complex64 [3, h, w/2 + 1]; the smoothed magnitude of what is not noise, float32 [h, w/2 + 1]; and the noise variance of a pixel."""


@dataclass(frozen=True, eq=False)
class PreparedBurst:
    """What `fuse` merges.

    Attributes:
        spectra: spectra of the frames that could be aligned, by frame index.
        reference_index: index of the burst.
        shape: rows and columns of a frame.
    """

    spectra: dict[int, Spectrum]
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

    The prepared state takes 3.5 floats per pixel of every frame: 3.7 times the size of a burst of mosaics of 1024 px with its mirrored
    edges, 1.2 times that of RGB. `restore` holds that of two frames.

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
        height, width = burst.frames.shape[1:3]
        return self._merge((spectrum for _, spectrum in self._transform_frames(burst)), (height, width))

    def prepare(self, burst: Burst) -> PreparedBurst:
        """Align and transform every frame."""
        height, width = burst.frames.shape[1:3]
        return PreparedBurst(dict(self._transform_frames(burst)), burst.reference_index, (height, width))

    def fuse(self, prepared: PreparedBurst, members: Sequence[int]) -> FloatImage:
        """Merge the reference and the frames `members`."""
        wanted = sorted({prepared.reference_index, *members})
        return self._merge((prepared.spectra[each] for each in wanted if each in prepared.spectra), prepared.shape)

    def _merge(self, spectra: Iterable[Spectrum], shape: tuple[int, int]) -> FloatImage:
        """Weighted mean of spectra, one by one: whenever a larger magnitude comes, what came before is weighted anew against it."""
        total: NDArray[np.complex64] | None = None
        for spectrum, magnitude, variance in spectra:
            # Divided by the largest before the power, which would leave the range of float32.
            if total is None:
                first, largest = variance, magnitude.copy()
                weights, total = np.ones_like(magnitude), spectrum.copy()
                continue
            ratio = magnitude / largest
            larger = ratio > 1
            np.divide(1, ratio, out=ratio, where=larger)
            ratio **= np.float32(self.power)
            former = np.where(larger, ratio, np.float32(1))
            ratio[larger] = 1
            ratio *= np.float32(first / variance)
            weights *= former
            weights += ratio
            total *= former
            for channel in range(3):
                total[channel] += ratio * spectrum[channel]
            np.maximum(largest, magnitude, out=largest)
        assert total is not None
        image = np.empty((*shape, 3), np.float32)
        padded = (shape[0] + 2 * _PADDING, shape[1] + 2 * _PADDING)
        total /= weights
        for channel in range(3):
            image[..., channel] = fft.irfft2(total[channel], s=padded)[_PADDING:-_PADDING, _PADDING:-_PADDING]
        return image

    def _transform_frames(self, burst: Burst) -> Iterator[tuple[int, Spectrum]]:
        check_accepts(_INFO, burst)
        burst = linearise(burst)
        alignment = align_burst(burst)
        own = align_colours(burst, burst.reference_index, alignment)
        assert own is not None
        reference, clean = own
        shot, read = noise_levels(burst)
        signal = max(float(reference.mean()), 0.0)
        variance = np.maximum(shot * signal + read, _LEAST_VARIANCE)
        for index in range(burst.num_frames):
            aligned = own if index == burst.reference_index else align_colours(burst, index, alignment)
            if aligned is not None:
                colours, usable = aligned
                np.copyto(colours, reference, where=(~usable & clean)[..., None])
                yield index, self._transform(colours, float(variance[index]))

    def _transform(self, colours: FloatImage, variance: float) -> Spectrum:
        """Spectrum of mirrored colours [H, W, 3] and its smoothed magnitude without the noise of this variance per pixel."""
        mode: Literal["reflect", "edge"] = "reflect" if min(colours.shape[:2]) > _PADDING else "edge"
        height, width = (side + 2 * _PADDING for side in colours.shape[:2])
        spectrum = np.empty((3, height, width // 2 + 1), np.complex64)
        power = np.zeros(spectrum.shape[1:], np.float32)
        for channel, transformed in enumerate(spectrum):
            transformed[...] = fft.rfft2(np.pad(colours[..., channel], _PADDING, mode=mode))
            power += np.square(transformed.real)
            power += np.square(transformed.imag)
        power /= 3
        deviation = self.smoothing * min(colours.shape[:2])
        noise = np.float32(variance * height * width)
        # Half the noise stays as a floor: what is below cannot be told from it in any frame.
        shown = np.maximum(_smooth_magnitude(power, deviation, width) - noise, noise / 2)
        return spectrum, np.sqrt(shown, out=shown), variance


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
