"""What a HEIC file lists of its items, without decoding any: pictures, EXIF and XMP (ISO 14496-12, 8.11; ISO 23008-12)."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass

_LARGEST_META = 16 << 20
_LARGEST_ITEM = 16 << 20
_MOST_ITEMS = 10_000
_PICTURES = frozenset((b"hvc1", b"av01", b"grid", b"iden", b"iovl", b"jpeg"))
_PARTS = frozenset((b"thmb", b"auxl", b"dimg"))
"""References by which an item is, or whose target is, no picture of its own."""


@dataclass(frozen=True)
class HeifItems:
    """Items of a file.

    Attributes:
        pictures: number of pictures that are meant to be seen, neither hidden nor thumbnails, parts or maps of others.
        places: where bytes of items lie: kind, `Exif` or `mime`, start and length.
    """

    pictures: int
    places: tuple[tuple[bytes, int, int], ...]


def list_items(descriptor: int) -> HeifItems:
    """Items of a HEIC file.

    Raises:
        ValueError: if its boxes are damaged.
    """
    for name, start, end in _walk(descriptor):
        if name == b"meta" and end - start <= _LARGEST_META:
            try:
                return _read_meta(os.pread(descriptor, end - start, start))
            except (struct.error, IndexError) as error:
                raise ValueError("a damaged list of items") from error
    raise ValueError("no list of items")


def read_item(descriptor: int, start: int, length: int) -> bytes:
    """Bytes of an item; nothing if it is too large to be metadata."""
    return os.pread(descriptor, length, start) if length <= _LARGEST_ITEM else b""


def _walk(descriptor: int) -> Iterator[tuple[bytes, int, int]]:
    place, size = 0, os.fstat(descriptor).st_size
    for _ in range(_MOST_ITEMS):
        head = os.pread(descriptor, 16, place)
        found = _read_head(head, 0, size - place)
        if found is None:
            return
        name, start, end = found
        yield name, place + start, min(place + end, size)
        place += end


def _read_head(data: bytes, place: int, rest: int) -> tuple[bytes, int, int] | None:
    """Name of a box, where its content starts, and where it ends; None where there is none."""
    if len(data) < place + 8:
        return None
    size, name = int.from_bytes(data[place : place + 4], "big"), data[place + 4 : place + 8]
    head = 8
    if size == 1:
        size, head = int.from_bytes(data[place + 8 : place + 16], "big"), 16
    size = size or rest
    return (name, place + head, place + size) if size >= head else None


def _list_boxes(data: bytes, place: int) -> Iterator[tuple[bytes, bytes]]:
    for _ in range(_MOST_ITEMS):
        found = _read_head(data, place, len(data) - place)
        if found is None:
            return
        name, start, end = found
        yield name, data[start:end]
        place = end


def _read_meta(meta: bytes) -> HeifItems:
    boxes = dict(_list_boxes(meta, 4))
    kinds, hidden = _read_infos(boxes.get(b"iinf", b""))
    parts = _read_parts(boxes.get(b"iref", b""))
    pictures = [item for item, kind in kinds.items() if kind in _PICTURES and item not in hidden | parts]
    places = _read_locations(boxes.get(b"iloc", b""))
    wanted = [(kinds[item], *place) for item, place in places.items() if kinds.get(item) in (b"Exif", b"mime")]
    return HeifItems(len(pictures), tuple(wanted))


def _read_infos(box: bytes) -> tuple[dict[int, bytes], set[int]]:
    """Kind of each item, and which are hidden."""
    kinds: dict[int, bytes] = {}
    hidden: set[int] = set()
    if not box:
        return kinds, hidden
    for name, info in _list_boxes(box, 6 if box[0] == 0 else 8):
        if name != b"infe" or info[0] < 2:
            continue
        width = 2 if info[0] == 2 else 4
        item = int.from_bytes(info[4 : 4 + width], "big")
        kinds[item] = info[6 + width : 10 + width]
        if info[3] & 1:
            hidden.add(item)
    return kinds, hidden


def _read_parts(box: bytes) -> set[int]:
    """Items that are thumbnails or maps of others, or tiles that others are put together from."""
    found: set[int] = set()
    if not box:
        return found
    width = 2 if box[0] == 0 else 4
    for name, reference in _list_boxes(box, 4):
        if name not in _PARTS:
            continue
        numbers = [
            int.from_bytes(reference[place : place + width], "big") for place in range(width + 2, len(reference), width)
        ]
        source = int.from_bytes(reference[:width], "big")
        found |= {*numbers} if name == b"dimg" else {source}
    return found


def _read_locations(box: bytes) -> dict[int, tuple[int, int]]:
    """Where items of one piece lie in the file: start and length."""
    places: dict[int, tuple[int, int]] = {}
    if not box:
        return places
    version = box[0]
    offset_size, length_size, base_size, index_size = (
        box[4] >> 4,
        box[4] & 15,
        box[5] >> 4,
        box[5] & 15 if version else 0,
    )
    place = 6

    def take(width: int) -> int:
        nonlocal place
        if place + width > len(box):
            raise IndexError
        place += width
        return int.from_bytes(box[place - width : place], "big")

    wide = 4 if version == 2 else 2
    for _ in range(min(take(wide), _MOST_ITEMS)):
        item = take(wide)
        method = take(2) & 15 if version else 0
        take(2)
        base = take(base_size)
        extents = []
        for _ in range(min(take(2), _MOST_ITEMS)):
            take(index_size)
            extents.append((base + take(offset_size), take(length_size)))
        if method == 0 and len(extents) == 1:
            places[item] = extents[0]
    return places
