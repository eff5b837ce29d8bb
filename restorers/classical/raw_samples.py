"""Sums of the raw samples of a mosaic about given positions: the inner loop of kernel regression (Wronski et al. 2019, section 4)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from restorers.burst import CFA, FloatImage
from restorers.imaging.warping import CLIPPED

_BACKGROUND = np.float32(1e-4)
"""Weight of the reference under a wide round kernel: it decides where the narrow kernels see no sample of a colour."""
_GROUPS = (
    ((0, 0), ((0, 0),)),
    ((0, 1), ((0, -1), (0, 1))),
    ((1, 0), ((-1, 0), (1, 0))),
    ((1, 1), ((-1, -1), (-1, 1), (1, -1), (1, 1))),
)
"""The 3 x 3 pixels about a position as (dy, dx), by the parity of both: a group has one colour."""
_RIM = 3
_OUTSIDE = np.float32(2)
"""Stands for pixels beyond the edge of the frame: none can have it."""


@dataclass(frozen=True, eq=False)
class MosaicFrame:
    """What `sum_samples` needs of a frame.

    Attributes:
        mosaic: float32 [H, W].
        cfa: its colour filter array.
        exposure_ratio: samples are divided by it; saturated ones do not count if it exceeds 1.
        background: add the wide kernel that makes no colour lack samples.
    """

    mosaic: FloatImage
    cfa: CFA
    exposure_ratio: float
    background: bool


def sum_samples(frame: MosaicFrame, x: FloatImage, y: FloatImage, precision: FloatImage) -> FloatImage:
    """Weighted sums of the samples in the 3 x 3 pixels about some positions, by colour.

    Args:
        frame: frame of mosaic samples.
        x: float32 [n]; in frame pixels.
        y: the same.
        precision: float32 [3, n]; elements xx, xy, yy of the inverse covariance of the Gaussian that weights them.

    Returns:
        float32 [2, 3, n]: of values and of weights.
    """
    height, width = frame.mosaic.shape
    number = x.size
    nearest_column, nearest_row = np.rint(x), np.rint(y)
    offset_x, offset_y = nearest_column - x, nearest_row - y
    # Positions far outside see nothing but the rim.
    column = np.clip(nearest_column, -2, width + 1).astype(np.intp)
    row = np.clip(nearest_row, -2, height + 1).astype(np.intp)
    window, first = _cut_rows(frame.mosaic, int(row.min()), int(row.max()))
    stride = window.shape[1]
    at = (row - first) * stride + (column + _RIM)
    samples = window.ravel()
    limit = np.float32(CLIPPED) if frame.exposure_ratio > 1 else _OUTSIDE
    xx, xy, yy = np.float32(-0.5) * precision[0], -precision[1], np.float32(-0.5) * precision[2]
    colours = np.array(frame.cfa.channels, np.intp).reshape(2, 2) * number
    sums = np.zeros((2, 3 * number), np.float32)
    place = np.arange(number)
    for (odd_row, odd_column), neighbours in _GROUPS:
        values, weights = np.zeros(number, np.float32), np.zeros(number, np.float32)
        for dy, dx in neighbours:
            ex, ey = offset_x + np.float32(dx), offset_y + np.float32(dy)
            kernel = xx * ex
            kernel += xy * ey
            kernel *= ex
            kernel += yy * ey * ey
            np.exp(kernel, out=kernel)
            if frame.background:
                kernel += _BACKGROUND * np.exp(np.float32(-0.5) * (ex * ex + ey * ey))
            value = samples.take(at + (dy * stride + dx))
            kernel *= value < limit
            weights += kernel
            kernel *= value
            values += kernel
        target = colours[(row + odd_row) & 1, (column + odd_column) & 1] + place
        sums[0, target] += values
        sums[1, target] += weights
    sums[0] *= np.float32(1 / frame.exposure_ratio)
    return sums.reshape(2, 3, number)


def _cut_rows(mosaic: FloatImage, lowest: int, highest: int) -> tuple[NDArray[np.float32], int]:
    """Rows from `lowest` to `highest` and one on either side, with a rim along the edges of the frame; and the first of them."""
    height, width = mosaic.shape
    first, last = lowest - 1, highest + 1
    window = np.full((last - first + 1, width + 2 * _RIM), _OUTSIDE)
    inside = slice(max(first, 0), min(last + 1, height))
    if inside.stop > inside.start:
        window[inside.start - first : inside.stop - first, _RIM:-_RIM] = mosaic[inside]
    return window, first
