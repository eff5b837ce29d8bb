"""Frame pixels from a latent image of `scale` times as many: one filter for all frames, then samples where each frame needs them."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from restorers import CFA

Planes = tuple[NDArray[np.float64], ...]
"""Channels of an image, each [H, W]."""


def prefilter(image: NDArray[Any], scale: int) -> Planes:
    """Average over `scale` x `scale` pixels to the right and below; the value at (scale·x, scale·y) is that of frame pixel (x, y).

    Args:
        image: [H', W'] or [H', W', C].
        scale: pixels per frame pixel.

    Returns:
        float64 [H', W'] of each channel.
    """
    if scale == 1:
        return tuple(plane.astype(np.float64) for plane in cv2.split(image))
    averages = cv2.boxFilter(image, cv2.CV_64F, (scale, scale), anchor=(0, 0), borderType=cv2.BORDER_REPLICATE)
    return tuple(np.asarray(plane, np.float64) for plane in cv2.split(averages))


def sample_mosaic(
    planes: Planes,
    homography: NDArray[np.float64],
    shape: tuple[int, int],
    *,
    cfa: CFA,
    scale: int,
    origin: tuple[int, int] = (0, 0),
) -> NDArray[np.float64]:
    """Sample the mosaic of a frame with an affine homography: Lanczos, support 8, at positions rounded to 1/32 px of the planes.

    Args:
        planes: three, from `prefilter`.
        homography: [3, 3], reference to frame pixel.
        shape: rows and columns of the frame, even.
        cfa: colour filter array.
        scale: as given to `prefilter`.
        origin: (x, y) of the reference's top-left pixel in the planes.

    Returns:
        float64 [H, W].
    """
    to_planes = _to_planes(homography, scale, origin)
    across, down = 2 * to_planes[:, 0], 2 * to_planes[:, 1]
    result = np.empty(shape)
    for (row, column), channel in zip(np.ndindex(2, 2), cfa.channels, strict=True):
        from_sites = np.stack([across, down, to_planes @ (column, row, 1)], axis=1)
        result[row::2, column::2] = _warp(planes[channel], from_sites, (shape[0] // 2, shape[1] // 2))
    return result


def _to_planes(homography: NDArray[np.float64], scale: int, origin: tuple[int, int]) -> NDArray[np.float64]:
    to_planes: NDArray[np.float64] = np.array(
        [[scale, 0, origin[0]], [0, scale, origin[1]], [0, 0, 1]]
    ) @ np.linalg.inv(homography)
    return to_planes


def _warp(plane: NDArray[np.float64], matrix: NDArray[np.float64], shape: tuple[int, int]) -> NDArray[np.float64]:
    # OpenCV's cubic kernel computes its weights in float32, in whose last bits platforms differ; this one reads them from a table.
    flags = cv2.INTER_LANCZOS4 | cv2.WARP_INVERSE_MAP
    warped = cv2.warpAffine(plane, matrix[:2], shape[::-1], flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return warped.astype(np.float64, copy=False)


def sample_plane(
    plane: NDArray[np.float64],
    homography: NDArray[np.float64],
    shape: tuple[int, int],
    *,
    scale: int,
    origin: tuple[int, int] = (0, 0),
) -> NDArray[np.float64]:
    """Sample one plane at every pixel of a frame; as `sample_mosaic`."""
    return _warp(plane, _to_planes(homography, scale, origin), shape)
