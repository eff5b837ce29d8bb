"""Decode a camera's or editor's image file, and say what its EXIF knows."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataset_builder.errors import MissingSourceError, UnreadableImageError
from manifests.pixels import apply_orientation

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".tif", ".tiff"})
MAX_PIXELS = 200_000_000
"""Larger images are refused before they are decoded."""

_ORIENTATION, _EXIF_IFD = 0x0112, 0x8769
_EXPOSURE_TIME, _F_NUMBER, _ISO, _TAKEN, _SUBSECOND = 0x829A, 0x829D, 0x8827, 0x9003, 0x9291
Pixels = NDArray[np.uint8] | NDArray[np.uint16]


@dataclass(frozen=True)
class CaptureFacts:
    """What EXIF says of a capture; None where it says nothing sensible.

    Attributes:
        orientation: 1..8, to be applied to the file's pixels.
        captured_at: ISO 8601 without zone, with a fraction where the camera recorded one.
        exposure_time: seconds.
        iso: sensitivity.
        f_number: aperture.
    """

    orientation: int = 1
    captured_at: str | None = None
    exposure_time: float | None = None
    iso: float | None = None
    f_number: float | None = None

    @property
    def exposure(self) -> float | None:
        """Light gathered times gain, in arbitrary units: time · ISO / f-number²; None if time or ISO is unknown."""
        if self.exposure_time is None or self.iso is None:
            return None
        return self.exposure_time * self.iso / (self.f_number or 1.0) ** 2


@dataclass(frozen=True, eq=False)
class SourceImage:
    """A decoded file.

    Attributes:
        pixels: uint8 or uint16 [H, W, 3], RGB, upright. Grey becomes three equal channels, CMYK is converted, alpha is dropped.
        facts: of its EXIF.
        stored_plainly: whether the file holds these very pixels as JPEG or PNG in RGB, up to EXIF orientation.
    """

    pixels: Pixels
    facts: CaptureFacts
    stored_plainly: bool


def natural_key(name: str) -> tuple[tuple[tuple[int, int, str], ...], str]:
    """Sort key under which `BURST2` comes before `BURST10`, and different names never tie."""
    parts = re.findall(r"[0-9]+|[^0-9]+", name)
    return tuple((0, int(part), "") if part.isdigit() else (1, 0, part.casefold()) for part in parts), name


def read_image(path: Path) -> SourceImage:
    """Decode a JPEG, PNG or TIFF of 8 or 16 bit completely.

    Raises:
        MissingSourceError: if there is no such file.
        UnreadableImageError: if it is empty, damaged, truncated, animated, too large, or of another kind.
    """
    if not path.is_file():
        raise MissingSourceError(f"{path}: no such file")
    if path.stat().st_size == 0:
        raise UnreadableImageError(f"{path}: the file is empty (0 bytes); copy it again or remove it")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _read_tiff(path) if path.suffix.lower() in {".tif", ".tiff"} else _read_with_pillow(path)
    except UnreadableImageError:
        raise
    except Exception as error:  # decoders raise anything on hostile files
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UnreadableImageError(f"{path}: cannot be decoded ({reason}); copy it again or remove it") from error


def _read_with_pillow(path: Path) -> SourceImage:
    from PIL import Image  # noqa: PLC0415

    with Image.open(path, formats=("JPEG", "PNG")) as image:
        require_size(path, image.width, image.height)
        if getattr(image, "n_frames", 1) > 1 and image.format == "PNG":
            raise UnreadableImageError(f"{path}: is animated; extract its frames as single images")
        facts = _read_exif(image.getexif())
        depth16 = image.format == "PNG" and _png_bit_depth(path) == 16
        image.load()
        opaque = "transparency" not in image.info
        plain = image.mode == "RGB" and opaque and (image.format != "PNG" or facts.orientation == 1)
        pixels: Pixels = _read_png16(path) if depth16 else np.asarray(image.convert("RGB"))
    return SourceImage(apply_orientation(pixels, facts.orientation), facts, plain)


def _read_tiff(path: Path) -> SourceImage:
    import tifffile  # noqa: PLC0415

    with tifffile.TiffFile(path) as tiff:
        if len(tiff.pages) > 1:
            raise UnreadableImageError(f"{path}: has {len(tiff.pages)} pages; split it into single images")
        page = tiff.pages.first
        require_size(path, page.imagewidth, page.imagelength)
        tags = {tag.code: tag.value for tag in page.tags.values()}
        pixels = page.asarray()
    if pixels.dtype not in (np.uint8, np.uint16):
        raise UnreadableImageError(f"{path}: expected 8 or 16 bit per channel, got {pixels.dtype}; convert it")
    facts = _build_facts({**tags, **_exif_of_tiff(tags)})
    return SourceImage(apply_orientation(_to_rgb(path, pixels), facts.orientation), facts, stored_plainly=False)


def _to_rgb(path: Path, pixels: NDArray[Any]) -> Pixels:
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    if pixels.ndim != 3 or pixels.shape[2] not in (1, 2, 3, 4):
        raise UnreadableImageError(f"{path}: expected a grey or RGB image, got shape {list(pixels.shape)}; convert it")
    colour = pixels[..., :1] if pixels.shape[2] < 3 else pixels[..., :3]
    return np.ascontiguousarray(np.broadcast_to(colour, (*colour.shape[:2], 3)))


def _read_png16(path: Path) -> Pixels:
    import cv2  # noqa: PLC0415

    # Pillow cuts 16-bit RGB to 8 bits. It has decoded the file once, so damage is already ruled out.
    pixels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if pixels is None:
        raise UnreadableImageError(f"{path}: cannot be decoded; copy it again or remove it")
    return _to_rgb(path, pixels[..., 2::-1] if pixels.ndim == 3 else pixels)


def _png_bit_depth(path: Path) -> int:
    with path.open("rb") as stream:
        header = stream.read(25)
    return header[24] if len(header) == 25 else 0


def require_size(path: Path, width: int, height: int) -> None:
    """Raise UnreadableImageError for more than `MAX_PIXELS`."""
    if width * height > MAX_PIXELS:
        raise UnreadableImageError(
            f"{path}: {width} x {height} px is more than {MAX_PIXELS:,} px; crop or reduce it first"
        )


def _read_exif(exif: Any) -> CaptureFacts:
    try:
        return _build_facts({**exif, **exif.get_ifd(_EXIF_IFD)})
    except Exception:  # noqa: BLE001  # damaged EXIF must not cost the pixels
        return CaptureFacts()


def _exif_of_tiff(tags: dict[int, Any]) -> dict[int, Any]:
    """EXIF of a TIFF page, which tifffile gives by name."""
    names = {
        "ExposureTime": _EXPOSURE_TIME,
        "FNumber": _F_NUMBER,
        "ISOSpeedRatings": _ISO,
        "DateTimeOriginal": _TAKEN,
        "SubsecTimeOriginal": _SUBSECOND,
    }
    exif = tags.get(_EXIF_IFD)
    return {names[name]: value for name, value in exif.items() if name in names} if isinstance(exif, dict) else {}


def _build_facts(tags: dict[int, Any]) -> CaptureFacts:
    orientation = tags.get(_ORIENTATION, 1)
    return CaptureFacts(
        orientation=int(orientation) if orientation in range(1, 9) else 1,
        captured_at=_read_time(tags.get(_TAKEN), tags.get(_SUBSECOND)),
        exposure_time=_read_positive(tags.get(_EXPOSURE_TIME)),
        iso=_read_positive(tags.get(_ISO)),
        f_number=_read_positive(tags.get(_F_NUMBER)),
    )


def _read_positive(value: Any) -> float | None:
    if isinstance(value, tuple):
        # A TIFF rational; a list of ISO values gives its first.
        value = value[0] / value[1] if len(value) == 2 and value[1] else (value[0] if value else None)
    try:
        number = float(value)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return number if np.isfinite(number) and 0 < number < 1e9 else None


def _read_time(taken: Any, subsecond: Any) -> str | None:
    try:
        moment = datetime.strptime(str(taken).strip("\0 "), "%Y:%m:%d %H:%M:%S")  # noqa: DTZ007  # EXIF times have no zone
    except ValueError:
        return None
    digits = re.sub(r"\D", "", str(subsecond or ""))
    return moment.isoformat() + (f".{digits[:9]}" if digits else "")
