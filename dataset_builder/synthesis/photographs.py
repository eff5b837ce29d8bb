"""Photographs to synthesise bursts from."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from dataset_builder.camera.color import UINT16_MAX, decode_srgb_codes
from dataset_builder.decoding.file_kinds import FileKind, is_picture, recognise
from dataset_builder.decoding.images import read_image
from dataset_builder.decoding.natural_order import natural_key
from dataset_builder.decoding.raw import read_raw
from dataset_builder.decoding.source_files import require_file
from dataset_builder.errors import ChangedSourceError, UnreadableImageError
from manifests.confined.plain import hash_plain
from restorers.imaging.mosaic import average_cells

_ZURICH_FOLDERS = ("train", "test")
_ZURICH_PHOTOGRAPHS = "canon"


def list_photographs(root: Path) -> list[str]:
    """Photographs below a folder, as POSIX paths relative to it, in natural order; hidden files and folders are passed over.

    They are known by their suffix, else by their content.

    Of the Zurich RAW-to-RGB data set (Ignatov et al., CVPRW 2020) only the camera's photographs count, `train/canon` and `test/canon`:
    beside them lie phone mosaics stored as PNG.
    """
    zurich = [root / part / _ZURICH_PHOTOGRAPHS for part in _ZURICH_FOLDERS]
    folders = [folder for folder in zurich if folder.is_dir()] or [root]
    below = ((path, path.relative_to(root)) for folder in folders for path in folder.rglob("*"))
    shown = ((path, name) for path, name in below if not any(part.startswith(".") for part in name.parts))
    return sorted((name.as_posix() for path, name in shown if is_picture(path)), key=natural_key)


def read_photograph(path: Path, *, shorter_side: int | None) -> NDArray[np.uint16]:
    """Decode a photograph to linear sRGB, reduced in linear light.

    Colours are read as `dataset_builder.decoding.images.read_image` reads them; of a camera's RAW file each 2 x 2 pixels become one.

    Args:
        path: the file.
        shorter_side: px; the photograph is averaged over blocks of the largest whole factor that leaves its shorter side no
            shorter. None keeps its size.

    Returns:
        uint16 codes [H, W, 3], 65535 = 1.

    Raises:
        SourceError: if it cannot be read.
    """
    require_file(path)
    linear = (
        read_raw_photograph(path) if recognise(path) is FileKind.RAW else decode_srgb_codes(read_image(path).pixels)
    )
    factor = 1 if shorter_side is None else max(1, min(linear.shape[:2]) // shorter_side)
    if factor == 1:
        return linear
    height, width = linear.shape[0] // factor, linear.shape[1] // factor
    whole = linear[: height * factor, : width * factor]
    return cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA).astype(np.uint16, copy=False)


def read_hashed_photograph(path: Path, *, shorter_side: int | None, sha256: str) -> NDArray[np.uint16]:
    """As `read_photograph`, of a file that still is what it was when it was hashed.

    Raises:
        ChangedSourceError: if it is not.
        SourceError: if it cannot be read.
    """
    linear = read_photograph(path, shorter_side=shorter_side)
    if hash_plain(path) != sha256:
        raise ChangedSourceError(f"{path}: was replaced while it was read; run the same command again")
    return linear


def read_raw_photograph(path: Path) -> NDArray[np.uint16]:
    """Decode a Bayer RAW file to linear sRGB at half its size, upright.

    Each cell of the colour filter array becomes one pixel, every colour interpolated to its centre: what bilinear demosaicking followed by
    averaging 2 x 2 pixels gives red and blue. The camera's own white balance and matrix lead to sRGB primaries.

    Returns:
        uint16 codes [H/2, W/2, 3], 65535 = 1, the saturation of the channel that saturates first after white balance.

    Raises:
        SourceError: as `dataset_builder.decoding.raw.read_raw`.
        UnreadableImageError: if it has no colour matrix or white balance.
    """
    frame = read_raw(path)
    sensor, codes = frame.sensor, frame.pixels
    if sensor.cfa is None or sensor.white_balance is None or sensor.color_matrix is None:
        raise UnreadableImageError(f"{path}: no usable white balance or colour matrix; convert it to 16-bit TIFF")
    centred = np.empty(codes.shape)
    for row, column in np.ndindex(2, 2):
        centred[row::2, column::2] = _centre(codes[row::2, column::2], row, column)
    linear = average_cells((centred - sensor.black_level) / (sensor.white_level - sensor.black_level), sensor.cfa)
    gains = np.asarray(sensor.white_balance)
    # White balance lets the strongest channel saturate at 1; above it hue is lost, so all channels end there.
    balanced = np.minimum(linear * (gains / gains.min()), 1)
    matrix = np.reshape(sensor.color_matrix, (3, 3)) * UINT16_MAX
    return np.rint(cv2.transform(balanced, matrix)).clip(0, UINT16_MAX).astype(np.uint16)


def _centre(plane: NDArray[np.uint8] | NDArray[np.uint16], row: int, column: int) -> NDArray[np.float64]:
    """Interpolate a site of the colour filter array to the centres of its cells; exact, since codes and weights are small integers."""
    ahead, behind = np.array([0, 3, 1]), np.array([1, 3, 0])
    kernel = np.multiply.outer(behind if row else ahead, behind if column else ahead).astype(np.float64)
    summed = cv2.filter2D(plane, cv2.CV_64F, kernel, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(summed, np.float64) / 16
