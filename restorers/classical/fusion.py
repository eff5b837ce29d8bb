"""Exposure fusion (Mertens, Kautz & Van Reeth, Pacific Graphics 2007)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from restorers.base import RestorerInfo, check_accepts
from restorers.burst import Burst, Domain, FloatImage
from restorers.imaging.color import linearise, to_display
from restorers.imaging.planes import MERGED_DOMAINS, align_completely
from restorers.motion.align import align_burst

_INFO = RestorerInfo(
    task="hdr",
    version="2",
    input_domains=MERGED_DOMAINS,
    output_domain=Domain.SRGB,
    summary="pyramid blend of the display images by contrast, saturation and exposedness",
    paper="Mertens, Kautz & Van Reeth, Exposure fusion, 2007",
)

_GREY = np.array([0.299, 0.587, 0.114], np.float32)
"""Luma of BT.601, as most implementations have it."""
_MEAN = np.full((1, 3), 1 / 3, np.float32)
_MID_GREY_WIDTH = 0.2
_LEVELS = np.float32(65535)
"""Display images are held with 16 bits per value: finer than any display, and half of float32."""


@dataclass(frozen=True, eq=False)
class PreparedBurst:
    """Aligned display images at their own exposure, uint16 [H, W, 3], and their quality, float32 [H, W], by frame index."""

    images: dict[int, tuple[NDArray[np.uint16], FloatImage]]
    reference_index: int


@dataclass(frozen=True)
class ExposureFusion:
    """Exposure fusion (a `SubsetRestorer`): one display image that shows what each exposure shows well.

    Each frame is aligned by one rigid motion and developed at its own exposure; pixels are blended over Laplacian pyramids, weighted by
    the product of three qualities: contrast (magnitude of the Laplacian of the grey image), saturation (standard deviation of the
    colours) and exposedness (a Gaussian about mid-grey). Where a frame does not reach, the reference, brought to its exposure, stands
    in; frames that cannot be aligned are left out. The result is a picture, not a measurement: there is no truth to compare it with.

    The prepared state, which `restore` holds too since weights add up to 1 over all frames, takes 2.5 floats per pixel of every frame: 2.5
    times the size of a burst of mosaics, 0.83 times that of RGB.

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
        images = {}
        for index, colours in align_completely(burst, align_burst(burst)):
            np.minimum(colours * np.float32(burst.exposure_ratio[index]), 1, out=colours)
            image = to_display(colours, burst)
            weight = self._weigh(image)
            image *= _LEVELS
            images[index] = (np.rint(image, out=image).astype(np.uint16), weight)
        return PreparedBurst(images, burst.reference_index)

    def fuse(self, prepared: PreparedBurst, members: Sequence[int]) -> FloatImage:
        """Fuse the reference and the frames `members`."""
        wanted = sorted({prepared.reference_index, *members})
        chosen = [prepared.images[index] for index in wanted if index in prepared.images]
        total = chosen[0][1].copy()
        for _, weight in chosen[1:]:
            total += weight
        levels = int(math.log2(min(total.shape)))
        blend: list[FloatImage] = []
        for stored, weight in chosen:
            shares = _gaussian_pyramid(weight / total, levels)
            layers = _gaussian_pyramid(np.divide(stored, _LEVELS, dtype=np.float32), levels)
            for level, share in enumerate(shares):
                part = layers[level]
                if level < levels:
                    part -= _enlarge(layers[level + 1], part)
                part *= share[..., None]
                if level < len(blend):
                    blend[level] += part
                else:
                    blend.append(part)
        fused = blend.pop()
        while blend:
            layer = blend.pop()
            layer += _enlarge(fused, layer)
            fused = layer
        return np.clip(fused, 0, 1, out=fused)

    def _weigh(self, image: FloatImage) -> FloatImage:
        grey = np.ascontiguousarray(image @ _GREY)
        contrast = np.abs(cv2.Laplacian(grey, cv2.CV_32F))
        difference = image - cv2.transform(image, _MEAN)[..., None]
        saturation = np.sqrt(np.einsum("ijk,ijk->ij", difference, difference) / 3)
        np.subtract(image, np.float32(0.5), out=difference)
        distance = np.einsum("ijk,ijk->ij", difference, difference)
        exposedness = np.exp(distance / np.float32(-2 * _MID_GREY_WIDTH**2))
        quality = contrast**self.contrast * saturation**self.saturation * exposedness**self.exposedness
        return np.asarray(quality + np.float32(1e-12), np.float32)


def _gaussian_pyramid(image: FloatImage, levels: int) -> list[FloatImage]:
    pyramid = [image]
    for _ in range(levels):
        pyramid.append(np.asarray(cv2.pyrDown(pyramid[-1]), np.float32))
    return pyramid


def _enlarge(image: FloatImage, like: FloatImage) -> FloatImage:
    return np.asarray(cv2.pyrUp(image, dstsize=(like.shape[1], like.shape[0])), np.float32)
