"""High dynamic range from frames of different exposure, in linear light (Hasinoff, Durand & Freeman, CVPR 2010)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from restorers.align import align_burst
from restorers.base import RestorerInfo, check_accepts
from restorers.burst import Burst, Domain, FloatArray, FloatImage
from restorers.classical.mosaic import split_planes
from restorers.classical.planes import MERGED_DOMAINS, join_frame, resample_frame, split_frame
from restorers.classical.warping import CLIPPED, unsaturated
from restorers.color import linearise
from restorers.noise import noise_levels

_INFO = RestorerInfo(
    task="hdr",
    version="1",
    input_domains=MERGED_DOMAINS,
    output_domain=None,
    summary="noise-optimal mean of the unsaturated samples of all exposures, in linear light",
    paper="Hasinoff, Durand & Freeman, Noise-optimal capture for high dynamic range photography, 2010",
)

_LEAST_VARIANCE = 1e-8


@dataclass(frozen=True, eq=False)
class PreparedBurst:
    """What `fuse` merges.

    Attributes:
        frames: planes [P, h, w] in the exposure of ratio 1, and where they count, by frame index.
        interpolation: float32 [P, h, w]; the error variance that interpolation adds to every frame but the reference.
        exposure_ratio: float64 [T].
        noise: shot and read noise, float64 [T] each.
        reference_index: of the burst.
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
    are left out. Things that move by themselves are averaged: bursts of one exposure with such motion are the business of the `denoise`
    restorers.

    The prepared state, which `restore` holds too, takes 1.25 times the burst's size and one frame's.

    Attributes:
        detail: see above.
    """

    detail: float = 0.2

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
        alignment = align_burst(burst)
        frames = {}
        for index in np.flatnonzero(alignment.aligned).tolist():
            frame, homography = burst.frames[index], alignment.homographies[index]
            if index == burst.reference_index:
                planes = split_frame(frame)
                frames[index] = (planes / np.float32(burst.exposure_ratio[index]), planes < CLIPPED)
                continue
            planes, usable = resample_frame(burst, index, homography, interpolation=cv2.INTER_LANCZOS4)
            clean = unsaturated(frame, homography)
            frames[index] = (planes, usable & (split_planes(clean) if burst.domain is Domain.RAW_BAYER else clean))
        noise = noise_levels(burst)
        shot, read = (float(level[burst.reference_index]) for level in noise)
        own = frames[burst.reference_index][0]
        mean = _average_window(own)
        structure = (
            _average_window(np.square(own))
            - np.square(mean)
            - np.maximum(mean, 0) * np.float32(shot)
            - np.float32(read)
        )
        interpolation = np.float32(self.detail**2) * np.maximum(structure, 0)
        return PreparedBurst(frames, interpolation, burst.exposure_ratio, noise, burst.reference_index)

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


def _average_window(planes: FloatImage) -> FloatImage:
    """Mean over 5 x 5 pixels of each plane."""
    return np.stack([cv2.blur(plane, (5, 5), borderType=cv2.BORDER_REFLECT_101) for plane in planes])
