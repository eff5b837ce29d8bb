"""How the pixels of mosaics sample an image of higher resolution: the model of `restorers.classical.backprojection`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from restorers.burst import FloatArray, FloatImage
from restorers.imaging.mosaic import PLANE_OFFSETS


@dataclass(frozen=True, eq=False)
class Observation:
    """One frame, and how it sees the high-resolution image.

    Attributes:
        frame: float32 [H, W]; the mosaic, as the burst has it.
        exposure_ratio: exposure ratio of the frame.
        usable: bool [H, W]; False where the reference does not reach and where the frame is saturated.
        to_reference: float64 [3, 3]; rigid motion from its pixels to those of the reference.
        weight: inverse noise variance at the burst's mean signal.
    """

    frame: FloatImage
    exposure_ratio: np.float32
    usable: NDArray[np.bool_]
    to_reference: FloatArray
    weight: np.float32


@dataclass(frozen=True, eq=False)
class BandSampling:
    """What all frames say about one colour of some rows of the high-resolution image.

    Attributes:
        matrix: float32 [n, h·w], sparse; takes n pixels of the frames, times the root of the weight of each frame, from the averaged and
            flattened rows. Rows of the matrix add up to that root, or to 0 for pixels that do not count.
        transposed: its transpose.
        values: float32 [n]; those pixels, in the exposure of ratio 1, times that root; 0 where they do not count.
        pixels: the number and the root of the weight of the pixels of each part, one after the other.
    """

    matrix: sparse.csr_array
    transposed: sparse.csc_array
    values: FloatImage
    pixels: Sequence[tuple[int, float]]

    def roots(self) -> FloatImage:
        """Root of the weight of each pixel, float32 [n]."""
        sizes, roots = zip(*self.pixels, strict=True)
        return np.repeat(np.array(roots, np.float32), sizes)


@dataclass(frozen=True, eq=False)
class _Part:
    """Rows of one plane of one frame, with the high-resolution coordinates of its first and second axis."""

    observation: Observation
    plane: int
    rows: slice
    along_rows: tuple[FloatArray, FloatArray]
    along_columns: tuple[FloatArray, FloatArray]


def sample_band(observations: Sequence[Observation], planes: Sequence[int], rows: slice, *, scale: int) -> BandSampling:
    """Build the sampling of one colour in the high-resolution rows of a band.

    Args:
        observations: observations of the frames.
        planes: planes of the colour.
        rows: rows of the reference; the high-resolution rows are `scale` times those. Pixels that would need others do not count.
        scale: high-resolution pixels per frame pixel. Averaged pixel i covers pixels i .. i + scale − 1, so reference pixel p is the
            averaged pixel scale·p.
    """
    width = observations[0].frame.shape[1] * scale
    parts = [_find_rows(each, plane, rows, scale) for each in observations for plane in planes]
    parts = [part for part in parts if part.rows.stop > part.rows.start]
    half = observations[0].frame.shape[1] // 2
    sizes = [(part.rows.stop - part.rows.start) * half for part in parts]
    ends = np.cumsum([0, *sizes]).tolist()
    taps, indices = np.empty((ends[-1], 4), np.float32), np.empty((ends[-1], 4), np.int32)
    values = np.empty(ends[-1], np.float32)
    for part, start, end in zip(parts, ends[:-1], ends[1:], strict=True):
        values[start:end] = _fill_taps(part, taps[start:end], indices[start:end], rows, scale)
    pointer = np.arange(0, 4 * ends[-1] + 1, 4, dtype=np.int32)
    shape = (ends[-1], (rows.stop - rows.start) * scale * width)
    matrix = sparse.csr_array((taps.ravel(), indices.ravel(), pointer), shape=shape)
    roots = [float(np.sqrt(part.observation.weight)) for part in parts]
    return BandSampling(matrix, matrix.T, values, list(zip(sizes, roots, strict=True)))


def _find_rows(observation: Observation, plane: int, rows: slice, scale: int) -> _Part:
    """Rows of a plane of which some pixel may lie in these rows of the reference."""
    height, width = observation.frame.shape
    dx, dy = PLANE_OFFSETS[plane]
    u, v = np.arange(dx, width, 2), np.arange(dy, height, 2)
    # The motion is rigid, so each coordinate is a sum of what the row and what the column contribute.
    (a, b, c), (d, e, f) = scale * observation.to_reference[:2]
    down, across = e * v, d * u + f
    lowest, highest = down + min(across[0], across[-1]), down + max(across[0], across[-1])
    near = np.flatnonzero((highest >= scale * rows.start) & (lowest <= scale * rows.stop))
    chosen = slice(int(near[0]), int(near[-1]) + 1) if near.size else slice(0, 0)
    return _Part(observation, plane, chosen, (b * v[chosen], down[chosen]), (a * u + c, across))


def _fill_taps(part: _Part, taps: FloatImage, indices: NDArray[np.int32], rows: slice, scale: int) -> FloatImage:
    """Write weights and indices, [n, 4] each, of bilinear interpolation; return the values [n] of the pixels, 0 where they do not count."""
    dx, dy = PLANE_OFFSETS[part.plane]
    observation = part.observation
    height, width = (side * scale for side in observation.frame.shape)
    x, y = (
        np.add.outer(row, column).astype(np.float32)
        for row, column in zip(part.along_rows, part.along_columns, strict=True)
    )
    left, top = np.clip(np.floor(x), 0, width - 2), np.clip(np.floor(y), 0, height - 2)
    x -= left
    y -= top
    counts = observation.usable[dy::2, dx::2][part.rows] & (top >= scale * rows.start) & (top < scale * rows.stop - 1)
    top -= scale * rows.start
    first = (top.astype(np.int32) * np.int32(width) + left.astype(np.int32)) * counts
    np.add(first.reshape(-1, 1), np.array([0, 1, width, width + 1], np.int32), out=indices)
    counted = counts * np.float32(np.sqrt(observation.weight))
    lower = y * counted
    upper = counted - lower
    taps[:, 1], taps[:, 3] = (upper * x).ravel(), (lower * x).ravel()
    taps[:, 0], taps[:, 2] = upper.ravel() - taps[:, 1], lower.ravel() - taps[:, 3]
    values = observation.frame[dy::2, dx::2][part.rows] / observation.exposure_ratio
    return np.asarray((values * counted).ravel(), np.float32)
