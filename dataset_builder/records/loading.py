"""A data set's rows and files as the types that restorers take."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from manifests.confined.reading import read_files
from manifests.images.listing import require_digest
from manifests.images.pixels import UINT16_MAX, decode_pixels, to_linear
from restorers import CFA, Burst, Domain

Row = Mapping[str, Any]


def load_burst(root: Path, burst: Row, frames: Sequence[Row]) -> Burst:
    """Read the pixels of a burst and put what the manifest knows beside them; the true motion is left out.

    Args:
        root: the data set.
        burst: row of `bursts`.
        frames: its rows of `frames`, in order.

    Raises:
        ManifestError: if a file is missing, unreadable, or not that which its table names.
        InvalidBurstError: if the rows contradict the pixels.
    """
    stored = _read_checked(root, [(frame["path"], frame["sha256"]) for frame in frames])
    return assemble_burst(burst, frames, stored)


def assemble_burst(burst: Row, frames: Sequence[Row], stored: Iterable[NDArray[Any]]) -> Burst:
    """As `load_burst`, from the stored values of the frames, in order."""
    levels = {"black_level": burst["black_level"], "white_level": burst["white_level"]}
    pixels = [
        to_linear(values, **levels, orientation=frame["orientation"])
        for values, frame in zip(stored, frames, strict=True)
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
        ManifestError: if the file is missing, unreadable, or not that which its table names.
    """
    white = UINT16_MAX / burst["ground_truth_white"]
    (stored,) = _read_checked(root, [(burst["ground_truth_path"], burst["ground_truth_sha256"])])
    return to_linear(stored, black_level=0, white_level=white)


def load_masks(root: Path, burst: Row, frames: Sequence[Row]) -> NDArray[np.bool_]:
    """bool [T, H, W], False where a frame shows an object that moves on its own, whose truth on the grid of that frame nobody knows.

    A blocked lens is no such object: what it hides is the frame's loss.

    Raises:
        ManifestError: if a file is missing, unreadable, or not that which its table names.
    """
    clear = np.ones((len(frames), burst["height"], burst["width"]), bool)
    masked = [index for index, frame in enumerate(frames) if frame["mask_path"] and frame["outlier"] != "blocked"]
    files = [(frames[index]["mask_path"], frames[index]["mask_sha256"]) for index in masked]
    for index, mask in zip(masked, _read_checked(root, files), strict=True):
        clear[index] = mask == 0
    return clear


def load_homographies(frames: Sequence[Row]) -> NDArray[np.float64] | None:
    """float64 [T, 3, 3], reference to frame pixel; None unless known for all frames."""
    rows = [frame["homography"] for frame in frames]
    return None if None in rows else np.reshape(rows, (-1, 3, 3)).astype(np.float64)


def _read_checked(root: Path, files: Sequence[tuple[str, str]]) -> Iterator[NDArray[Any]]:
    """Stored values of images, each of which must have its SHA-256: what is computed from them is kept under it."""
    for (path, sha256), data in zip(files, read_files(root, [path for path, _ in files]), strict=True):
        require_digest(data, sha256, root / path)
        yield decode_pixels(data, root / path)
