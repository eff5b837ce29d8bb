"""The chunks of a PNG (W3C PNG, third edition), each held to its checksum, and its pixels as far as shows that they are sound."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dataset_builder.errors import UnreadableImageError

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_TEXTS = (b"tEXt", b"zTXt", b"iTXt")
_METADATA = (b"Raw profile type ", b"XML:com.adobe.xmp")
_HEADER = ">IIBBBBB"
_CUT_OFF = "is cut off; copy it again or remove it"
_SUB, _UP, _AVERAGE, _PAETH = 1, 2, 3, 4


@dataclass(frozen=True, eq=False)
class PngChunks:
    """What a PNG holds.

    Attributes:
        width: columns.
        height: rows.
        depth: bits per sample.
        colour_type: the type that its header states.
        interlaced: whether its pixels come in passes.
        early: chunks before the pixels; of several of a kind, the first.
        exif: content of its eXIf chunk, wherever it lies; None if there is none.
        has_texts: whether texts that hold EXIF or XMP are among its chunks.
        packed: contents of the chunks of its pixels.
    """

    width: int
    height: int
    depth: int
    colour_type: int
    interlaced: bool
    early: Mapping[bytes, memoryview]
    exif: memoryview | None
    has_texts: bool
    packed: tuple[memoryview, ...]


def read_chunks(data: bytes) -> PngChunks:
    """Walk through all chunks to the last.

    Raises:
        UnreadableImageError: if one is damaged, or the file is cut off.
    """
    view, place = memoryview(data), len(SIGNATURE)
    early: dict[bytes, memoryview] = {}
    packed: list[memoryview] = []
    exif: memoryview | None = None
    has_texts, kind = False, b""
    while kind != b"IEND":
        size = int.from_bytes(view[place : place + 4], "big")
        kind, end = bytes(view[place + 4 : place + 8]), place + 8 + size
        if end + 4 > len(data):
            raise UnreadableImageError(_CUT_OFF)
        if zlib.crc32(view[place + 4 : end]) != int.from_bytes(view[end : end + 4], "big"):
            raise UnreadableImageError(f"is damaged: the checksum at byte {end:,} is wrong; copy it again or remove it")
        body = view[place + 8 : end]
        if kind == b"IDAT":
            packed.append(body)
        elif not packed:
            early.setdefault(kind, body)
        exif = body if kind == b"eXIf" and exif is None else exif
        has_texts = has_texts or (kind in _TEXTS and bytes(body[:20]).startswith(_METADATA))
        place = end + 4
    header = early.get(b"IHDR", memoryview(b""))
    if len(header) != struct.calcsize(_HEADER) or not packed:
        raise UnreadableImageError("holds no picture; copy it again or remove it")
    width, height, depth, colour_type, _, _, interlace = struct.unpack(_HEADER, header)
    return PngChunks(width, height, depth, colour_type, bool(interlace), early, exif, has_texts, tuple(packed))


def unpack_rows(chunks: PngChunks) -> NDArray[np.uint8]:
    """Rows of 8-bit RGB that is not interlaced, [H, 1 + 3W], each its filter and its filtered bytes.

    Raises:
        UnreadableImageError: if they are damaged, too few or too many.
    """
    expected = chunks.height * (1 + 3 * chunks.width)
    unpacker = zlib.decompressobj()
    try:
        rows = unpacker.decompress(b"".join(chunks.packed), expected + 1)
    except zlib.error as error:
        raise UnreadableImageError(f"is damaged ({error}); copy it again or remove it") from error
    if len(rows) != expected or not unpacker.eof:
        raise UnreadableImageError(
            _CUT_OFF if len(rows) < expected else "is damaged: it holds too many pixels; remove it"
        )
    found = np.frombuffer(rows, np.uint8).reshape(chunks.height, -1)
    if found[:, 0].max() > _PAETH:
        raise UnreadableImageError("is damaged: its rows have unknown filters; copy it again or remove it")
    return found


def restore_first_row(row: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Pixels [1, W, 3] of the first row that `unpack_rows` gave: above it, all is 0."""
    kind, pixels = int(row[0]), row[1:].reshape(-1, 3)
    if kind in (_SUB, _PAETH):
        return np.cumsum(pixels, axis=0, dtype=np.uint8)[None]
    if kind != _AVERAGE:
        return pixels[None]
    restored = [np.zeros(3, np.uint8)]
    for pixel in pixels:
        restored.append(pixel + (restored[-1] >> 1))
    return np.stack(restored[1:])[None]
