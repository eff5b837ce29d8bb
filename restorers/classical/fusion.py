"""Exposure fusion (Mertens, Kautz & Van Reeth, Pacific Graphics 2007)."""

from __future__ import annotations

import math
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

_GREY = np.array([0.299, 0.587, 0.114], np.float32)
"""Luma of BT.601, as most implementations have it."""
_MID_GREY_WIDTH = 0.2


@dataclass(frozen=True, eq=False)
class PreparedBurst:
    """Aligned display images, float32 [H, W, 3] in [0, 1] at their own exposure, and their quality [H, W], by frame index."""

    images: dict[int, tuple[FloatImage, FloatImage]]
    reference_index: int


@dataclass(frozen=True)
class ExposureFusion:
    """Exposure fusion (a `SubsetRestorer`): one display image that shows what each exposure shows well.

    Each frame is aligned by one rigid motion and developed at its own exposure; pixels are blended over Laplacian pyramids, weighted by
    the product of three qualities: contrast (magnitude of the Laplacian of the grey image), saturation (standard deviation of the
    colours) and exposedness (a Gaussian about mid-grey). Where a frame does not reach, the reference, brought to its exposure, stands
    in; frames that cannot be aligned are left out. The result is a picture, not a measurement: there is no truth to compare it with.

    The prepared state takes 1.33 times the float32 size of RGB frames; `fuse` works in 6 more of one frame.

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
        # Taken at once: between the temporaries of each frame, they would leave holes that nothing else fits.
        shape = (burst.num_frames, *burst.reference.shape[:2])
        stack, weights = np.empty((*shape, 3), np.float32), np.empty(shape, np.float32)
        for index in range(burst.num_frames):
            aligned = own if index == burst.reference_index else align_colours(burst, index, alignment, saturated=True)
            if aligned is not None:
                colours = own[0] if index == burst.reference_index else np.where(aligned[1], aligned[0], own[0])
                exposed = np.minimum(colours * np.float32(burst.exposure_ratio[index]), 1)
                stack[index] = to_display(np.moveaxis(exposed, 0, -1), burst)
                weights[index] = self._weigh(stack[index])
                images[index] = (stack[index], weights[index])
        return PreparedBurst(images, burst.reference_index)

    def fuse(self, prepared: PreparedBurst, members: Sequence[int]) -> FloatImage:
        """Fuse the reference and the frames `members`."""
        wanted = sorted({prepared.reference_index, *members})
        chosen = [prepared.images[index] for index in wanted if index in prepared.images]
        total = np.sum([weight for _, weight in chosen], axis=0)
        levels = int(math.log2(min(total.shape)))
        blend: list[FloatImage] = []
        for image, weight in chosen:
            weights = _gaussian_pyramid(weight / total, levels)
            layers = _gaussian_pyramid(image, levels)
            for level, (layer, share) in enumerate(zip(layers, weights, strict=True)):
                detail = layer if level == levels else layer - _enlarge(layers[level + 1], layer)
                part = detail * share[..., None]
                if level < len(blend):
                    blend[level] += part
                else:
                    blend.append(part)
        fused = blend[-1]
        for layer in reversed(blend[:-1]):
            fused = layer + _enlarge(fused, layer)
        return np.clip(fused, 0, 1)

    def _weigh(self, image: FloatImage) -> FloatImage:
        grey = np.ascontiguousarray(image @ _GREY)
        contrast = np.abs(cv2.Laplacian(grey, cv2.CV_32F))
        saturation = image.std(-1)
        exposedness = np.exp(-np.square(image - 0.5).sum(-1) / (2 * _MID_GREY_WIDTH**2))
        quality = contrast**self.contrast * saturation**self.saturation * exposedness**self.exposedness
        return np.asarray(quality + np.float32(1e-12), np.float32)


def _gaussian_pyramid(image: FloatImage, levels: int) -> list[FloatImage]:
    pyramid = [image]
    for _ in range(levels):
        pyramid.append(np.asarray(cv2.pyrDown(pyramid[-1]), np.float32))
    return pyramid


def _enlarge(image: FloatImage, like: FloatImage) -> FloatImage:
    return np.asarray(cv2.pyrUp(image, dstsize=(like.shape[1], like.shape[0])), np.float32)
