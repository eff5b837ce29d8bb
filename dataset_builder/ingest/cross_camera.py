"""A photograph by another camera as the ground truth of a burst: brought to the exposure, the grid and the colours of the reference.

Three steps, each simple enough to be checked: exposure as EXIF tells; a homography between grey images of equal resolution, by the
toolkit's own alignment; colours by the 3 x 3 matrix of least squares over pixels that both show well. What none of this explains, such as
parallax, objects that moved, and highlights, is masked out.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dataset_builder.errors import FrameSizeError, SourceError
from dataset_builder.ingest.frame import Frame, Truth
from manifests.pixels import quantise
from restorers.align import align_grey, enlarge_homography
from restorers.errors import AlignmentError

METHOD = "cross_camera_1"
_SATURATED = 0.95
_MIN_LIT = 64
_TRUST = 3.0
"""Robust standard deviations that the smoothed difference may reach where the truth is trusted."""
_MIN_DEVIATION = 0.005
_SMOOTHING = 1.5
_RIM = 8
"""Pixels of the truth along the edge of what the photograph covers that interpolation spoils."""


class CrossCameraError(SourceError):
    """The photograph of the other camera does not fit the burst."""


def match_cameras(reference: Frame, photograph: NDArray[np.float32], light: float) -> Truth:
    """Bring a photograph by another camera to a reference frame.

    Args:
        reference: mosaic [H, W].
        photograph: float32 [H·scale, W·scale, 3], linear, 1 at the saturation of the other camera.
        light: how much brighter the reference is exposed.

    Returns:
        Truth of kind `reference_capture` with its mask; its method tells residual and share of trusted pixels.

    Raises:
        FrameSizeError: if the sizes are no multiple of each other.
        CrossCameraError: if the two cannot be aligned, or have too little in common to compare their colours.
    """
    cells = _average_cells(reference)
    scale = _find_scale(reference, photograph)
    size = cells.shape[1], cells.shape[0]
    small = np.asarray(cv2.resize(photograph, size, interpolation=cv2.INTER_AREA), np.float32) * np.float32(light)
    try:
        # Exposures known from EXIF are off by a third of a stop now and then; fine structure is compared without gain.
        matrix, correlation = align_grey(_to_grey(cells), _to_grey(small), "homography")
    except AlignmentError as error:
        raise CrossCameraError(f"the other camera's photograph: {error}; leave the burst out") from error
    full = enlarge_homography(matrix, 2 * scale)
    warped, covered = _warp(photograph, full)
    reduced = np.asarray(cv2.resize(warped, size, interpolation=cv2.INTER_AREA), np.float32)
    inside = cv2.resize(covered.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0.999
    lit = inside & (reduced.max(axis=2) < _SATURATED) & (cells.max(axis=2) < _SATURATED)
    colours = _match_colours(reduced * np.float32(light), cells, lit)
    trusted, deviation = _find_trusted(reduced * np.float32(light) @ colours.T, cells, lit)
    height, width = warped.shape[:2]
    mask = covered & (cv2.resize(trusted.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST) > 0)
    if not mask.any():
        raise CrossCameraError("the other camera's photograph agrees with the reference nowhere; leave the burst out")
    facts = f"light {light:.4g}, correlation {correlation:.3f}, deviation {deviation:.4f}, trusted {mask.mean():.3f}"
    truth = quantise(warped * np.float32(light) @ colours.T)
    return Truth(truth, scale, "reference_capture", f"{METHOD}: {facts}", mask=mask)


def _average_cells(frame: Frame) -> NDArray[np.float32]:
    """Linear RGB [H/2, W/2, 3] of a mosaic: each cell one pixel."""
    sensor = frame.sensor
    assert sensor.cfa is not None
    signal = (frame.pixels.astype(np.float32) - sensor.black_level) / (sensor.white_level - sensor.black_level)
    cells = np.zeros((signal.shape[0] // 2, signal.shape[1] // 2, 3), np.float32)
    for (row, column), channel in zip(np.ndindex(2, 2), sensor.cfa.channels, strict=True):
        cells[..., channel] += signal[row::2, column::2] / sensor.cfa.channels.count(channel)
    return cells


def _find_scale(reference: Frame, photograph: NDArray[np.float32]) -> int:
    height, width = reference.pixels.shape[:2]
    scale = int(photograph.shape[0]) // int(height)
    if scale < 1 or photograph.shape[:2] != (scale * height, scale * width):
        raise FrameSizeError(
            f"the other camera's photograph has {photograph.shape[1]} x {photograph.shape[0]} px, expected a multiple of "
            f"{width} x {height} px; leave the burst out"
        )
    return scale


def _to_grey(image: NDArray[np.float32]) -> NDArray[np.float32]:
    grey = image.mean(axis=2, dtype=np.float32)
    return np.asarray(grey / max(float(grey.mean()), 1e-6), np.float32)


def _warp(image: NDArray[np.float32], matrix: NDArray[np.float64]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Image on the grid of the reference, and where its support lies inside it."""
    size = image.shape[1], image.shape[0]
    warped = cv2.warpPerspective(
        image, matrix, size, flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE
    )
    inner = np.zeros(image.shape[:2], np.float32)
    inner[_RIM:-_RIM, _RIM:-_RIM] = 1
    covered = cv2.warpPerspective(inner, matrix, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP) > 0.999
    return np.asarray(warped, np.float32), covered


def _match_colours(
    photograph: NDArray[np.float32], cells: NDArray[np.float32], lit: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Matrix from the photograph's colours to those of the reference, with one robust round of reweighting."""
    source, target = photograph[lit].astype(np.float64), cells[lit].astype(np.float64)
    if len(source) < _MIN_LIT:
        raise CrossCameraError(
            f"reference and the other camera's photograph have {len(source)} well lit pixels in common, expected {_MIN_LIT}; "
            "leave the burst out"
        )
    weight = np.ones(len(source))
    matrix: NDArray[np.float64] = np.eye(3)
    for _ in range(3):
        matrix = np.asarray(
            np.linalg.lstsq(source * weight[:, None], target * weight[:, None], rcond=None)[0].T, np.float64
        )
        distance = np.linalg.norm(source @ matrix.T - target, axis=1)
        weight = 1 / (1 + np.square(distance / max(float(np.median(distance)), 1e-6)))
    return matrix.astype(np.float32)


def _find_trusted(
    matched: NDArray[np.floating[Any]], cells: NDArray[np.float32], lit: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], float]:
    """Where the smoothed difference is no more than the rest's, and its robust standard deviation."""
    difference = np.where(lit[..., None], matched - cells, 0)
    smooth = np.asarray(cv2.GaussianBlur(difference, (0, 0), _SMOOTHING), np.float32)
    distance = np.abs(smooth).max(axis=2)
    deviation = max(1.4826 * float(np.median(distance[lit])), _MIN_DEVIATION)
    return lit & (distance < _TRUST * deviation), deviation
