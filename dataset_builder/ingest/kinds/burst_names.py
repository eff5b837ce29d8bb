"""What names of frames tell of the bursts that they belong to: one rule for each way in which phones and cameras count.

Tried from top to bottom on a name without its suffix, whole and whatever its case. A rule says how its names belong together:

`shared`: frames of a burst share what `burst` matches, and differ in `frame`.
`stamped`: a name has the time of its own frame, `time`; a pause between such times, or a frame number that begins again at 0, begins a
    new burst.
`counted`: the camera counts all its pictures, whatever burst they belong to; only a pause in EXIF time begins a new burst.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

How = Literal["shared", "stamped", "counted"]


@dataclass(frozen=True)
class NameRule:
    """How one family of cameras names frames.

    Attributes:
        makers: whose names these are.
        how: how names belong together, as above.
        pattern: regular expression.
        example: a name.
    """

    makers: str
    how: How
    pattern: str
    example: str


@dataclass(frozen=True)
class ReadName:
    """What a name tells.

    Attributes:
        how: how names of its kind belong together.
        burst: what frames of a burst share; of `stamped` and `counted`, what all names of the camera share.
        frame: number of the frame; None if there is none.
        time: time in the name; None if there is none.
    """

    how: How | Literal["numbered"]
    burst: str
    frame: int | None = None
    time: datetime | None = None


NAME_RULES = (
    NameRule(
        "Sony Xperia",
        "shared",
        r"(?:DSC|DSCPDC)_(?P<frame>\d{4})_BURST(?P<burst>\d{17})(?:_COVER)?",
        "DSC_0001_BURST20230709220904977",
    ),
    NameRule(
        "Google Camera on Nexus and Pixel, to 2019",
        "shared",
        r"\d{5}(?:IMG|MVIMG|XTR)_(?P<frame>\d{5})_BURST(?P<burst>\d{17})(?:_COVER)?",
        "00001IMG_00001_BURST20150630180105487_COVER",
    ),
    NameRule(
        "Huawei, Honor, Xiaomi, LG, HTC, Motorola",
        "shared",
        r"(?P<burst>.*[^0-9]_?BURST)(?P<frame>\d{1,4})(?:_COVER)?(?:_TOP)?",
        "IMG_20180302_123456_BURST001_COVER",
    ),
    NameRule("Samsung", "shared", r"(?P<burst>\d{8}_\d{6})_(?P<frame>\d{3})", "20231115_170431_001"),
    NameRule(
        "Open Camera, brackets of exposure and focus",
        "shared",
        r"(?P<burst>IMG_\d{8}_\d{6}Z?)_(?:EXP|FB)_?(?P<frame>\d{1,3})",
        "IMG_20231115_170431_EXP0",
    ),
    NameRule(
        "Google Pixel, named bursts",
        "shared",
        r"(?P<burst>PXL_\d{8}_\d{9})\.BURST-(?P<frame>\d+)(?:\.(?:COVER|ORIGINAL))?",
        "PXL_20231026_205755225.BURST-01.COVER",
    ),
    NameRule("GoPro, bursts", "shared", r"(?P<burst>G\d{3})(?P<frame>\d{4})", "G0010001"),
    NameRule(
        "Google Pixel, from 2020", "stamped", r"PXL_(?P<time>\d{8}_\d{9})(?:[.~].*)?", "PXL_20231026_205755225.MP"
    ),
    NameRule("DJI", "stamped", r"DJI_(?P<time>\d{14})_\d{4}(?:_[A-Z])?(?:_.*)?", "DJI_20231115170431_0001_D"),
    NameRule(
        "Open Camera, Huawei, Xiaomi, OnePlus, Motorola (to the millisecond)",
        "stamped",
        r"(?:IMG|MVIMG)_(?P<time>\d{8}_\d{6}(?:\d{3})?)Z?(?:_HDR)?(?:_(?P<frame>\d{1,3})| ?\(\d+\)|~\d+)?(?:_HDR)?",
        "IMG_20231115_170431_1",
    ),
    NameRule("Samsung", "stamped", r"(?P<time>\d{8}_\d{6})(?: ?\(\d+\)|~\d+)?", "20231115_170431(0)"),
    NameRule(
        "Canon, Nikon, Sony, Fujifilm, Panasonic, Olympus, Pentax, iPhone (DCF)",
        "counted",
        r"(?=.{0,3}[A-Z_])(?P<burst>[A-Z0-9_]{4})(?P<frame>\d{4})(?: ?\(\d+\))?",
        "IMG_1234",
    ),
    NameRule(
        "a number first, the time of the burst last",
        "shared",
        r"\D*(?P<frame>\d{1,6})\D+(?P<burst>\d{12,17})\D*",
        "7_20230709220904977",
    ),
    NameRule("a time last", "stamped", r".*?(?P<time>(?:19|20)\d{6}[-_T ]?\d{6,9})\D*", "Photo_20231115-170431"),
)
_COMPILED = [(rule, re.compile(rule.pattern, re.IGNORECASE | re.ASCII | re.DOTALL)) for rule in NAME_RULES]
_LAST_NUMBER = re.compile(r"[\s._-]*([0-9]+)[^0-9]*$")


def read_name(stem: str) -> ReadName:
    """What a name without its suffix tells, by the first rule that fits; else its last number is that of the frame."""
    for rule, pattern in _COMPILED:
        found = pattern.fullmatch(stem)
        if found is None:
            continue
        parts = found.groupdict()
        time = None if rule.how != "stamped" else _parse_stamp(parts["time"])
        if rule.how == "stamped" and time is None:
            continue
        burst = parts.get("burst") or rule.makers
        return ReadName(rule.how, burst, int(parts["frame"]) if parts.get("frame") else None, time)
    found = _LAST_NUMBER.search(stem)
    return ReadName("numbered", (stem[: found.start()] if found else stem) or "burst", int(found[1]) if found else None)


def _parse_stamp(text: str) -> datetime | None:
    digits = re.sub(r"\D", "", text)
    try:
        moment = datetime.strptime(digits[:14], "%Y%m%d%H%M%S")  # noqa: DTZ007  # the camera's clock
    except ValueError:
        return None
    rest = digits[14:]
    return moment + timedelta(seconds=int(rest) / 10 ** len(rest)) if rest else moment
