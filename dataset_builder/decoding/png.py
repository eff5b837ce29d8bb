"""PNG: its pixels, and what its chunks say they mean (W3C PNG, third edition)."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataset_builder.decoding.color_spaces import (
    D65,
    SRGB_PRIMARIES,
    ColorMeaning,
    decode_srgb_curve,
    make_adobe_space,
    make_coded_space,
    make_power,
    make_space,
)
from dataset_builder.decoding.exif import names_adobe_rgb, read_exif
from dataset_builder.decoding.icc import read_profile
from dataset_builder.decoding.pictures import (
    DecodedPicture,
    Pixels,
    SourceImage,
    deepen,
    drop_alpha,
    reduce_image,
    replicate_grey,
    require_size,
    sample_image,
)
from dataset_builder.errors import UnreadableImageError, UnsupportedColorError
from manifests.images.pixels import apply_orientation

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_MAX_PROFILE = 16 << 20
_SRGB_GAMMA = 45455
_KEPT = (b"IHDR", b"cICP", b"iCCP", b"sRGB", b"gAMA", b"cHRM", b"acTL")


@dataclass(frozen=True)
class _Header:
    depth: int
    colour_type: int
    meaning: ColorMeaning | None
    narrow: bool


def read_png(path: Path, data: bytes, *, white_level: int | None = None) -> SourceImage:
    """Decode a PNG completely.

    Args:
        path: the file, for messages.
        data: its bytes.
        white_level: value that means white in one of 16 bits; None for the largest.

    Raises:
        UnreadableImageError: if it is damaged, animated, too large, or has parts that show nothing.
        UnsupportedColorError: if its colours cannot be brought to sRGB.
    """
    from PIL import Image

    header = _read_header(data)
    if white_level is not None and header.depth != 16:
        raise UnreadableImageError(f"white_level {white_level} is only for 16 bits, got {header.depth}; leave it out")
    with Image.open(io.BytesIO(data), formats=("PNG",)) as image:
        require_size(path, image.width, image.height)
        image.load()
        exif = image.getexif()
        facts = read_exif(exif)
        meaning = header.meaning
        if meaning is None and names_adobe_rgb(exif):
            meaning = make_adobe_space()
        means_srgb = meaning is None or meaning.is_srgb
        opaque = header.colour_type == 2 and "transparency" not in image.info
        plain = opaque and means_srgb and not header.narrow and facts.orientation == 1 and white_level is None
        if plain and header.depth == 8:
            shape = image.height, image.width, 3
            picture = DecodedPicture(
                shape,
                1,
                load=lambda: np.asarray(image),
                preview=lambda: reduce_image(image),
                sample=lambda: sample_image(image),
            )
            return SourceImage(picture, facts, data)
        pixels = _decode_deep(data) if header.depth == 16 else _decode_shallow(image)
    if white_level is not None:
        pixels = deepen(pixels, white_level)
    if header.narrow:
        pixels = _widen(pixels)
    if meaning is not None and not means_srgb:
        pixels = meaning.convert(pixels)
    upright = apply_orientation(replicate_grey(pixels), facts.orientation)
    return SourceImage(upright, facts, data if plain else None)


def _read_header(data: bytes) -> _Header:
    """What the chunks say, in the standard's order: cICP, iCCP, sRGB, gAMA and cHRM."""
    chunks = _list_chunks(data)
    if b"acTL" in chunks:
        raise UnreadableImageError("is animated; extract its frames as single images")
    if len(chunks.get(b"IHDR", b"")) != 13:
        raise UnreadableImageError("has no header; copy it again or remove it")
    _, _, depth, colour_type = struct.unpack_from(">IIBB", chunks[b"IHDR"])
    if (code := chunks.get(b"cICP")) is not None:
        if len(code) != 4 or code[2] != 0:
            raise UnsupportedColorError(f"has a cICP chunk {list(code[:8])} that is not of RGB; convert it to sRGB")
        return _Header(depth, colour_type, make_coded_space(code[0], code[1]), narrow=code[3] == 0)
    if (profile := chunks.get(b"iCCP")) is not None:
        return _Header(depth, colour_type, read_profile(_unpack_profile(profile)), narrow=False)
    meaning = None if b"sRGB" in chunks else _read_gamma(chunks)
    return _Header(depth, colour_type, meaning, narrow=False)


def _list_chunks(data: bytes) -> Mapping[bytes, bytes]:
    """Chunks that tell what pixels mean; of several of a kind, the first."""
    found: dict[bytes, bytes] = {}
    place = len(SIGNATURE)
    while place + 8 <= len(data):
        size = int.from_bytes(data[place : place + 4], "big")
        kind = data[place + 4 : place + 8]
        if kind == b"IDAT":
            break  # all that matter come before the pixels
        if kind in _KEPT:
            found.setdefault(kind, data[place + 8 : place + 8 + size])
        place += size + 12
    return found


def _unpack_profile(chunk: bytes) -> bytes:
    _, _, packed = chunk.partition(b"\0")
    unpacker = zlib.decompressobj()
    try:
        profile = unpacker.decompress(packed[1:], _MAX_PROFILE)
    except zlib.error as error:
        raise UnsupportedColorError("has a damaged colour profile; remove the profile or convert it to sRGB") from error
    if not unpacker.eof:
        raise UnsupportedColorError(
            f"has a colour profile that is cut off or unpacks to more than {_MAX_PROFILE:,} bytes; remove it"
        )
    return profile


def _read_gamma(chunks: Mapping[bytes, bytes]) -> ColorMeaning | None:
    """gAMA and cHRM; what one leaves open is as in sRGB, and the gamma that sRGB's own writers give means its curve."""
    gamma = int.from_bytes(chunks[b"gAMA"], "big") if len(chunks.get(b"gAMA", b"")) == 4 else None
    points = struct.unpack(">8I", chunks[b"cHRM"]) if len(chunks.get(b"cHRM", b"")) == 32 else None
    if gamma is None and points is None:
        return None
    if gamma == 0:
        raise UnsupportedColorError("has a gamma of 0; convert it to sRGB")
    curve = decode_srgb_curve if gamma in (None, _SRGB_GAMMA) else make_power(100_000 / gamma)
    if points is None:
        return make_space(SRGB_PRIMARIES, D65, curve)
    white, red, green, blue = ((points[i] / 100_000, points[i + 1] / 100_000) for i in range(0, 8, 2))
    return make_space((red, green, blue), white, curve)


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


def _widen(pixels: Pixels) -> Pixels:
    """Narrow range (H.273: 16 to 235 of 8 bits) to full range."""
    full = np.iinfo(pixels.dtype).max
    codes = np.arange(full + 1) * (256 / (full + 1))
    table = np.rint(np.clip((codes - 16) / 219, 0, 1) * full).astype(pixels.dtype)
    return np.asarray(table[pixels])
