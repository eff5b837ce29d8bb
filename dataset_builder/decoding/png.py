"""PNG (W3C PNG, third edition): its pixels as upright sRGB."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataset_builder.decoding.color_spaces import make_adobe_space
from dataset_builder.decoding.exif import CaptureFacts, names_adobe_rgb, read_exif
from dataset_builder.decoding.pictures import (
    DecodedPicture,
    Pixels,
    SourceImage,
    deepen,
    drop_alpha,
    reduce_image,
    replicate_grey,
    require_size,
)
from dataset_builder.decoding.png_chunks import PngChunks, read_chunks, restore_first_row, unpack_rows
from dataset_builder.decoding.png_color import has_narrow_range, read_meaning, widen
from dataset_builder.errors import UnreadableImageError
from manifests.images.pixels import apply_orientation

_RGB = 2


def read_png(path: Path, data: bytes, *, look: bool, white_level: int | None = None) -> SourceImage:
    """Decode a PNG completely; what is kept as it is and not looked at is unpacked only, which proves it sound.

    Args:
        path: the file, for messages.
        data: its bytes.
        look: the same as in `dataset_builder.decoding.images.read_image`.
        white_level: value that means white in one of 16 bits; None for the largest.

    Raises:
        UnreadableImageError: if it is damaged, animated, too large, or has parts that show nothing.
        UnsupportedColorError: if its colours cannot be brought to sRGB.
    """
    chunks = read_chunks(data)
    require_size(path, chunks.width, chunks.height)
    if b"acTL" in chunks.early:
        raise UnreadableImageError("is animated; extract its frames as single images")
    if white_level is not None and chunks.depth != 16:
        raise UnreadableImageError(f"white_level {white_level} is only for 16 bits, got {chunks.depth}; leave it out")
    exif = _read_exif(chunks, data)
    facts = CaptureFacts() if exif is None else read_exif(exif)
    meaning = read_meaning(chunks.early)
    if meaning is None and exif is not None and names_adobe_rgb(exif):
        meaning = make_adobe_space()
    narrow, means_srgb = has_narrow_range(chunks.early), meaning is None or meaning.is_srgb
    opaque = chunks.colour_type == _RGB and b"tRNS" not in chunks.early
    plain = opaque and means_srgb and not narrow and facts.orientation == 1 and white_level is None
    if plain and chunks.depth == 8 and not chunks.interlaced and not look:
        return SourceImage(_check(chunks, data), facts, data)
    image = _load(data)
    pixels = _decode_deep(data) if chunks.depth == 16 else _decode_shallow(image)
    if white_level is not None:
        pixels = deepen(pixels, white_level)
    if narrow:
        pixels = widen(pixels)
    if meaning is not None and not means_srgb:
        pixels = meaning.convert(pixels)
    upright = apply_orientation(replicate_grey(pixels), facts.orientation)
    return SourceImage(upright, facts, data if plain else None)


def _read_exif(chunks: PngChunks, data: bytes) -> Any:
    """EXIF as Pillow has it; None if there is none."""
    from PIL import Image

    if chunks.has_texts:
        with Image.open(io.BytesIO(data), formats=("PNG",)) as image:
            return image.getexif()
    if chunks.exif is None:
        return None
    exif = Image.Exif()
    try:
        exif.load(b"Exif\0\0" + bytes(chunks.exif))
    except Exception:  # noqa: BLE001  # whatever a damaged directory raises; it must not cost the pixels
        return None
    return exif


def _check(chunks: PngChunks, data: bytes) -> DecodedPicture:
    rows = unpack_rows(chunks)
    first = restore_first_row(rows[0])
    return DecodedPicture(
        (chunks.height, chunks.width, 3),
        1,
        load=lambda: np.asarray(_load(data)),
        preview=lambda: reduce_image(_load(data)),
        sample=lambda: first,
    )


def _load(data: bytes) -> Any:
    from PIL import Image

    with Image.open(io.BytesIO(data), formats=("PNG",)) as image:
        image.load()
    return image


def _decode_shallow(image: Any) -> Pixels:
    """8 bits of a Pillow image that is loaded: [H, W, 1] of grey, else [H, W, 3]."""
    grey = image.mode in ("1", "L", "LA", "I;16")
    if image.mode in ("LA", "RGBA", "PA") or "transparency" in image.info:
        pixels = np.asarray(image.convert("RGBA"))
        colours = pixels[..., :1] if grey else pixels[..., :3]
        return drop_alpha(colours, pixels[..., 3], associated=False)
    pixels = np.asarray(image.convert("L" if grey else "RGB"))
    return pixels[..., None] if pixels.ndim == 2 else pixels


def _decode_deep(data: bytes) -> Pixels:
    """16 bits of a PNG: [H, W, 1] of grey, else [H, W, 3]."""
    import cv2

    # Pillow cuts 16-bit RGB to 8 bits. It has decoded the file once, so damage is already ruled out.
    pixels: NDArray[Any] | None = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.dtype != np.uint16:
        raise UnreadableImageError("cannot be decoded; copy it again or remove it")
    if pixels.ndim == 2:
        return pixels[..., None]
    if pixels.shape[2] == 4:
        return drop_alpha(pixels[..., 2::-1], pixels[..., 3], associated=False)
    return pixels[..., ::-1]
