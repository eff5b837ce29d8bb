"""Where frames are judged on their own grids: over one part of the scene, common to the burst.

What a frame is worth alone, or as the reference, is measured on the grid of that frame. Would each be measured over all that it shares with
the truth, then one would be judged by the sky and the next by a fence. So all frames of a burst are judged over what all of them show: the
part that the truth covers in every frame, clear of borders, and clear of whatever moves on its own in any of them, the reference too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dataset_builder.labeling.rectangle import find_inner_rectangle
from dataset_builder.labeling.truth import find_support

MIN_PIXELS = 128
"""Smallest region."""
MIN_SIDE = 12
"""Smallest side of a window: SSIM needs 11 px."""
MIN_SHARE = 0.5
"""Frames that show less than this share of what the reference shows are not judged, and do not make the region of others smaller."""

Window = tuple[slice, slice]


@dataclass(frozen=True, eq=False)
class Region:
    """Where one frame is judged, in its own pixels.

    Attributes:
        pixels: bool [H, W].
        window: rows and columns of a rectangle of them, for metrics that look at neighbourhoods; None where too little is common.
    """

    pixels: NDArray[np.bool_]
    window: Window | None

    def choose(self, image: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
        """The pixels of an image on the grid of the frame, of any scale: [1, P] or [1, P, C]."""
        size = (image.shape[1], image.shape[0])
        chosen = cv2.resize(self.pixels.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
        return image[chosen][None]

    def cut(self, image: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]] | None:
        """The window of an image on the grid of the frame, of any scale; None where there is none."""
        return None if self.window is None else image[enlarge(self.window, image.shape[0] / self.pixels.shape[0])]


def find_regions(
    homographies: NDArray[np.float64],
    *,
    shape: tuple[int, int],
    truth_shape: tuple[int, int],
    scale: int,
    reference_index: int,
    border: int,
    clear: NDArray[np.bool_] | None = None,
) -> tuple[Region | None, ...]:
    """The region of each frame; None for frames that show too little of what the others show.

    Args:
        homographies: float64 [T, 3, 3], reference to frame pixel, affine.
        shape: rows and columns of a frame.
        truth_shape: rows and columns of the truth.
        scale: truth pixels per frame pixel.
        reference_index: the reference.
        border: pixels of a frame that do not count, along each side.
        clear: bool [T, H, W], False where a frame shows what moves on its own; None for everywhere True.

    Returns:
        Where less than `MIN_PIXELS` is common to all frames, those that share least with the reference are left out, one after the other.
        Windows are of one size, an even number of rows and columns, each around the same point of the scene; for them further frames may
        be left out.
    """
    inside = np.zeros((len(homographies), *shape), bool)
    inner = np.s_[border : shape[0] - border, border : shape[1] - border]
    for index, homography in enumerate(homographies):
        support = find_support(truth_shape, homography, scale=scale, shape=shape)
        inside[index][inner] = (support if clear is None else support & clear[index])[inner]
    seen = np.stack([_warp(mask, np.linalg.inv(h)) for mask, h in zip(inside, homographies, strict=True)])
    base = seen[reference_index]
    shares = (seen & base).sum(axis=(1, 2)) / max(int(base.sum()), 1)
    # The reference shares all with itself: it is first, and the last to go.
    judged = [index for index in np.argsort(-shares, kind="stable").tolist() if shares[index] >= MIN_SHARE]
    pixels: dict[int, NDArray[np.bool_]] = {}
    while judged and not pixels:
        common: NDArray[np.bool_] = np.logical_and.reduce(seen[judged])
        pixels = {index: _warp(common, homographies[index]) & inside[index] for index in judged}
        if min(int(mask.sum()) for mask in pixels.values()) < MIN_PIXELS:
            pixels.clear()
            judged.pop()
    windows = _find_windows(seen, inside, homographies, judged)
    regions = {index: Region(mask, windows.get(index)) for index, mask in pixels.items()}
    return tuple(regions.get(index) for index in range(len(homographies)))


def _find_windows(
    seen: NDArray[np.bool_],
    inside: NDArray[np.bool_],
    homographies: NDArray[np.float64],
    judged: Sequence[int],
) -> dict[int, Window]:
    """Windows around one point of the scene for the frames that share most, as many as have one in common."""
    for number in range(len(judged), 0, -1):
        rectangle = np.zeros(seen.shape[1:], bool)
        common: NDArray[np.bool_] = np.logical_and.reduce(seen[judged[:number]])
        rectangle[find_inner_rectangle(common)] = True
        found = {
            index: find_inner_rectangle(_warp(rectangle, homographies[index]) & inside[index])
            for index in judged[:number]
        }
        if (windows := _equalise(found)) is not None:
            return windows
    return {}


def enlarge(window: Window, factor: float) -> Window:
    """The window in the pixels of an image of another scale, of which only those count that it covers whole."""
    rows, columns = (slice(int(np.ceil(side.start * factor)), int(side.stop * factor)) for side in window)
    return rows, columns


def _warp(mask: NDArray[np.bool_], homography: NDArray[np.float64]) -> NDArray[np.bool_]:
    """A mask taken along a homography, True where all that it is interpolated from is."""
    size = (mask.shape[1], mask.shape[0])
    moved = cv2.warpAffine(mask.astype(np.float32), homography[:2], size, flags=cv2.INTER_LINEAR)
    return np.asarray(moved) > 1 - 1e-3


def _equalise(found: dict[int, Window]) -> dict[int, Window] | None:
    """Windows of the largest size that fits into all, each in the middle of its own; None if that is too small."""
    height, width = (
        min(window[axis].stop - window[axis].start for window in found.values()) // 2 * 2 for axis in (0, 1)
    )
    if height * width < MIN_PIXELS or min(height, width) < MIN_SIDE:
        return None
    return {index: (_centre(rows, height), _centre(columns, width)) for index, (rows, columns) in found.items()}


def _centre(side: slice, length: int) -> slice:
    start = side.start + (side.stop - side.start - length) // 2
    return slice(start, start + length)
