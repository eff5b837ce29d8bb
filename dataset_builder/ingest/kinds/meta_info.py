"""Facts in `meta_info.pkl` of BurstSR and SyntheticBurst; what makes no sense is unknown."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataset_builder.decoding.exif import CaptureFacts, build_facts
from dataset_builder.decoding.unpickle import ExifRatio, ExifTag, read_pickle
from dataset_builder.errors import UnreadableImageError

_EXIF_NAMES = {
    "EXIF ExposureTime": 0x829A,
    "Image ExposureTime": 0x829A,
    "EXIF FNumber": 0x829D,
    "Image FNumber": 0x829D,
    "EXIF ISOSpeedRatings": 0x8827,
    "Image ISOSpeedRatings": 0x8827,
    "EXIF DateTimeOriginal": 0x9003,
    "Image DateTimeOriginal": 0x9003,
    "EXIF SubSecTimeOriginal": 0x9291,
    "EXIF OffsetTimeOriginal": 0x9011,
    "EXIF DateTimeDigitized": 0x9004,
    "EXIF SubSecTimeDigitized": 0x9292,
    "EXIF OffsetTimeDigitized": 0x9012,
    "Image DateTime": 0x0132,
    "EXIF SubSecTime": 0x9290,
    "EXIF OffsetTime": 0x9010,
    "EXIF SensitivityType": 0x8830,
    "EXIF StandardOutputSensitivity": 0x8831,
    "EXIF RecommendedExposureIndex": 0x8832,
    "EXIF ISOSpeed": 0x8833,
}


def read_mapping(path: Path) -> Mapping[str, Any]:
    """A pickled dict with text for keys.

    Raises:
        SourceError: as `read_pickle`, or if it holds something else.
    """
    found = read_pickle(path)
    if not isinstance(found, dict) or not all(isinstance(key, str) for key in found):
        raise UnreadableImageError(f"{path}: expected a dict of metadata, got {type(found).__name__}; copy it again")
    return found


def read_array(value: Any, shape: tuple[int, ...]) -> NDArray[np.float64] | None:
    """Numbers of a shape; None where there is something else."""
    try:
        array = np.array(value, np.float64)
    except (TypeError, ValueError):
        return None
    return array.reshape(shape) if array.size == np.prod(shape) and np.isfinite(array).all() else None


def read_number(meta: Mapping[str, Any], name: str) -> float | None:
    """A number that is not negative; None where there is none."""
    array = read_array(meta.get(name), (1,))
    return None if array is None or array[0] < 0 else float(array[0])


def read_gains(meta: Mapping[str, Any]) -> tuple[float, float, float] | None:
    """White balance from `rgb_gain`, `red_gain` and `blue_gain`, as the generator of SyntheticBurst draws them."""
    overall, red, blue = (read_number(meta, name) for name in ("rgb_gain", "red_gain", "blue_gain"))
    return (overall * red, overall, overall * blue) if overall and red and blue else None


def read_matrix(value: Any) -> tuple[float, ...] | None:
    """A colour matrix by rows; None unless it has an inverse."""
    matrix = read_array(value, (3, 3))
    if matrix is None or np.linalg.cond(matrix) > 1e4:
        return None
    return tuple(float(number) for number in matrix.ravel())


def read_noise_profile(value: Any) -> tuple[float | None, float | None]:
    """Slope and offset of the variance, mean over the planes, from DNG tag 51041 as exifread wrote it; None if it makes no sense."""
    tag = value.get("Image Tag 0xC761") if isinstance(value, dict) else None
    if not isinstance(tag, ExifTag) or not isinstance(tag.values, list | tuple):
        return None, None
    numbers = [entry[0] if isinstance(entry, list | tuple) and entry else entry for entry in tag.values]
    profile = read_array([float(n) if isinstance(n, ExifRatio) else n for n in numbers], (len(numbers),))
    if profile is None or not len(profile) or len(profile) % 2 or (profile < 0).any() or (profile > 1).any():
        return None, None
    return float(profile[0::2].mean()), float(profile[1::2].mean())


def read_exif_values(value: Any) -> CaptureFacts:
    """Facts of what exifread wrote."""
    if not isinstance(value, dict):
        return CaptureFacts()
    found: dict[int, Any] = {}
    for name, tag in value.items():
        if name in _EXIF_NAMES and isinstance(tag, ExifTag):
            first = tag.values[0] if isinstance(tag.values, list) and tag.values else tag.values
            found.setdefault(_EXIF_NAMES[name], float(first) if isinstance(first, ExifRatio) else first)
    return build_facts(found)
