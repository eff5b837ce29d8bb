"""Motion estimation shared by the classical restorers: one homography per frame, or one displacement per tile.

Convention: coordinates are (x, y) in frame pixels (mosaic pixels of a mosaic), pixel centres at integers. A homography maps
reference pixels to frame pixels; a displacement is what must be added to a reference position to find it in the frame. Motion is
measured on grey images; pixel u of a grey image that is smaller by f lies at frame pixel f·u + (f − 1) / 2.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy import fft

from restorers.burst import Burst, Domain, FloatArray, FloatImage
from restorers.errors import AlignmentError

Model = Literal["euclidean", "homography"]

_ECC_PIXELS = 320 * 320
"""Grey images are halved until they are no larger: more pixels cost time and add no accuracy that matters."""
_SEARCH_SIDE = 96
"""Longest side of the images in which the first translation is sought."""


@dataclass(frozen=True, eq=False)
class BurstAlignment:
    """How each frame of a burst lies on its reference.

    Attributes:
        homographies: float64 [T, 3, 3], reference to frame, in frame pixels; identity for the reference and for failed frames.
        correlation: float64 [T]; of the fine structure of reference and aligned frame, 1 for the reference.
        aligned: bool [T]; False where no motion could be found. Restorers let such a frame contribute the reference only.
    """

    homographies: FloatArray
    correlation: FloatArray
    aligned: NDArray[np.bool_]


def grey_image(frame: FloatImage, domain: Domain, exposure_ratio: float = 1.0) -> tuple[FloatImage, int]:
    """Reduce a frame to one channel for motion estimation, in the exposure of the reference.

    Args:
        frame: float32 [H, W] mosaic or [H, W, 3].
        domain: of the frame.
        exposure_ratio: light gathered relative to the reference.

    Returns:
        float32 [H/f, W/f] and f: 2 for a mosaic, whose 2 x 2 cells are averaged (each colour moves alike), else 1.
    """
    if domain is Domain.RAW_BAYER:
        height, width = frame.shape
        grey = cv2.resize(frame, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
        return grey * np.float32(1 / exposure_ratio), 2
    return frame.mean(axis=-1, dtype=np.float32) * np.float32(1 / exposure_ratio), 1


def align_burst(burst: Burst, model: Model = "euclidean") -> BurstAlignment:
    """Register every frame of a burst to its reference, each on its own.

    The result for a frame depends on that frame and the reference alone, so it is the same in every subset of the burst.
    """
    homographies = np.tile(np.eye(3), (burst.num_frames, 1, 1))
    correlation = np.zeros(burst.num_frames)
    reference, factor = grey_image(burst.reference, burst.domain, burst.exposure_ratio[burst.reference_index])
    correlation[burst.reference_index] = 1
    for index in burst.others:
        frame, _ = grey_image(burst.frames[index], burst.domain, burst.exposure_ratio[index])
        try:
            matrix, correlation[index] = align_grey(reference, frame, model)
        except AlignmentError:
            continue
        homographies[index] = enlarge_homography(matrix, factor)
    return BurstAlignment(homographies, correlation, correlation > 0)


def estimate_homography(
    reference: FloatImage,
    frame: FloatImage,
    domain: Domain,
    *,
    exposure_ratio: float = 1.0,
    model: Model = "euclidean",
) -> FloatArray:
    """Find the homography from `reference` to `frame`.

    Args:
        reference: float32 [H, W] mosaic or [H, W, 3].
        frame: same shape.
        domain: of both.
        exposure_ratio: of the frame, relative to the reference.
        model: `euclidean` (shift and rotation) for hand motion, `homography` when the camera turned.

    Returns:
        float64 [3, 3].

    Raises:
        AlignmentError: if the two do not show the same scene, as far as can be told.
    """
    first, factor = grey_image(reference, domain)
    second, _ = grey_image(frame, domain, exposure_ratio)
    return enlarge_homography(align_grey(first, second, model)[0], factor)


def enlarge_homography(matrix: FloatArray, factor: float) -> FloatArray:
    """Express a homography of an image that is smaller by `factor` in the pixels of the full one."""
    centre = (factor - 1) / 2
    to_full = np.array([[factor, 0, centre], [0, factor, centre], [0, 0, 1.0]])
    full = to_full @ matrix @ np.linalg.inv(to_full)
    return np.asarray(full / full[2, 2])


def align_grey(reference: FloatImage, frame: FloatImage, model: Model = "euclidean") -> tuple[FloatArray, float]:
    """Register one grey image to another: correlation search for the shift, then ECC (Evangelidis & Psarakis 2008).

    Args:
        reference: float32 [h, w], at least 16 x 16.
        frame: same shape and exposure.
        model: of the motion.

    Returns:
        Homography from reference to frame in grey pixels, float64 [3, 3], and the correlation of their fine structure.

    Raises:
        AlignmentError: if ECC diverges or the correlation could be that of unrelated images.
    """
    pyramid = [(reference, frame)]
    while pyramid[-1][0].size > _ECC_PIXELS:
        pyramid.append((halve(pyramid[-1][0]), halve(pyramid[-1][1])))
    working, working_factor = pyramid[-1], 2 ** (len(pyramid) - 1)
    coarse, coarse_factor = working, 1
    while max(coarse[0].shape) > _SEARCH_SIDE:
        coarse, coarse_factor = (halve(coarse[0]), halve(coarse[1])), 2 * coarse_factor
    shift = find_translation(band_pass(coarse[0]), band_pass(coarse[1]))
    matrix = np.eye(3)
    matrix[:2, 2] = shift
    matrix = enlarge_homography(matrix, coarse_factor)
    matrix = _refine(working[0], working[1], matrix, model)
    correlation = _check(working[0], working[1], matrix)
    return enlarge_homography(matrix, working_factor), correlation


def halve(image: FloatImage) -> FloatImage:
    """Average 2 x 2 pixels; an odd last row or column is dropped."""
    height, width = (side // 2 for side in image.shape)
    return cv2.resize(image[: 2 * height, : 2 * width], (width, height), interpolation=cv2.INTER_AREA)


def band_pass(image: FloatImage, fine: float = 1.0, coarse: float = 4.0) -> FloatImage:
    """Difference of Gaussians: without shading, which correlates in unrelated images, and with less of the noise."""
    return cv2.GaussianBlur(image, (0, 0), fine) - cv2.GaussianBlur(image, (0, 0), coarse)


def find_translation(reference: FloatImage, frame: FloatImage, min_overlap: float = 0.5) -> tuple[float, float]:
    """Whole-pixel shift (x, y) of highest normalised correlation over the overlap (Padfield, CVPR 2010), by FFT.

    Args:
        reference: float32 [h, w].
        frame: same shape.
        min_overlap: fraction of the reference that must lie within the shifted frame.
    """
    height, width = reference.shape
    padded = (fft.next_fast_len(2 * height, real=True), fft.next_fast_len(2 * width, real=True))

    def transform(image: FloatImage) -> NDArray[np.complex64]:
        return np.asarray(fft.rfft2(image, padded))

    def correlate(first: NDArray[np.complex64], second: NDArray[np.complex64]) -> FloatImage:
        return np.asarray(fft.irfft2(np.conj(first) * second, padded))

    ones = transform(np.ones_like(reference))
    first, second = transform(reference), transform(frame)
    count = np.maximum(correlate(ones, ones), 1)
    first_sum, second_sum = correlate(first, ones), correlate(ones, second)
    covariance = correlate(first, second) - first_sum * second_sum / count
    first_variance = correlate(transform(np.square(reference)), ones) - np.square(first_sum) / count
    second_variance = correlate(ones, transform(np.square(frame))) - np.square(second_sum) / count
    scale = first_variance * second_variance
    floor = max(float(scale.max()) * 1e-6, np.finfo(np.float32).tiny)
    correlation = np.where(
        count >= min_overlap * reference.size, covariance / np.sqrt(np.maximum(scale, floor)), -np.inf
    )
    row, column = np.unravel_index(int(np.argmax(correlation)), padded)
    return (
        float(column - padded[1] if column >= width else column),
        float(row - padded[0] if row >= height else row),
    )


def _refine(reference: FloatImage, frame: FloatImage, matrix: FloatArray, model: Model) -> FloatArray:
    rows = 3 if model == "homography" else 2
    motion = cv2.MOTION_HOMOGRAPHY if model == "homography" else cv2.MOTION_EUCLIDEAN
    criteria = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 50, 1e-6)
    try:
        _, warp = cv2.findTransformECC(
            reference, frame, matrix[:rows].astype(np.float32), motion, criteria, None, 5
        )
    except cv2.error as error:
        raise AlignmentError("no motion aligns the frame to the reference: ECC did not converge") from error
    refined = np.eye(3)
    refined[:rows] = warp
    return refined


def _check(reference: FloatImage, frame: FloatImage, matrix: FloatArray) -> float:
    height, width = reference.shape
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    inside = cv2.warpPerspective(np.ones_like(reference), matrix, (width, height), flags=flags) > 0.999
    if np.count_nonzero(inside) < reference.size / 4:
        raise AlignmentError("no motion aligns the frame to the reference: less than a quarter of it would overlap")
    warped = cv2.warpPerspective(band_pass(frame), matrix, (width, height), flags=flags)
    first, second = band_pass(reference)[inside], warped[inside]
    first, second = first - first.mean(), second - second.mean()
    scale = math.sqrt(float(np.dot(first, first)) * float(np.dot(second, second)))
    correlation = float(np.dot(first, second)) / scale if scale > 0 else 0.0
    needed = 0.3
    if not correlation > needed:
        raise AlignmentError(
            f"no motion aligns the frame to the reference: expected correlation above {needed:.2f}, got {correlation:.2f}"
        )
    return correlation


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

    def sample(self, x: FloatImage, y: FloatImage) -> FloatImage:
        """Displacement at positions x [n] by y [m], bilinear between tile centres, constant beyond the last: float32 [m, n, 2]."""
        centre = (self.tile_size - 1) / 2
        grid = np.meshgrid((x - centre) / self.stride, (y - centre) / self.stride)
        column, row = (axis.astype(np.float32) for axis in grid)
        return cv2.remap(self.displacement, column, row, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def align_tiles(
    reference: FloatImage,
    frame: FloatImage,
    *,
    noise_variance: float,
    tile_size: int = 16,
    radii: tuple[int, ...] = (1, 2, 4),
) -> TileMotion:
    """Find what moves otherwise than the camera: a displacement per tile, coarse to fine (Hasinoff 2016, section 4).

    Tiles are compared by their sum of squared differences. A displacement is kept only where it lowers that sum by more than noise
    would, so that tiles without structure stay where the camera motion put them.

    Args:
        reference: float32 [h, w].
        frame: same shape, already aligned globally.
        noise_variance: of the difference of two pixels.
        tile_size: side of a tile at every level of the pyramid; tiles of the finest level overlap by half.
        radii: search radius per level, finest first; levels smaller than two tiles are left out.
    """
    pyramid = [(reference, frame)]
    while len(pyramid) < len(radii) and min(pyramid[-1][0].shape) >= 4 * tile_size:
        pyramid.append((halve(pyramid[-1][0]), halve(pyramid[-1][1])))
    stride = tile_size // 2
    motion: TileMotion | None = None
    for level in reversed(range(len(pyramid))):
        stride = tile_size if level else tile_size // 2
        height, width = pyramid[level][0].shape
        rows, columns = (max(side - tile_size, 0) // stride + 1 for side in (height, width))
        corner_y, corner_x = (axis.ravel() * stride for axis in np.mgrid[:rows, :columns])
        if motion is None:
            start = np.zeros((rows * columns, 2), np.int64)
        else:
            centre = (tile_size - 1) / 2
            x, y = ((np.arange(count) * stride + centre - 0.5) / 2 for count in (columns, rows))
            start = np.rint(2 * motion.sample(x, y)).astype(np.int64).reshape(-1, 2)
        found = _search_tiles(*pyramid[level], corner_x, corner_y, start, tile_size, radii[level], noise_variance / 4**level)
        motion = TileMotion(found.reshape(rows, columns, 2), tile_size, stride)
    assert motion is not None
    return motion


def _search_tiles(
    reference: FloatImage,
    frame: FloatImage,
    corner_x: NDArray[np.int64],
    corner_y: NDArray[np.int64],
    start: NDArray[np.int64],
    size: int,
    radius: int,
    noise_variance: float,
) -> FloatImage:
    side, span = size + 2 * radius, 2 * radius + 1
    margin = size + radius
    padded = cv2.copyMakeBorder(frame, margin, margin, margin, margin, cv2.BORDER_REPLICATE)
    tiles = sliding_window_view(reference, (size, size))[corner_y, corner_x]
    still = sliding_window_view(frame, (size, size))[corner_y, corner_x]
    x = np.clip(corner_x + start[:, 0] + margin - radius, 0, padded.shape[1] - side)
    y = np.clip(corner_y + start[:, 1] + margin - radius, 0, padded.shape[0] - side)
    windows = sliding_window_view(padded, (side, side))[y, x]
    cost = np.empty((len(tiles), span, span), np.float32)
    for row in range(span):
        for column in range(span):
            difference = windows[:, row : row + size, column : column + size] - tiles
            cost[:, row, column] = np.einsum("nij,nij->n", difference, difference)
    best = cost.reshape(len(tiles), -1).argmin(1)
    best_row, best_column = np.divmod(best, span)
    lowest = np.take_along_axis(cost.reshape(len(tiles), -1), best[:, None], 1)[:, 0]
    offset_x, gain_x = _parabola(cost[np.arange(len(tiles)), best_row], best_column)
    offset_y, gain_y = _parabola(cost[np.arange(len(tiles)), :, best_column], best_row)
    displacement = np.stack([x - corner_x - margin + best_column + offset_x, y - corner_y - margin + best_row + offset_y], -1)
    still -= tiles
    unmoved = np.einsum("nij,nij->n", still, still)
    # The sums of two unrelated noise fields differ by 2·size·variance (one standard deviation); 4 of them leave room for the search.
    worthwhile = unmoved - (lowest - gain_x - gain_y) > np.maximum(8 * size * noise_variance, 0.2 * unmoved)
    return np.where(worthwhile[:, None], displacement, 0).astype(np.float32)


def _parabola(cost: FloatImage, at: NDArray[np.int64]) -> tuple[FloatImage, FloatImage]:
    """Offset of the minimum of the parabola through cost[n, at − 1 .. at + 1] and how much lower it is; 0 at the rim."""
    rows, last = np.arange(len(cost)), cost.shape[1] - 1
    before, here, after = (cost[rows, np.clip(at + step, 0, last)] for step in (-1, 0, 1))
    slope, curvature = (after - before) / 2, after - 2 * here + before
    usable = (at > 0) & (at < last) & (curvature > 0)
    offset = np.where(usable, -slope / np.where(usable, curvature, 1), 0)
    return offset, np.where(usable, slope * slope / (2 * np.where(usable, curvature, 1)), 0)
