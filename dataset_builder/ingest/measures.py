"""What can be told of a frame from its pixels, alone and against the reference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dataset_builder.camera.color import decode_srgb_codes
from dataset_builder.camera.geometry import mean_displacement
from dataset_builder.decoding.frame import Frame
from dataset_builder.ingest.noise import fit_noise
from dataset_builder.ingest.source import Estimate, ReferenceRule
from manifests.images.appearance import hash_thumbnail, make_thumbnail
from restorers import Domain
from restorers.errors import AlignmentError
from restorers.motion.align import align_grey, band_pass, enlarge_homography

MEASURES_VERSION = "2"
"""Changes whenever equal frames would be measured differently."""

SHIFT_ERROR = 0.5
"""Grey pixels; how far an estimated displacement may be off by interpolation, noise and development."""
_MAX_GREY = 1_000_000
"""Pixels; larger frames are averaged first."""
_THUMBNAIL_FACTOR = 8
_LIT = (0.02, 0.9)
_LEAST_LIT = 1000
"""Pixels whose structure can be compared."""
_SAME_SCENE = 0.5
"""Correlation of structure from which two frames that cannot be aligned show the same scene without motion."""
_OUTLIER = 6.0
"""Robust standard deviations from which a difference is no noise."""
_MIN_DEVIATION = 0.004
_ODD_GRAIN = 1.6
"""How many times more or less grain than the others a frame must have to be of another processing."""
_ODD_DEVIATIONS = 6.0
"""Robust standard deviations of the others by which it must differ, too."""
_LEAST_LIKE = 4
"""Frames of like brightness that there must be to compare a frame with."""
_LIKE_BRIGHTNESS = 1.3


@dataclass(frozen=True, eq=False)
class FrameView:
    """A frame in small, and what it says by itself.

    Attributes:
        grey: float32 [h, w], linear light, 1 at white.
        factor: frame pixels per grey pixel.
        sharpness: fine structure relative to brightness, comparable within a burst: standard deviation of a difference of Gaussians
            (1 and 4 grey pixels) divided by the mean.
        noise: a and b of variance = a · signal + b; None if not asked for, or nothing is flat.
        grain: finest structure relative to brightness, which is mostly noise: median of the diagonal Haar coefficients' absolute values
            divided by the mean.
    """

    grey: NDArray[np.float32]
    factor: float
    sharpness: float
    noise: tuple[float, float] | None
    grain: float


def view_frame(frame: Frame, noise: tuple[float, float] | None = None) -> FrameView:
    """Reduce a frame to what the measures need, so that its pixels can be let go; its noise is passed on."""
    grey, factor = _reduce(frame)
    mean = max(float(grey.mean()), 1e-4)
    return FrameView(grey, factor, float(band_pass(grey).std()) / mean, noise, _measure_grain(grey) / mean)


def measure_noise(frame: Frame) -> tuple[float, float] | None:
    """Fit a and b of variance = a · signal + b to a frame; see `fit_noise`."""
    return fit_noise(_list_planes(frame))


def hash_frame(frame: Frame) -> str | None:
    """What a frame looks like, as `manifests.images.appearance.hash_reference` says of the stored one, up to the rounding of averages."""
    sensor, pixels = frame.sensor, frame.preview
    if pixels.ndim == 3:
        side = _THUMBNAIL_FACTOR * 32
        pixels = cv2.resize(pixels, (side, side), interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
    signal = (pixels.astype(np.float32) - np.float32(sensor.black_level)) * np.float32(
        1 / (sensor.white_level - sensor.black_level)
    )
    return hash_thumbnail(make_thumbnail(signal, str(sensor.domain)))


def choose_reference(views: Sequence[FrameView], rule: ReferenceRule) -> int:
    """The reference of a burst: its first frame, its sharpest, or the one to which the others moved least in sum.

    A frame that cannot be aligned to the first is not chosen as medoid, and one that was processed otherwise than the rest, such as a
    phone's own merge, not as the sharpest.
    """
    if rule == "first":
        return 0
    if rule == "sharpest":
        odd = find_odd(views)
        return max((index for index in range(len(views)) if index not in odd), key=lambda index: views[index].sharpness)
    motions = [np.eye(3), *(_align(views[0], view) for view in views[1:])]
    height, width = views[0].grey.shape
    known = {index: motion for index, motion in enumerate(motions) if motion is not None}
    total = {
        index: sum(mean_displacement(other @ np.linalg.inv(motion), height, width) for other in known.values())
        for index, motion in known.items()
    }
    return min(total, key=lambda index: (total[index], index))


def find_odd(views: Sequence[FrameView]) -> dict[int, float]:
    """Frames whose grain is not that of the others of their brightness, and how many times as much they have.

    Frames of one camera and one exposure have grain alike, however sharp they are; what a phone has merged, smoothed or sharpened before it
    stored it has not. Fewer than half of the frames can be odd.
    """
    brightness = np.array([float(view.grey.mean()) for view in views])
    grain = np.log(np.maximum([view.grain for view in views], 1e-9))
    odd: dict[int, float] = {}
    for index, own in enumerate(grain):
        alike = np.maximum(brightness / brightness[index], brightness[index] / brightness) < _LIKE_BRIGHTNESS
        others = grain[alike & (np.arange(len(views)) != index)]
        if len(others) < _LEAST_LIKE:
            continue
        middle = float(np.median(others))
        spread = 1.4826 * float(np.median(np.abs(others - middle)))
        if abs(own - middle) > max(np.log(_ODD_GRAIN), _ODD_DEVIATIONS * spread):
            odd[index] = float(np.exp(own - middle))
    return odd


def describe_odd(views: Sequence[FrameView], names: Sequence[str]) -> list[str]:
    """A remark for each frame that `find_odd` finds."""
    return [
        f"{names[index]} has {share:.2g} times the grain of the other frames: it was processed otherwise, as by a phone that merged it, "
        "and is not chosen as the sharpest"
        for index, share in find_odd(views).items()
    ]


def relate_views(
    views: Sequence[FrameView], reference: int, *, height: int, width: int, estimates: Sequence[Estimate]
) -> list[dict[str, Any]]:
    """Columns of `frames` that were asked for and could be estimated, one mapping for each frame.

    Exposure is the median ratio of brightness between aligned frames; occlusion is the share of pixels that differ from the reference by
    more than six robust standard deviations after alignment and exposure are taken out.

    Args:
        views: views of all frames.
        reference: index of the reference.
        height: height of a frame, pixels.
        width: width of a frame, pixels.
        estimates: what to estimate.
    """
    base = views[reference]
    rows: list[dict[str, Any]] = []
    for index, view in enumerate(views):
        row: dict[str, Any] = {}
        if "sharpness" in estimates:
            row["sharpness"] = view.sharpness
        if "noise" in estimates and view.noise is not None:
            row["shot_noise"], row["read_noise"] = view.noise
        matrix = np.eye(3) if index == reference else None
        if matrix is None and {"motion", "exposure", "occlusion"} & set(estimates):
            matrix = _align(base, view)
        if matrix is not None:
            row |= _relate(base, view, matrix, height=height, width=width, estimates=estimates)
        rows.append(row)
    return rows


def _relate(
    base: FrameView,
    view: FrameView,
    matrix: NDArray[np.float64],
    *,
    height: int,
    width: int,
    estimates: Sequence[Estimate],
) -> dict[str, Any]:
    row: dict[str, Any] = {}
    full = enlarge_homography(matrix, base.factor)
    if "motion" in estimates:
        row["homography"] = full.ravel().tolist()
        row["displacement"] = mean_displacement(full, height, width)
    if not {"exposure", "occlusion"} & set(estimates):
        return row
    warped, inside = _warp(view.grey, matrix)
    ratio = _compare_exposure(base.grey, warped, inside)
    if "exposure" in estimates and ratio is not None:
        row["exposure_ratio"] = ratio
    if "occlusion" in estimates and inside.any():
        row["occlusion"] = _find_outliers(base.grey, warped / np.float32(ratio or 1.0), inside)
    return row


def _align(reference: FrameView, view: FrameView) -> NDArray[np.float64] | None:
    """Motion of a frame; none at all where that shows the same scene at least as well, as in a series that is registered."""
    # Fine structure is compared without its gain, so frames of any exposure can be aligned.
    scale = np.float32(max(float(reference.grey.mean()), 1e-4) / max(float(view.grey.mean()), 1e-4))
    try:
        matrix: NDArray[np.float64] | None = align_grey(reference.grey, view.grey * scale)[0]
    except AlignmentError:
        matrix = None
    still = _compare_structure(reference.grey, view.grey, np.eye(3))
    least = _SAME_SCENE if matrix is None else _compare_structure(reference.grey, view.grey, matrix)
    return np.eye(3) if still is not None and least is not None and still >= least else matrix


def _compare_structure(
    reference: NDArray[np.float32], grey: NDArray[np.float32], matrix: NDArray[np.float64]
) -> float | None:
    """Correlation of relative fine structure where both frames are lit, whatever their exposures; None where too little is."""
    warped, inside = _warp(grey, matrix)
    lit = (inside & _find_lit(reference) & _find_lit(warped)).astype(np.uint8)
    # What is next to something dark or saturated has its edge as structure.
    clear = cv2.erode(lit, np.ones((9, 9), np.uint8)).astype(bool)
    if np.count_nonzero(clear) < _LEAST_LIT:
        return None
    first, second = (
        band_pass(np.log(np.maximum(image, 0) + np.float32(_LIT[0])))[clear] for image in (reference, warped)
    )
    spread = float(first.std() * second.std())
    return float(((first - first.mean()) * (second - second.mean())).mean()) / spread if spread > 0 else None


def _find_lit(grey: NDArray[np.float32]) -> NDArray[np.bool_]:
    smooth = np.asarray(cv2.blur(grey, (5, 5)))
    lit: NDArray[np.bool_] = (smooth > _LIT[0]) & (smooth < _LIT[1])
    return lit


def _warp(grey: NDArray[np.float32], matrix: NDArray[np.float64]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    size, flags = grey.shape[::-1], cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    inside = cv2.warpPerspective(np.ones_like(grey), matrix, size, flags=flags) > 0.999
    return np.asarray(cv2.warpPerspective(grey, matrix, size, flags=flags), np.float32), inside


def _compare_exposure(
    reference: NDArray[np.float32], frame: NDArray[np.float32], inside: NDArray[np.bool_]
) -> float | None:
    """Median ratio over pixels that both frames show neither dark nor saturated, smoothed against noise."""
    first, second = (np.asarray(cv2.blur(image, (5, 5)), np.float32) for image in (reference, frame))
    lit = inside & _find_lit(reference) & _find_lit(frame)
    if np.count_nonzero(lit) < max(64, 0.01 * lit.size):
        return None
    return float(np.median(second[lit] / first[lit]))


def _find_outliers(reference: NDArray[np.float32], frame: NDArray[np.float32], inside: NDArray[np.bool_]) -> float:
    first, second = (np.asarray(cv2.GaussianBlur(image, (0, 0), 2), np.float32) for image in (reference, frame))
    difference = (second - first)[inside]
    difference = difference - np.median(difference)
    deviation = max(1.4826 * float(np.median(np.abs(difference))), _MIN_DEVIATION)
    return float((np.abs(difference) > _OUTLIER * deviation).mean())


def _reduce(frame: Frame) -> tuple[NDArray[np.float32], float]:
    """Grey in linear light, and how many frame pixels each of its pixels averages along a side."""
    sensor = frame.sensor
    pixels: NDArray[Any]
    if sensor.domain is Domain.RAW_BAYER:
        height, width = (side // 2 for side in frame.pixels.shape)
        pixels = cv2.resize(frame.pixels.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)
        factor = 2.0
    else:
        pixels, factor = frame.pixels, 1.0
    height, width = pixels.shape[:2]
    shrink = _find_shrink(height, width)
    if shrink > 1:
        height, width = height // shrink, width // shrink
        whole = pixels[: height * shrink, : width * shrink]
        pixels = np.asarray(cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA), pixels.dtype)
    if sensor.domain is Domain.SRGB:
        grey = decode_srgb_codes(np.ascontiguousarray(pixels)).mean(axis=2, dtype=np.float32) / np.float32(65535)
    else:
        colour = pixels.astype(np.float32)
        grey = colour if colour.ndim == 2 else colour.mean(axis=2, dtype=np.float32)
        grey = (grey - np.float32(sensor.black_level)) / np.float32(sensor.white_level - sensor.black_level)
    return np.ascontiguousarray(grey, np.float32), factor * shrink


def find_shift_error(domain: str, height: int, width: int) -> float:
    """How far the estimated displacement of a frame may be off, frame pixels: `SHIFT_ERROR` of the grey image that is aligned.

    Args:
        domain: domain of the frame.
        height: its height, pixels.
        width: its width, pixels.
    """
    factor = 2 if domain == Domain.RAW_BAYER else 1
    return SHIFT_ERROR * factor * _find_shrink(height // factor, width // factor)


def _find_shrink(height: int, width: int) -> int:
    return max(1, int(np.ceil(np.sqrt(height * width / _MAX_GREY))))


def _measure_grain(grey: NDArray[np.float32]) -> float:
    height, width = grey.shape[0] // 2 * 2, grey.shape[1] // 2 * 2
    a, b, c, d = (grey[row:height:2, column:width:2] for row, column in np.ndindex(2, 2))
    return float(np.median(np.abs(a - b - c + d)) / 2)


def _list_planes(frame: Frame) -> NDArray[np.float32]:
    sensor, pixels = frame.sensor, frame.pixels
    if sensor.domain is Domain.SRGB:
        return np.moveaxis(decode_srgb_codes(pixels), 2, 0).astype(np.float32) / np.float32(65535)
    cells = [pixels[row::2, column::2] for row, column in np.ndindex(2, 2)]
    planes = np.stack(cells) if pixels.ndim == 2 else np.moveaxis(pixels, 2, 0)
    span = np.float32(sensor.white_level - sensor.black_level)
    return (planes.astype(np.float32) - np.float32(sensor.black_level)) / span
