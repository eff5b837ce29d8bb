"""Sampling of images under a motion, and which of the samples can be trusted."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from restorers.burst import FloatArray, FloatImage

CLIPPED = 0.98
"""Signal from which a pixel counts as saturated: noise and rounding keep clipped pixels just below 1."""


def warp(
    image: FloatImage,
    matrix: FloatArray,
    position: FloatImage | None,
    shape: tuple[int, int],
    interpolation: int,
    *,
    border: int = cv2.BORDER_REFLECT_101,
) -> FloatImage:
    """Sample an image [H, W(, C)] at `matrix` times `position`, float32 [h, w, 2], or times the pixels of `shape` if there is none."""
    if position is None:
        flags = interpolation | cv2.WARP_INVERSE_MAP
        return np.asarray(cv2.warpPerspective(image, matrix, shape[::-1], flags=flags, borderMode=border), np.float32)
    at = np.asarray(cv2.perspectiveTransform(position, matrix), np.float32)
    return np.asarray(cv2.remap(image, at[..., 0], at[..., 1], interpolation, borderMode=border), np.float32)


def warp_covers(homography: FloatArray, height: int, width: int) -> NDArray[np.bool_]:
    """Which reference pixels have their counterpart inside a frame of the same size; bool [H, W]."""
    ones = np.ones((height, width), np.float32)
    return warp(ones, homography, None, (height, width), cv2.INTER_LINEAR, border=cv2.BORDER_CONSTANT) > 1 - 1e-4


def unsaturated(frame: FloatImage, homography: FloatArray) -> NDArray[np.bool_]:
    """Which reference pixels are interpolated from pixels of the frame that are all below its white level; bool [H, W].

    Args:
        frame: float32 [H, W] or [H, W, 3].
        homography: reference to frame, float64 [3, 3].
    """
    height, width = frame.shape[:2]
    brightest = frame if frame.ndim == 2 else frame.max(-1)
    # 7 x 7: reach of the demosaicking (5) and of the interpolation of the pixels next to it.
    clean = cv2.erode((brightest < CLIPPED).astype(np.uint8), np.ones((7, 7), np.uint8))
    flags = cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
    warped = cv2.warpPerspective(clean, homography, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(warped, bool)
