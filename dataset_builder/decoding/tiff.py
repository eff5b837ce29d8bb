"""How many directories a TIFF chains together, found without reading any of them."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from dataset_builder.errors import UnreadableImageError
from manifests.confined.plain import open_plain

MOST_DIRECTORIES = 10_000
"""Pages of a TIFF."""
_ORDERS = {b"II": "<", b"MM": ">"}
# By the version in the header: type of an offset and of the number of entries, bytes of an entry (TIFF 6.0, section 2; BigTIFF).
_FORMS = {42: ("I", "H", 12), 43: ("Q", "Q", 20)}


def require_few_directories(path: Path) -> None:
    """Raise UnreadableImageError for a TIFF whose chain of directories has more than `MOST_DIRECTORIES`, or leads back into itself.

    What is no TIFF, or is cut short, passes: whoever decodes it will say so.
    """
    with open_plain(path) as stream:
        seen: set[int] = set()
        for offset in _follow_chain(stream):
            if offset in seen:
                raise UnreadableImageError(f"{path}: its directories lead back into themselves; remove it")
            seen.add(offset)
            if len(seen) > MOST_DIRECTORIES:
                raise UnreadableImageError(
                    f"{path}: has more than {MOST_DIRECTORIES:,} pages; split it into smaller files"
                )


def _follow_chain(stream: BinaryIO) -> Iterator[int]:
    """Offsets of the directories, until the chain ends or the file does."""
    start = stream.read(16)
    order = _ORDERS.get(start[:2], "")
    form = _FORMS.get(struct.unpack(f"{order}H", start[2:4])[0]) if order and len(start) >= 8 else None
    if form is None or (form is _FORMS[43] and len(start) < 16):
        return
    (offset_kind, count_kind, entry_bytes), place = form, 4 if form[0] == "I" else 8
    offset = struct.unpack_from(order + offset_kind, start, place)[0]
    while offset:
        yield offset
        stream.seek(offset)
        count = stream.read(struct.calcsize(count_kind))
        if len(count) < struct.calcsize(count_kind):
            return
        stream.seek(struct.unpack(order + count_kind, count)[0] * entry_bytes, 1)
        following = stream.read(struct.calcsize(offset_kind))
        if len(following) < struct.calcsize(offset_kind):
            return
        offset = struct.unpack(order + offset_kind, following)[0]
