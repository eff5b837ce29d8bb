"""ICC profiles (ICC.1:2022).

Matrix and curves are read and applied at any depth; tables are left to LittleCMS, which Pillow offers at 8 bits.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from dataset_builder.camera.color import SRGB_TO_XYZ
from dataset_builder.decoding.color_spaces import (
    D50,
    UNSPECIFIED,
    ColorMeaning,
    ColorSpace,
    Curve,
    adapt_white,
    make_coded_space,
    make_power,
)
from dataset_builder.decoding.pictures import Pixels, explain, replicate_grey
from dataset_builder.errors import UnsupportedColorError

_HEADER = 128
_MOST_TAGS = 200
_ROUNDING = 1e-3
_CLASSES = (b"mntr", b"scnr", b"prtr", b"spac")
_CHANNELS = {b"GRAY": 1, b"RGB ": 3, b"CMYK": 4}
_TABLES = (b"A2B0", b"A2B1", b"D2B0", b"D2B1")
_MODES = {b"GRAY": "L", b"RGB ": "RGB", b"CMYK": "CMYK"}
_COLUMNS = (b"rXYZ", b"gXYZ", b"bXYZ")
_CURVES = (b"rTRC", b"gTRC", b"bTRC")


@dataclass(frozen=True)
class TableProfile:
    """A profile that only a colour-management engine can apply.

    Attributes:
        data: the profile.
        space: signature of its colours.
    """

    data: bytes
    space: bytes

    @property
    def is_srgb(self) -> bool:
        """Not known to be."""
        return False

    def convert(self, pixels: Pixels) -> Pixels:
        """By LittleCMS: relative colorimetric, black to black.

        Raises:
            UnsupportedColorError: if there are more than 8 bits, or other channels.
        """
        if pixels.dtype != np.uint8:
            raise UnsupportedColorError(
                "has a colour profile of tables under 16 bits per channel, which is not supported; convert it to sRGB of 16 bits"
            )
        if self.space == b"RGB " and pixels.shape[2] == 1:
            pixels = replicate_grey(pixels)
        if pixels.shape[2] != _CHANNELS[self.space]:
            raise UnsupportedColorError(
                f"{pixels.shape[2]} channels under a profile of {_word(self.space)}; convert it to sRGB"
            )
        from PIL import Image, ImageCms

        mode = _MODES[self.space]
        image = Image.frombytes(mode, pixels.shape[1::-1], np.ascontiguousarray(pixels).tobytes())
        try:
            converted = ImageCms.profileToProfile(
                image,
                ImageCms.ImageCmsProfile(io.BytesIO(self.data)),
                ImageCms.createProfile("sRGB"),
                renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
                outputMode="RGB",
                flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
            )
        except (ImageCms.PyCMSError, OSError, ValueError) as error:
            raise UnsupportedColorError(
                f"has a colour profile that LittleCMS cannot apply ({explain(error)}); convert it to sRGB"
            ) from error
        assert converted is not None
        return np.asarray(converted)


@lru_cache(maxsize=16)
def read_profile(data: bytes) -> ColorMeaning:
    """What a profile says.

    Raises:
        UnsupportedColorError: if it is damaged, or of a kind that describes no picture.
    """
    try:
        return _read(data)
    except UnsupportedColorError:
        raise
    except (struct.error, ValueError, IndexError, KeyError, OverflowError, np.linalg.LinAlgError) as error:
        raise UnsupportedColorError(
            f"has a damaged colour profile ({explain(error)}); remove the profile or convert it to sRGB"
        ) from error


def _read(data: bytes) -> ColorMeaning:
    if len(data) < _HEADER + 4 or data[36:40] != b"acsp":
        raise ValueError("no ICC profile")
    kind, space, connection = data[12:16], data[16:20], data[20:24]
    if kind not in _CLASSES or space not in _CHANNELS or connection not in (b"XYZ ", b"Lab "):
        raise UnsupportedColorError(
            f"has a colour profile of class {_word(kind)} from {_word(space)} to {_word(connection)}; convert it to sRGB"
        )
    tags = _list_tags(data)
    if b"cicp" in tags and tags[b"cicp"][9] != UNSPECIFIED:
        make_coded_space(1, tags[b"cicp"][9])  # raises for high dynamic range
    if not any(name in tags for name in _TABLES):
        if space == b"RGB " and connection == b"XYZ " and all(name in tags for name in (*_COLUMNS, *_CURVES)):
            columns = np.stack([_read_xyz(tags[name]) for name in _COLUMNS], axis=1)
            red, green, blue = (_read_curve(tags[name]) for name in _CURVES)
            matrix = _XYZ_TO_SRGB @ columns
            # Profiles round their columns; those of sRGB's own primaries must not tint the dark.
            same = bool(np.abs(matrix - np.eye(3)).max() < _ROUNDING)
            return ColorSpace(np.eye(3) if same else matrix, (red, green, blue))
        if space == b"GRAY" and connection == b"XYZ " and b"kTRC" in tags:
            curve = _read_curve(tags[b"kTRC"])
            return ColorSpace(np.eye(3), (curve, curve, curve))
    return TableProfile(data, space)


_XYZ_TO_SRGB = np.linalg.inv(SRGB_TO_XYZ) @ adapt_white(D50, SRGB_TO_XYZ.sum(axis=1))


def _list_tags(data: bytes) -> Mapping[bytes, bytes]:
    (count,) = struct.unpack_from(">I", data, _HEADER)
    if count > _MOST_TAGS:
        raise ValueError(f"{count} tags")
    entries = [struct.unpack_from(">4sII", data, _HEADER + 4 + 12 * index) for index in range(count)]
    if any(offset + size > len(data) for _, offset, size in entries):
        raise ValueError("cut off")
    return {name: data[offset : offset + size] for name, offset, size in entries}


def _read_xyz(tag: bytes) -> NDArray[np.float64]:
    if tag[:4] != b"XYZ ":
        raise ValueError(f"a column of type {_word(tag[:4])}")
    return np.array(struct.unpack_from(">3i", tag, 8)) / 65536


def _read_curve(tag: bytes) -> Curve:
    kind = tag[:4]
    if kind == b"curv":
        (count,) = struct.unpack_from(">I", tag, 8)
        if count == 0:
            return make_power(1.0)
        values = np.frombuffer(tag, ">u2", count, 12).astype(np.float64)
        if count == 1:
            return make_power(values[0] / 256)
        places = np.linspace(0, 1, count)
        return lambda codes: np.interp(codes, places, values / 65535)
    if kind == b"para":
        (form,) = struct.unpack_from(">H", tag, 8)
        length = (1, 3, 4, 5, 7)[form]
        return _make_parametric(*(value / 65536 for value in struct.unpack_from(f">{length}i", tag, 12)))
    raise ValueError(f"a curve of type {_word(kind)}")


def _make_parametric(*values: float) -> Curve:
    """A curve of type `parametricCurveType` (ICC.1, 10.18), whose number of parameters tells its form."""
    gamma, a, b, c, d, e, f = values[0], 1.0, 0.0, 0.0, -np.inf, 0.0, 0.0
    if len(values) > 1:
        a, b = values[1:3]
        d = -b / a
    if len(values) == 4:
        e = f = values[3]
    if len(values) >= 5:
        c, d = values[3:5]
    if len(values) == 7:
        e, f = values[5:7]

    def curve(codes: NDArray[np.float64]) -> NDArray[np.float64]:
        above = np.power(np.maximum(a * codes + b, 0), gamma) + e
        return np.clip(np.where(codes >= d, above, c * codes + f), 0, 1)

    return curve


def _word(signature: bytes) -> str:
    return signature.decode("ascii", "replace").strip().encode("ascii", "replace").decode("ascii")
