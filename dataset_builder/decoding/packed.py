"""Mosaics that were stored as four planes, one for each pixel of the colour filter array's cell."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dataset_builder.decoding.pictures import explain, require_size
from dataset_builder.decoding.source_files import require_file
from dataset_builder.errors import MissingSourceError, UnreadableImageError


def read_planes(path: Path, channels: int) -> NDArray[np.uint16]:
    """Read a 16-bit PNG whose channels are planes, not colours, in the order in which OpenCV, which wrote them, reads them.

    Args:
        path: path of the file.
        channels: expected, 3 or 4.

    Returns:
        uint16 [h, w, channels].

    Raises:
        MissingSourceError: if there is no such file.
        UnreadableImageError: if it is damaged or of another form.
    """
    import cv2
    from PIL import Image

    require_file(path)
    try:
        with Image.open(path, formats=("PNG",)) as image:
            require_size(path, image.width, image.height)
            image.verify()  # checksums: OpenCV would return what it could read of a truncated file
        pixels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    except UnreadableImageError:
        raise
    except Exception as error:  # decoders raise anything on hostile files
        raise UnreadableImageError(f"{path}: cannot be decoded ({explain(error)}); copy it again") from error
    if pixels is None or pixels.dtype != np.uint16 or pixels.shape[2:] != (channels,):
        found = "nothing" if pixels is None else f"{pixels.dtype} of shape {list(pixels.shape)}"
        raise UnreadableImageError(f"{path}: expected a 16-bit PNG of {channels} channels, got {found}; copy it again")
    return pixels.astype(np.uint16, copy=False)


def unpack_mosaic(planes: NDArray[np.uint16]) -> NDArray[np.uint16]:
    """[h, w, 4] to the mosaic [2h, 2w]: the planes are the pixels (0, 0), (0, 1), (1, 0), (1, 1) of each cell."""
    height, width = planes.shape[:2]
    return np.ascontiguousarray(
        planes.reshape(height, width, 2, 2).transpose(0, 2, 1, 3).reshape(2 * height, 2 * width)
    )


def list_files(folder: Path, pattern: str) -> list[str]:
    """Names in a folder that match a pattern, sorted.

    Raises:
        MissingSourceError: if there is no such folder or no such file.
    """
    found = sorted(path.name for path in folder.glob(pattern)) if folder.is_dir() else []
    if not found:
        raise MissingSourceError(f"{folder}: no {pattern} there; complete the data set")
    return found
