"""Photographs to synthesise bursts from."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from dataset_builder.camera.color import decode_srgb
from dataset_builder.decoding.images import IMAGE_SUFFIXES, natural_key, read_image
from dataset_builder.decoding.raw import RAW_SUFFIXES
from dataset_builder.ingest.raw_photograph import read_raw_photograph

_ZURICH_FOLDERS = ("train", "test")
_ZURICH_PHOTOGRAPHS = "canon"


def list_photographs(root: Path) -> list[str]:
    """Photographs below a folder, as POSIX paths relative to it, in natural order; hidden files and folders are passed over.

    Of the Zurich RAW-to-RGB data set (Ignatov et al., CVPRW 2020) only the camera's photographs count, `train/canon` and `test/canon`:
    beside them lie phone mosaics stored as PNG.
    """
    zurich = [root / part / _ZURICH_PHOTOGRAPHS for part in _ZURICH_FOLDERS]
    folders = [folder for folder in zurich if folder.is_dir()] or [root]
    suffixes = IMAGE_SUFFIXES | RAW_SUFFIXES
    found = (
        path.relative_to(root)
        for folder in folders
        for path in folder.rglob("*")
        if path.suffix.lower() in suffixes and path.is_file()
    )
    return sorted(
        (path.as_posix() for path in found if not any(part.startswith(".") for part in path.parts)), key=natural_key
    )


def read_photograph(path: Path, *, shorter_side: int | None) -> NDArray[np.uint16]:
    """Decode a photograph to linear sRGB, reduced in linear light.

    Grey images become three equal channels, CMYK is converted, alpha is dropped; of a camera's RAW file each 2 x 2 pixels become one.

    Args:
        path: the file.
        shorter_side: px; the photograph is averaged over blocks of the largest whole factor that leaves its shorter side no
            shorter. None keeps its size.

    Returns:
        uint16 codes [H, W, 3], 65535 = 1.

    Raises:
        SourceError: if it cannot be read.
    """
    linear = read_raw_photograph(path) if path.suffix.lower() in RAW_SUFFIXES else decode_srgb(read_image(path).pixels)
    factor = 1 if shorter_side is None else max(1, min(linear.shape[:2]) // shorter_side)
    if factor == 1:
        return linear
    height, width = linear.shape[0] // factor, linear.shape[1] // factor
    whole = linear[: height * factor, : width * factor]
    return cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA).astype(np.uint16, copy=False)
