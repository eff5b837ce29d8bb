"""Square tiles of colour planes, overlapping by half, and their sum under a raised-cosine window."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from restorers.burst import FloatImage

_CHUNK = 512
"""Tiles worked on at a time, so that they stay in the processor's cache."""


@dataclass(frozen=True)
class TileGrid:
    """Tiles of `size` pixels, overlapping by half, that cover planes of height x width and half a tile around them."""

    size: int
    height: int
    width: int

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of tiles."""
        half = self.size // 2
        return -(-self.height // half) + 1, -(-self.width // half) + 1

    def windows(self, planes: FloatImage) -> FloatImage:
        """View the tiles of planes [P, height, width], mirrored at the edges: float32 [rows, P, columns, size, size]."""
        half = self.size // 2
        rows, columns = self.shape
        below, right = (rows * half - self.height, columns * half - self.width)
        padded = np.stack(
            [cv2.copyMakeBorder(plane, half, below, half, right, cv2.BORDER_REFLECT_101) for plane in planes]
        )
        tiles = sliding_window_view(padded, (self.size, self.size), axis=(1, 2))[:, ::half, ::half]
        return tiles.swapaxes(0, 1)

    def chunks(self, num_planes: int) -> Iterator[slice]:
        """Rows of tiles to be worked on together."""
        rows, columns = self.shape
        step = max(1, _CHUNK // (columns * num_planes))
        return (slice(start, min(start + step, rows)) for start in range(0, rows, step))

    def overlap_add(self, tiles: FloatImage) -> FloatImage:
        """Add tiles [rows, P, columns, size, size] up to planes [P, height, width]."""
        half = self.size // 2
        rows, num_planes, columns = tiles.shape[:3]
        blocks = np.zeros((num_planes, rows + 1, half, columns + 1, half), np.float32)
        for row in (0, 1):
            for column in (0, 1):
                quarter = tiles[..., row * half : (row + 1) * half, column * half : (column + 1) * half]
                blocks[:, row : row + rows, :, column : column + columns] += quarter.transpose(1, 0, 3, 2, 4)
        planes = blocks.reshape(num_planes, (rows + 1) * half, (columns + 1) * half)
        return planes[:, half : half + self.height, half : half + self.width]


def raised_cosine(size: int) -> FloatImage:
    """Window [size, size] whose copies at half-size steps add up to 1 (Hasinoff 2016, section 5)."""
    window = 0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(size) + 0.5) / size)
    return np.outer(window, window).astype(np.float32)
