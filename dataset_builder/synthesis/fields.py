"""Frame pixels from a latent image of `scale` times as many: one filter for all frames, then samples where each frame needs them.

A frame pixel is the light that falls on a square of `scale` x `scale` latent pixels. Sums over such squares, at every latent pixel, are
the field that frames are sampled from. From scale 4 on, bilinear interpolation between them is that light exactly, wherever the square
lies, if latent pixels are uniform squares themselves. At scales 2 and 3 that would blur too much between two sums, so the field gets a
sample halfway by a six-tap filter first; at scale 1, Lanczos interpolation of support 8 serves.

All weights but those of Lanczos are multiples of a power of two, few enough for float64 to hold every sum exactly: no platform, order
of additions or width of its registers changes a bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from restorers import CFA

Planes = tuple[NDArray[np.float64], ...]
"""Channels of an image, each [H, W]."""

INTERPOLATION_MARGIN = 4
"""Latent pixels that interpolation reaches beyond a sample."""
_LEAST_DENSITY = 4
# Halfway between samples: within 0.6 % of 1 up to 1/4 cycle per latent pixel, the highest frequency of a frame at scale 2.
_HALFWAY = np.array([[3, -16, 77, 77, -16, 3]]) / 128
_POSITION_STEP = 2.0**-30


@dataclass(frozen=True, eq=False)
class Field:
    """Light on a fine grid, to be sampled between its points.

    Attributes:
        samples: float64 [H, W], sums over `scale` x `scale` latent pixels to the right and below each sample, of one channel.
        density: samples per frame pixel, along each side.
        offset: of a part of a field, outside of which is no light: (x, y) of its first sample in the whole. None for the whole, of which
            the outermost samples go on beyond its edges.
    """

    samples: NDArray[np.float64]
    density: int
    offset: tuple[int, int] | None = None


def prefilter(image: NDArray[Any], scale: int) -> Planes:
    """Sum over `scale` x `scale` pixels to the right and below; the value at (scale·x, scale·y) is that of frame pixel (x, y).

    Args:
        image: [H', W'] or [H', W', C].
        scale: pixels per frame pixel.

    Returns:
        float64 [H', W'] of each channel.
    """
    options: dict[str, Any] = {"anchor": (0, 0), "normalize": False, "borderType": cv2.BORDER_REPLICATE}
    return tuple(
        np.asarray(cv2.boxFilter(plane, cv2.CV_64F, (scale, scale), **options), np.float64)
        for plane in cv2.split(image)
    )


def get_density(scale: int) -> int:
    """Samples per frame pixel of a field from a latent image of `scale` pixels per frame pixel."""
    return 2 * scale if 1 < scale < _LEAST_DENSITY else scale


def make_field(plane: NDArray[np.float64], scale: int, offset: tuple[int, int] | None = None) -> Field:
    """The field of a plane from `prefilter`; `offset` in latent pixels, as `Field.offset`."""
    density = get_density(scale)
    if density == scale:
        return Field(plane, density, offset)
    return Field(_refine(plane), density, offset and (2 * offset[0], 2 * offset[1]))


def _refine(plane: NDArray[np.float64]) -> NDArray[np.float64]:
    """A plane of twice as many samples along each side; those that were there stay."""
    height, width = plane.shape
    fine, border = np.empty((height, 2, width, 2)), cv2.BORDER_REPLICATE
    rows = fine.reshape(height, 2, 2 * width)
    # Written in place, for moving so much memory takes longer than the arithmetic.
    cv2.merge([plane, cv2.filter2D(plane, -1, _HALFWAY, anchor=(2, 0), borderType=border)], dst=fine[:, 0])
    cv2.filter2D(rows[:, 0], -1, _HALFWAY.T, dst=rows[:, 1], anchor=(0, 2), borderType=border)
    return fine.reshape(2 * height, 2 * width)


def locate_pixels(homographies: NDArray[np.float64], scale: int, origin: tuple[int, int]) -> NDArray[np.float64]:
    """Where on a field the pixels of a frame lie.

    Args:
        homographies: [n, 3, 3], reference to frame pixel, affine.
        scale: latent pixels per frame pixel.
        origin: (x, y) of the reference's top-left pixel in the latent image.

    Returns:
        float64 [n, 2, 3], frame pixel to sample, rounded so that OpenCV's arithmetic on them is exact.
    """
    density = get_density(scale)
    (a, b, c), (d, e, f) = np.moveaxis(homographies, 0, -1)[:2]
    # Term by term: what a library's inverse does depends on the platform.
    determinant = a * e - b * d
    inverse = np.stack([[e, -b, b * f - e * c], [-d, a, d * c - a * f]]) / determinant
    matrices = np.moveaxis(density * inverse, -1, 0)
    matrices[:, :, 2] += np.array(origin) * (density // scale)
    return np.asarray(np.rint(matrices / _POSITION_STEP) * _POSITION_STEP)


def locate_sites(pixels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Where the four sites of a colour filter array's cells lie, [n, 4, 2, 3], by rows, for [n, 2, 3] of `locate_pixels`."""
    sites = np.repeat(pixels[:, None], 4, axis=1)
    sites[:, 1::2, :, 2] += pixels[:, None, :, 0]
    sites[:, 2:, :, 2] += pixels[:, None, :, 1]
    sites[..., :2] *= 2
    return sites


def sample_mosaics(
    planes: Planes,
    scale: int,
    sites: Sequence[NDArray[np.float64]],
    shape: tuple[int, int],
    *,
    cfa: CFA,
    offset: tuple[int, int] | None = None,
) -> NDArray[np.float64]:
    """Sample the mosaics of some frames, each at some poses, at positions rounded to 1/32 of a sample.

    Args:
        planes: three, from `prefilter`.
        scale: latent pixels per frame pixel.
        sites: sites of each frame, [n, 4, 2, 3] from `locate_sites`.
        shape: rows and columns of a frame, even.
        cfa: colour filter array.
        offset: what `make_field` takes or gives.

    Returns:
        float64 [frames, H, W], sums over the poses.
    """
    result, cells = np.empty((len(sites), *shape)), (shape[0] // 2, shape[1] // 2)
    # One field at a time serves all frames: it is large, and stays in the cache.
    for channel, plane in enumerate(planes):
        field = make_field(plane, scale, offset)
        for mosaic, matrices in zip(result, sites, strict=True):
            for site, seen in enumerate(cfa.channels):
                if seen == channel:
                    mosaic[site // 2 :: 2, site % 2 :: 2] = sample_field(field, matrices[:, site], cells)
    return result


def sample_field(field: Field, matrices: NDArray[np.float64], shape: tuple[int, int]) -> NDArray[np.float64]:
    """Sample a field at some poses, [n, 2, 3] from result to sample; float64 [H, W], the sum over the poses."""
    flags = cv2.WARP_INVERSE_MAP | (cv2.INTER_LINEAR if field.density >= _LEAST_DENSITY else cv2.INTER_LANCZOS4)
    border = cv2.BORDER_REPLICATE
    if field.offset is not None:
        matrices, border = matrices - np.pad(np.reshape(field.offset, (2, 1)), ((0, 0), (2, 0))), cv2.BORDER_CONSTANT
    warped = (cv2.warpAffine(field.samples, matrix, shape[::-1], flags=flags, borderMode=border) for matrix in matrices)
    total = np.asarray(next(warped), np.float64)
    for part in warped:
        total += part
    return total
