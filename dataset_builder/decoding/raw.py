"""A camera's RAW file (DNG, CR2, NEF, ARW, RAF, …) as a mosaic with all that it says of its sensor.

LibRaw, through rawpy, decodes; what a DNG says of its levels, geometry, noise and shading is read from its own tags
(`dataset_builder.decoding.dng`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataset_builder.camera.color import SRGB_TO_XYZ
from dataset_builder.decoding.dng import DngTags, list_pages, read_dng_tags
from dataset_builder.decoding.exif import CaptureFacts, read_known_tags, read_tiff_tags
from dataset_builder.decoding.extras import MissingReaderError
from dataset_builder.decoding.frame import Frame, LensShading, SensorFacts
from dataset_builder.decoding.gain_maps import read_gain_maps, require_levels
from dataset_builder.decoding.levels import AS_STATED, Levels, level_mosaic, require_plausible
from dataset_builder.decoding.pictures import explain, named, require_size
from dataset_builder.decoding.source_files import require_file
from dataset_builder.decoding.tiff import require_few_directories
from dataset_builder.errors import UnreadableImageError, UnsupportedSensorError
from manifests.images.pixels import UINT16_MAX, apply_orientation, quantise
from restorers import CFA, Domain

_MAX_CONDITION = 1e4
# LibRaw's `flip`, of which the bits are mirror columns, mirror rows and transpose, as EXIF orientation.
_ORIENTATIONS = {0: 1, 1: 2, 2: 4, 3: 3, 4: 5, 5: 8, 6: 6, 7: 7}


@dataclass(frozen=True, eq=False)
class _Mosaic:
    """What LibRaw reads: the visible area, and where it begins.

    `blacks` are float64 [2, 2], of the pixels of its first cell.
    """

    codes: NDArray[Any]
    top: int
    left: int
    letters: NDArray[np.str_]
    blacks: NDArray[np.float64]
    white: float
    orientation: int
    gains: tuple[float, float, float] | None
    matrix: tuple[float, ...] | None
    facts: CaptureFacts


def read_raw(path: Path, levels: Levels = AS_STATED) -> Frame:
    """Decode a RAW file of a Bayer sensor.

    The mosaic is that of the sensor's visible area, turned upright, an odd last row or column dropped. Where pixels have their own
    black levels, they are shifted to the highest of them, so that one level holds for all; codes above the white level are saturated
    and end there. Floating-point samples become codes of which 65535 is their white level.

    Args:
        path: the file.
        levels: levels that are stated from outside.

    Raises:
        MissingSourceError: if there is no such file.
        MissingReaderError: if rawpy is not installed.
        UnsupportedSensorError: if the sensor is not of the Bayer kind.
        UnreadableImageError: if the file is damaged, too large, or contradicts itself.
    """
    require_file(path)
    with named(path):
        tags = read_dng_tags(path)
        if tags is not None:
            require_levels(tags.opcodes)
        mosaic = _decode(path, tags)
        facts = _read_exif(path, mosaic.facts)
        codes, blacks, white = _read_levels(path, mosaic, tags)
        codes = codes[: codes.shape[0] & ~1, : codes.shape[1] & ~1]
        blacks = blacks[: codes.shape[0], : codes.shape[1]]
        if levels.black is not None:
            blacks = blacks - blacks.mean() + levels.black
        white = white if levels.white is None else levels.white
        require_plausible(codes, float(blacks.max()), white)
        levelled, black, white = level_mosaic(codes, blacks, white)
    orientation = mosaic.orientation if tags is None else tags.orientation
    cfa = CFA("".join(apply_orientation(mosaic.letters, orientation).ravel()))
    noise = _mean_noise(tags.noise) if tags is not None and tags.noise else (None, None)
    sensor = SensorFacts(Domain.RAW_BAYER, cfa, black, white, mosaic.gains, mosaic.matrix, *noise)
    return Frame(apply_orientation(levelled, orientation), replace(facts, orientation=1), sensor)


def read_raw_shading(path: Path) -> LensShading | None:
    """Gains that undo the shading of a RAW file's lens, by its gain maps; None if it states none.

    Raises:
        UnreadableImageError: if they are damaged.
    """
    require_file(path)
    with named(path):
        tags = read_dng_tags(path)
        return None if tags is None else read_gain_maps(tags)


def _decode(path: Path, tags: DngTags | None) -> _Mosaic:
    try:
        import rawpy
    except ImportError as error:
        raise MissingReaderError(str(path), "rawpy", "raw") from error
    try:
        with rawpy.imread(str(path)) as raw:
            sizes = raw.sizes
            require_size(path, sizes.raw_width, sizes.raw_height)
            if abs(float(sizes.pixel_aspect) - 1) > 0.01:
                raise UnreadableImageError(  # noqa: TRY301  # one of ours, as those below
                    f"{path}: has pixels of {sizes.pixel_aspect:g} to 1, expected square ones; develop it"
                )
            top, left = int(sizes.top_margin), int(sizes.left_margin)
            if tags is None:
                pattern = _read_pattern(path, raw)
                letters = np.array(list(raw.color_desc.decode("ascii", "replace")))[pattern]
                blacks = np.asarray(raw.black_level_per_channel, np.float64)[pattern]
            else:
                letters = np.roll(tags.cfa, (tags.origin[0] - top, tags.origin[1] - left), axis=(0, 1))
                blacks = np.zeros((2, 2))
                _require_bayer(path, "".join(letters.ravel()))
            return _Mosaic(
                codes=np.array(raw.raw_image_visible),
                top=top,
                left=left,
                letters=letters,
                blacks=blacks,
                white=float(raw.white_level),
                orientation=_ORIENTATIONS.get(int(sizes.flip), 1),
                gains=_read_gains(raw),
                matrix=_read_matrix(raw),
                facts=_read_shot(raw),
            )
    except (UnreadableImageError, UnsupportedSensorError):
        raise
    except Exception as error:  # LibRaw's own errors, and whatever half-read files make of its arrays
        raise UnreadableImageError(
            f"{path}: cannot be decoded as RAW ({explain(error)}); copy it again or remove it"
        ) from error


def _read_levels(
    path: Path, mosaic: _Mosaic, tags: DngTags | None
) -> tuple[NDArray[np.uint16], NDArray[np.float64], float]:
    """Codes, their black levels, [2, 2] or of each pixel, and their white level: a DNG's own, else LibRaw's."""
    codes = mosaic.codes
    if tags is None:
        return codes, mosaic.blacks, mosaic.white
    height, width = codes.shape
    shift = mosaic.top - tags.origin[0], mosaic.left - tags.origin[1]
    window = slice(mosaic.top, mosaic.top + height), slice(mosaic.left, mosaic.left + width)
    inside = min(shift) >= 0 and shift[0] + height <= tags.active[0] and shift[1] + width <= tags.active[1]
    if not inside or codes.ndim != 2:
        raise UnreadableImageError(
            f"tells of {tags.active} px from {tags.origin} on, but decodes to {codes.shape} px from {mosaic.top, mosaic.left} on; "
            "convert it anew"
        )
    blacks = tags.map_black(mosaic.top, mosaic.left, (height, width))
    if not tags.floating:
        return codes, blacks, mosaic.white if tags.white is None else tags.white
    white = 1.0 if tags.white is None else tags.white
    if not white > 0:
        raise UnreadableImageError(f"expected a white level above 0, got {white:g}; convert it anew")
    # LibRaw scales each file by its own brightest pixel.
    values = _read_floats(path, tags)[window]
    return quantise(values / white), blacks * (UINT16_MAX / white), float(UINT16_MAX)


def _read_floats(path: Path, tags: DngTags) -> NDArray[np.float32]:
    import tifffile

    try:
        with tifffile.TiffFile(path) as tiff:
            values = np.asarray(list_pages(tiff)[tags.page].asarray(maxworkers=1), np.float32)
    except ValueError as error:
        if "imagecodecs" not in str(error):
            raise
        raise MissingReaderError(str(path), "imagecodecs", "tiff") from error
    if values.shape != tags.shape or not np.isfinite(values).all():
        raise UnreadableImageError("holds samples that are no numbers; remove it")
    return values


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
    _require_bayer(path, letters)
    return cell


def _require_bayer(path: Path, letters: str) -> None:
    """Raise UnsupportedSensorError unless letters are those of a Bayer cell."""
    if letters not in CFA.__members__:
        raise UnsupportedSensorError(
            f"{path}: expected a colour filter array of {', '.join(CFA)}, got {letters}; develop it to JPEG, PNG or TIFF"
        )


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


def _read_exif(path: Path, known: CaptureFacts) -> CaptureFacts:
    """What TIFF tags add to what LibRaw knows."""
    import tifffile

    try:
        require_few_directories(path)
        with tifffile.TiffFile(path) as tiff:
            found = read_tiff_tags(read_known_tags(tiff.pages.first.tags))
    except Exception:  # noqa: BLE001  # not every RAW file is a TIFF, and metadata must not cost the pixels
        return known
    facts = {name: value for name in CaptureFacts.__dataclass_fields__ if (value := getattr(found, name)) is not None}
    return replace(known, **facts)


def _mean_noise(profile: Sequence[float]) -> tuple[float | None, float | None]:
    """Slope and offset of the variance, mean over the planes; unknown unless all make sense."""
    values = np.asarray(profile, np.float64)
    if len(values) % 2 or not np.isfinite(values).all() or (values < 0).any() or (values > 1).any():
        return None, None
    return float(values[0::2].mean()), float(values[1::2].mean())
