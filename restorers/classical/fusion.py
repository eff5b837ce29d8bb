"""Exposure fusion (Mertens, Kautz & Van Reeth, Pacific Graphics 2007)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from restorers.align import align_burst
from restorers.base import RestorerInfo, check_accepts
from restorers.burst import Burst, Domain, FloatImage
from restorers.classical.planes import MERGED_DOMAINS, align_colours
from restorers.color import linearise, to_display

_INFO = RestorerInfo(
    task="hdr",
    version="1",
    input_domains=MERGED_DOMAINS,
    output_domain=Domain.SRGB,
    summary="pyramid blend of the display images by contrast, saturation and exposedness",
    paper="Mertens, Kautz & Van Reeth, Exposure fusion, 2007",
)


@dataclass(frozen=True, eq=False)
class PreparedBurst:
    """Aligned display images, float32 [H, W, 3] in [0, 1] at their own exposure, by frame index."""

    images: dict[int, FloatImage]
    reference_index: int


@dataclass(frozen=True)
class ExposureFusion:
    """Exposure fusion (a `SubsetRestorer`): one display image that shows what each exposure shows well.

    Each frame is aligned by one rigid motion and developed at its own exposure; pixels are blended over Laplacian pyramids (OpenCV)
    by the product of three qualities. Where a frame does not reach, the reference, brought to its exposure, stands in; frames that
    cannot be aligned are left out. The result is a picture, not a measurement: it has no linear truth to be compared with.

    The prepared state takes the float32 size of RGB frames; OpenCV's pyramids take about 4 times as much again.

    Attributes:
        contrast: exponent of the contrast.
        saturation: exponent of the saturation.
        exposedness: exponent of the exposedness.
    """

    contrast: float = 1.0
    saturation: float = 1.0
    exposedness: float = 1.0

    @property
    def info(self) -> RestorerInfo:
        """Facts for callers."""
        return _INFO

    def restore(self, burst: Burst) -> FloatImage:
        """Fuse all frames, float32 [H, W, 3], sRGB in [0, 1]."""
        return self.fuse(self.prepare(burst), burst.others)

    def prepare(self, burst: Burst) -> PreparedBurst:
        """Align and develop every frame."""
        check_accepts(_INFO, burst)
        burst = linearise(burst)
        alignment = align_burst(burst)
        own = align_colours(burst, burst.reference_index, alignment)
        assert own is not None
        images = {}
        for index in range(burst.num_frames):
            aligned = own if index == burst.reference_index else align_colours(burst, index, alignment, saturated=True)
            if aligned is not None:
                colours = own[0] if index == burst.reference_index else np.where(aligned[1], aligned[0], own[0])
                exposed = np.minimum(colours * np.float32(burst.exposure_ratio[index]), 1)
                images[index] = to_display(np.moveaxis(exposed, 0, -1), burst)
        return PreparedBurst(images, burst.reference_index)

    def fuse(self, prepared: PreparedBurst, members: Sequence[int]) -> FloatImage:
        """Fuse the reference and the frames `members`."""
        wanted = sorted({prepared.reference_index, *members})
        images = [prepared.images[index] for index in wanted if index in prepared.images]
        if len(images) == 1:
            return images[0].copy()
        merge = cv2.createMergeMertens(self.contrast, self.saturation, self.exposedness)
        # OpenCV divides by 255, whatever the type.
        fused = merge.process([image * np.float32(255) for image in images])
        return np.clip(np.asarray(fused, np.float32), 0, 1)
