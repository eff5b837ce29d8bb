"""What the chunks of a PNG say that its pixels mean (W3C PNG, third edition)."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping

import numpy as np

from dataset_builder.decoding.color_spaces import (
    D65,
    SRGB_PRIMARIES,
    ColorMeaning,
    decode_srgb_curve,
    make_coded_space,
    make_power,
    make_space,
)
from dataset_builder.decoding.icc import read_profile
from dataset_builder.decoding.pictures import Pixels, look_up, round_codes
from dataset_builder.errors import UnsupportedColorError

_MAX_PROFILE = 16 << 20
_SRGB_GAMMA = 45455
_PQ_NAME = b"ITUR_2100_PQ_FULL"
"""Before cICP, this name of a profile meant PQ, whatever the profile says (W3C note, 2017)."""
Chunks = Mapping[bytes, memoryview]


def read_meaning(chunks: Chunks) -> ColorMeaning | None:
    """By cICP, else iCCP, else sRGB, else gAMA and cHRM, as the standard orders them; None if nothing is said.

    Raises:
        UnsupportedColorError: if it cannot be brought to sRGB.
    """
    if (code := chunks.get(b"cICP")) is not None:
        if len(code) != 4 or code[2] != 0:
            raise UnsupportedColorError(f"has a cICP chunk {list(code[:8])} that is not of RGB; convert it to sRGB")
        return make_coded_space(code[0], code[1])
    if (profile := chunks.get(b"iCCP")) is not None:
        return read_profile(_unpack_profile(bytes(profile)))
    return make_coded_space(1, 13) if b"sRGB" in chunks else _read_gamma(chunks)


def has_narrow_range(chunks: Chunks) -> bool:
    """Whether black and white are not the ends of the codes."""
    code = chunks.get(b"cICP", memoryview(b""))
    return len(code) == 4 and code[3] == 0


def widen(pixels: Pixels) -> Pixels:
    """Narrow range (H.273: 16 to 235 of 8 bits) to full range."""
    full = np.iinfo(pixels.dtype).max
    codes = np.arange(full + 1) * (256 / (full + 1))
    return look_up(round_codes((codes - 16) / 219 * full, full), pixels)


def _unpack_profile(chunk: bytes) -> bytes:
    name, _, packed = chunk.partition(b"\0")
    if name == _PQ_NAME:
        make_coded_space(9, 16)  # raises
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


def _read_gamma(chunks: Chunks) -> ColorMeaning | None:
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
