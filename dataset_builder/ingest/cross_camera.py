"""A photograph by another camera as the ground truth of a burst: brought to the exposure, the grid and the colours of the reference.

Exposure is what EXIF tells. Then, in turns, colours follow by least squares, a 3 x 3 matrix over pixels that both show well, and motion by
the toolkit's own alignment, first a shift and rotation, then a homography, between what the phone saw and what it would have seen of
the photograph: sampled at the sites of its own colour filter array, since each colour of a cell lies elsewhere in it. What none of this
explains, such as parallax, objects that moved, and highlights, is masked out.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dataset_builder.decoding.frame import Frame
from dataset_builder.errors import FrameSizeError, SourceError
from dataset_builder.ingest.reader import Truth
from manifests.images.pixels import quantise
from restorers.errors import AlignmentError
from restorers.imaging.mosaic import average_cells
from restorers.motion.align import align_grey, enlarge_homography
from restorers.motion.refinement import Model

METHOD = "cross_camera_1"
_ROUNDS: tuple[Model, ...] = ("euclidean", "euclidean", "homography", "homography")
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
    cfa, scale = reference.sensor.cfa, _find_scale(reference, photograph)
    assert cfa is not None
    cells = average_cells(_to_signal(reference), cfa)
    linear = photograph * np.float32(light)
    motion = np.eye(3)
    colours = np.eye(3, dtype=np.float32)
    for model in _ROUNDS:
        seen, lit, colours = _predict(linear, motion, reference, cells)
        try:
            # Only the rest is sought: what the phone would have seen is compared with what it saw.
            rest, correlation = align_grey(_to_grey(cells), _to_grey(seen), model)
        except AlignmentError as error:
            raise CrossCameraError(f"the other camera's photograph: {error}; leave the burst out") from error
        motion = motion @ enlarge_homography(rest, 2 * scale)
    seen, lit, colours = _predict(linear, motion, reference, cells)
    trusted, deviation = _find_trusted(seen, cells, lit)
    warped, covered = _warp(linear, motion)
    height, width = warped.shape[:2]
    mask = covered & (cv2.resize(trusted.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST) > 0)
    if not mask.any():
        raise CrossCameraError("the other camera's photograph agrees with the reference nowhere; leave the burst out")
    facts = f"light {light:.4g}, correlation {correlation:.3f}, deviation {deviation:.4f}, trusted {mask.mean():.3f}"
    return Truth(quantise(warped @ colours.T), scale, "reference_capture", f"{METHOD}: {facts}", mask=mask)


def _predict(
    linear: NDArray[np.float32],
    motion: NDArray[np.float64],
    reference: Frame,
    cells: NDArray[np.float32],
) -> tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.float32]]:
    """What the phone would have seen of the photograph, by cell; where both are well lit; and the colours that lead there."""
    warped, covered = _warp(linear, motion)
    height, width = reference.pixels.shape
    reduced = np.asarray(cv2.resize(warped, (width, height), interpolation=cv2.INTER_AREA), np.float32)
    assert reference.sensor.cfa is not None
    # Each colour of a cell lies elsewhere in it, and so it must in what it is compared with.
    parts = np.stack([average_cells(reduced[..., channel], reference.sensor.cfa) for channel in range(3)], axis=-1)
    inside = cv2.resize(covered.astype(np.float32), cells.shape[1::-1], interpolation=cv2.INTER_AREA) > 0.999
    lit = inside & (parts.max(axis=(2, 3)) < _SATURATED) & (cells.max(axis=2) < _SATURATED)
    colours = np.stack([_match_channel(parts[:, :, channel], cells[..., channel], lit) for channel in range(3)])
    seen = np.einsum("hwcs,cs->hwc", parts, colours).astype(np.float32)
    return seen, np.asarray(lit, np.bool_), colours.astype(np.float32)


def _to_signal(frame: Frame) -> NDArray[np.float32]:
    sensor = frame.sensor
    signal = (frame.pixels.astype(np.float32) - sensor.black_level) / (sensor.white_level - sensor.black_level)
    return np.asarray(signal, np.float32)


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
    return np.ascontiguousarray(image.mean(axis=2, dtype=np.float32))


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


def _match_channel(
    parts: NDArray[np.float32], target: NDArray[np.float32], lit: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Weights of the photograph's colours [3] that give one colour of the reference, by least squares with Cauchy weights."""
    source, wanted = parts[lit].astype(np.float64), target[lit].astype(np.float64)
    if len(source) < _MIN_LIT:
        raise CrossCameraError(
            f"reference and the other camera's photograph have {len(source)} well lit pixels in common, expected {_MIN_LIT}; "
            "leave the burst out"
        )
    weight = np.ones(len(source))
    colours = np.zeros(3)
    for _ in range(4):
        colours = np.asarray(np.linalg.lstsq(source * weight[:, None], wanted * weight, rcond=None)[0], np.float64)
        distance = np.abs(source @ colours - wanted)
        weight = 1 / np.sqrt(1 + np.square(distance / max(2 * float(np.median(distance)), 1e-6)))
    return colours


def _find_trusted(
    matched: NDArray[np.floating[Any]], cells: NDArray[np.float32], lit: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], float]:
    """Where the smoothed difference is no more than the rest's, and its robust standard deviation."""
    difference = np.where(lit[..., None], matched - cells, 0)
    smooth = np.asarray(cv2.GaussianBlur(difference, (0, 0), _SMOOTHING), np.float32)
    distance = np.abs(smooth).max(axis=2)
    deviation = max(1.4826 * float(np.median(distance[lit])), _MIN_DEVIATION)
    return lit & (distance < _TRUST * deviation), deviation
