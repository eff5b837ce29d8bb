"""Decode a camera's or editor's image file, and say what its EXIF knows."""

from __future__ import annotations

import warnings
from pathlib import Path

from dataset_builder.decoding.file_kinds import FileKind, recognise, refuse_kind
from dataset_builder.decoding.heif import read_avif, read_heic
from dataset_builder.decoding.jpeg import read_jpeg
from dataset_builder.decoding.pictures import SourceImage, named
from dataset_builder.decoding.png import read_png
from dataset_builder.decoding.source_files import require_file
from dataset_builder.decoding.tiff_pictures import read_tiff
from dataset_builder.errors import UnreadableImageError


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
        kind = recognise(path)
        if kind is FileKind.TIFF:
            return read_tiff(path, page, white_level=white_level)
        if white_level is not None and kind is not FileKind.PNG:
            raise UnreadableImageError(f"white_level {white_level} is only for RAW, TIFF and PNG; leave it out")
        if kind is FileKind.HEIF:
            return read_heic(path)
        if kind is FileKind.AVIF:
            return read_avif(path, path.read_bytes())
        if kind is FileKind.JPEG:
            return read_jpeg(path, path.read_bytes(), look=look)
        if kind is FileKind.PNG:
            return read_png(path, path.read_bytes(), look=look, white_level=white_level)
    raise refuse_kind(path, kind)
