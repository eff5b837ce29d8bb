"""A frame as a stack of planes that are each sampled on one grid: the four of a mosaic or the three of RGB.

What works on planes works on every linear domain. A plane of a mosaic has half its sides, and so has its grey image.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from restorers.burst import Burst, Domain, FloatArray, FloatImage
from restorers.imaging.mosaic import PLANE_OFFSETS, demosaic, join_planes, resample_planes, split_planes
from restorers.imaging.warping import unsaturated, warp, warp_covers
from restorers.motion.align import BurstAlignment, enlarge_homography, grey_pair
from restorers.motion.tiles import TileMotion, align_tiles

_Value = TypeVar("_Value", bound=np.generic)

ALIGNED_TILE = 16
"""Side of the tiles whose motion is measured, in pixels of the grey image."""

MERGED_DOMAINS = frozenset({Domain.RAW_BAYER, Domain.LINEAR_RGB, Domain.SRGB})
"""What merges of planes take, after `restorers.imaging.color.linearise`."""


def split_frame(frame: FloatImage) -> FloatImage:
    """Planes of a mosaic [H, W], float32 [4, H/2, W/2], or of RGB [H, W, 3], float32 [3, H, W]."""
    return split_planes(frame) if frame.ndim == 2 else np.ascontiguousarray(np.moveaxis(frame, -1, 0))


def view_planes(frame: FloatImage) -> list[FloatImage]:
    """What `split_frame` separates, as views of the frame, [H/2, W/2] or [H, W] each."""
    if frame.ndim == 2:
        return [frame[dy::2, dx::2] for dx, dy in PLANE_OFFSETS]
    return [frame[..., channel] for channel in range(frame.shape[2])]


def join_frame(planes: NDArray[_Value]) -> NDArray[_Value]:
    """The inverse of `split_frame`."""
    return join_planes(planes) if len(planes) == 4 else np.ascontiguousarray(np.moveaxis(planes, 0, -1))


def resample_frame(
    burst: Burst,
    index: int,
    homography: FloatArray,
    local: TileMotion | None = None,
    *,
    interpolation: int = cv2.INTER_CUBIC,
) -> tuple[FloatImage, NDArray[np.bool_]]:
    """Bring frame `index` onto the grid of the reference, in the exposure of ratio 1.

    Args:
        burst: burst of a linear domain.
        index: index of the frame.
        homography: reference to frame, float64 [3, 3].
        local: motion that comes on top, measured between the grey images.
        interpolation: interpolation of OpenCV.

    Returns:
        Its planes, and a mask of the same shape that is False where they reach outside the frame or, in a frame exposed longer than the
        reference, come from saturated pixels.
    """
    frame, ratio = burst.frames[index], float(burst.exposure_ratio[index])
    if burst.domain is Domain.RAW_BAYER:
        assert burst.cfa is not None
        planes, usable = resample_planes(frame, burst.cfa, homography, local, interpolation=interpolation)
        if ratio > 1:
            usable &= split_planes(unsaturated(frame, homography))
    else:
        planes, covered = resample_colours(frame, homography, local, interpolation=interpolation)
        if ratio > 1:
            covered &= unsaturated(frame, homography)
        usable = np.broadcast_to(covered, planes.shape)
    planes *= np.float32(1 / ratio)
    return planes, usable


def resample_colours(
    image: FloatImage, homography: FloatArray, local: TileMotion | None = None, *, interpolation: int = cv2.INTER_CUBIC
) -> tuple[FloatImage, NDArray[np.bool_]]:
    """Bring RGB [H, W, 3] onto the grid of the reference: float32 [3, H, W] and a mask [H, W] of what the frame covers."""
    warped, covered = _warp_colours(image, homography, local, interpolation)
    return split_frame(warped), covered


def _warp_colours(
    image: FloatImage, homography: FloatArray, local: TileMotion | None, interpolation: int
) -> tuple[FloatImage, NDArray[np.bool_]]:
    """As `resample_colours`, colours last."""
    height, width = image.shape[:2]
    position = None if local is None else local.positions(height, width)
    warped = warp(image, homography, position, (height, width), interpolation)
    ones = np.ones((height, width), np.float32)
    covered = warp(ones, homography, position, (height, width), cv2.INTER_LINEAR, border=cv2.BORDER_CONSTANT)
    return warped, covered > 1 - 1e-4


def to_colours(frame: FloatImage, burst: Burst) -> FloatImage:
    """Camera RGB [H, W, 3] of a frame: demosaicked if it is a mosaic."""
    if burst.domain is not Domain.RAW_BAYER:
        return frame
    assert burst.cfa is not None
    return demosaic(frame, burst.cfa)


def align_colours(
    burst: Burst, index: int, alignment: BurstAlignment, *, saturated: bool = False
) -> tuple[FloatImage, NDArray[np.bool_]] | None:
    """Camera RGB of frame `index` on the grid of the reference, in the exposure of ratio 1.

    Args:
        burst: burst of a linear domain.
        index: index of the frame.
        alignment: alignment of the burst.
        saturated: count saturated pixels as usable.

    Returns:
        float32 [H, W, 3] and a mask [H, W], False where the frame does not reach or is saturated; None if it could not be aligned.
    """
    if not alignment.aligned[index]:
        return None
    frame, homography, gain = burst.frames[index], alignment.homographies[index], 1 / burst.exposure_ratio[index]
    colours = to_colours(frame, burst)
    if index == burst.reference_index:
        colours, usable = colours * np.float32(gain), np.ones(colours.shape[:2], bool)
    else:
        colours, usable = _warp_colours(colours, homography, None, cv2.INTER_LANCZOS4)
        colours *= np.float32(gain)
    if not saturated:
        usable &= unsaturated(frame, homography)
    return colours, usable


def align_completely(burst: Burst, alignment: BurstAlignment) -> Iterator[tuple[int, FloatImage]]:
    """Index and camera RGB [H, W, 3] of every frame that could be aligned, saturated or not; the reference where a frame does not reach."""
    own = align_colours(burst, burst.reference_index, alignment, saturated=True)
    assert own is not None
    for index in range(burst.num_frames):
        aligned = own if index == burst.reference_index else align_colours(burst, index, alignment, saturated=True)
        if aligned is not None:
            colours, covered = aligned
            np.copyto(colours, own[0], where=~covered[..., None])
            yield index, colours


def measure_local_motion(
    burst: Burst, index: int, homography: FloatArray, noise: tuple[FloatArray, FloatArray]
) -> TileMotion | None:
    """What moves in frame `index` otherwise than the camera, between grey images; None if nothing does or the frame is too small.

    Args:
        burst: burst of a linear domain.
        index: index of the frame.
        homography: reference to frame, float64 [3, 3].
        noise: `restorers.imaging.noise.noise_levels` of the burst.
    """
    reference, grey, factor = grey_pair(burst, index)
    if min(reference.shape) < ALIGNED_TILE:
        return None
    matrix = enlarge_homography(homography, 1 / factor)
    size, flags = (reference.shape[1], reference.shape[0]), cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    aligned = cv2.warpPerspective(grey, matrix, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    both = [index, burst.reference_index]
    variance = noise[0][both] * max(float(reference.mean()), 0.0) + noise[1][both]
    averaged = factor**2 if burst.domain is Domain.RAW_BAYER else 3
    motion = align_tiles(
        reference,
        np.asarray(aligned, np.float32),
        covered=warp_covers(matrix, *reference.shape),
        noise_variance=float(variance.sum()) / averaged,
    )
    return motion if motion.moves() else None
