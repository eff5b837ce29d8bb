"""Image files of a data set: writing 16-bit PNG, reading any stored frame as float32 with its range known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from manifests.confined.reading import read_file
from manifests.confined.writing import write_file
from manifests.errors import ImageFileError
from manifests.images.headers import require_decodable
from manifests.schema.words import MOST_PIXELS

UINT16_MAX = 65535
_PNG_OPTIONS = (cv2.IMWRITE_PNG_COMPRESSION, 1)


def encode_png(image: NDArray[np.uint8] | NDArray[np.uint16]) -> bytes:
    """Encode [H, W] or RGB [H, W, 3], 8 or 16 bit, losslessly."""
    done, data = cv2.imencode(".png", _swap_red_blue(image), _PNG_OPTIONS)
    if not done:
        raise ImageFileError(f"cannot encode an image of shape {image.shape} and type {image.dtype} as PNG")
    return data.tobytes()


def write_png(root: Path, path: str, image: NDArray[np.uint8] | NDArray[np.uint16]) -> bytes:
    """Write a PNG below a folder atomically, and return its bytes."""
    data = encode_png(image)
    write_file(root, path, data)
    return data


def quantise(image: NDArray[np.floating[Any]]) -> NDArray[np.uint16]:
    """[0, 1] to 0..65535, rounded to nearest even, clipped."""
    codes: NDArray[np.uint16] = np.rint(np.clip(image, 0, 1) * UINT16_MAX).astype(np.uint16)
    return codes


def read_pixels(root: Path, path: str) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Read the stored values of an image file: [H, W] or RGB [H, W, 3], 8 or 16 bit, EXIF orientation not applied.

    Args:
        root: the data set.
        path: path of the file in it.

    Raises:
        ImageFileError: if there is no such file or it is no image.
        UnsafePathError: if it is no plain file, or the way there goes through a link.
    """
    return decode_pixels(read_image_file(root, path), root / path)


def read_image_file(root: Path, path: str) -> bytes:
    """The bytes of an image file; raises as `read_pixels`."""
    try:
        return read_file(root, path)
    except OSError as error:
        raise ImageFileError(
            f"{root / path}: cannot be read ({error.strerror}); restore it or build the data set again"
        ) from error


def decode_pixels(data: bytes, path: Path | str, *, most: int = MOST_PIXELS) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Decode the bytes of an image file, as `read_pixels` does; `path` names them in the error.

    Raises:
        ImageFileError: if they are no grey or RGB image of 8 or 16 bit, or have more than `most` pixels.
    """
    require_decodable(data, str(path), most=most)
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:  # no bytes at all, or more pixels than OpenCV allows
        pixels = None
    if pixels is None or pixels.dtype not in (np.uint8, np.uint16) or pixels.shape[2:] not in ((), (3,)):
        raise ImageFileError(f"{path}: cannot be read as a grey or RGB image of 8 or 16 bit; restore it or build again")
    return _swap_red_blue(pixels)


def read_linear(
    root: Path, path: str, *, black_level: float, white_level: float, orientation: int = 1, most: int = MOST_PIXELS
) -> NDArray[np.float32]:
    """Read a stored frame as float32 where `black_level` is 0 and `white_level` is 1; nothing is clipped.

    Args:
        root: the data set.
        path: path of the file in it.
        black_level: stored value that means 0.
        white_level: stored value that means 1.
        orientation: EXIF orientation to apply.
        most: pixels that the file may have.

    Raises:
        ManifestError: as `read_pixels`.
    """
    pixels = decode_pixels(read_image_file(root, path), root / path, most=most)
    return to_linear(pixels, black_level=black_level, white_level=white_level, orientation=orientation)


def to_linear(
    pixels: NDArray[Any], *, black_level: float, white_level: float, orientation: int = 1
) -> NDArray[np.float32]:
    """Stored values as `read_linear` gives them."""
    image = apply_orientation(pixels, orientation).astype(np.float32)
    image -= np.float32(black_level)
    image *= np.float32(1.0 / (white_level - black_level))
    return image


def apply_orientation(image: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Turn [H, W, ...] upright as EXIF orientation 1..8 says (TIFF 6.0, tag 274)."""
    if orientation in (5, 6, 7, 8):
        image = image.swapaxes(0, 1)
    flip_rows, flip_columns = orientation in (3, 4, 7, 8), orientation in (2, 3, 6, 7)
    return np.ascontiguousarray(image[:: -1 if flip_rows else 1, :: -1 if flip_columns else 1])


def _swap_red_blue(image: NDArray[Any]) -> NDArray[Any]:
    """OpenCV stores BGR; everything outside this module is RGB."""
    return image if image.ndim == 2 else np.ascontiguousarray(image[..., ::-1])
