"""Motion of tiles: what moves otherwise than the camera. Conventions as in `restorers.motion.align`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import cv2
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from restorers.burst import FloatImage
from restorers.motion.align import halve

Axis = NDArray[np.floating[Any]]


@dataclass(frozen=True, eq=False)
class TileMotion:
    """Displacement of square tiles.

    Attributes:
        displacement: float32 [rows, columns, 2], (x, y) in pixels of the images that were compared.
        tile_size: side of a tile.
        stride: distance of neighbouring tiles; tile (r, c) starts at pixel (c·stride, r·stride).
    """

    displacement: FloatImage
    tile_size: int
    stride: int

    def moves(self) -> bool:
        """Whether any tile is displaced."""
        return bool(self.displacement.any())

    def sample(self, x: Axis, y: Axis) -> FloatImage:
        """Displacement at positions x [n] by y [m], bilinear between tile centres, constant beyond the last: float32 [m, n, 2]."""
        centre = (self.tile_size - 1) / 2
        grid = np.meshgrid((x - centre) / self.stride, (y - centre) / self.stride)
        column, row = (axis.astype(np.float32) for axis in grid)
        mode = cv2.BORDER_REPLICATE
        return np.asarray(cv2.remap(self.displacement, column, row, cv2.INTER_LINEAR, borderMode=mode), np.float32)

    def positions(self, height: int, width: int) -> FloatImage:
        """Where each pixel of an image lies in the frame: float32 [height, width, 2], (x, y)."""
        u, v = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)
        position = self.sample(u, v)
        position[..., 0] += u
        position[..., 1] += v[:, None]
        return position

    def candidates(self, x: Axis, y: Axis) -> NDArray[np.int64]:
        """Twice the displacements of the four tiles around each position (x, y) [n], and none: whole pixels, int64 [n, 5, 2]."""
        centre = (self.tile_size - 1) / 2
        row, column = ((axis - centre) / self.stride for axis in (y, x))
        rows, columns = self.displacement.shape[:2]
        around = [
            self.displacement[
                np.clip(np.floor(row).astype(np.int64) + down, 0, rows - 1),
                np.clip(np.floor(column).astype(np.int64) + right, 0, columns - 1),
            ]
            for down in (0, 1)
            for right in (0, 1)
        ]
        return np.asarray(np.rint(2 * np.stack([*around, np.zeros_like(around[0])], 1)), np.int64)


def align_tiles(
    reference: FloatImage,
    frame: FloatImage,
    *,
    covered: NDArray[np.bool_],
    noise_variance: float,
    tile_size: int = 16,
    radii: tuple[int, ...] = (1, 2, 4),
) -> TileMotion:
    """Find what moves otherwise than the camera: a displacement per tile, coarse to fine (Hasinoff 2016, section 4).

    Tiles are compared by their sum of squared differences. A displacement is kept only where it lowers that sum by more than noise
    would, so that tiles without structure stay where the camera motion put them.

    Args:
        reference: float32 [h, w], at least one tile large.
        frame: same shape, already aligned globally.
        covered: bool [h, w]; False where the aligned frame has no pixels. Tiles that reach there stay put.
        noise_variance: noise variance of the difference of two pixels.
        tile_size: side of a tile at every level of the pyramid; tiles of the finest level overlap by half.
        radii: search radius per level, finest first; levels smaller than two tiles are left out.
    """
    pyramid = [(reference, frame, covered.astype(np.float32))]
    while len(pyramid) < len(radii) and min(pyramid[-1][0].shape) >= 4 * tile_size:
        first, second, known = pyramid[-1]
        pyramid.append((halve(first), halve(second), halve(known)))
    stride = tile_size // 2
    motion: TileMotion | None = None
    for level in reversed(range(len(pyramid))):
        stride = tile_size if level else tile_size // 2
        height, width = pyramid[level][0].shape
        rows, columns = (max(side - tile_size, 0) // stride + 1 for side in (height, width))
        corner_y, corner_x = (axis.ravel() * stride for axis in np.mgrid[:rows, :columns])
        unmoved = _squared_difference(*(_tiles(image, tile_size, corner_x, corner_y) for image in pyramid[level][:2]))
        level_noise = noise_variance / 4**level
        # Most tiles of a still scene differ by no more than noise: they need no search.
        sought = np.flatnonzero(unmoved > (tile_size**2 + 4 * tile_size) * level_noise)
        search = partial(_search_tiles, pyramid[level], size=tile_size, radius=radii[level], noise_variance=level_noise)
        candidates = np.zeros((rows * columns, 1, 2), np.int64)
        if motion is not None and motion.moves():
            centre = (tile_size - 1) / 2
            candidates = motion.candidates((corner_x + centre - 0.5) / 2, (corner_y + centre - 0.5) / 2)
        found = np.zeros((rows * columns, 2), np.float32)
        # The second search starts where the first one ended at the rim of its radius.
        for _ in range(2):
            if not sought.size:
                break
            found[sought], at_rim = search(corner_x[sought], corner_y[sought], candidates[sought], unmoved[sought])
            sought = sought[at_rim]
            candidates = np.rint(found[:, None]).astype(np.int64)
        motion = TileMotion(found.reshape(rows, columns, 2), tile_size, stride)
    assert motion is not None
    return motion


def _search_tiles(
    images: tuple[FloatImage, FloatImage, FloatImage],
    corner_x: NDArray[np.int64],
    corner_y: NDArray[np.int64],
    candidates: NDArray[np.int64],
    unmoved: FloatImage,
    *,
    size: int,
    radius: int,
    noise_variance: float,
) -> tuple[FloatImage, NDArray[np.bool_]]:
    """Displacement of each tile, float32 [n, 2], and whether it lies at the rim of the search, where it may end too early.

    `unmoved` [n] is the sum of squares at displacement 0.
    """
    reference, frame, covered = images
    side, span = size + 2 * radius, 2 * radius + 1
    margin = size + radius
    padded = np.pad(frame, margin, mode="edge")
    tiles = _tiles(reference, size, corner_x, corner_y)
    # Corners in the padded frame of the windows that hold all displacements within the radius of a candidate.
    x = np.clip(corner_x[:, None] + candidates[..., 0] + size, 0, padded.shape[1] - side)
    y = np.clip(corner_y[:, None] + candidates[..., 1] + size, 0, padded.shape[0] - side)
    if candidates.shape[1] > 1:
        cost = _squared_difference(_tiles(padded, size, x + radius, y + radius), tiles[:, None])
        best = cost.argmin(1)[:, None]
        x, y = np.take_along_axis(x, best, 1), np.take_along_axis(y, best, 1)
    x, y = x[:, 0], y[:, 0]
    windows = _tiles(padded, side, x, y)
    cost = np.empty((len(tiles), span, span), np.float32)
    for row in range(span):
        for column in range(span):
            cost[:, row, column] = _squared_difference(windows[:, row : row + size, column : column + size], tiles)
    best_row, best_column = np.divmod(cost.reshape(len(tiles), -1).argmin(1), span)
    lowest = cost[np.arange(len(tiles)), best_row, best_column]
    offset_x, gain_x = _parabola(cost[np.arange(len(tiles)), best_row], best_column)
    offset_y, gain_y = _parabola(cost[np.arange(len(tiles)), :, best_column], best_row)
    displacement = np.stack(
        [x - corner_x - margin + best_column + offset_x, y - corner_y - margin + best_row + offset_y], -1
    )
    # A parabola may promise less than the noise that remains at the true displacement.
    reachable = np.maximum(lowest - gain_x - gain_y, np.minimum(lowest, size**2 * noise_variance))
    # The sums of two unrelated noise fields differ by 2·size·variance (one standard deviation); 4 of them leave room for the search.
    worthwhile = unmoved - reachable > np.maximum(8 * size * noise_variance, 0.2 * unmoved)
    missing = cv2.integral((covered < 1).astype(np.uint8))
    top, left, bottom, right = corner_y, corner_x, corner_y + size, corner_x + size
    known = missing[bottom, right] - missing[top, right] - missing[bottom, left] + missing[top, left] == 0
    moved = worthwhile & known
    at_rim = (np.maximum(np.abs(best_row - radius), np.abs(best_column - radius)) == radius) & moved
    return np.where(moved[:, None], displacement, 0).astype(np.float32), at_rim


def _tiles(image: FloatImage, size: int, x: NDArray[np.int64], y: NDArray[np.int64]) -> FloatImage:
    """Squares of an image by their top-left corners [...]: float32 [..., size, size]."""
    return np.asarray(sliding_window_view(image, (size, size))[y, x])


def _squared_difference(first: FloatImage, second: FloatImage) -> FloatImage:
    """Sum of squares of the difference over the last two axes."""
    difference = first - second
    return np.asarray(np.einsum("...ij,...ij->...", difference, difference))


def _parabola(cost: FloatImage, at: NDArray[np.int64]) -> tuple[FloatImage, FloatImage]:
    """Offset of the minimum of the parabola through cost[n, at − 1 .. at + 1] and how much lower it is; 0 at the rim."""
    rows, last = np.arange(len(cost)), cost.shape[1] - 1
    before, here, after = (cost[rows, np.clip(at + step, 0, last)] for step in (-1, 0, 1))
    slope, curvature = (after - before) / 2, after - 2 * here + before
    usable = (at > 0) & (at < last) & (curvature > 0)
    offset = np.where(usable, -slope / np.where(usable, curvature, 1), 0)
    return offset, np.where(usable, slope * slope / (2 * np.where(usable, curvature, 1)), 0)
