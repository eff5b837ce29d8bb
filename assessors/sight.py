"""How networks see the pixels of a burst: aligned planes about a common level, in whole or through windows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assessors.inputs import BurstInputs

_UNIT = 8.0
"""Standard deviations of noise that a network sees as 1."""
_FURTHEST = 16.0
_LARGEST = 192
"""Longest side of planes that are seen in whole, so that a network takes bounded memory."""
_SIDE = 128
_MOST = 3
"""Windows along each side."""

Window = tuple[slice, slice]


@dataclass(frozen=True, eq=False)
class View:
    """Some frames of a burst through a window, t x h x w.

    Attributes:
        pixels: float32 [t, 4, h, w]; planes less the mean of the reference, 1 for eight standard deviations of noise.
        valid: bool [t, h, w]; where they show the frame itself.
        noise: float32 [t]; of the frames, in units of the reference's.
        reference: bool [t]; True for the reference.
    """

    pixels: NDArray[np.float32]
    valid: NDArray[np.bool_]
    noise: NDArray[np.float32]
    reference: NDArray[np.bool_]


def scale_planes(planes: NDArray[np.float32], inputs: BurstInputs) -> NDArray[np.float32]:
    """Planes in the form of `View.pixels`."""
    level = np.float32(inputs.planes[inputs.reference_index].mean())
    scaled: NDArray[np.float32] = ((planes - level) * np.float32(1 / _UNIT)).clip(-_FURTHEST, _FURTHEST)
    return scaled


def view_burst(inputs: BurstInputs, frames: NDArray[np.int64], window: Window, *, alignment: bool = True) -> View:
    """Look at some frames through a window.

    Args:
        inputs: the burst.
        frames: which.
        window: rows and columns of its planes.
        alignment: see the frames on the grid of the reference; without, each on its own.
    """
    planes = (inputs.aligned if alignment else inputs.planes)[frames][:, :, window[0], window[1]]
    valid = inputs.valid[frames][:, window[0], window[1]]
    return View(
        scale_planes(planes, inputs),
        valid if alignment else np.ones_like(valid),
        inputs.noise[frames],
        frames == inputs.reference_index,
    )


def list_windows(height: int, width: int) -> list[Window]:
    """Windows through which planes are seen that are not seen in whole: at most nine, spread evenly; beginning at multiples of 4."""
    if max(height, width) <= _LARGEST:
        return [(slice(0, height), slice(0, width))]
    rows, columns = (_spread(side) for side in (height, width))
    return [(row, column) for row in rows for column in columns]


def _spread(side: int) -> list[slice]:
    if side <= _SIDE:
        return [slice(0, side)]
    count = min(_MOST, -(-side // _SIDE))
    starts = np.linspace(0, side - _SIDE, count).astype(int) // 4 * 4
    return [slice(int(start), int(start) + _SIDE) for start in starts]


def draw_window(generator: np.random.Generator, height: int, width: int, side: int) -> Window:
    """A window of `side` x `side` at a random place that begins at multiples of 4; smaller where the planes are."""
    rows, columns = (int(generator.integers(max(length - side, 0) // 4 + 1)) * 4 for length in (height, width))
    return slice(rows, min(rows + side, height)), slice(columns, min(columns + side, width))


def turn(array: NDArray[np.float32], number: int, *, planes: bool = False) -> NDArray[np.float32]:
    """One of the eight symmetries of a square on the last two axes; with `planes`, the axis before holds R, G, G, B.

    Transposed, a mosaic R, G, G, B has its two greens exchanged; mirrored, its greens lie a pixel further on, which is passed over.
    """
    if number & 1:
        array = array[..., ::-1, :]
    if number & 2:
        array = array[..., ::-1]
    if number & 4:
        array = array.swapaxes(-1, -2)
        if planes:
            array = array[..., [0, 2, 1, 3], :, :]
    return np.ascontiguousarray(array)


def fit_square(array: NDArray[np.float32], side: int, fill: float = 0.0) -> NDArray[np.float32]:
    """The last two axes filled up to `side` x `side`, on the right and below."""
    missing = [(0, 0)] * (array.ndim - 2) + [(0, side - length) for length in array.shape[-2:]]
    return np.pad(array, missing, constant_values=fill)
