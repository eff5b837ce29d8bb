"""A camera's RAW file as a clean linear photograph."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from dataset_builder.camera.color import SRGB_TO_XYZ, UINT16_MAX
from dataset_builder.errors import MissingSourceError, UnreadableImageError
from dataset_builder.ingest.images import require_size
from restorers import CFA

RAW_SUFFIXES = frozenset({".dng"})


def read_raw(path: Path) -> NDArray[np.uint16]:
    """Decode a Bayer RAW file to linear sRGB at half its size.

    Each cell of the colour filter array becomes one pixel, every colour interpolated to its centre: what bilinear demosaicking followed by
    averaging 2 x 2 pixels gives red and blue. The camera's own white balance and matrix lead to sRGB primaries.

    Returns:
        uint16 codes [H/2, W/2, 3], 65535 = 1, the saturation of the channel that saturates first after white balance.

    Raises:
        MissingSourceError: if there is no such file, or rawpy is not installed.
        UnreadableImageError: if it is damaged, not of a Bayer sensor, too large, or without a colour matrix.
    """
    if not path.is_file():
        raise MissingSourceError(f"{path}: no such file")
    try:
        import rawpy
    except ImportError as error:
        raise MissingSourceError(f"{path}: RAW files need rawpy; pip install 'buiqa-toolkit[raw]'") from error
    try:
        with rawpy.imread(str(path)) as raw:
            pattern, codes = raw.raw_pattern, raw.raw_image_visible
            if pattern is None or pattern.shape != (2, 2) or codes.ndim != 2:
                raise UnreadableImageError(
                    f"{path}: expected a Bayer mosaic, got another layout; convert it to 16-bit TIFF"
                )
            require_size(path, codes.shape[1], codes.shape[0])
            cfa = _read_pattern(path, pattern, raw.color_desc.decode("ascii", "replace"))
            black = np.asarray(raw.black_level_per_channel, np.float64)[pattern]
            white = float(raw.white_level)
            gains = np.asarray(raw.camera_whitebalance or raw.daylight_whitebalance, np.float64)[:3]
            xyz_to_camera = np.asarray(raw.rgb_xyz_matrix, np.float64)[:3]
            half = codes.shape[0] // 2, codes.shape[1] // 2
            linear = np.zeros((*half, 3))
            for (row, column), channel in zip(np.ndindex(2, 2), cfa.channels, strict=True):
                plane = _centre(codes[row::2, column::2][: half[0], : half[1]], row, column)
                level = black[row, column]
                linear[..., channel] += (plane - level) / (white - level) / cfa.channels.count(channel)
    except rawpy.LibRawError as error:
        raise UnreadableImageError(f"{path}: cannot be decoded as RAW ({error}); copy it again or remove it") from error
    if not (np.isfinite(gains).all() and (gains > 0).all() and np.linalg.matrix_rank(xyz_to_camera) == 3):
        raise UnreadableImageError(f"{path}: no usable white balance or colour matrix; convert it to 16-bit TIFF")
    camera = xyz_to_camera @ SRGB_TO_XYZ
    camera /= camera.sum(axis=1, keepdims=True)
    # White balance lets the strongest channel saturate at 1; above it hue is lost, so all channels end there.
    balanced = np.minimum(linear * (gains / gains.min()), 1)
    matrix = np.linalg.inv(camera) * UINT16_MAX
    return np.rint(cv2.transform(balanced, matrix)).clip(0, UINT16_MAX).astype(np.uint16)


def _centre(plane: NDArray[np.uint16], row: int, column: int) -> NDArray[np.float64]:
    """Interpolate a site of the colour filter array to the centres of its cells; exact, since codes and weights are small integers."""
    ahead, behind = np.array([0, 3, 1]), np.array([1, 3, 0])
    kernel = np.multiply.outer(behind if row else ahead, behind if column else ahead).astype(np.float64)
    summed = cv2.filter2D(plane, cv2.CV_64F, kernel, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(summed, np.float64) / 16


def _read_pattern(path: Path, pattern: NDArray[np.uint8], names: str) -> CFA:
    letters = "".join(names[index] for index in pattern.ravel())
    if letters not in CFA.__members__:
        raise UnreadableImageError(
            f"{path}: expected one of {', '.join(CFA)}, got {letters}; convert it to 16-bit TIFF"
        )
    return CFA(letters)
