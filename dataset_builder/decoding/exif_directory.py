"""Directories of TIFF, of which EXIF is one, read tag by tag: no more of a file than what is asked for, whatever it claims."""

from __future__ import annotations

import struct
from collections.abc import Callable, Collection
from typing import Any

Reader = Callable[[int, int], bytes]
"""Given a place and a number of bytes, what is there; fewer bytes where the file ends."""
_EXIF_IFD = 0x8769
_MOST_ENTRIES = 4096
_LONGEST_VALUE = 1 << 20
_ASCII, _RATIONAL, _SIGNED_RATIONAL = 2, 5, 10
_CODES = {
    1: "B",
    2: "s",
    3: "H",
    4: "I",
    5: "II",
    6: "b",
    7: "B",
    8: "h",
    9: "i",
    10: "ii",
    11: "f",
    12: "d",
    13: "I",
    16: "Q",
}


def read_directory(read: Reader, tags: Collection[int]) -> dict[int, Any]:
    """Values of some tags of the first directory of a TIFF, and of the EXIF directory that it points to.

    Text comes as str, bytes as bytes, a number as int, rationals as numerator and denominator, several numbers as tuple.

    Args:
        read: reads the file or block; the two bytes that say TIFF need not be right, since some cameras write others.
        tags: numbers of the tags.

    Raises:
        ValueError: if it is damaged.
    """
    head = read(0, 16)
    order = {b"II": "<", b"MM": ">"}.get(head[:2])
    if order is None or len(head) < 8:
        raise ValueError("no directory of TIFF")
    big = head[2:4] in (b"+\0", b"\0+")
    try:
        (place,) = struct.unpack(f"{order}Q" if big else f"{order}I", head[8:16] if big else head[4:8])
        found = _read_entries(read, place, {*tags, _EXIF_IFD}, order, big=big)
        inner = found.get(_EXIF_IFD)
        if isinstance(inner, int):
            found |= _read_entries(read, inner, {*tags}, order, big=big)
    except struct.error as error:
        raise ValueError("a damaged directory of TIFF") from error
    return found


def _read_entries(read: Reader, place: int, tags: Collection[int], order: str, *, big: bool) -> dict[int, Any]:
    start, size, form = (8, 20, "HHQ8s") if big else (2, 12, "HHI4s")
    (count,) = struct.unpack(f"{order}{'Q' if big else 'H'}", read(place, start))
    entries = read(place + start, size * min(count, _MOST_ENTRIES))
    found: dict[int, Any] = {}
    for offset in range(0, len(entries) - size + 1, size):
        tag, kind, number, inline = struct.unpack_from(f"{order}{form}", entries, offset)
        code = _CODES.get(kind)
        if tag not in tags or tag in found or code is None:
            continue
        length = struct.calcsize(f"={code}") * number
        if length <= len(inline):
            data = inline[:length]
        elif length <= _LONGEST_VALUE:
            data = read(struct.unpack(f"{order}{'Q' if big else 'I'}", inline)[0], length)
        else:
            continue
        if len(data) == length:
            found[tag] = _decode(data, kind, code, order)
    return found


def _decode(data: bytes, kind: int, code: str, order: str) -> Any:
    if kind == _ASCII:
        return data.decode("latin-1").partition("\0")[0]
    if code == "B":
        return data
    values = struct.unpack(f"{order}{code * (len(data) // struct.calcsize(f'={code}'))}", data)
    if kind in (_RATIONAL, _SIGNED_RATIONAL):
        return values[:2]
    return values[0] if len(values) == 1 else values
