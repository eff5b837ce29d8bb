"""Bayer mosaics: colour planes, resampling, demosaicking and noise, shared by the classical restorers.

A plane holds the pixels of one position of the 2 x 2 colour filter cell: pixel (v, u) of plane p = 2·dy + dx is the mosaic pixel
(2v + dy, 2u + dx).
"""

from __future__ import annotations

from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from restorers.burst import CFA, Burst, FloatArray, FloatImage
from restorers.tile_motion import TileMotion

_Value = TypeVar("_Value", bound=np.generic)

PLANE_OFFSETS = ((0, 0), (1, 0), (0, 1), (1, 1))
"""(dx, dy) of the four planes, in their order."""

_CLIPPED = 0.98
"""Signal from which a pixel counts as saturated: noise and rounding keep clipped pixels just below 1."""


def split_planes(mosaic: NDArray[_Value]) -> NDArray[_Value]:
    """Separate [..., H, W] into contiguous planes [..., 4, H/2, W/2]."""
    return np.stack([mosaic[..., dy::2, dx::2] for dx, dy in PLANE_OFFSETS], axis=-3)


def join_planes(planes: NDArray[_Value]) -> NDArray[_Value]:
    """Interleave [..., 4, h, w] to the mosaic [..., 2h, 2w]; the inverse of `split_planes`."""
    height, width = planes.shape[-2:]
    mosaic = np.empty((*planes.shape[:-3], 2 * height, 2 * width), planes.dtype)
    for index, (dx, dy) in enumerate(PLANE_OFFSETS):
        mosaic[..., dy::2, dx::2] = planes[..., index, :, :]
    return mosaic


def resample_planes(
    mosaic: FloatImage,
    cfa: CFA,
    homography: FloatArray,
    local: TileMotion | None = None,
    *,
    interpolation: int = cv2.INTER_CUBIC,
) -> tuple[FloatImage, NDArray[np.bool_]]:
    """Bring a mosaic onto the grid of the reference.

    The colours are interpolated first and then sampled where the reference has pixels of that colour. Resampling each colour plane by
    itself would alias: a plane holds every second pixel of a scene that the lens resolves to the pixel, and averaging frames of
    different motion turns that aliasing into blur.

    Args:
        mosaic: float32 [H, W].
        cfa: its colour filter array.
        homography: reference to frame, mosaic pixels, float64 [3, 3].
        local: motion that comes on top, measured between grey images of half the size after the homography.
        interpolation: of OpenCV.

    Returns:
        The planes of the resampled mosaic, float32 [4, H/2, W/2], and a mask of the same shape that is False where they would need
        pixels from outside the frame (their values there mean nothing).
    """
    height, width = mosaic.shape[0] // 2, mosaic.shape[1] // 2
    colours = interpolate_colours(mosaic, cfa)
    ones = np.ones_like(mosaic)
    warped, inside = np.empty((4, height, width), np.float32), np.empty((4, height, width), bool)
    position = None
    if local is not None:
        u, v = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)
        # The grid of the grey image lies amidst the planes, a quarter of its pixel from each: too little for the motion to differ.
        position = local.sample(u, v)
        position[..., 0] += u
        position[..., 1] += v[:, None]
    for index, (dx, dy) in enumerate(PLANE_OFFSETS):
        matrix = homography @ np.array([[2.0, 0.0, dx], [0.0, 2.0, dy], [0.0, 0.0, 1.0]])
        warped[index] = _warp(colours[cfa.channels[index]], matrix, position, (height, width), interpolation)
        covered = _warp(ones, matrix, position, (height, width), cv2.INTER_LINEAR, border=cv2.BORDER_CONSTANT)
        inside[index] = covered > 1 - 1e-4
    return warped, inside


def _warp(
    image: FloatImage,
    matrix: FloatArray,
    position: FloatImage | None,
    shape: tuple[int, int],
    interpolation: int,
    *,
    border: int = cv2.BORDER_REFLECT_101,
) -> FloatImage:
    """Sample an image at `matrix` times `position`, float32 [h, w, 2], or times the pixels of `shape` if there is none."""
    if position is None:
        flags = interpolation | cv2.WARP_INVERSE_MAP
        return np.asarray(cv2.warpPerspective(image, matrix, shape[::-1], flags=flags, borderMode=border), np.float32)
    at = np.asarray(cv2.perspectiveTransform(position, matrix), np.float32)
    return np.asarray(cv2.remap(image, at[..., 0], at[..., 1], interpolation, borderMode=border), np.float32)


def warp_covers(homography: FloatArray, height: int, width: int) -> NDArray[np.bool_]:
    """Which reference pixels have their counterpart inside a frame of the same size; bool [H, W]."""
    ones = np.ones((height, width), np.float32)
    return _warp(ones, homography, None, (height, width), cv2.INTER_LINEAR, border=cv2.BORDER_CONSTANT) > 1 - 1e-4


def unsaturated(frame: FloatImage, homography: FloatArray) -> NDArray[np.bool_]:
    """Which reference pixels are interpolated from pixels of the frame that are all below its white level; bool [H, W].

    Only frames exposed longer than the reference need this: others clip no earlier than it does.
    """
    height, width = frame.shape
    # 7 x 7: reach of the demosaicking (5) and of the interpolation of the pixels next to it.
    clean = cv2.erode((frame < _CLIPPED).astype(np.uint8), np.ones((7, 7), np.uint8))
    flags = cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
    warped = cv2.warpPerspective(clean, homography, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(warped, bool)


def noise_levels(burst: Burst) -> tuple[FloatArray, FloatArray]:
    """Shot and read noise of each frame of a mosaic burst after division by its exposure ratio.

    With x the exposure-normalised signal, frame t has variance `shot[t]·x + read[t]`. Frames without a noise model are measured
    by `estimate_noise`.

    Returns:
        shot and read, float64 [T].
    """
    if burst.shot_noise is None or burst.read_noise is None:
        measured = np.array([estimate_noise(frame) for frame in burst.frames])
        shot, read = measured[:, 0], measured[:, 1]
    else:
        shot, read = burst.shot_noise, burst.read_noise
    return shot / burst.exposure_ratio, read / burst.exposure_ratio**2


def estimate_noise(mosaic: FloatImage, *, bins: int = 8) -> tuple[float, float]:
    """Measure shot and read noise in one mosaic, variance = shot·signal + read.

    The diagonal Haar detail of each plane, (a − b − c + d) / 2, has the variance of the noise and little of the scene; its median
    absolute deviation (Donoho & Johnstone 1994) within `bins` classes of equal count by brightness gives one variance each, and
    non-negative least squares the line through them. Texture raises the estimate, clipping lowers it: it is a fallback for
    bursts that carry no noise model.

    Args:
        mosaic: float32 [H, W].
        bins: brightness classes.
    """
    planes = split_planes(mosaic)
    height, width = (side // 2 * 2 for side in planes.shape[1:])
    a, b, c, d = (planes[:, dy:height:2, dx:width:2].ravel() for dx, dy in PLANE_OFFSETS)
    signal, detail = (a + b + c + d) / 4, np.abs(a - b - c + d) / 2
    order = np.argsort(signal, kind="stable")
    groups = [group for group in np.array_split(order, bins) if group.size]
    level = np.array([max(float(signal[group].mean()), 0.0) for group in groups])
    variance = np.array([(float(np.median(detail[group])) / 0.6745) ** 2 for group in groups])
    if not variance.any():
        return 0.0, 0.0
    weight = 1 / np.maximum(variance, variance.max() * 1e-3)
    (shot, read), _ = nnls(np.stack([level, np.ones_like(level)], 1) * weight[:, None], variance * weight)
    return float(shot), float(read)


def demosaic(mosaic: FloatImage, cfa: CFA) -> FloatImage:
    """Interpolate the missing colours as `interpolate_colours` does, and return camera RGB, float32 [H, W, 3], not clipped."""
    return np.ascontiguousarray(np.moveaxis(interpolate_colours(mosaic, cfa), 0, -1))


def interpolate_colours(mosaic: FloatImage, cfa: CFA) -> FloatImage:
    """Interpolate the missing colours by gradient-corrected linear filters (Malvar, He & Cutler, ICASSP 2004).

    Args:
        mosaic: float32 [H, W].
        cfa: its colour filter array.

    Returns:
        R, G and B, float32 [3, H, W], not clipped.
    """
    green, beside, above, opposite = (
        np.asarray(cv2.filter2D(mosaic, cv2.CV_32F, kernel / 16, borderType=cv2.BORDER_REFLECT_101))
        for kernel in _MALVAR
    )
    image = np.empty((3, *mosaic.shape), np.float32)
    for dx, dy in PLANE_OFFSETS:
        cell = np.s_[dy::2, dx::2]
        own, horizontal, vertical = (cfa.channels[2 * (dy ^ b) + (dx ^ a)] for a, b in ((0, 0), (1, 0), (0, 1)))
        image[own][cell] = mosaic[cell]
        if own == 1:
            image[horizontal][cell] = beside[cell]
            image[vertical][cell] = above[cell]
        else:
            image[1][cell] = green[cell]
            image[2 - own][cell] = opposite[cell]
    return image


_MALVAR = tuple(
    np.array(kernel, np.float32)
    for kernel in (
        [[0, 0, -2, 0, 0], [0, 0, 4, 0, 0], [-2, 4, 8, 4, -2], [0, 0, 4, 0, 0], [0, 0, -2, 0, 0]],
        [[0, 0, 1, 0, 0], [0, -2, 0, -2, 0], [-2, 8, 10, 8, -2], [0, -2, 0, -2, 0], [0, 0, 1, 0, 0]],
        [[0, 0, -2, 0, 0], [0, -2, 8, -2, 0], [1, 0, 10, 0, 1], [0, -2, 8, -2, 0], [0, 0, -2, 0, 0]],
        [[0, 0, -3, 0, 0], [0, 4, 0, 4, 0], [-3, 0, 12, 0, -3], [0, 4, 0, 4, 0], [0, 0, -3, 0, 0]],
    )
)
"""Sixteen times the kernels of the paper's figure 2: green at red or blue; a colour whose neighbours lie beside, and above, a green
pixel; blue at red and red at blue."""
