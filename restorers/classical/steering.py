"""Kernels shaped by the structure of the reference, and the robustness of frames against it (Wronski et al. 2019, sections 5.1 and 5.2).

Both are measured on the grey grid of a mosaic, whose pixels are its 2 x 2 cells.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from restorers.burst import Burst, Domain, FloatArray, FloatImage
from restorers.classical.stabilisation import stabilise
from restorers.imaging.mosaic import split_planes
from restorers.motion.align import grey_image
from restorers.motion.tiles import TileMotion

_FLAT = 0.71
"""Root of the larger eigenvalue of the structure tensor below which a region is flat, in standard deviations of the noise (D_th)."""
_STEEP = 1.0
"""By how much more it is structured in full (D_tr)."""
_THRESHOLD = 0.12
_MOVING_TOLERANCE = 2.0
_SUPPORT = 9
"""Side of the window, in grey pixels, of which a part must be trusted for its middle to be."""
_LEAST_SUPPORT = 0.45
_MOTION_SPREAD = 0.8
"""Frame pixels by which the motion of neighbouring tiles may differ and still count as that of the camera (M_th)."""


@dataclass(frozen=True, eq=False)
class Kernels:
    """Inverse covariances of the kernels on the grey grid: float32 [3, h, w], elements xx, xy, yy, in frame pixels."""

    precision: FloatImage


def steer_kernels(
    burst: Burst,
    noise: tuple[FloatArray, FloatArray],
    *,
    detail: float,
    denoise: float,
    stretch: float,
    shrink: float,
) -> Kernels:
    """Shape kernels by the structure tensor of the variance-stabilised reference.

    Between round and elongated kernels, which the paper's formulas mix up for corners, the exponent (λ1 − λ2) / (λ1 + λ2) interpolates.

    Args:
        burst: burst of mosaics.
        noise: `restorers.imaging.noise.noise_levels` of the burst.
        detail: standard deviation in texture, frame pixels.
        denoise: factor of flat regions.
        stretch: factor along edges.
        shrink: divisor across edges.
    """
    reference = burst.reference_index
    grey, _ = grey_image(burst.reference, Domain.RAW_BAYER, float(burst.exposure_ratio[reference]))
    # The mean of four pixels has a quarter of their variance.
    shot, read = float(noise[0][reference]), float(noise[1][reference])
    stable = stabilise(grey, shot / 4, max(read / 4, 1e-9)).astype(np.float32)
    slope = np.array([[-0.5, 0.0, 0.5]], np.float32)
    gradient_x, gradient_y = (cv2.filter2D(stable, cv2.CV_32F, kernel) for kernel in (slope, slope.T))

    def gather(product: FloatImage) -> FloatImage:
        return np.asarray(cv2.GaussianBlur(product, (0, 0), 1.0), np.float32)

    # Central differences of unit noise have variance 1/2 along each axis, which is no structure.
    xx, yy = (np.maximum(gather(np.square(each)) - 0.5, 0) for each in (gradient_x, gradient_y))
    xy = gather(gradient_x * gradient_y)
    trace, spread = xx + yy, np.sqrt(np.square(xx - yy) + 4 * np.square(xy))
    spread = np.minimum(spread, trace)
    largest = (trace + spread) / 2
    anisotropy = spread / np.maximum(trace, np.float32(1e-6))
    flat = np.clip(1 - (np.sqrt(largest) - _FLAT) / _STEEP, 0, 1)
    along = (1 - flat) * detail * stretch**anisotropy + flat * detail * denoise
    across = (1 - flat) * detail * shrink**-anisotropy + flat * detail * denoise
    angle = 0.5 * np.arctan2(2 * xy, xx - yy)
    cosine, sine = np.cos(angle), np.sin(angle)
    first, second = 1 / np.square(across), 1 / np.square(along)
    precision = [
        first * cosine**2 + second * sine**2,
        (first - second) * cosine * sine,
        first * sine**2 + second * cosine**2,
    ]
    return Kernels(np.stack(precision).astype(np.float32))


def measure_robustness(
    burst: Burst,
    index: int,
    homography: FloatArray,
    local: TileMotion | None,
    noise: tuple[FloatArray, FloatArray],
    *,
    tolerance: float,
) -> FloatImage:
    """How far frame `index` can be trusted at each grey pixel of the reference: float32 [h, w] in [0, 1], 0 where it does not reach.

    Local means of the colours are compared; their difference is shrunk by what the noise explains, and divided by the local standard
    deviation or that of the noise, whichever is larger. What agrees is multiplied by `tolerance`, at most 2 where tiles move
    differently, before it is cut at 1 (s1 and s2 of the paper).
    """
    reference = burst.reference_index
    guides = [_guide(burst, each) for each in (reference, index)]
    height, width = guides[0].shape[:2]
    to_grey = np.array([[0.5, 0, -0.25], [0, 0.5, -0.25], [0, 0, 1]])
    matrix = to_grey @ homography @ np.linalg.inv(to_grey)
    u, v = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)
    position = np.stack(np.meshgrid(u, v), -1) if local is None else local.positions(height, width)
    at = np.asarray(cv2.perspectiveTransform(position, matrix), np.float32)
    frame = cv2.remap(guides[1], at[..., 0], at[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)

    def average(image: FloatImage) -> FloatImage:
        return np.asarray(cv2.blur(image, (3, 3), borderType=cv2.BORDER_REFLECT_101), np.float32)

    mean, other = average(guides[0]), average(np.asarray(frame, np.float32))
    local_variance = np.maximum(average(np.square(guides[0])) - np.square(mean), 0)
    shot, read = noise
    signal = np.maximum(mean, 0)
    # Red and blue are single samples of a cell, green is the mean of two.
    samples = np.array([1, 2, 1], np.float32)
    variances = [(np.float32(shot[each]) * signal + np.float32(read[each])) / samples for each in (reference, index)]
    expected = np.maximum((variances[0] + variances[1]) / 9, np.float32(1e-10))
    difference = np.square(mean - other)
    shrunk = difference * np.square(difference / (difference + expected))
    scale = np.maximum(local_variance, variances[0]).sum(-1)
    strength = (
        tolerance if local is None else np.where(_disagree(local, u, v), min(tolerance, _MOVING_TOLERANCE), tolerance)
    )
    trust = strength * np.exp(-shrunk.sum(-1) / np.maximum(scale, 1e-10)) - _THRESHOLD
    robust = cv2.erode(np.clip(trust, 0, 1).astype(np.float32), np.ones((5, 5), np.uint8))
    # Unrelated content agrees by chance in spots, which the paper's larger images make no matter of.
    support = cv2.blur(robust, (_SUPPORT, _SUPPORT), borderType=cv2.BORDER_REFLECT_101)
    robust *= np.clip((support - _LEAST_SUPPORT) / (1 - 2 * _LEAST_SUPPORT), 0, 1)
    covered = (at[..., 0] >= 0) & (at[..., 0] <= width - 1) & (at[..., 1] >= 0) & (at[..., 1] <= height - 1)
    return np.asarray(robust * covered, np.float32)


def resize_to(planes: FloatImage, shape: tuple[int, int], rows: slice) -> FloatImage:
    """Some rows of planes [P, h, w] enlarged to `shape`, bilinear: float32 [P, rows, shape[1]]."""
    height, width = planes.shape[1:]
    scale_y, scale_x = shape[0] / height, shape[1] / width
    row = ((np.arange(rows.start, rows.stop) + 0.5) / scale_y - 0.5).astype(np.float32)
    column = ((np.arange(shape[1]) + 0.5) / scale_x - 0.5).astype(np.float32)
    grid_x, grid_y = np.meshgrid(column, row)
    mode = cv2.BORDER_REPLICATE
    return np.stack([cv2.remap(plane, grid_x, grid_y, cv2.INTER_LINEAR, borderMode=mode) for plane in planes])


def _guide(burst: Burst, index: int) -> FloatImage:
    """Colour image of half the size, float32 [h, w, 3]: each 2 x 2 cell is one pixel."""
    assert burst.cfa is not None
    planes = split_planes(burst.frames[index]) / np.float32(burst.exposure_ratio[index])
    guide = np.zeros((*planes.shape[1:], 3), np.float32)
    for plane, channel in zip(planes, burst.cfa.channels, strict=True):
        guide[..., channel] += plane * (0.5 if channel == 1 else 1)
    return guide


def _disagree(local: TileMotion, u: FloatImage, v: FloatImage) -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
    """Where neighbouring tiles move differently, on the grid of grey pixels u by v."""
    kernel = np.ones((3, 3), np.uint8)
    spread = np.zeros(local.displacement.shape[:2])
    for axis in (0, 1):
        component = np.ascontiguousarray(local.displacement[..., axis])
        spread += np.square(cv2.dilate(component, kernel) - cv2.erode(component, kernel))
    moving = TileMotion(
        np.repeat((2 * np.sqrt(spread) > _MOTION_SPREAD).astype(np.float32)[..., None], 2, -1),
        local.tile_size,
        local.stride,
    )
    return np.asarray(moving.sample(u, v)[..., 0] > 0, bool)
