"""A camera's RAW file (DNG, CR2, NEF, ARW, RAF, …) as a mosaic with all that it says of its sensor.

LibRaw, through rawpy, decodes; tifffile reads what LibRaw keeps to itself: EXIF time below a second, and the noise profile
(DNG specification 1.6, tag 51041).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataset_builder.camera.color import SRGB_TO_XYZ
from dataset_builder.decoding.exif import CaptureFacts, read_known_tags, read_tiff_tags
from dataset_builder.decoding.extras import MissingReaderError
from dataset_builder.decoding.frame import Frame, SensorFacts
from dataset_builder.decoding.images import explain, require_size
from dataset_builder.decoding.packed import level_mosaic
from dataset_builder.decoding.source_files import require_file
from dataset_builder.decoding.tiff import require_few_directories
from dataset_builder.errors import UnreadableImageError, UnsupportedSensorError
from manifests.images.pixels import apply_orientation
from restorers import CFA, Domain

_NOISE_PROFILE, _BLACK_LEVEL, _BLACK_REPEAT = 51041, 50714, 50713
_RATIONAL = 5
_MAX_CONDITION = 1e4
# LibRaw's `flip` as EXIF orientation.
_ORIENTATIONS = {0: 1, 3: 3, 5: 8, 6: 6}


def read_raw(path: Path) -> Frame:
    """Decode a RAW file of a Bayer sensor.

    The mosaic is that of the sensor's visible area, turned upright, an odd last row or column dropped. Where channels have their own
    black levels, they are shifted to the highest of them, so that one level holds for all; codes above the white level are saturated
    and end there.

    Raises:
        MissingSourceError: if there is no such file.
        MissingReaderError: if rawpy is not installed.
        UnsupportedSensorError: if the sensor is not of the Bayer kind.
        UnreadableImageError: if the file is damaged, too large, or contradicts itself.
    """
    require_file(path)
    try:
        import rawpy
    except ImportError as error:
        raise MissingReaderError(str(path), "rawpy", "raw") from error
    try:
        with rawpy.imread(str(path)) as raw:
            require_size(path, raw.sizes.raw_width, raw.sizes.raw_height)
            pattern = _read_pattern(path, raw)
            codes = np.array(raw.raw_image_visible)
            blacks = np.asarray(raw.black_level_per_channel, np.float64)[pattern.ravel()]
            white = _read_white_level(path, raw, blacks)
            orientation = _ORIENTATIONS.get(int(raw.sizes.flip), 1)
            colour_names = raw.color_desc.decode("ascii", "replace")
            gains = _read_gains(raw)
            matrix = _read_matrix(raw)
            facts = _read_shot(raw)
    except (UnreadableImageError, UnsupportedSensorError):
        raise
    except Exception as error:  # LibRaw's own errors, and whatever half-read files make of its arrays
        raise UnreadableImageError(
            f"{path}: cannot be decoded as RAW ({explain(error)}); copy it again or remove it"
        ) from error
    letters = np.array(list(colour_names))[pattern]
    codes = codes[: codes.shape[0] & ~1, : codes.shape[1] & ~1]
    facts, noise, exact = _read_tags(path, facts)
    # LibRaw cuts fractions off; the file's own levels count where they are the same but for that.
    if exact is not None and (np.floor(exact) == blacks).all():
        blacks = exact
    mosaic, black, white = level_mosaic(codes, blacks, white)
    cfa = CFA("".join(apply_orientation(letters, orientation).ravel()))
    sensor = SensorFacts(
        Domain.RAW_BAYER, cfa, black, white, gains, matrix, *(_mean_noise(noise) if noise else (None, None))
    )
    return Frame(apply_orientation(mosaic, orientation), replace(facts, orientation=1), sensor)


def _read_pattern(path: Path, raw: Any) -> NDArray[np.int64]:
    """Index of the colour of each pixel of the top-left cell, [2, 2]."""
    pattern, names = raw.raw_pattern, raw.color_desc.decode("ascii", "replace")
    if pattern is None or raw.raw_image_visible.ndim != 2:
        layers = raw.raw_image_visible.shape[2:] or (1,)
        raise UnsupportedSensorError(
            f"{path}: expected a Bayer mosaic, got {layers[0]} values per pixel without a colour filter array; "
            "develop it to JPEG, PNG or TIFF"
        )
    if pattern.shape != (2, 2):
        raise UnsupportedSensorError(
            f"{path}: expected a Bayer mosaic of 2 x 2 cells, got cells of {pattern.shape[1]} x {pattern.shape[0]} (X-Trans?); "
            "develop it to JPEG, PNG or TIFF"
        )
    visible = raw.raw_colors_visible
    if min(visible.shape) < 2:
        raise UnreadableImageError(
            f"{path}: {visible.shape[1]} x {visible.shape[0]} px hold no cell of 2 x 2; remove it"
        )
    cell = np.array(visible[:2, :2], np.int64)
    letters = "".join(names[index] for index in cell.ravel())
    if letters not in CFA.__members__:
        raise UnsupportedSensorError(
            f"{path}: expected a colour filter array of {', '.join(CFA)}, got {letters}; develop it to JPEG, PNG or TIFF"
        )
    return cell


def _read_white_level(path: Path, raw: Any, blacks: NDArray[np.float64]) -> float:
    white = float(raw.white_level)
    if not white > blacks.max():
        raise UnreadableImageError(
            f"{path}: expected a white level above the black level, got {white:g} and {blacks.max():g}; copy it again"
        )
    return white


def _read_gains(raw: Any) -> tuple[float, float, float] | None:
    """White balance as shot, else of daylight, with green 1; None if neither makes sense."""
    for gains in (raw.camera_whitebalance, raw.daylight_whitebalance):
        values = np.asarray(gains, np.float64)[:3]
        if np.isfinite(values).all() and (values > 0).all():
            red, green, blue = (float(value) for value in values)
            return red / green, 1.0, blue / green
    return None


def _read_matrix(raw: Any) -> tuple[float, ...] | None:
    """White-balanced camera RGB to linear sRGB: the file's, else from LibRaw's own XYZ to camera matrix; None if there is none."""
    matrix = np.asarray(raw.color_matrix, np.float64)[:3, :3]
    if (
        matrix.shape == (3, 3)
        and (np.abs(matrix.sum(axis=1) - 1) < 0.01).all()
        and np.linalg.cond(matrix) < _MAX_CONDITION
    ):
        return tuple(float(value) for value in (matrix / matrix.sum(axis=1, keepdims=True)).ravel())
    return invert_camera_matrix(np.asarray(raw.rgb_xyz_matrix, np.float64)[:3])


def invert_camera_matrix(xyz_to_camera: NDArray[np.float64]) -> tuple[float, ...] | None:
    """White-balanced camera RGB to linear sRGB, rows summing to 1, from XYZ (D65) to camera [3, 3]; None if it has no inverse."""
    if not np.isfinite(xyz_to_camera).all():
        return None
    camera = xyz_to_camera @ SRGB_TO_XYZ
    sums = camera.sum(axis=1, keepdims=True)
    if (np.abs(sums) < 1e-6).any() or np.linalg.cond(camera / sums) > _MAX_CONDITION:
        return None
    return tuple(float(value) for value in np.linalg.inv(camera / sums).ravel())


def _read_shot(raw: Any) -> CaptureFacts:
    """Exposure as LibRaw tells it, for files in which nothing else can find EXIF."""
    shot = raw.other

    def positive(name: str) -> float | None:
        value = float(getattr(shot, name, 0) or 0)
        return value if math.isfinite(value) and 0 < value < 1e9 else None

    moment = getattr(shot, "timestamp", None)
    seconds = moment.timestamp() if isinstance(moment, datetime) else float(moment or 0)
    # LibRaw reads the camera's clock as if it stood in this machine's zone; the same zone gives the clock back.
    taken = datetime.fromtimestamp(seconds).isoformat() if 0 < seconds < 1e11 else None  # noqa: DTZ006
    return CaptureFacts(1, taken, positive("shutter_speed"), positive("iso_speed"), positive("aperture"))


def _read_tags(path: Path, known: CaptureFacts) -> tuple[CaptureFacts, Sequence[float], NDArray[np.float64] | None]:
    """What TIFF tags add: EXIF, the noise profile as slope and offset for each plane, and exact black levels of the cell."""
    import tifffile

    noise: Sequence[float] = ()
    blacks: NDArray[np.float64] | None = None
    try:
        require_few_directories(path)
        with tifffile.TiffFile(path) as tiff:
            pages = [page for first in tiff.pages for page in (first, *(first.pages or ()))]
            tags = read_known_tags(pages[0].tags)
            for page in pages:
                if _NOISE_PROFILE in page.tags:
                    noise = tuple(float(value) for value in page.tags[_NOISE_PROFILE].value)
                if _BLACK_LEVEL in page.tags:
                    blacks = _read_blacks(page.tags)
        found = read_tiff_tags(tags)
    except Exception:  # noqa: BLE001  # not every RAW file is a TIFF, and metadata must not cost the pixels
        return known, (), None
    facts = {name: value for name in CaptureFacts.__dataclass_fields__ if (value := getattr(found, name)) is not None}
    return replace(known, **facts), noise, blacks


def _read_blacks(tags: Any) -> NDArray[np.float64] | None:
    """Black levels of a cell of 2 x 2 by rows, from rationals or integers; None for other cells."""
    values = np.atleast_1d(np.asarray(tags[_BLACK_LEVEL].value, np.float64))
    if tags[_BLACK_LEVEL].dtype == _RATIONAL:
        values = values[0::2] / values[1::2]
    cell = tags[_BLACK_REPEAT].value if _BLACK_REPEAT in tags else (1, 1)
    if len(values) == 1:
        return np.full(4, values[0])
    return values if tuple(cell) == (2, 2) and len(values) == 4 and np.isfinite(values).all() else None


def _mean_noise(profile: Sequence[float]) -> tuple[float | None, float | None]:
    """Slope and offset of the variance, mean over the planes; unknown unless all make sense."""
    values = np.asarray(profile, np.float64)
    if len(values) % 2 or not np.isfinite(values).all() or (values < 0).any() or (values > 1).any():
        return None, None
    return float(values[0::2].mean()), float(values[1::2].mean())
