"""What the headers of a file say of its capture, whatever kind of file it is; no picture is decoded.

Order and timestamps of frames come from here alone, so they cannot contradict each other.
"""

from __future__ import annotations

import dataclasses
import io
import os
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from dataset_builder.decoding.exif import KNOWN_TAGS, LARGEST_ISO, CaptureFacts, build_facts, parse_time
from dataset_builder.decoding.exif_directory import read_directory
from dataset_builder.decoding.heif_items import list_items, read_item
from manifests.confined.plain import open_plain

_LARGEST_BLOCK = 16 << 20
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+", b"IIRO", b"IIRS", b"MMOR", b"IIU\0")
"""TIFF, BigTIFF, and TIFF under the names that Olympus and Panasonic give it."""
_XMP_TAG = 700
_XMP_TIMES = ("exif:DateTimeOriginal", "xmp:CreateDate", "photoshop:DateCreated")
Found = Iterator[CaptureFacts]


def read_headers(path: Path) -> CaptureFacts:
    """What EXIF, and where that has no time XMP, says in the headers of a picture or RAW file; nothing where they are damaged."""
    facts = CaptureFacts()
    try:
        with open_plain(path) as stream:
            for found in _list_facts(stream, stream.read(16)):
                facts = merge_facts(facts, found)
                if facts.captured_at is not None:
                    break
    except Exception:  # noqa: BLE001  # whoever decodes the file will say what is wrong with it
        return facts
    return facts


def merge_facts(first: CaptureFacts, second: CaptureFacts) -> CaptureFacts:
    """What the first says, and what the second adds; the orientation is the first's."""
    names = ("captured_at", "exposure_time", "iso", "f_number")
    added = {name: getattr(second, name) for name in names if getattr(first, name) is None}
    # LibRaw hands on the most that a field of 16 bits holds as if it were a sensitivity.
    return dataclasses.replace(
        first, **{name: value for name, value in added.items() if (name, value) != ("iso", LARGEST_ISO)}
    )


def _list_facts(stream: io.BufferedReader, head: bytes) -> Found:
    if head.startswith(b"\xff\xd8"):
        yield from _walk_jpeg(stream, 2)
    elif head.startswith(b"\x89PNG\r\n\x1a\n"):
        yield from _walk_png(stream.fileno())
    elif head[:4] in _TIFF:
        yield from _read_tiff(stream.fileno())
    elif head[4:8] == b"ftyp":
        yield from _read_canon(stream) if head[8:12] == b"crx " else _read_heif(stream.fileno())
    elif head.startswith(b"FUJIFILMCCD-RAW"):
        yield from _walk_jpeg(stream, int.from_bytes(os.pread(stream.fileno(), 4, 84), "big") + 2)
    elif head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        yield from _walk_webp(stream.fileno())


def _walk_jpeg(stream: BinaryIO, start: int) -> Found:
    stream.seek(start)
    while True:
        marker = stream.read(2)
        if len(marker) < 2 or marker[0] != 0xFF or marker[1] in (0xD9, 0xDA):
            return
        if marker[1] == 0xFF:  # padding
            stream.seek(-1, os.SEEK_CUR)
        elif not (marker[1] == 0x01 or 0xD0 <= marker[1] <= 0xD7):
            size = max(int.from_bytes(stream.read(2), "big") - 2, 0)
            if marker[1] == 0xE1:
                yield from _read_application_data(stream.read(size))
            else:
                stream.seek(size, os.SEEK_CUR)


def _read_application_data(data: bytes) -> Found:
    if data.startswith(b"Exif\0"):
        yield _read_exif(data[6:])
    elif data.startswith(b"http://ns.adobe.com/xap/1.0/\0"):
        yield _read_xmp(data)


def _walk_png(descriptor: int) -> Found:
    # What a file says may come after its pixels; to step over them from chunk to chunk costs next to nothing.
    place = 8
    while len(head := os.pread(descriptor, 8, place)) == 8:
        size, kind = int.from_bytes(head[:4], "big"), head[4:]
        if kind == b"IEND":
            return
        if kind in (b"eXIf", b"iTXt", b"tEXt", b"zTXt") and size <= _LARGEST_BLOCK:
            data = os.pread(descriptor, size, place + 8)
            if kind == b"eXIf":
                yield _read_exif(data)
            elif data.startswith(b"XML:com.adobe.xmp\0\0"):
                yield _read_xmp(data)
            elif data.startswith((b"Raw profile type exif\0", b"Raw profile type APP1\0")):
                yield _read_raw_profile(data[22:], packed=kind == b"zTXt")
        place += 12 + size


def _read_raw_profile(data: bytes, *, packed: bool) -> CaptureFacts:
    """EXIF as ImageMagick wrote it before PNG had a chunk for it: a name, a length, and hexadecimal digits."""
    text = zlib.decompressobj().decompress(data[1:], _LARGEST_BLOCK) if packed else data
    return _read_exif(bytes.fromhex("".join(text.decode("ascii").split()[2:])))


def _walk_webp(descriptor: int) -> Found:
    place = 12
    while len(head := os.pread(descriptor, 8, place)) == 8:
        size = int.from_bytes(head[4:], "little")
        if head[:4] in (b"EXIF", b"XMP ") and size <= _LARGEST_BLOCK:
            data = os.pread(descriptor, size, place + 8)
            yield _read_xmp(data) if head[:4] == b"XMP " else _read_exif(data)
        place += 8 + size + size % 2


def _read_heif(descriptor: int) -> Found:
    for kind, start, length in list_items(descriptor).places:
        block = read_item(descriptor, start, length)
        if kind == b"Exif":
            # The block begins with how far its TIFF structure is from its own end.
            yield _read_exif(block[4 + int.from_bytes(block[:4], "big") :])
        elif b"xmpmeta" in block or b"rdf:RDF" in block:
            yield _read_xmp(block)


def _read_canon(stream: BinaryIO) -> Found:
    """EXIF of a CR3: each directory is a box with the form of a TIFF in which it comes first."""
    stream.seek(0)
    start = stream.read(1 << 16)
    for name in (b"CMT2", b"CMT1"):
        place = start.find(name)
        if place >= 4:
            yield _read_exif(start[place + 4 : place - 4 + int.from_bytes(start[place - 4 : place], "big")])


def _read_tiff(descriptor: int) -> Found:
    tags = read_directory(lambda place, size: os.pread(descriptor, size, place), {*KNOWN_TAGS, _XMP_TAG})
    yield build_facts(tags)
    packet = tags.get(_XMP_TAG)
    if isinstance(packet, bytes):
        yield _read_xmp(packet)


def _read_exif(data: bytes) -> CaptureFacts:
    block = data.removeprefix(b"Exif\0\0")
    return build_facts(read_directory(lambda place, size: block[place : place + size], KNOWN_TAGS))


def _read_xmp(packet: bytes) -> CaptureFacts:
    """Time in a packet of XMP, as an attribute or an element; what else it says is in the EXIF as well."""
    text = packet.decode("utf-8", "replace")
    for name in _XMP_TIMES:
        found = re.search(rf"\b{name}\s*(?:=\s*[\"']|>)\s*([0-9T:.+Z-]{{19,40}})", text)
        time = None if found is None else parse_time(found[1])
        if time is not None:
            return CaptureFacts(captured_at=time)
    return CaptureFacts()
