"""Photographs to synthesise bursts from."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from dataset_builder.camera.color import decode_srgb
from dataset_builder.ingest.images import IMAGE_SUFFIXES, natural_key, read_image


def list_photographs(root: Path) -> list[str]:
    """Image files below a folder, as POSIX paths relative to it, in natural order; hidden files and folders are passed over."""
    found = (
        path.relative_to(root) for path in root.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file()
    )
    return sorted(
        (path.as_posix() for path in found if not any(part.startswith(".") for part in path.parts)), key=natural_key
    )


def read_photograph(path: Path, *, shorter_side: int | None) -> NDArray[np.float32]:
    """Decode a photograph to linear sRGB, reduced in linear light.

    Args:
        path: the file.
        shorter_side: px; the photograph is averaged over blocks of the largest whole factor that leaves its shorter side no
            shorter. None keeps its size.

    Returns:
        float32 [H, W, 3] in [0, 1].

    Raises:
        SourceError: if it cannot be read.
    """
    linear = decode_srgb(read_image(path).pixels)
    factor = 1 if shorter_side is None else max(1, min(linear.shape[:2]) // shorter_side)
    if factor == 1:
        return linear
    height, width = linear.shape[0] // factor, linear.shape[1] // factor
    whole = linear[: height * factor, : width * factor]
    return cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA).astype(np.float32, copy=False)
