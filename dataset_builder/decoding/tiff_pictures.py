"""TIFF 6.0 with its supplements: the pixels of a page, and what its tags say they mean."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataset_builder.decoding.color_spaces import (
    D65,
    SRGB_PRIMARIES,
    ColorMeaning,
    Curve,
    Point,
    convert_lab,
    decode_srgb_curve,
    make_adobe_space,
    make_space,
)
from dataset_builder.decoding.exif import read_known_tags, read_tiff_tags
from dataset_builder.decoding.icc import read_profile
from dataset_builder.decoding.pictures import (
    Pixels,
    SourceImage,
    deepen,
    drop_alpha,
    look_up,
    replicate_grey,
    require_size,
    round_codes,
)
from dataset_builder.decoding.tiff import require_few_directories
from dataset_builder.decoding.tiff_codecs import (
    ASSOCIATED,
    CIELAB,
    ICCLAB,
    MIN_IS_BLACK,
    MIN_IS_WHITE,
    PALETTE,
    RGB,
    SEPARATED,
    UNASSOCIATED,
    YCBCR,
    decode_page,
)
from dataset_builder.errors import UnreadableImageError, UnsupportedColorError
from manifests.images.pixels import apply_orientation

_TRANSFER_FUNCTION, _WHITE_POINT, _PRIMARIES, _COLOR_MAP, _INK_SET = 301, 318, 319, 320, 332
_YCBCR_COEFFICIENTS, _REFERENCE_BLACK_WHITE, _PROFILE, _EXIF_IFD = 529, 532, 34675, 34665
_CHANNELS = {MIN_IS_WHITE: 1, MIN_IS_BLACK: 1, RGB: 3, PALETTE: 1, SEPARATED: 4, YCBCR: 3, CIELAB: 3, ICCLAB: 3}
_COLOUR_TAGS = (
    _TRANSFER_FUNCTION,
    _WHITE_POINT,
    _PRIMARIES,
    _COLOR_MAP,
    _INK_SET,
    _YCBCR_COEFFICIENTS,
    _REFERENCE_BLACK_WHITE,
    _PROFILE,
    _EXIF_IFD,
)
_ADOBE_RGB = 2


def read_tiff(path: Path, number: int | None, *, white_level: int | None = None) -> SourceImage:
    """Decode a page of a TIFF completely.

    Args:
        path: the file.
        number: number of the page, from 0; None expects a single one.
        white_level: value that means white; None leaves it to the file, where it is the largest of its bits.

    Raises:
        UnreadableImageError: if it is damaged, too large, or of a kind that is no picture.
        UnsupportedColorError: if its colours cannot be brought to sRGB.
        MissingReaderError: if its compression needs imagecodecs, which is not installed.
    """
    import tifffile

    require_few_directories(path)
    with tifffile.TiffFile(path) as tiff:
        if number is None and len(tiff.pages) > 1:
            raise UnreadableImageError(
                f"has {len(tiff.pages)} pages; ingest it with `buiqa ingest stack`, or split it into single images"
            )
        page = tiff.pages[number or 0].aspage()
        require_size(path, page.imagewidth, page.imagelength)
        tags = {code: page.tags[code].value for code in _COLOUR_TAGS if code in page.tags}
        known = read_known_tags(page.tags)
        found = decode_page(path, number or 0, page)
    facts = read_tiff_tags(known)
    samples, photometric, bits = found.values, found.photometric, found.bits
    if photometric not in _CHANNELS:
        raise UnsupportedColorError(
            f"photometric interpretation {photometric}: expected grey, RGB, palette, CMYK, YCbCr or CIELAB; convert it to sRGB"
        )
    count = _CHANNELS[photometric]
    if samples.shape[2] < count:
        raise UnreadableImageError(f"expected {count} channels, got {samples.shape[2]}; convert it")
    if samples.dtype == np.bool_:
        samples = samples.astype(np.uint8)
    if samples.dtype.kind != "u" or not 1 <= bits <= 16:
        sort = "signed or float" if samples.dtype.kind != "u" else "unsigned"
        raise UnreadableImageError(
            f"expected up to 16 bit of unsigned integers, got {bits} bit ({sort}); convert it to 16 bit"
        )
    pixels = _read_colours(samples[..., :count], photometric, tags, bits, white_level)
    for place, kind in enumerate(found.extra[: samples.shape[2] - count]):
        if kind in (ASSOCIATED, UNASSOCIATED):
            alpha = deepen(samples[..., count + place], 2**bits - 1)
            pixels = drop_alpha(pixels, alpha, associated=kind == ASSOCIATED)
    if photometric not in (CIELAB, ICCLAB):
        pixels = _bring_to_srgb(pixels, photometric, tags)
    return SourceImage(apply_orientation(replicate_grey(pixels), facts.orientation), facts, None)


def _read_colours(
    samples: NDArray[Any], photometric: int, tags: Mapping[int, Any], bits: int, white_level: int | None
) -> Pixels:
    """Samples of the file's channels to full codes of 8 or 16 bits: grey, RGB or CMYK."""
    full = 2**bits - 1
    if white_level is not None and (photometric not in (MIN_IS_BLACK, RGB) or white_level > full):
        raise UnreadableImageError(
            f"white_level {white_level} is only for grey and RGB of at least as many bits; leave it out"
        )
    if photometric == PALETTE:
        return _look_up(samples[..., 0], tags.get(_COLOR_MAP), bits)
    if photometric in (CIELAB, ICCLAB):
        return _read_lab(samples, signed=photometric == CIELAB)
    codes = deepen(samples, full) if white_level is None else _scale(samples, white_level, deep=bits > 8)
    if photometric == MIN_IS_WHITE:
        return np.invert(codes)
    return _from_ycbcr(codes, tags) if photometric == YCBCR else codes


def _scale(samples: NDArray[Any], white_level: int, *, deep: bool) -> Pixels:
    """Codes of which `white_level` is white, in 16 bits wherever the file has more than 8."""
    full = 65535 if deep else 255
    return look_up(round_codes(np.arange(65536) * (full / white_level), full), samples)


def _look_up(indices: NDArray[Any], colour_map: Any, bits: int) -> Pixels:
    entries = np.asarray(colour_map if colour_map is not None else [], np.uint16)
    if entries.size != 3 * 2**bits:
        raise UnreadableImageError(f"expected a palette of {2**bits} colours, got {entries.size // 3}; convert it")
    table = np.ascontiguousarray(entries.reshape(3, -1).T)
    # 8-bit palettes are stored times 257, by some writers times 256, by old ones as they are.
    for factor in (257, 256, 1):
        if (table % factor == 0).all() and (table // factor).max() <= 255:
            return look_up((table // factor).astype(np.uint8), indices)
    return look_up(table, indices)


def _read_lab(samples: NDArray[Any], *, signed: bool) -> Pixels:
    """CIELAB with signed a and b (TIFF 6.0, section 23; 16 bits in its supplement), or as ICC encodes it."""
    deep = samples.dtype == np.uint16
    step = 256.0 if deep else 1.0
    lab = samples.astype(np.float32)
    white = (65535 if deep else 255) if signed else 255 * step
    lab[..., 0] *= 100 / white
    if signed:
        lab[..., 1:] = samples[..., 1:].view(np.int16 if deep else np.int8)
    else:
        lab[..., 1:] -= 128 * step
    lab[..., 1:] /= step
    return convert_lab(lab, 65535 if deep else 255)


def _from_ycbcr(codes: Pixels, tags: Mapping[int, Any]) -> Pixels:
    """YCbCr of full or stated range to RGB (TIFF 6.0, section 21)."""
    full = float(np.iinfo(codes.dtype).max)
    red, green, blue = _read_numbers(tags.get(_YCBCR_COEFFICIENTS), 3) or (0.299, 0.587, 0.114)
    half = (full + 1) / 2
    limits = _read_numbers(tags.get(_REFERENCE_BLACK_WHITE), 6) or (0, full, half, full, half, full)
    y, cb, cr = (
        (codes[..., channel].astype(np.float64) - limits[2 * channel])
        * ((full if channel == 0 else full - half) / (limits[2 * channel + 1] - limits[2 * channel]))
        for channel in range(3)
    )
    r, b = cr * (2 - 2 * red) + y, cb * (2 - 2 * blue) + y
    rgb = np.stack([r, (y - blue * b - red * r) / green, b], axis=-1)
    return round_codes(rgb, int(full))


def _bring_to_srgb(pixels: Pixels, photometric: int, tags: Mapping[int, Any]) -> Pixels:
    if photometric == SEPARATED and int(tags.get(_INK_SET, 1)) != 1:
        raise UnsupportedColorError("has inks other than cyan, magenta, yellow and black; convert it to sRGB")
    meaning = _find_meaning(tags)
    if meaning is not None and not meaning.is_srgb:
        return meaning.convert(pixels)
    if pixels.shape[2] != 4:
        return pixels
    # Without a profile nobody knows the inks: each takes away its complement, as in Pillow.
    full = float(np.iinfo(pixels.dtype).max)
    inks = pixels.astype(np.float32)
    return round_codes((full - inks[..., :3]) * ((full - inks[..., 3:]) / full), int(full))


def _find_meaning(tags: Mapping[int, Any]) -> ColorMeaning | None:
    """By profile, else by the tags of TIFF's section 20, else by EXIF."""
    if (profile := tags.get(_PROFILE)) is not None:
        return read_profile(bytes(profile))
    white, primaries = _read_numbers(tags.get(_WHITE_POINT), 2), _read_numbers(tags.get(_PRIMARIES), 6)
    curves = _read_transfer(tags.get(_TRANSFER_FUNCTION))
    if white is not None or primaries is not None or curves is not None:
        points = SRGB_PRIMARIES if primaries is None else _pair(primaries)
        return make_space(points, D65 if white is None else (white[0], white[1]), *(curves or (decode_srgb_curve,)))
    exif = tags.get(_EXIF_IFD)
    return make_adobe_space() if isinstance(exif, dict) and exif.get("ColorSpace") == _ADOBE_RGB else None


def _pair(values: tuple[float, ...]) -> tuple[Point, Point, Point]:
    return (values[0], values[1]), (values[2], values[3]), (values[4], values[5])


def _read_transfer(table: Any) -> tuple[Curve, ...] | None:
    """Curves of a TransferFunction: linear light, 65535 = 1, of each code, for all channels or each."""
    if table is None:
        return None
    values = np.asarray(table, np.float64).ravel() / 65535
    columns = 3 if len(values) % 3 == 0 else 1
    return tuple(_interpolate(part) for part in np.split(values, columns))


def _interpolate(values: NDArray[np.float64]) -> Curve:
    places = np.linspace(0, 1, len(values))
    return lambda codes: np.interp(codes, places, values)


def _read_numbers(value: Any, count: int) -> tuple[float, ...] | None:
    """Numbers of a tag, rationals as tifffile gives them, numerator and denominator in turns; None for another count."""
    if value is None:
        return None
    numbers = np.asarray(value, np.float64).ravel()
    if len(numbers) == 2 * count:
        numbers = numbers[0::2] / numbers[1::2]
    return tuple(numbers.tolist()) if len(numbers) == count and np.isfinite(numbers).all() else None
