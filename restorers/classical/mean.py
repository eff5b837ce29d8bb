"""The average of the aligned frames: the simplest merge, and the yardstick of all others."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from restorers.base import RestorerInfo, check_accepts
from restorers.burst import Burst, FloatArray, FloatImage
from restorers.imaging.color import linearise
from restorers.imaging.planes import MERGED_DOMAINS, join_frame, resample_frame
from restorers.motion.align import align_burst

_INFO = RestorerInfo(
    task="denoise",
    version="1",
    input_domains=MERGED_DOMAINS,
    output_domain=None,
    summary="average of the globally aligned frames",
)


class StreamedMean(ABC):
    """A `LinearMerge` whose contributions come one by one, so that `restore` holds a few images whatever T."""

    def contributions(self, burst: Burst) -> FloatImage:
        """What each frame adds to the mean, float32 [T, H, W] or [T, H, W, 3]."""
        images = np.empty(burst.frames.shape, np.float32)
        for image, contribution in zip(images, self._list_contributions(burst), strict=True):
            image[...] = contribution
        return images

    def restore(self, burst: Burst) -> FloatImage:
        """Mean of the contributions, float32 [H, W] or [H, W, 3]."""
        total = np.zeros(burst.reference.shape)
        for contribution in self._list_contributions(burst):
            total += contribution
        return (total / burst.num_frames).astype(np.float32)

    @abstractmethod
    def _list_contributions(self, burst: Burst) -> Iterator[FloatImage]:
        """Of each frame in order; read before the next is asked for."""


@dataclass(frozen=True)
class MeanMerge(StreamedMean):
    """Mean of the frames, each aligned to the reference by one rigid motion (a `LinearMerge`).

    Where a frame does not reach, where it was exposed longer than the reference and is saturated, or where it cannot be aligned at
    all, it contributes the reference. The output is not clipped.
    """

    @property
    def info(self) -> RestorerInfo:
        """Facts for callers."""
        return _INFO

    def _list_contributions(self, burst: Burst) -> Iterator[FloatImage]:
        check_accepts(_INFO, burst)
        burst = linearise(burst)
        alignment = align_burst(burst)
        reference = burst.reference / np.float32(burst.exposure_ratio[burst.reference_index])
        for index in range(burst.num_frames):
            if index == burst.reference_index or not alignment.aligned[index]:
                yield reference
                continue
            yield merge_onto(reference, burst, index, alignment.homographies[index])


def merge_onto(reference: FloatImage, burst: Burst, index: int, homography: FloatArray) -> FloatImage:
    """Resample frame `index` onto the reference, in its exposure; the reference itself where the frame has nothing to tell."""
    planes, usable = resample_frame(burst, index, homography, interpolation=cv2.INTER_LANCZOS4)
    return np.where(join_frame(usable), join_frame(planes), reference)
