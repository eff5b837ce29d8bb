"""A data set's rows and files as the types that restorers take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from manifests.confined.reading import read_files
from manifests.images.pixels import UINT16_MAX, decode_pixels, read_linear, read_pixels, to_linear
from restorers import CFA, Burst, Domain

Row = Mapping[str, Any]


def load_burst(root: Path, burst: Row, frames: Sequence[Row]) -> Burst:
    """Read the pixels of a burst and put what the manifest knows beside them; the true motion is left out.

    Args:
        root: the data set.
        burst: row of `bursts`.
        frames: its rows of `frames`, in order.

    Raises:
        ManifestError: if a file is missing or unreadable.
        InvalidBurstError: if the rows contradict the pixels.
    """
    levels = {"black_level": burst["black_level"], "white_level": burst["white_level"]}
    paths = [frame["path"] for frame in frames]
    pixels = [
        to_linear(decode_pixels(data, root / frame["path"]), **levels, orientation=frame["orientation"])
        for data, frame in zip(read_files(root, paths), frames, strict=True)
    ]
    # The noise of the sensor is not that of a developed picture.
    columns = ("exposure_ratio",) if burst["domain"] == Domain.SRGB else ("shot_noise", "read_noise", "exposure_ratio")
    known: dict[str, Any] = {
        name: np.array(values, np.float64)
        for name in columns
        if None not in (values := [frame[name] for frame in frames])
    }
    if burst["white_balance"] is not None:
        known["white_balance"] = np.array(burst["white_balance"])
    if burst["color_matrix"] is not None:
        known["color_matrix"] = np.reshape(burst["color_matrix"], (3, 3))
    return Burst(
        frames=np.stack(pixels),
        reference_index=burst["reference_index"],
        domain=Domain(burst["domain"]),
        cfa=CFA(burst["cfa"]) if burst["cfa"] else None,
        black_level=burst["black_level"],
        white_level=burst["white_level"],
        timestamps=np.array([np.nan if frame["timestamp"] is None else frame["timestamp"] for frame in frames]),
        **known,
    )


def load_truth(root: Path, burst: Row) -> NDArray[np.float32]:
    """Read the ground truth: float32 [H·scale, W·scale, 3], linear light, camera RGB or, where the domain is srgb, sRGB primaries.

    1 is white in the reference; values go up to `ground_truth_white`.

    Raises:
        ManifestError: if the file is missing or unreadable.
    """
    white = UINT16_MAX / burst["ground_truth_white"]
    return read_linear(root, burst["ground_truth_path"], black_level=0, white_level=white)


def load_masks(root: Path, burst: Row, frames: Sequence[Row]) -> NDArray[np.bool_]:
    """bool [T, H, W], False where a frame shows an object that moves on its own, whose truth on the grid of that frame nobody knows.

    A blocked lens is no such object: what it hides is the frame's loss.

    Raises:
        ManifestError: if a file is missing or unreadable.
    """
    clear = np.ones((len(frames), burst["height"], burst["width"]), bool)
    for shown, frame in zip(clear, frames, strict=True):
        if frame["mask_path"] and frame["outlier"] != "blocked":
            shown[:] = read_pixels(root, frame["mask_path"]) == 0
    return clear


def load_homographies(frames: Sequence[Row]) -> NDArray[np.float64] | None:
    """float64 [T, 3, 3], reference to frame pixel; None unless known for all frames."""
    rows = [frame["homography"] for frame in frames]
    return None if None in rows else np.reshape(rows, (-1, 3, 3)).astype(np.float64)
