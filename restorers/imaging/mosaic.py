"""Bayer mosaics: colour planes, resampling and demosaicking, shared by the classical restorers.

A plane holds the pixels of one position of the 2 x 2 colour filter cell: pixel (v, u) of plane p = 2·dy + dx is the mosaic pixel
(2v + dy, 2u + dx).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from restorers.burst import CFA, FloatArray, FloatImage
from restorers.imaging.warping import warp

if TYPE_CHECKING:
    from restorers.motion.tiles import TileMotion

_Value = TypeVar("_Value", bound=np.generic)
_Float = TypeVar("_Float", np.float32, np.float64)

PLANE_OFFSETS = ((0, 0), (1, 0), (0, 1), (1, 1))
"""(dx, dy) of the four planes, in their order."""


def mosaic(image: NDArray[_Value], cfa: CFA) -> NDArray[_Value]:
    """Keep of [H, W, 3] the channel that each pixel of the colour filter array sees; [H, W]."""
    result = np.empty(image.shape[:2], image.dtype)
    for (row, column), channel in zip(np.ndindex(2, 2), cfa.channels, strict=True):
        result[row::2, column::2] = image[row::2, column::2, channel]
    return result


def average_cells(mosaic: NDArray[_Float], cfa: CFA) -> NDArray[_Float]:
    """Each cell of a mosaic [H, W] as one pixel: mean of the sites of each colour, [H/2, W/2, 3]."""
    cells = np.zeros((mosaic.shape[0] // 2, mosaic.shape[1] // 2, 3), mosaic.dtype)
    for (row, column), channel in zip(np.ndindex(2, 2), cfa.channels, strict=True):
        cells[..., channel] += mosaic[row::2, column::2] / cfa.channels.count(channel)
    return cells


def split_planes(mosaic: NDArray[_Value]) -> NDArray[_Value]:
    """Separate [..., H, W] into contiguous planes [..., 4, H/2, W/2]."""
    return np.stack([mosaic[..., dy::2, dx::2] for dx, dy in PLANE_OFFSETS], axis=-3)


def join_planes(planes: NDArray[_Value]) -> NDArray[_Value]:
    """Interleave [..., 4, h, w] to the mosaic [..., 2h, 2w]; the inverse of `split_planes`."""
    height, width = planes.shape[-2:]
    mosaic = np.empty((*planes.shape[:-3], 2 * height, 2 * width), planes.dtype)
    for index, (dx, dy) in enumerate(PLANE_OFFSETS):
        mosaic[..., dy::2, dx::2] = planes[..., index, :, :]
    return mosaic


def resample_planes(
    mosaic: FloatImage,
    cfa: CFA,
    homography: FloatArray,
    local: TileMotion | None = None,
    *,
    interpolation: int = cv2.INTER_CUBIC,
) -> tuple[FloatImage, NDArray[np.bool_]]:
    """Bring a mosaic onto the grid of the reference.

    The colours are interpolated first and then sampled where the reference has pixels of that colour. Resampling each colour plane by
    itself would alias: a plane holds every second pixel of a scene that the lens resolves to the pixel, and averaging frames of
    different motion turns that aliasing into blur.

    Args:
        mosaic: float32 [H, W].
        cfa: its colour filter array.
        homography: reference to frame, mosaic pixels, float64 [3, 3].
        local: motion that comes on top, measured between grey images of half the size after the homography.
        interpolation: interpolation of OpenCV.

    Returns:
        The planes of the resampled mosaic, float32 [4, H/2, W/2], and a mask of the same shape that is False where they would need
        pixels from outside the frame (their values there mean nothing).
    """
    height, width = mosaic.shape[0] // 2, mosaic.shape[1] // 2
    colours = interpolate_colours(mosaic, cfa)
    ones = np.ones_like(mosaic)
    warped, inside = np.empty((4, height, width), np.float32), np.empty((4, height, width), bool)
    # The grid of the grey image lies amidst the planes, a quarter of its pixel from each: too little for the motion to differ.
    position = None if local is None else local.positions(height, width)
    for index, (dx, dy) in enumerate(PLANE_OFFSETS):
        matrix = homography @ np.array([[2.0, 0.0, dx], [0.0, 2.0, dy], [0.0, 0.0, 1.0]])
        warped[index] = warp(colours[cfa.channels[index]], matrix, position, (height, width), interpolation)
        covered = warp(ones, matrix, position, (height, width), cv2.INTER_LINEAR, border=cv2.BORDER_CONSTANT)
        inside[index] = covered > 1 - 1e-4
    return warped, inside


def demosaic(mosaic: FloatImage, cfa: CFA) -> FloatImage:
    """Interpolate the missing colours as `interpolate_colours` does, and return camera RGB, float32 [H, W, 3], not clipped."""
    image = np.empty((*mosaic.shape, 3), np.float32)
    _fill_colours(np.moveaxis(image, -1, 0), mosaic, cfa)
    return image


def interpolate_colours(mosaic: FloatImage, cfa: CFA) -> FloatImage:
    """Interpolate the missing colours by gradient-corrected linear filters (Malvar, He & Cutler, ICASSP 2004).

    Args:
        mosaic: float32 [H, W].
        cfa: its colour filter array.

    Returns:
        R, G and B, float32 [3, H, W], not clipped.
    """
    image = np.empty((3, *mosaic.shape), np.float32)
    _fill_colours(image, mosaic, cfa)
    return image


def _fill_colours(image: FloatImage, mosaic: FloatImage, cfa: CFA) -> None:
    """Write what `interpolate_colours` returns into `image`, by one filter after the other: together they would take four mosaics."""
    filtered = np.empty_like(mosaic)
    for which, kernel in enumerate(_MALVAR):
        cv2.filter2D(mosaic, cv2.CV_32F, kernel / 16, filtered, borderType=cv2.BORDER_REFLECT_101)
        for dx, dy in PLANE_OFFSETS:
            cell = np.s_[dy::2, dx::2]
            own, horizontal, vertical = (cfa.channels[2 * (dy ^ b) + (dx ^ a)] for a, b in ((0, 0), (1, 0), (0, 1)))
            told = {_BESIDE: horizontal, _ABOVE: vertical} if own == 1 else {_GREEN: 1, _OPPOSITE: 2 - own}
            if which in told:
                image[told[which]][cell] = filtered[cell]
    for dx, dy in PLANE_OFFSETS:
        cell = np.s_[dy::2, dx::2]
        image[cfa.channels[2 * dy + dx]][cell] = mosaic[cell]


_GREEN, _BESIDE, _ABOVE, _OPPOSITE = range(4)
_MALVAR = tuple(
    np.array(kernel, np.float32)
    for kernel in (
        [[0, 0, -2, 0, 0], [0, 0, 4, 0, 0], [-2, 4, 8, 4, -2], [0, 0, 4, 0, 0], [0, 0, -2, 0, 0]],
        [[0, 0, 1, 0, 0], [0, -2, 0, -2, 0], [-2, 8, 10, 8, -2], [0, -2, 0, -2, 0], [0, 0, 1, 0, 0]],
        [[0, 0, -2, 0, 0], [0, -2, 8, -2, 0], [1, 0, 10, 0, 1], [0, -2, 8, -2, 0], [0, 0, -2, 0, 0]],
        [[0, 0, -3, 0, 0], [0, 4, 0, 4, 0], [-3, 0, 12, 0, -3], [0, 4, 0, 4, 0], [0, 0, -3, 0, 0]],
    )
)
"""Sixteen times the kernels of the paper's figure 2: green at red or blue; a colour whose neighbours lie beside, and above, a green
pixel; blue at red and red at blue."""
