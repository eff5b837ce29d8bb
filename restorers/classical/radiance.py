"""High dynamic range from frames of different exposure, in linear light (Hasinoff, Durand & Freeman, CVPR 2010)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from restorers.base import RestorerInfo, check_accepts
from restorers.burst import Burst, Domain, FloatArray, FloatImage
from restorers.imaging.color import linearise
from restorers.imaging.mosaic import split_planes
from restorers.imaging.noise import noise_levels
from restorers.imaging.planes import MERGED_DOMAINS, join_frame, resample_frame, split_frame
from restorers.imaging.warping import CLIPPED, unsaturated
from restorers.motion.align import align_burst

_INFO = RestorerInfo(
    task="hdr",
    version="2",
    input_domains=MERGED_DOMAINS,
    output_domain=None,
    summary="noise-optimal mean of the unsaturated samples of all exposures, in linear light",
    paper="Hasinoff, Durand & Freeman, Noise-optimal capture for high dynamic range photography, 2010",
)

_LEAST_VARIANCE = 1e-8
_WINDOW = 5
"""Side of the window in which structure and agreement are measured, in pixels of a plane."""


@dataclass(frozen=True, eq=False)
class PreparedBurst:
    """What `fuse` merges.

    Attributes:
        frames: planes [P, h, w] in the exposure of ratio 1, and where they count, by frame index.
        interpolation: float32 [P, h, w]; the error variance that interpolation adds to every frame but the reference.
        exposure_ratio: float64 [T].
        noise: shot and read noise, float64 [T] each.
        reference_index: index of the burst.
    """

    frames: dict[int, tuple[FloatImage, NDArray[np.bool_]]]
    interpolation: FloatImage
    exposure_ratio: FloatArray
    noise: tuple[FloatArray, FloatArray]
    reference_index: int


@dataclass(frozen=True)
class RadianceMerge:
    """Exposure merge (a `SubsetRestorer`): radiance in units where 1 is the white level at the exposure of ratio 1; it may exceed 1.

    The maximum-likelihood radiance is the mean weighted by the inverse noise variance. Weights that depend on each noisy sample itself
    would be biased towards dark ones, so the variance is taken at a common first estimate: the light gathered by all frames over their
    exposure. Saturated samples, and what is interpolated from them, do not count; where every frame is saturated, the one of least
    exposure tells the lower bound. Interpolated frames err in fine structure, where little noise would make that count: `detail` times
    the local standard deviation of the reference is added to their noise. Frames are aligned by one rigid motion; those that cannot be
    are left out. Where a frame differs from the reference by more than `reject` times the variance that noise and interpolation explain,
    something has moved, and it does not count; where the reference is saturated that cannot be told, and it does.

    The prepared state, which `restore` holds too, takes 1.25 times the burst's size and one frame's.

    Attributes:
        detail: see above.
        reject: see above.
    """

    detail: float = 0.2
    reject: float = 4.0

    @property
    def info(self) -> RestorerInfo:
        """Facts for callers."""
        return _INFO

    def restore(self, burst: Burst) -> FloatImage:
        """Merge all frames, float32 [H, W] or [H, W, 3]."""
        return self.fuse(self.prepare(burst), burst.others)

    def prepare(self, burst: Burst) -> PreparedBurst:
        """Align every frame and find its saturated samples."""
        check_accepts(_INFO, burst)
        burst = linearise(burst)
        alignment, noise = align_burst(burst), noise_levels(burst)
        reference_index = burst.reference_index
        own = split_frame(burst.reference) / np.float32(burst.exposure_ratio[reference_index])
        clear = split_frame(burst.reference) < CLIPPED
        mean = _average_window(own)
        signal = np.maximum(mean, 0)
        own_noise = signal * np.float32(noise[0][reference_index]) + np.float32(noise[1][reference_index])
        structure = _average_window(np.square(own)) - np.square(mean) - own_noise
        interpolation = np.float32(self.detail**2) * np.maximum(structure, 0)
        frames = {}
        for index in np.flatnonzero(alignment.aligned).tolist():
            if index == reference_index:
                frames[index] = (own, clear)
                continue
            homography = alignment.homographies[index]
            planes, usable = resample_frame(burst, index, homography, interpolation=cv2.INTER_LANCZOS4)
            clean = unsaturated(burst.frames[index], homography)
            usable = usable & (split_planes(clean) if burst.domain is Domain.RAW_BAYER else clean)
            expected = own_noise + signal * np.float32(noise[0][index]) + np.float32(noise[1][index]) + interpolation
            expected *= np.float32(self.reject)
            usable &= _agrees(planes - own, usable & clear, np.maximum(expected, _LEAST_VARIANCE))
            frames[index] = (planes, usable)
        return PreparedBurst(frames, interpolation, burst.exposure_ratio, noise, reference_index)

    def fuse(self, prepared: PreparedBurst, members: Sequence[int]) -> FloatImage:
        """Merge the reference and the frames `members`."""
        wanted = sorted({prepared.reference_index, *members})
        chosen = [index for index in wanted if index in prepared.frames]
        ratios = prepared.exposure_ratio.astype(np.float32)
        darkest = min(chosen, key=lambda index: (ratios[index], index != prepared.reference_index, index))
        bound = prepared.frames[darkest][0]
        signal = self._average(prepared, ((index, ratios[index]) for index in chosen), bound)
        np.maximum(signal, 0, out=signal)
        shot, read = prepared.noise

        def weigh(index: int) -> FloatImage:
            variance = np.float32(shot[index]) * signal
            variance += np.float32(read[index])
            if index != prepared.reference_index:
                variance += prepared.interpolation
            np.maximum(variance, _LEAST_VARIANCE, out=variance)
            return np.asarray(np.divide(1, variance, out=variance))

        return join_frame(self._average(prepared, ((index, weigh(index)) for index in chosen), bound))

    @staticmethod
    def _average(
        prepared: PreparedBurst, weights: Iterable[tuple[int, np.float32 | FloatImage]], bound: FloatImage
    ) -> FloatImage:
        """Weighted mean of the samples that count; `bound` where none does."""
        total, weight_sum = np.zeros_like(bound), np.zeros_like(bound)
        for index, weight in weights:
            planes, usable = prepared.frames[index]
            counted = weight * usable
            weight_sum += counted
            counted *= planes
            total += counted
        total /= np.maximum(weight_sum, np.float32(1e-20))
        np.copyto(total, bound, where=weight_sum == 0)
        return total


def _agrees(difference: FloatImage, comparable: NDArray[np.bool_], largest: FloatImage) -> NDArray[np.bool_]:
    """Where a frame shows what the reference shows, or where that cannot be told: bool [h, w], the same for all colours.

    Args:
        difference: difference of the frame from the reference, float32 [P, h, w].
        comparable: where both count; same shape.
        largest: the square that it may have in the mean over a window and the colours.
    """
    np.square(difference, out=difference)
    difference /= largest
    difference *= comparable
    excess = _average_window((difference.sum(0) - comparable.sum(0, dtype=np.float32))[None])[0]
    kernel = np.ones((_WINDOW, _WINDOW), np.uint8)
    agrees = cv2.erode((excess <= 0).astype(np.uint8), kernel).astype(bool)
    return np.asarray(agrees | ~comparable.any(0))


def _average_window(planes: FloatImage) -> FloatImage:
    """Mean over the window about each pixel of each plane."""
    return np.stack([cv2.blur(plane, (_WINDOW, _WINDOW), borderType=cv2.BORDER_REFLECT_101) for plane in planes])
