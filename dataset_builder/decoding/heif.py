"""HEIC and AVIF: their pixels at full depth, and what their profile or nclx box says they mean."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataset_builder.decoding.color_spaces import UNSPECIFIED, ColorMeaning, make_coded_space
from dataset_builder.decoding.exif import CaptureFacts, read_exif
from dataset_builder.decoding.extras import MissingReaderError
from dataset_builder.decoding.icc import read_profile
from dataset_builder.decoding.pictures import Pixels, SourceImage, deepen, drop_alpha, replicate_grey, require_size
from dataset_builder.errors import UnreadableImageError, UnsupportedColorError


def read_heic(path: Path) -> SourceImage:
    """Decode the primary picture of a HEIC file; it comes out upright by the container's own transformations.

    Raises:
        UnreadableImageError: if it is damaged, too large, or has pixels that are not square.
        UnsupportedColorError: if its colours cannot be brought to sRGB.
        MissingReaderError: if pillow-heif is not installed.
    """
    try:
        import pillow_heif
    except ImportError as error:
        raise MissingReaderError(str(path), "pillow-heif", "heif") from error
    heif = pillow_heif.open_heif(path, convert_hdr_to_8bit=False)
    require_size(path, *heif.size)
    aspect = heif.info.get("pixel_aspect_ratio")
    if aspect and aspect[0] != aspect[1]:
        raise UnreadableImageError(f"has pixels of {aspect[0]} : {aspect[1]}; scale it to square ones")
    mode, bits = str(heif.mode), int(heif.info.get("bit_depth", 8))
    meaning = _find_meaning(heif.info)
    exif = _read_exif_block(heif.info.get("exif"))
    samples = np.asarray(heif)
    colours = _split_alpha(samples if samples.ndim == 3 else samples[..., None], mode, bits)
    if meaning is not None and not meaning.is_srgb:
        colours = meaning.convert(colours)
    # EXIF has a copy of the container's transformation, which is done already.
    return SourceImage(replicate_grey(colours), dataclasses.replace(exif, orientation=1), None)


def _read_exif_block(block: bytes | None) -> CaptureFacts:
    from PIL import Image

    exif = Image.Exif()
    if block:
        try:
            exif.load(block)
        except Exception:  # noqa: BLE001  # whatever a damaged directory raises; it must not cost the pixels
            exif = Image.Exif()
    return read_exif(exif)


def _split_alpha(samples: NDArray[Any], mode: str, bits: int) -> Pixels:
    """Full codes of grey or RGB; libheif's 10 and 12 bits lie at the top of 16."""
    plain = mode.split(";", maxsplit=1)[0]
    codes = deepen(samples >> (16 - bits), 2**bits - 1) if samples.dtype == np.uint16 else samples
    if plain[-1] in "Aa":
        return drop_alpha(codes[..., :-1], codes[..., -1], associated=plain[-1] == "a")
    return codes


def _find_meaning(info: Mapping[str, Any]) -> ColorMeaning | None:
    """The profile before the nclx box, unless the box says that the range is high."""
    nclx, profile = info.get("nclx_profile"), info.get("icc_profile")
    coded = None
    if nclx:
        primaries, transfer = int(nclx["color_primaries"]), int(nclx["transfer_characteristics"])
        coded = make_coded_space(UNSPECIFIED if profile else primaries, transfer)
    return read_profile(bytes(profile)) if profile else coded


def read_avif(path: Path, data: bytes) -> SourceImage:
    """Decode an AVIF of 8 bits.

    Raises:
        UnreadableImageError: if it is damaged, too large, or an animation.
        UnsupportedColorError: if it has more than 8 bits, which its reader would cut, or colours that cannot be brought to sRGB.
    """
    from PIL import Image, ImageOps

    boxes = list_properties(data)
    depths = [value for name, body in boxes if name == b"pixi" for value in body[5:]]
    # AV1 codec configuration: bit 6 of the third byte says more than 8, bit 5 says 12.
    depths += [12 if body[2] & 0x20 else 10 for name, body in boxes if name == b"av1C" and body[2:3] and body[2] & 0x40]
    if max(depths, default=8) > 8:
        raise UnsupportedColorError(
            f"has {max(depths)} bits per channel, of which its reader would leave 8; convert it to PNG"
        )
    coded = [body for name, body in boxes if name == b"colr" and body[:4] == b"nclx"]
    if len({body[4:8] for body in coded}) > 1:
        raise UnsupportedColorError("has several colour descriptions that contradict each other; convert it to sRGB")
    with Image.open(io.BytesIO(data), formats=("AVIF",)) as image:
        require_size(path, image.width, image.height)
        if getattr(image, "n_frames", 1) > 1:
            raise UnreadableImageError("is animated; extract its frames as single images")
        facts = dataclasses.replace(read_exif(image.getexif()), orientation=1)
        info = {str(name): value for name, value in image.info.items()}
        if coded:
            primaries, transfer = (int.from_bytes(coded[0][place : place + 2], "big") for place in (4, 6))
            info["nclx_profile"] = {"color_primaries": primaries, "transfer_characteristics": transfer}
        meaning = _find_meaning(info)
        image.load()
        # Pillow tells the container's transformation as orientation.
        pixels = np.asarray(ImageOps.exif_transpose(image))
    colours = _split_alpha(pixels if pixels.ndim == 3 else pixels[..., None], image.mode, 8)
    if meaning is not None and not meaning.is_srgb:
        colours = meaning.convert(colours)
    return SourceImage(replicate_grey(colours), facts, None)


def list_properties(data: bytes) -> list[tuple[bytes, bytes]]:
    """Item properties of an ISO base media file (ISO/IEC 23008-12: meta, iprp, ipco), as names and contents."""
    found: list[tuple[bytes, bytes]] = []
    inside = {b"meta": 4, b"iprp": 0, b"ipco": 0}

    def walk(start: int, end: int, *, keep: bool) -> None:
        while start + 8 <= end and len(found) < 1000:
            size, name = int.from_bytes(data[start : start + 4], "big"), data[start + 4 : start + 8]
            head = 8
            if size == 1:
                size, head = int.from_bytes(data[start + 8 : start + 16], "big"), 16
            stop = end if size == 0 else min(start + size, end)
            if stop < start + head:
                return
            if name in inside:
                walk(start + head + inside[name], stop, keep=name == b"ipco")
            elif keep:
                found.append((name, data[start + head : stop]))
            start = stop

    walk(0, len(data), keep=False)
    return found
