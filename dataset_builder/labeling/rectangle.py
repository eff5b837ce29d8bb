"""The part of a frame over which a fidelity can be measured."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def find_inner_rectangle(inside: NDArray[np.bool_]) -> tuple[slice, slice]:
    """A large rectangle of true pixels: sides that hold the most false ones give way first. Empty if there is none."""
    top, bottom, left, right = 0, inside.shape[0], 0, inside.shape[1]
    while top < bottom and left < right and not inside[top:bottom, left:right].all():
        region = inside[top:bottom, left:right]
        shares = [region[0].mean(), region[-1].mean(), region[:, 0].mean(), region[:, -1].mean()]
        worst = int(np.argmin(shares))
        if shares[worst] == 1:  # false pixels in the middle only, where something moves: trimming does not get at them
            return _find_largest_rectangle(inside)
        top, bottom = top + (worst == 0), bottom - (worst == 1)
        left, right = left + (worst == 2), right - (worst == 3)
    return slice(top, bottom), slice(left, right)


def _find_largest_rectangle(inside: NDArray[np.bool_]) -> tuple[slice, slice]:
    """The largest rectangle of true cells, of which there are at most 64 along each side."""
    step = -(-max(inside.shape) // 64)
    height, width = (side // step for side in inside.shape)
    blocks = inside[: height * step, : width * step].reshape(height, step, width, step)
    cells = np.asarray(blocks.all(axis=(1, 3)), bool)
    best, found = 0, (slice(0, 0), slice(0, 0))
    columns = np.arange(width)
    tall: NDArray[np.bool_] = np.ones((height, width), bool)
    for rows in range(1, height + 1):
        # tall[r, c]: the `rows` cells of column c from row r downwards are true.
        tall = tall[: height - rows + 1] & cells[rows - 1 :]
        run = columns - np.maximum.accumulate(np.where(tall, -1, columns), axis=1)
        row, column = np.unravel_index(int(run.argmax()), run.shape)
        length = int(run[row, column])
        if rows * length > best:
            best = rows * length
            left = int(column) - length + 1
            found = (
                slice(int(row) * step, (int(row) + rows) * step),
                slice(left * step, (left + length) * step),
            )
    return found
