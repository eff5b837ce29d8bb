"""Size, channels and bit depth of an image file, read from its header without decoding."""

from __future__ import annotations

import struct
import warnings
from typing import BinaryIO, NamedTuple

from PIL import Image

from manifests.errors import ImageFileError

HEADER_BYTES = 33
"""So many leading bytes of a PNG hold all that `parse_png_header` reads."""

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
