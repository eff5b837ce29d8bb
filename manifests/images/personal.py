"""What JPEG and PNG files tell of people and places beside their pixels, and the same files without it."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from manifests.confined.reading import open_file

_PNG = b"\x89PNG\r\n\x1a\n"
_EXIF_IFD, _GPS_IFD, _ORIENTATION = 0x8769, 0x8825, 0x0112
_SERIAL_NUMBERS = (0xA431, 0xA435, 0xC62F)
_NAMES = (0x013B, 0x8298, 0xA430, 0x9C9D)
_MAKER_NOTE = 0x927C
_LONGEST_HEADERS = 1 << 20
_TRAILER = -1
_XMP_SIGNS = (
    ("location", rb"GPSL(?:at|ong)itude|<?photoshop:City|Iptc4xmpCore:Location"),
    ("serial number", rb"SerialNumber"),
    ("name of a person", rb"dc:creator|OwnerName|dc:rights"),
)
_AFTER_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]", re.DOTALL)
# What says how pixels are meant: JFIF, ICC profiles, and Adobe's mark of the colour transform.
_KEPT_SEGMENTS = ((0xE0, b"JFIF\0"), (0xE2, b"ICC_PROFILE\0"), (0xEE, b"Adobe"))
_KEPT_CHUNKS = frozenset(
    (
        b"IHDR",
        b"PLTE",
        b"IDAT",
        b"IEND",
        b"tRNS",
        b"cHRM",
        b"gAMA",
        b"iCCP",
        b"sRGB",
        b"sBIT",
        b"cICP",
        b"mDCV",
        b"cLLI",
    )
)
Piece = tuple[int | bytes, bytes]
"""Marker of a JPEG segment or type of a PNG chunk, and its bytes with all that frames it."""


def find_personal(stream: BinaryIO) -> frozenset[str]:
    """What a JPEG or PNG tells beside its pixels, by its headers alone.

    `location`, `serial number`, `name of a person`; `notes of the maker`, which often hold a serial number; and `further data`, as the
    videos and second pictures that phones put behind a picture.

    Args:
        stream: the file, opened by its descriptor.
    """
    found: set[str] = set()
    with contextlib.suppress(ValueError):
        for kind, piece in _list_headers(stream.fileno()):
            if kind == 0xE1 and piece[4:9] == b"Exif\0":
                found |= _read_exif(piece[10:])
            elif kind == b"eXIf":
                found |= _read_exif(piece[8:-4])
            elif kind in (0xE1, 0xED, b"iTXt"):
                found |= {name for name, sign in _XMP_SIGNS if re.search(sign, piece)}
            elif kind == _TRAILER or (kind == 0xE2 and piece[4:8] == b"MPF\0"):
                found.add("further data")
    return frozenset(found)


def count_personal(root: Path, paths: Iterable[str]) -> dict[str, int]:
    """How many of some files of a data set tell each of what `find_personal` looks for.

    Raises:
        ManifestError: if a file is missing, or leads out of the data set.
    """
    counts: Counter[str] = Counter()
    for path in paths:
        with open_file(root, path) as stream:
            counts.update(find_personal(stream))
    return dict(sorted(counts.items()))


def _list_headers(descriptor: int) -> Iterator[Piece]:
    """Pieces before the pixels of a JPEG, all but the pixels of a PNG; a trailer where more follows than the picture."""
    head = os.pread(descriptor, _LONGEST_HEADERS, 0)
    size = os.fstat(descriptor).st_size
    if head.startswith(b"\xff\xd8"):
        if os.pread(descriptor, 2, size - 2) != b"\xff\xd9":
            yield _TRAILER, b""
        yield from itertools.takewhile(lambda piece: piece[0] != 0xDA, _list_segments(head))
    place = len(_PNG) if head.startswith(_PNG) else size
    while place < size:
        start = os.pread(descriptor, 8, place)
        length, kind = int.from_bytes(start[:4], "big"), start[4:]
        if kind in (b"eXIf", b"iTXt") and length <= _LONGEST_HEADERS:
            yield kind, os.pread(descriptor, length + 12, place)
        place += 12 + length
        if kind == b"IEND":
            break
    if place < size:
        yield _TRAILER, b""


def strip_metadata(data: bytes) -> bytes:
    """A JPEG or PNG without anything but its pixels, what they mean, and the EXIF orientation of a JPEG.

    Pixels are not touched: coded data are copied. Equal bytes come back where there is nothing to leave out.

    Args:
        data: the file, any other kind comes back as it is.

    Raises:
        ValueError: if it is damaged.
    """
    if data.startswith(_PNG):
        return _PNG + b"".join(piece for kind, piece in _list_pieces(data) if kind in _KEPT_CHUNKS)
    if not data.startswith(b"\xff\xd8"):
        return data
    orientation = 1
    kept: list[bytes] = []
    for kind, piece in _list_pieces(data):
        if kind == 0xE1 and piece[4:9] == b"Exif\0":
            orientation = _read_orientation(piece[10:])
        if isinstance(kind, int) and _is_kept(kind, piece):
            kept.append(piece)
    first = 1 if kept and kept[0][1] == 0xE0 else 0
    if orientation != 1:
        kept.insert(first, _make_orientation(orientation))
    return b"\xff\xd8" + b"".join(kept)


def _is_kept(marker: int, piece: bytes) -> bool:
    application = 0xE0 <= marker <= 0xEF or marker == 0xFE
    return not application or any(marker == kept and piece[4:].startswith(start) for kept, start in _KEPT_SEGMENTS)


def _list_pieces(data: bytes) -> Iterator[Piece]:
    return _list_chunks(data) if data.startswith(_PNG) else _list_segments(data)


def _list_chunks(data: bytes) -> Iterator[Piece]:
    place = len(_PNG)
    while place < len(data):
        size, kind = int.from_bytes(data[place : place + 4], "big"), data[place + 4 : place + 8]
        piece = data[place : place + 12 + size]
        if len(piece) < 12 + size or zlib.crc32(piece[4:-4]) != int.from_bytes(piece[-4:], "big"):
            raise ValueError("a damaged PNG chunk")
        yield kind, piece
        if kind == b"IEND":
            return
        place += len(piece)
    raise ValueError("a PNG without an end")


def _list_segments(data: bytes) -> Iterator[Piece]:
    """Segments of a JPEG after its first marker; a scan is one piece with the coded data that follow it (ITU-T T.81, B.1.1)."""
    place = 2
    while place + 2 <= len(data):
        if data[place] != 0xFF:
            raise ValueError("a JPEG segment without a marker")
        if data[place + 1] == 0xFF:  # fill bytes
            yield 0xFF, data[place : place + 1]
            place += 1
            continue
        marker, end = data[place + 1], place + 2
        if marker not in (0x01, 0xD9):
            end += int.from_bytes(data[end : end + 2], "big")
        if marker == 0xDA:
            after = _AFTER_SCAN.search(data, end)
            if after is None:
                raise ValueError("a JPEG without an end")
            end = after.start()
        yield marker, data[place:end]
        if marker == 0xD9:
            return
        place = end
    raise ValueError("a JPEG without an end")


def _load_exif(block: bytes) -> Any:
    from PIL import Image

    exif = Image.Exif()
    exif.load(block)
    return exif


def _read_exif(block: bytes) -> set[str]:
    try:
        exif = _load_exif(block)
        tags = {**exif, **exif.get_ifd(_EXIF_IFD)}
        place = any(tag in exif.get_ifd(_GPS_IFD) for tag in (2, 4, 6, 20, 22))
    except Exception:  # noqa: BLE001  # whatever a damaged directory raises: nobody knows what it tells
        return {"notes of the maker"}
    signs = {
        "location": place,
        "serial number": any(tag in tags for tag in _SERIAL_NUMBERS),
        "name of a person": any(str(tags.get(tag, "")).strip("\0 ") for tag in _NAMES),
        "notes of the maker": _MAKER_NOTE in tags,
    }
    return {name for name, holds in signs.items() if holds}


def _read_orientation(block: bytes) -> int:
    try:
        value = _load_exif(block).get(_ORIENTATION, 1)
    except Exception:  # noqa: BLE001  # as above; whoever reads the file turns nothing either
        return 1
    return int(value) if value in range(1, 9) else 1


def _make_orientation(orientation: int) -> bytes:
    entry = (0x0112).to_bytes(2, "big") + b"\0\3\0\0\0\1" + orientation.to_bytes(2, "big") + b"\0\0"
    block = b"Exif\0\0MM\0*\0\0\0\x08\0\1" + entry + bytes(4)
    return b"\xff\xe1" + (len(block) + 2).to_bytes(2, "big") + block
