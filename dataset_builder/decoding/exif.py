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
_EXPOSURE_TIME, _F_NUMBER = 0x829A, 0x829D
_ISO, _SENSITIVITY_TYPE = 0x8827, 0x8830
_STANDARD_OUTPUT, _RECOMMENDED_INDEX, _ISO_SPEED = 0x8831, 0x8832, 0x8833
LARGEST_ISO = 65535
"""The most that the 16 bits of PhotographicSensitivity hold: it stands for all that is more."""
# EXIF 3.0, table 16: which of the three fields PhotographicSensitivity repeats.
_BY_TYPE: Mapping[object, int] = {1: _STANDARD_OUTPUT, 2: _RECOMMENDED_INDEX, 3: _ISO_SPEED}
_MODIFIED, _MODIFIED_FRACTION, _MODIFIED_OFFSET = 0x0132, 0x9290, 0x9010
_TIMES = ((0x9003, 0x9291, 0x9011), (0x9004, 0x9292, 0x9012), (_MODIFIED, _MODIFIED_FRACTION, _MODIFIED_OFFSET))
"""Time, fraction of a second and offset from UTC: of capture; of digitising; of the last change, which in a camera is the capture."""
KNOWN_TAGS = frozenset(
    (
        *(_ORIENTATION, _EXIF_IFD, _EXPOSURE_TIME, _F_NUMBER, _ISO, _SENSITIVITY_TYPE, _STANDARD_OUTPUT),
        *(_RECOMMENDED_INDEX, _ISO_SPEED, *(tag for tags in _TIMES for tag in tags)),
    )
)
_TIME = re.compile(
    r"(\d{4})[:/.-](\d\d)[:/.-](\d\d)[ T](\d\d):(\d\d):(\d\d)(?:[.,](\d+))?\s*(Z|[+-]\d\d:?\d\d)?", re.ASCII
)
_OFFSET = re.compile(r"([+-]\d\d):?(\d\d)", re.ASCII)


@dataclass(frozen=True)
class CaptureFacts:
    """What EXIF says of a capture; None where it says nothing sensible.

    Attributes:
        orientation: 1..8, to be applied to the file's pixels.
        captured_at: ISO 8601, with a fraction of up to 9 digits, as written, where the camera recorded one, and an offset from UTC
            where it is known.
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
        """Light gathered times gain, in arbitrary units: time · ISO / f-number²; None unless all three are known."""
        if self.exposure_time is None or self.iso is None or self.f_number is None:
            return None
        return self.exposure_time * self.iso / self.f_number**2

    @property
    def clock(self) -> str | None:
        """`captured_at` as the camera's clock showed it, without offset."""
        found = None if self.captured_at is None else _TIME.fullmatch(self.captured_at)
        if found is None or self.captured_at is None:
            return None
        return self.captured_at[:19] + (f".{found[7]}" if found[7] else "")


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
    return {code: tags[code].value for code in KNOWN_TAGS if code in tags}


def read_tiff_tags(tags: Mapping[int, Any]) -> CaptureFacts:
    """Facts of a TIFF page, whose EXIF tifffile gives by name."""
    names = {
        "ExposureTime": _EXPOSURE_TIME,
        "FNumber": _F_NUMBER,
        "ISOSpeedRatings": _ISO,
        "SensitivityType": _SENSITIVITY_TYPE,
        "StandardOutputSensitivity": _STANDARD_OUTPUT,
        "RecommendedExposureIndex": _RECOMMENDED_INDEX,
        "ISOSpeed": _ISO_SPEED,
        "DateTimeOriginal": _TIMES[0][0],
        "SubsecTimeOriginal": _TIMES[0][1],
        "OffsetTimeOriginal": _TIMES[0][2],
        "DateTimeDigitized": _TIMES[1][0],
        "SubsecTimeDigitized": _TIMES[1][1],
        "OffsetTimeDigitized": _TIMES[1][2],
        "SubsecTime": _MODIFIED_FRACTION,
        "OffsetTime": _MODIFIED_OFFSET,
    }
    exif = tags.get(_EXIF_IFD)
    known = {names[name]: value for name, value in exif.items() if name in names} if isinstance(exif, dict) else {}
    return build_facts({**tags, **known})


def build_facts(tags: Mapping[int, Any]) -> CaptureFacts:
    """Facts of EXIF tags by number; what makes no sense is unknown."""
    orientation = tags.get(_ORIENTATION, 1)
    return CaptureFacts(
        orientation=int(orientation) if orientation in range(1, 9) else 1,
        captured_at=_find_time(tags),
        exposure_time=_read_positive(tags.get(_EXPOSURE_TIME)),
        iso=_read_sensitivity(tags),
        f_number=_read_positive(tags.get(_F_NUMBER)),
    )


def parse_time(text: str, fraction: str = "", offset: str = "") -> str | None:
    """A time as EXIF (`2024:05:05 10:00:00`) or XMP (`2024-05-05T10:00:00.25+02:00`) writes it, in the form of `captured_at`.

    Args:
        text: the time.
        fraction: digits of a fraction of a second that stand elsewhere.
        offset: offset from UTC that stands elsewhere.
    """
    found = _TIME.fullmatch(text.strip("\0 "))
    if found is None:
        return None
    try:
        moment = datetime.fromisoformat("{}-{}-{}T{}:{}:{}".format(*found.groups()))
    except ValueError:
        return None
    digits = (found[7] or re.sub(r"[^0-9]", "", fraction))[:9]
    zone = _OFFSET.fullmatch((found[8] or offset.strip("\0 ")).replace("Z", "+00:00"))
    return moment.isoformat() + (f".{digits}" if digits else "") + (f"{zone[1]}:{zone[2]}" if zone else "")


def _find_time(tags: Mapping[int, Any]) -> str | None:
    modified = parse_time(_text(tags.get(_MODIFIED)))
    for time, fraction, offset in _TIMES:
        found = parse_time(_text(tags.get(time)))
        if found is None:
            continue
        # Cameras that fill only one of the three fields mean it for all three, as long as they name one moment.
        same = found == modified
        digits = _text(tags.get(fraction)) or (_text(tags.get(_MODIFIED_FRACTION)) if same else "")
        zone = _text(tags.get(offset)) or _text(tags.get(_MODIFIED_OFFSET))
        return parse_time(_text(tags.get(time)), digits, zone)
    return None


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("ascii", "replace").strip("\0 ")
    return "" if value is None else str(value).strip("\0 ")


def _read_sensitivity(tags: Mapping[int, Any]) -> float | None:
    """PhotographicSensitivity, of which a camera may write any number; above 65535 the wider fields of EXIF 2.3 tell."""
    given = tags.get(_ISO)
    values = given if isinstance(given, tuple | list) else (given,)
    iso = next((number for value in values if (number := _read_positive(value)) is not None), None)
    if iso is not None and iso != LARGEST_ISO:
        return iso
    named = _BY_TYPE.get(tags.get(_SENSITIVITY_TYPE), _RECOMMENDED_INDEX)
    wider = (_read_positive(tags.get(tag)) for tag in (named, _RECOMMENDED_INDEX, _ISO_SPEED, _STANDARD_OUTPUT))
    return next((number for number in wider if number is not None), None)


def _read_positive(value: Any) -> float | None:
    if isinstance(value, tuple):
        # A TIFF rational.
        value = value[0] / value[1] if len(value) == 2 and value[1] else (value[0] if value else None)
    try:
        number = float(value)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return number if np.isfinite(number) and 0 < number < 1e9 else None
