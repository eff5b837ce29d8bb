"""How noisy a frame is, told from the frame itself."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

_BLOCK = 8
"""Wavelet coefficients along each side of a block."""
_BINS = 24
_FLAT_SHARE = 0.25
_MIN_BLOCKS = 12
_MAX_SIGNAL = 0.9
"""Above it some pixels saturate, which hides their noise."""
_MAX_SIDE = 2048


def fit_noise(planes: NDArray[np.float32]) -> tuple[float, float] | None:
    """Fit variance = a · signal + b to the flat parts of an image.

    The diagonal Haar coefficients of white noise have its variance and are independent of the horizontal and vertical ones. So the blocks
    of each brightness in which the latter two are smallest are flat, and choosing them does not bias the first. A line through the
    variances of all brightnesses, with a and b not negative, is the model of Foi et al. (TIP 2008). Noise that was smoothed, as by
    demosaicking or JPEG, is underestimated.

    Args:
        planes: float32 [N, h, w], linear light, 1 at white; colour planes of a mosaic or channels, each with noise of its own.

    Returns:
        a and b; None where too little is flat to tell.
    """
    means, variances = [], []
    for plane in planes:
        height, width = (min(side, _MAX_SIDE) // (2 * _BLOCK) * 2 * _BLOCK for side in plane.shape)
        top, left = (plane.shape[0] - height) // 2 & ~1, (plane.shape[1] - width) // 2 & ~1
        if not height or not width:
            continue
        mean, diagonal, rest = _transform(plane[top : top + height, left : left + width])
        for chosen in _find_flat(mean, rest):
            means.append(float(mean[chosen].mean()))
            variances.append((float(diagonal[chosen].mean()), len(chosen)))
    if not means:
        return None
    signal = np.maximum(np.asarray(means), 0)
    variance, count = np.asarray(variances, np.float64).T
    floor = max(float(np.median(variance)) * 1e-2, 1e-12)
    # A variance has a standard deviation in proportion to itself.
    weight = np.sqrt(count) / np.maximum(variance, floor)
    (slope, offset), _ = nnls(np.stack([signal * weight, weight], axis=1), variance * weight)
    return float(slope), float(offset)


def _transform(plane: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Per block: mean, mean square of the diagonal Haar coefficients, and of the other two."""
    a, b, c, d = plane[0::2, 0::2], plane[0::2, 1::2], plane[1::2, 0::2], plane[1::2, 1::2]
    mean = (a + b + c + d) / 4
    return (
        _average(mean),
        _average(np.square((a - b - c + d) / 2)),
        _average(np.square((a - b + c - d) / 2) + np.square((a + b - c - d) / 2)),
    )


def _average(values: NDArray[Any]) -> NDArray[np.float64]:
    rows, columns = values.shape[0] // _BLOCK, values.shape[1] // _BLOCK
    blocks = values.reshape(rows, _BLOCK, columns, _BLOCK)
    return np.asarray(blocks.mean(axis=(1, 3), dtype=np.float64).ravel())


def _find_flat(mean: NDArray[np.float64], rest: NDArray[np.float64]) -> list[NDArray[np.int64]]:
    """Indices of the flattest blocks of each brightness."""
    usable = np.flatnonzero(mean < _MAX_SIGNAL)
    order = usable[np.argsort(mean[usable], kind="stable")]
    chosen = []
    for part in np.array_split(order, min(_BINS, max(1, len(order) // (2 * _MIN_BLOCKS)))):
        if len(part) >= _MIN_BLOCKS:
            flattest = np.argsort(rest[part], kind="stable")[: max(_MIN_BLOCKS, int(len(part) * _FLAT_SHARE))]
            chosen.append(part[flattest])
    return chosen
