"""High dynamic range from frames of different exposure, in linear light (Hasinoff, Durand & Freeman, CVPR 2010)."""

from __future__ import annotations

from collections.abc import Sequence
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
    """Aligned planes [P, h, w] in the exposure of ratio 1 and where they count, by frame index, and the noise of every frame."""

    frames: dict[int, tuple[FloatImage, NDArray[np.bool_]]]
    exposure_ratio: FloatArray
    noise: tuple[FloatArray, FloatArray]
    reference_index: int


@dataclass(frozen=True)
class RadianceMerge:
    """Exposure merge (a `SubsetRestorer`): radiance in units where 1 is the white level at the exposure of ratio 1; it may exceed 1.

    The maximum-likelihood radiance is the mean weighted by the inverse noise variance. Weights that depend on each noisy sample itself
    would be biased towards dark ones, so the variance is taken at a common first estimate: the light gathered by all frames over their
    exposure. Saturated samples, and what is interpolated from them, do not count; where every frame is saturated, the one of least
    exposure tells the lower bound. Frames are aligned by one rigid motion; those that cannot be are left out. Things that move by
    themselves are averaged: bursts of one exposure with such motion are the business of the `denoise` restorers.

    The prepared state takes 1.25 times the burst's float32 size; `fuse` works in 4 more images.
    """

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
        return PreparedBurst(frames, burst.exposure_ratio, noise_levels(burst), burst.reference_index)

    def fuse(self, prepared: PreparedBurst, members: Sequence[int]) -> FloatImage:
        """Merge the reference and the frames `members`."""
        wanted = sorted({prepared.reference_index, *members})
        chosen = [index for index in wanted if index in prepared.frames]
        ratios = prepared.exposure_ratio.astype(np.float32)
        darkest = min(chosen, key=lambda index: (ratios[index], index != prepared.reference_index, index))
        bound = prepared.frames[darkest][0]
        first = self._average(prepared, {index: ratios[index] for index in chosen}, bound)
        signal = np.maximum(first, 0)
        shot, read = prepared.noise
        weights = {
            index: 1 / np.maximum(np.float32(shot[index]) * signal + np.float32(read[index]), _LEAST_VARIANCE)
            for index in chosen
        }
        return join_frame(self._average(prepared, weights, bound))

    @staticmethod
    def _average(
        prepared: PreparedBurst, weights: dict[int, np.float32] | dict[int, FloatImage], bound: FloatImage
    ) -> FloatImage:
        """Weighted mean of the samples that count; `bound` where none does."""
        total, weight_sum = np.zeros_like(bound), np.zeros_like(bound)
        for index, weight in weights.items():
            planes, usable = prepared.frames[index]
            counted = weight * usable
            total += counted * planes
            weight_sum += counted
        return np.where(weight_sum > 0, total / np.maximum(weight_sum, np.float32(1e-20)), bound)
