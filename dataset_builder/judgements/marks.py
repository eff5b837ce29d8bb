"""Stars, flags and colour labels of photographs, as Lightroom, darktable, digiKam and Bridge keep them in XMP.

| what | property | values | who |
|---|---|---|---|
| stars | `xmp:Rating` | 1..5; 0 unrated; −1 rejected (XMP specification, part 1, 8.4) | all; rejected: darktable, Bridge |
| flag | `xmpDM:pick` | 1 picked, 0, −1 rejected | Lightroom Classic from 13.2 on |
| flag | `xmpDM:good` | True, False (XMP specification, part 2, 1.2.6) | Lightroom Classic beside `xmpDM:pick` |
| flag | `digiKam:PickLabel` | 3 accepted, 2 pending, 1 rejected, 0 none | digiKam |
| label | `xmp:Label` | a text, mostly Red, Yellow, Green, Blue, Purple | all |
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from dataset_builder.decoding.xmp import DIGIKAM, DYNAMIC_MEDIA, MOST_BYTES, XMP, Name, Packet, XmpError, parse_packet
from manifests.confined.reading import has_file, open_file

RATING: Name = (XMP, "Rating")
LABEL: Name = (XMP, "Label")
PICK: Name = (DYNAMIC_MEDIA, "pick")
GOOD: Name = (DYNAMIC_MEDIA, "good")
PICK_LABEL: Name = (DIGIKAM, "PickLabel")
_FLAGS = {
    PICK: {"1": 1, "0": 0, "-1": -1},
    PICK_LABEL: {"3": 1, "2": 0, "1": -1, "0": 0},
    GOOD: {"true": 1, "false": -1},
}
"""What stands for picked, neither and rejected, in order of trust."""


@dataclass(frozen=True)
class Marks:
    """What somebody marked a photograph with.

    Attributes:
        stars: 1..5; 0 where it was rejected; None where it was not rated.
        flag: 1 picked, −1 rejected, 0 neither.
        label: text of the colour label; empty for none.
    """

    stars: float | None = None
    flag: int = 0
    label: str = ""


def read_marks(packet: Packet) -> Marks:
    """The marks that a packet states.

    Raises:
        XmpError: if the rating is no number of −1..5.
    """
    rating = _read_rating(packet)
    return Marks(
        stars=None if rating == 0 else max(rating, 0.0),
        flag=next((flag for name in _FLAGS if (flag := _read_flag(packet, name)) is not None), -1 if rating < 0 else 0),
        label=packet.properties[LABEL].value.strip() if LABEL in packet.properties else "",
    )


def list_sidecar_names(name: str) -> tuple[str, ...]:
    """How sidecars of a photograph are called: `NAME.EXT.xmp` by darktable and digiKam, `NAME.xmp` by Adobe's programs and digiKam."""
    stem = str(PurePosixPath(name).with_suffix(""))
    return tuple(f"{base}{suffix}" for base in (name, stem) for suffix in (".xmp", ".XMP"))


def find_sidecar(root: Path, folder: str, name: str) -> str | None:
    """Path below `root` of the sidecar of a photograph; None if it has none.

    Raises:
        UnsafePathError: if the way there goes through a link.
    """
    paths = (f"{folder}/{sidecar}" if folder else sidecar for sidecar in list_sidecar_names(name))
    return next((path for path in paths if has_file(root, path)), None)


def read_packet(root: Path, path: str) -> tuple[Packet, bytes]:
    """A sidecar, and its bytes.

    Raises:
        XmpError: as `parse_packet`, with the path before it.
        UnsafePathError: if the way there goes through a link.
    """
    with open_file(root, path) as stream:
        data = stream.read(MOST_BYTES + 1)
    try:
        return parse_packet(data), data
    except XmpError as error:
        raise XmpError(f"{root / path}: {error}") from error


def _read_rating(packet: Packet) -> float:
    text = packet.properties[RATING].value.strip() if RATING in packet.properties else ""
    try:
        rating = float(text or 0)
    except ValueError:
        rating = -2.0
    if not -1 <= rating <= 5:  # which NaN is not, either
        raise XmpError(f"xmp:Rating: expected a number of -1 to 5, got {text[:40]!r}")
    return rating


def _read_flag(packet: Packet, name: Name) -> int | None:
    if name not in packet.properties:
        return None
    return _FLAGS[name].get(packet.properties[name].value.strip().lower())
