"""What EXIF says of a capture, whoever wrote it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

_ORIENTATION, _EXIF_IFD = 0x0112, 0x8769
_COLOR_SPACE, _INTEROPERABILITY_IFD, _ADOBE_RGB, _UNCALIBRATED = 0xA001, 0xA005, 2, 0xFFFF
_NUMBERS = _EXPOSURE_TIME, _F_NUMBER, _ISO = 0x829A, 0x829D, 0x8827
_TAKEN, _SUBSECOND = 0x9003, 0x9291


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


def read_exif(exif: Any) -> CaptureFacts:
    """Facts of what Pillow read; nothing where it is damaged, which must not cost the pixels."""
    try:
        return build_facts({**exif, **exif.get_ifd(_EXIF_IFD)})
    except Exception:  # noqa: BLE001  # whatever a damaged directory raises
        return CaptureFacts()


def names_adobe_rgb(exif: Any) -> bool:
    """Whether what Pillow read says Adobe RGB, as cameras do that embed no profile (DCF 2.0: interoperability R03)."""
    try:
        space = exif.get_ifd(_EXIF_IFD).get(_COLOR_SPACE)
        return space == _ADOBE_RGB or (
            space == _UNCALIBRATED and str(exif.get_ifd(_INTEROPERABILITY_IFD).get(1)).strip("\0 ") == "R03"
        )
    except Exception:  # noqa: BLE001  # as above
        return False


def read_known_tags(tags: Any) -> dict[int, Any]:
    """Values of those tags of a tifffile page that `read_tiff_tags` looks at; thousands of others may point to one huge value."""
    return {code: tags[code].value for code in (_ORIENTATION, _EXIF_IFD, _TAKEN, _SUBSECOND, *_NUMBERS) if code in tags}


def read_tiff_tags(tags: Mapping[int, Any]) -> CaptureFacts:
    """Facts of a TIFF page, whose EXIF tifffile gives by name."""
    names = {
        "ExposureTime": _EXPOSURE_TIME,
        "FNumber": _F_NUMBER,
        "ISOSpeedRatings": _ISO,
        "DateTimeOriginal": _TAKEN,
        "SubsecTimeOriginal": _SUBSECOND,
    }
    exif = tags.get(_EXIF_IFD)
    known = {names[name]: value for name, value in exif.items() if name in names} if isinstance(exif, dict) else {}
    return build_facts({**tags, **known})


def build_facts(tags: Mapping[int, Any]) -> CaptureFacts:
    """Facts of EXIF tags by number; what makes no sense is unknown."""
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
