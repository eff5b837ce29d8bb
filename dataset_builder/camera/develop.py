"""Linear sensor data to a picture that a person can look at; for contact sheets and reports, never for labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from dataset_builder.camera.color import ColorProfile, process
from restorers import CFA

_Float = TypeVar("_Float", np.float32, np.float64)
_DEMOSAIC_KERNEL = np.array([[1, 2, 1], [2, 4, 2], [1, 2, 1]], np.float32) / 4


def demosaic_bilinear(image: NDArray[_Float], cfa: CFA) -> NDArray[_Float]:
    """Bilinear demosaicking of a linear mosaic by normalised convolution.

    Args:
        image: [H, W], H and W even.
        cfa: its colour filter array.

    Returns:
        [H, W, 3] of the same type, linear camera RGB.
    """
    result = np.empty((*image.shape, 3), image.dtype)
    for channel in range(3):
        mask = np.zeros(image.shape, image.dtype)
        for (row, column), seen in zip(np.ndindex(2, 2), cfa.channels, strict=True):
            mask[row::2, column::2] = seen == channel
        weight = cv2.filter2D(mask, -1, _DEMOSAIC_KERNEL, borderType=cv2.BORDER_REFLECT_101)
        total = cv2.filter2D(image * mask, -1, _DEMOSAIC_KERNEL, borderType=cv2.BORDER_REFLECT_101)
        result[..., channel] = total / weight
    return result


def develop(
    linear: NDArray[np.floating[Any]],
    white_balance: Sequence[float],
    color_matrix: Sequence[float] | NDArray[np.float64],
) -> NDArray[np.float32]:
    """Linear camera RGB [H, W, 3] to sRGB float32 in [0, 1].

    Args:
        linear: 1 is the white level.
        white_balance: gains of R, G, B.
        color_matrix: white-balanced camera RGB to linear sRGB, 9 values by rows or [3, 3].
    """
    # Where the sensor saturates, channels end at different brightness after white balance; cut alike, they stay white.
    balanced = np.minimum(linear * np.asarray(white_balance, np.float32), 1)
    matrix = tuple(float(value) for value in np.ravel(color_matrix))
    return process(balanced, ColorProfile((1.0, 1.0, 1.0), matrix))
