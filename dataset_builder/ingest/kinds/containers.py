"""Whether the file of a video is whole: decoders come to the end of one that was cut off as if it ended there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from dataset_builder.decoding.file_kinds import list_boxes
from dataset_builder.errors import UnreadableImageError
from manifests.confined.plain import open_plain

_EBML, _SEGMENT, _CLUSTER = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67", b"\x1f\x43\xb6\x75"
_ELEMENTS = frozenset(
    bytes.fromhex(name)
    for name in (
        *("1a45dfa3", "18538067", "114d9b74", "1549a966", "1654ae6b", "1f43b675", "1c53bb6b", "1941a469", "1043a770"),
        *("1254c367", "ec", "bf", "e7", "a3", "a0", "ab", "a7", "5854"),
    )
)
"""What may stand in a Matroska file, in a segment and in a cluster."""
_BOXES = frozenset(
    (
        b"ftyp",
        b"styp",
        b"moov",
        b"moof",
        b"mdat",
        b"mfra",
        b"sidx",
        b"free",
        b"skip",
        b"wide",
        b"uuid",
        b"meta",
        b"udta",
    )
)
# Cameras put what they like behind a file; only what has a name of the format says where it should end.


def require_whole(path: Path) -> None:
    """Raise UnreadableImageError if a Matroska, WebM, MP4, QuickTime or AVI file ends before its parts say that it does.

    What a live recording leaves unsaid is not missed.
    """
    with open_plain(path) as stream:
        descriptor = stream.fileno()
        head = os.pread(descriptor, 12, 0)
        size = os.fstat(descriptor).st_size
        if head.startswith(_EBML):
            ends = list(_list_matroska(descriptor, size))
        elif head.startswith(b"RIFF"):
            ends = list(_list_riff(descriptor, size))
        elif head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"):
            ends = [end for name, end in list_boxes(descriptor).items() if name in _BOXES]
        else:
            return
    if ends and max(ends) > size:
        raise UnreadableImageError(
            f"{path}: was cut off: it has {size:,} of {max(ends):,} bytes that it should have; copy it again or remove it"
        )


def _list_matroska(descriptor: int, size: int) -> Iterator[int]:
    """Where the segments, and the clusters of one of unknown length, would end (RFC 8794, RFC 9559)."""
    place = 0
    while place < size:
        found = _read_element(descriptor, place)
        if found is None:
            return
        name, start, length = found
        if name not in _ELEMENTS:
            return
        if length is None:
            if name not in (_SEGMENT, _CLUSTER):
                return
            place = start  # its children follow
            continue
        place = start + length
        yield place


def _read_element(descriptor: int, place: int) -> tuple[bytes, int, int | None] | None:
    """Identifier of an element, where its content starts, and its length; None where it does not say."""
    head = os.pread(descriptor, 12, place)
    width = 9 - head[0].bit_length() if head and head[0] else 9
    if width > 4 or len(head) < width + 1 or not head[width]:
        return None
    digits = 9 - head[width].bit_length()
    value = int.from_bytes(head[width : width + digits], "big") & ((1 << 7 * digits) - 1)
    unknown = value == (1 << 7 * digits) - 1
    return head[:width], place + width + digits, None if unknown else value


def _list_riff(descriptor: int, size: int) -> Iterator[int]:
    """Where the parts of an AVI would end; long ones have several (OpenDML 1.02)."""
    place = 0
    while place < size:
        head = os.pread(descriptor, 8, place)
        length = int.from_bytes(head[4:], "little")
        if head[:4] != b"RIFF" or length in (0, 0xFFFFFFFF):
            return
        place += 8 + length + length % 2
        yield place - length % 2
