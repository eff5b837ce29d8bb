"""Mosaics that were stored as four planes, one for each pixel of the colour filter array's cell."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dataset_builder.errors import MissingSourceError, UnreadableImageError
from dataset_builder.ingest.images import explain, require_file, require_size

_MAX_BYTES = 500_000_000


def read_planes(path: Path, channels: int) -> NDArray[np.uint16]:
    """Read a 16-bit PNG of several channels as its numbers are stored: channel 0 is the first in the file.

    Args:
        path: of the file.
        channels: expected, 3 or 4.

    Returns:
        uint16 [h, w, channels].

    Raises:
        MissingSourceError: if there is no such file.
        UnreadableImageError: if it is damaged or of another form.
    """
    import cv2  # noqa: PLC0415
    from PIL import Image  # noqa: PLC0415

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
    # OpenCV swaps red and blue; the rest stays in place.
    order = [2, 1, 0, 3][:channels]
    return np.ascontiguousarray(pixels[..., order])


def unpack_mosaic(planes: NDArray[np.uint16]) -> NDArray[np.uint16]:
    """[h, w, 4] to the mosaic [2h, 2w]: the planes are the pixels (0, 0), (0, 1), (1, 0), (1, 1) of each cell."""
    height, width = planes.shape[:2]
    return np.ascontiguousarray(planes.reshape(height, width, 2, 2).transpose(0, 2, 1, 3).reshape(2 * height, 2 * width))


def level_planes(planes: NDArray[np.uint16], blacks: NDArray[np.float64], white: float) -> tuple[NDArray[np.uint16], float, float]:
    """Shift planes of different black levels to the highest of them, and end them where the first saturates.

    Args:
        planes: uint16 [h, w, C].
        blacks: float64 [C].
        white: level of all planes before the shift.

    Returns:
        uint16 [h, w, C], the black level and the white level that now hold for all.
    """
    black = float(blacks.max())
    offsets = np.rint(black - blacks).astype(np.int32)
    # The plane with the smallest shift saturates first.
    top = int(min(white + offsets.min(), 65535))
    levelled = np.minimum(planes.astype(np.int32) + offsets, top)
    return levelled.astype(np.uint16), black, float(top)


def list_files(folder: Path, pattern: str) -> list[str]:
    """Names in a folder that match a pattern, sorted.

    Raises:
        MissingSourceError: if there is no such folder or no such file.
    """
    found = sorted(path.name for path in folder.glob(pattern)) if folder.is_dir() else []
    if not found:
        raise MissingSourceError(f"{folder}: no {pattern} there; complete the data set")
    return found
