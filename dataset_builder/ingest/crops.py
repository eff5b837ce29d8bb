"""Windows of large frames, so that no more than one of them is ever in memory as a whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from dataset_builder.errors import FrameSizeError

CROPS_VERSION = "1"
"""Changes whenever equal frames would be cut differently."""


class Window(NamedTuple):
    """Part of an upright frame, pixels; all numbers are even, so that a colour filter array keeps its pattern."""

    x: int
    y: int
    width: int
    height: int

    def cut(self, image: NDArray[np.uint8] | NDArray[np.uint16]) -> NDArray[np.uint8] | NDArray[np.uint16]:
        """The part of an image [H, W, ...], as an array of its own.

        Raises:
            FrameSizeError: if the image does not hold it.
        """
        require_inside(self, image.shape[:2])
        return image[self.y : self.y + self.height, self.x : self.x + self.width].copy()


def require_inside(window: Window, shape: tuple[int, ...]) -> None:
    """Raise FrameSizeError unless a window lies inside a frame of `shape`, rows and columns."""
    height, width = shape
    if window.x < 0 or window.y < 0 or window.x + window.width > width or window.y + window.height > height:
        raise FrameSizeError(
            f"a crop of {window.width} x {window.height} px at ({window.x}, {window.y}) does not fit into frames of "
            f"{width} x {height} px; choose smaller crops"
        )


def spread_grid(shape: tuple[int, int], size: tuple[int, int], count: int) -> list[Window]:
    """`count` windows of `size` (rows, columns), spread evenly over a frame in rows and columns.

    The grid has as many columns per row as fits the frame's proportions best; windows overlap where there is no room beside each other.

    Raises:
        FrameSizeError: if not even one fits.
    """
    height, width = size
    require_inside(Window(0, 0, width, height), shape)
    columns = max(1, min(count, round((count * shape[1] * height / (shape[0] * width)) ** 0.5)))
    rows = -(-count // columns)
    tops, lefts = _spread(shape[0] - height, rows), _spread(shape[1] - width, columns)
    return [Window(x, y, width, height) for y in tops for x in lefts][:count]


def find_textured(
    image: NDArray[np.float32], shape: tuple[int, int], size: tuple[int, int], count: int
) -> list[Window]:
    """The `count` windows with most fine structure, best first, that overlap by less than a quarter of their area.

    Fewer are returned where there is no room for more.

    Args:
        image: float32 [h, w], grey, the frame or a reduced copy of it.
        shape: rows and columns of the frame.
        size: rows and columns of a window.
        count: how many.

    Raises:
        FrameSizeError: if not even one fits.
    """
    height, width = size
    require_inside(Window(0, 0, width, height), shape)
    factor = shape[0] / image.shape[0]
    detail = np.abs(cv2.Laplacian(cv2.GaussianBlur(image, (0, 0), 1), cv2.CV_32F))
    # Square roots, so that a single lamp does not outweigh a textured wall.
    total = cv2.integral(np.sqrt(detail))
    ys = np.unique(np.append(np.arange(0, shape[0] - height, max(2, height // 4) & ~1), (shape[0] - height) & ~1))
    xs = np.unique(np.append(np.arange(0, shape[1] - width, max(2, width // 4) & ~1), (shape[1] - width) & ~1))
    top, bottom = (np.minimum(((ys + add) / factor).astype(int), image.shape[0]) for add in (0, height))
    left, right = (np.minimum(((xs + add) / factor).astype(int), image.shape[1]) for add in (0, width))
    sums = (
        total[np.ix_(bottom, right)]
        - total[np.ix_(top, right)]
        - total[np.ix_(bottom, left)]
        + total[np.ix_(top, left)]
    )
    chosen: list[Window] = []
    for place in np.argsort(-sums.ravel(), kind="stable"):
        row, column = np.unravel_index(place, sums.shape)
        window = Window(int(xs[column]), int(ys[row]), width, height)
        if all(_overlap(window, other) < height * width / 4 for other in chosen):
            chosen.append(window)
        if len(chosen) == count:
            break
    return chosen


def _spread(room: int, count: int) -> Sequence[int]:
    if count == 1:
        return [room // 2 & ~1]
    return [round(room * index / (count - 1)) & ~1 for index in range(count)]


def _overlap(first: Window, second: Window) -> int:
    width = min(first.x + first.width, second.x + second.width) - max(first.x, second.x)
    height = min(first.y + first.height, second.y + second.height) - max(first.y, second.y)
    return max(width, 0) * max(height, 0)
