"""Where frames are compared on their own grids: windows of one size, around the same part of the scene.

What a frame is worth alone, or as the reference, is measured on the grid of that frame. Would each be measured over all that it shares with
the truth, then one would be judged by the sky and the next by a fence. So all frames of a burst are judged over what all of them show: the
part that the truth covers in every frame, clear of borders, and clear of whatever moves on its own in any of them, the reference too.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from dataset_builder.labeling.rectangle import find_inner_rectangle
from dataset_builder.labeling.truth import find_support

MIN_PIXELS = 256
"""Smallest window."""
MIN_SIDE = 12
"""Its smallest side: SSIM needs 11 px."""
MIN_SHARE = 0.5
"""Frames that show less than this share of what the reference shows are not judged, and do not make the window of others smaller."""

Window = tuple[slice, slice]


def find_windows(
    homographies: NDArray[np.float64],
    *,
    shape: tuple[int, int],
    truth_shape: tuple[int, int],
    scale: int,
    reference_index: int,
    border: int,
    clear: NDArray[np.bool_] | None = None,
) -> tuple[Window | None, ...]:
    """The window of each frame, in its own pixels; None for frames that show too little of what the others show.

    Args:
        homographies: float64 [T, 3, 3], reference to frame pixel, affine.
        shape: rows and columns of a frame.
        truth_shape: rows and columns of the truth.
        scale: truth pixels per frame pixel.
        reference_index: the reference.
        border: pixels of a frame that do not count, along each side.
        clear: bool [T, H, W], False where a frame shows what moves on its own; None for everywhere True.

    Returns:
        Rows and columns of all windows are equally many, an even number. Where no window of `MIN_PIXELS` is common to all frames, those
        that share least with the reference are left out, one after the other.
    """
    inside = np.zeros((len(homographies), *shape), bool)
    inner = np.s_[border : shape[0] - border, border : shape[1] - border]
    for index, homography in enumerate(homographies):
        support = find_support(truth_shape, homography, scale=scale, shape=shape)
        inside[index][inner] = (support if clear is None else support & clear[index])[inner]
    seen = np.stack([_warp(mask, np.linalg.inv(h)) for mask, h in zip(inside, homographies, strict=True)])
    base = seen[reference_index]
    shares = (seen & base).sum(axis=(1, 2)) / max(int(base.sum()), 1)
    judged = [index for index in np.argsort(-shares, kind="stable").tolist() if shares[index] >= MIN_SHARE]
    while judged:
        # The reference shares all with itself: it is first, and the last to go.
        rectangle = np.zeros(shape, bool)
        common: NDArray[np.bool_] = np.logical_and.reduce(seen[judged])
        rectangle[find_inner_rectangle(common)] = True
        found = {index: find_inner_rectangle(_warp(rectangle, homographies[index]) & inside[index]) for index in judged}
        windows = _equalise(found)
        if windows is not None:
            return tuple(windows.get(index) for index in range(len(homographies)))
        judged.pop()
    return (None,) * len(homographies)


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
