"""The average of the aligned frames: the simplest merge, and the yardstick of all others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from restorers.align import align_burst
from restorers.base import RestorerInfo, check_accepts
from restorers.burst import CFA, Burst, Domain, FloatArray, FloatImage
from restorers.classical.mosaic import join_planes, resample_planes, split_planes, unsaturated

_INFO = RestorerInfo(
    task="denoise",
    version="1",
    input_domains=frozenset({Domain.RAW_BAYER}),
    output_domain=Domain.RAW_BAYER,
    summary="average of the globally aligned frames",
)


@dataclass(frozen=True)
class MeanMerge:
    """Mean of the frames, each aligned to the reference by one rigid motion (a `LinearMerge`).

    Where a frame does not reach, where it was exposed longer than the reference and is saturated, or where it cannot be aligned at
    all, it contributes the reference. The output is not clipped. `restore` holds a few images at a time, whatever T.
    """

    @property
    def info(self) -> RestorerInfo:
        """Facts for callers."""
        return _INFO

    def contributions(self, burst: Burst) -> FloatImage:
        """Aligned frames, float32 [T, H, W]."""
        return np.stack(list(self._contributions(burst)))

    def restore(self, burst: Burst) -> FloatImage:
        """Mean of the contributions, float32 [H, W]."""
        total = np.zeros(burst.reference.shape)
        for contribution in self._contributions(burst):
            total += contribution
        return (total / burst.num_frames).astype(np.float32)

    def _contributions(self, burst: Burst) -> Iterator[FloatImage]:
        check_accepts(_INFO, burst)
        assert burst.cfa is not None
        alignment = align_burst(burst)
        ratios = burst.exposure_ratio.astype(np.float32)
        reference = burst.reference / ratios[burst.reference_index]
        for index, frame in enumerate(burst.frames):
            if index == burst.reference_index or not alignment.aligned[index]:
                yield reference
                continue
            yield merge_onto(reference, frame, burst.cfa, alignment.homographies[index], float(ratios[index]))


def merge_onto(
    reference: FloatImage, frame: FloatImage, cfa: CFA, homography: FloatArray, exposure_ratio: float
) -> FloatImage:
    """Resample a mosaic onto the reference, in its exposure; the reference itself where the frame has nothing to tell."""
    planes, usable = resample_planes(frame, cfa, homography, interpolation=cv2.INTER_LANCZOS4)
    if exposure_ratio > 1:
        usable &= split_planes(unsaturated(frame, homography))
    return np.where(join_planes(usable), join_planes(planes) / np.float32(exposure_ratio), reference)
