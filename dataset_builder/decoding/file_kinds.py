"""What kind of picture or video a file is, by its first bytes: suffixes are given by people, and wrong at times."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path

from dataset_builder.decoding.exif_directory import read_directory
from dataset_builder.decoding.heif_items import list_items
from dataset_builder.errors import UnreadableImageError
from manifests.confined.plain import open_plain
from manifests.errors import UnsafePathError

RAW_SUFFIXES = frozenset(
    f".{name}"
    for name in (
        *("dng", "cr2", "cr3", "crw", "nef", "nrw", "arw", "sr2", "srf", "raf", "orf", "rw2", "rwl", "pef", "srw"),
        *("raw", "kdc", "dcr", "x3f", "mrw", "iiq", "3fr", "fff", "gpr", "erf", "mef"),
    )
)
PICTURE_SUFFIXES = frozenset(
    (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".tif", ".tiff", ".heic", ".heif", ".hif", ".avif")
)
"""Suffixes of pictures that can be read; a file with one of them is a frame, whatever it holds."""

FRAME_SUFFIXES = PICTURE_SUFFIXES | RAW_SUFFIXES


class FileKind(StrEnum):
    """Kinds of content; the value is its name for people."""

    JPEG = "JPEG"
    PNG = "PNG"
    TIFF = "TIFF"
    HEIF = "HEIC"
    RAW = "RAW"
    VIDEO = "video"
    WEBP = "WebP"
    AVIF = "AVIF"
    GIF = "GIF"
    BMP = "BMP"
    JPEG_XL = "JPEG XL"
    JPEG_2000 = "JPEG 2000"
    PHOTOSHOP = "Photoshop"
    OPENEXR = "OpenEXR"
    RADIANCE = "Radiance HDR"
    OTHER = "other"


READABLE = frozenset({FileKind.JPEG, FileKind.PNG, FileKind.TIFF, FileKind.HEIF, FileKind.AVIF, FileKind.RAW})
"""Pictures that can be read; videos can, too, but are many pictures."""
_STARTS = (
    (b"\xff\xd8\xff", FileKind.JPEG),
    (b"\x89PNG\r\n\x1a\n", FileKind.PNG),
    (b"GIF8", FileKind.GIF),
    (b"\xff\x0a", FileKind.JPEG_XL),
    (b"\0\0\0\x0cJXL ", FileKind.JPEG_XL),
    (b"\0\0\0\x0cjP  ", FileKind.JPEG_2000),
    (b"\xff\x4f\xff\x51", FileKind.JPEG_2000),
    (b"8BPS", FileKind.PHOTOSHOP),
    (b"\x76\x2f\x31\x01", FileKind.OPENEXR),
    (b"#?RADIANCE", FileKind.RADIANCE),
    (b"FUJIFILMCCD-RAW", FileKind.RAW),
    (b"IIRO", FileKind.RAW),
    (b"IIRS", FileKind.RAW),
    (b"MMOR", FileKind.RAW),
    (b"IIU\0", FileKind.RAW),
    (b"FOVb", FileKind.RAW),
    (b"\0MRM", FileKind.RAW),
    (b"\x1a\x45\xdf\xa3", FileKind.VIDEO),
    (b"FLV\x01", FileKind.VIDEO),
    (b"OggS", FileKind.VIDEO),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", FileKind.VIDEO),
    (b"\0\0\x01\xba", FileKind.VIDEO),
    (b"\0\0\x01\xb3", FileKind.VIDEO),
)
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_HEIF_BRANDS = frozenset(
    (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1", b"miaf")
)
_PACKETS = ((0, 188), (4, 192))
"""Where packets of an MPEG transport stream begin, and how long they are; AVCHD puts a time before each."""
_MOST_BOXES = 10_000
_DNG_VERSION, _PHOTOMETRIC, _MOSAIC = 50706, 262, 32803


def recognise(path: Path) -> FileKind:
    """What a file holds, by its first bytes and, where these are those of a TIFF, by its first directory and its suffix.

    Raises:
        UnsafePathError: if it is no plain file.
        OSError: if it cannot be read.
    """
    suffix = path.suffix.lower()
    with open_plain(path) as stream:
        head = os.pread(stream.fileno(), 256, 0)
        if head[:4] in _TIFF:
            raw = suffix in RAW_SUFFIXES or head[8:10] == b"CR" or _is_mosaic(stream.fileno(), head)
            return FileKind.RAW if raw else FileKind.TIFF
    found = next((kind for start, kind in _STARTS if head.startswith(start)), None) or _read_container(head)
    if found is FileKind.OTHER and suffix in RAW_SUFFIXES:
        return FileKind.RAW  # LibRaw knows kinds that have no mark of their own
    return found


def is_picture(path: Path) -> bool:
    """Whether a file is called as a picture or a RAW file, whatever it holds, or holds one that can be read, whatever it is called."""
    return not path.is_dir() if path.suffix.lower() in FRAME_SUFFIXES else guess_kind(path) in READABLE


def guess_kind(path: Path) -> FileKind:
    """As `recognise`; other for what cannot be looked at."""
    with contextlib.suppress(OSError, UnsafePathError):
        return recognise(path)
    return FileKind.OTHER


def refuse_kind(path: Path, kind: FileKind) -> UnreadableImageError:
    """The error for a file that is no picture of a kind that can be read."""
    if kind is FileKind.OTHER:
        return UnreadableImageError(f"{path}: is no picture of any known kind; copy it again or remove it")
    if kind is FileKind.VIDEO:
        return UnreadableImageError(f"{path}: is a video; take it in with `buiqa ingest stack`")
    return UnreadableImageError(f"{path}: is {kind}, which cannot be read; convert it to PNG or TIFF of the same depth")


def count_pictures(path: Path) -> int:
    """Number of pictures in a HEIC file, thumbnails and depth maps not counted; 1 where its lists are damaged.

    A sequence, which is a video in all but name, counts as two.
    """
    with open_plain(path) as stream:
        if b"moov" in list_boxes(stream.fileno()):
            return 2
        try:
            return list_items(stream.fileno()).pictures
        except ValueError:
            return 1  # whoever decodes it will say what is wrong


def list_boxes(descriptor: int) -> dict[bytes, int]:
    """Boxes of a file of the ISO base media kind (ISO 14496-12, 4.2), not those within others, and where each would end."""
    place = 0
    boxes: dict[bytes, int] = {}
    size_of_file = os.fstat(descriptor).st_size
    for _ in range(_MOST_BOXES):
        head = os.pread(descriptor, 16, place)
        size = int.from_bytes(head[8:] if head[:4] == b"\0\0\0\x01" else head[:4], "big")
        end = place + size if size else size_of_file
        if len(head) < 8 or end < place + 8:
            break
        boxes[head[4:8]] = end
        place = end
    return boxes


def _read_container(head: bytes) -> FileKind:
    if head[:4] == b"RIFF":
        return {b"WEBP": FileKind.WEBP, b"AVI ": FileKind.VIDEO}.get(head[8:12], FileKind.OTHER)
    if head[4:8] == b"ftyp":
        size = min(int.from_bytes(head[:4], "big"), len(head))
        return _read_brands([head[8:12], *(head[place : place + 4] for place in range(16, size - 3, 4))])
    if head[:2] == b"BM" and head[6:10] == bytes(4):
        return FileKind.BMP
    packets = any(
        head[start : start + 1] == head[start + step : start + step + 1] == b"\x47" for start, step in _PACKETS
    )
    # MPEG transport streams, and QuickTime before it had a mark
    return FileKind.VIDEO if packets or head[4:8] in (b"moov", b"mdat", b"wide") else FileKind.OTHER


def _read_brands(brands: Sequence[bytes]) -> FileKind:
    if brands[0] == b"crx ":
        return FileKind.RAW
    if {b"avif", b"avis"} & {*brands}:
        return FileKind.AVIF
    return FileKind.HEIF if brands[0] in _HEIF_BRANDS else FileKind.VIDEO


def _is_mosaic(descriptor: int, head: bytes) -> bool:
    """Whether the first directory of a TIFF calls itself DNG or a mosaic."""
    if head[2:4] not in (b"*\0", b"\0*"):
        return False
    try:
        tags = read_directory(lambda place, size: os.pread(descriptor, size, place), {_DNG_VERSION, _PHOTOMETRIC})
    except ValueError:
        return False
    return _DNG_VERSION in tags or tags.get(_PHOTOMETRIC) == _MOSAIC
