"""Decode a camera's or editor's image file, and say what its EXIF knows."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

from dataset_builder.decoding.heif import read_avif, read_heic
from dataset_builder.decoding.jpeg import read_jpeg
from dataset_builder.decoding.pictures import SourceImage, explain, named
from dataset_builder.decoding.png import read_png
from dataset_builder.decoding.png_chunks import SIGNATURE
from dataset_builder.decoding.source_files import require_file
from dataset_builder.decoding.tiff import require_few_directories
from dataset_builder.decoding.tiff_pictures import read_tiff
from dataset_builder.errors import UnreadableImageError

TIFF_SUFFIXES = frozenset({".tif", ".tiff"})
HEIF_SUFFIXES = frozenset({".heic", ".heif"})
IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png"}) | TIFF_SUFFIXES | HEIF_SUFFIXES

_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_AVIF_BRANDS = (b"avif", b"avis")


def natural_key(name: str) -> tuple[tuple[tuple[int, int, str], ...], str]:
    """Sort key under which `BURST2` comes before `BURST10`, and different names never tie."""
    parts = re.findall(r"[0-9]+|[^0-9]+", name)
    return tuple((0, int(part), "") if part.isdigit() else (1, 0, part.casefold()) for part in parts), name


def read_image(
    path: Path, *, page: int | None = None, look: bool = True, white_level: int | None = None
) -> SourceImage:
    """Decode a JPEG, PNG, TIFF, AVIF or, where pillow-heif is installed, HEIC completely, to sRGB of 8 or 16 bit.

    What the file is, its content says, whatever its name. Colours are converted where its profile or tags say that they are others;
    grey becomes three equal channels.

    Args:
        path: the file.
        page: number of the page in a TIFF of several, from 0; None expects a single one.
        look: whether somebody will look at the pixels. If not, a JPEG is checked by decoding its brightness alone, to the last bit of
            the file, a PNG by unpacking it, and is decoded in the end if somebody does.
        white_level: value that means white in a TIFF or a PNG of 16 bits; None leaves it to the file.

    Raises:
        MissingSourceError: if there is no such file.
        UnreadableImageError: if it is empty, damaged, truncated, animated, too large, or of another kind.
        UnsupportedColorError: if its colours cannot be brought to sRGB.
        MissingReaderError: if a package that it needs is not installed.
    """
    require_file(path)
    with named(path), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with path.open("rb") as stream:
            start = stream.read(16)
            kind = recognise(start)
            if kind == "TIFF":
                return read_tiff(path, page, white_level=white_level)
            if white_level is not None and kind != "PNG":
                raise UnreadableImageError(f"white_level {white_level} is only for RAW, TIFF and PNG; leave it out")
            if kind == "HEIC":
                return read_heic(path)
            stream.seek(0)
            data = stream.read()
        if kind == "JPEG":
            return read_jpeg(path, data, look=look)
        if kind == "PNG":
            return read_png(path, data, look=look, white_level=white_level)
        if kind == "AVIF":
            return read_avif(path, data)
        raise UnreadableImageError("expected JPEG, PNG, TIFF, HEIC or AVIF, got something else; convert or remove it")


def recognise(start: bytes) -> str | None:
    """Name of an image format by the first 16 bytes of a file; None for others."""
    if start.startswith(b"\xff\xd8"):
        return "JPEG"
    if start.startswith(SIGNATURE):
        return "PNG"
    if start[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return "TIFF"
    if start[4:8] == b"ftyp":
        return "AVIF" if start[8:12] in _AVIF_BRANDS else "HEIC" if start[8:12] in _HEIC_BRANDS else None
    return None


def count_pages(path: Path) -> int:
    """Number of pages of a TIFF.

    Raises:
        SourceError: if it is no TIFF, or has more than `MOST_DIRECTORIES`.
    """
    import tifffile

    require_file(path)
    try:
        require_few_directories(path)
        with tifffile.TiffFile(path) as tiff:
            return len(tiff.pages)
    except UnreadableImageError:
        raise
    except Exception as error:  # as in read_image
        raise UnreadableImageError(f"{path}: cannot be read as TIFF ({explain(error)}); remove it") from error
