"""Size, channels and bit depth of an image file, read from its header without decoding."""

from __future__ import annotations

import io
import re
import struct
import warnings
from typing import BinaryIO, NamedTuple

from PIL import Image

from manifests.errors import ImageFileError

HEADER_BYTES = 33
"""So many leading bytes of a PNG hold all that `parse_png_header` reads."""

MOST_SCANS = 64
"""Of a JPEG; libjpeg's own progressive script has ten."""

_JPEG_START = b"\xff\xd8"
_START_OF_SCAN, _END_OF_IMAGE = b"\xff\xda", b"\xff\xd9"
# All but those without a length: stuffed zeros, TEM, restarts, the start of an image.
_MARKER = re.compile(rb"\xff[^\x00\x01\xd0-\xd8\xff]")
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
# PNG (third edition), section 11.2.1: channels by colour type; a palette is expanded to RGB when read.
_PNG_CHANNELS = {0: 1, 2: 3, 3: 3, 4: 2, 6: 4}


class ImageHeader(NamedTuple):
    """What an image file says of itself.

    Attributes:
        height: rows as stored, before EXIF orientation.
        width: columns as stored.
        channels: samples per pixel once read.
        bits: per sample once read.
    """

    height: int
    width: int
    channels: int
    bits: int

    def __str__(self) -> str:
        """For messages."""
        return f"{self.height}x{self.width}, {self.channels} channels of {self.bits} bit"


def parse_png_header(start: bytes) -> ImageHeader | None:
    """Header of a PNG from the first bytes of its file; None if it is no PNG or is cut short."""
    if len(start) < HEADER_BYTES or start[:8] != _PNG_SIGNATURE or start[12:16] != b"IHDR":
        return None
    width, height, bits, color_type = struct.unpack(">IIBB", start[16:26])
    if color_type not in _PNG_CHANNELS:
        return None
    return ImageHeader(height, width, _PNG_CHANNELS[color_type], 8 if color_type == 3 else max(8, bits))


def require_decodable(data: bytes, name: str, *, most: int) -> None:
    """Refuse, by its header, an image file that would take much memory or time to decode.

    Args:
        data: the file.
        name: what to call it in errors.
        most: pixels that it may have.

    Raises:
        ImageFileError: if it has more, or is a JPEG of more than `MOST_SCANS` scans, or no image at all.
    """
    header = parse_png_header(data[:HEADER_BYTES]) or read_header(io.BytesIO(data), name)
    if header.height * header.width > most:
        raise ImageFileError(
            f"{name}: expected at most {most:,} px, got {header.width} x {header.height}; restore it or build again"
        )
    if data[:2] == _JPEG_START and (scans := count_scans(data)) > MOST_SCANS:
        raise ImageFileError(f"{name}: expected a JPEG of at most {MOST_SCANS} scans, got {scans}; save it anew")


def count_scans(data: bytes) -> int:
    """Scans of a JPEG (ITU-T T.81, B.2): each makes a decoder go over all of its pixels once more.

    Segments are skipped by their length, for metadata may hold pictures; within a scan nothing looks like a marker. What follows the end
    of the image is not looked at.
    """
    scans, place = 0, 0
    while (found := _MARKER.search(data, place)) is not None and found[0] != _END_OF_IMAGE:
        scans += found[0] == _START_OF_SCAN
        place = found.end() + int.from_bytes(data[found.end() : found.end() + 2], "big")
    return scans


def read_header(stream: BinaryIO, name: str) -> ImageHeader:
    """Header of a JPEG or any other image that Pillow knows.

    Args:
        stream: the file, at its beginning.
        name: what to call it in errors.

    Raises:
        ImageFileError: if it is no image.
    """
    try:
        with warnings.catch_warnings():
            # Pillow warns of large images, which nobody decodes here.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(stream) as image:
                bits = 16 if image.mode.startswith("I;16") else 8
                return ImageHeader(image.height, image.width, len(image.getbands()), bits)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise ImageFileError(f"{name}: is not an image ({error}); restore it or build the data set again") from error
