"""JPEG: its pixels, and what its profile says they mean."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np

from dataset_builder.decoding.color_spaces import ColorMeaning, make_adobe_space
from dataset_builder.decoding.exif import names_adobe_rgb, read_exif
from dataset_builder.decoding.icc import read_profile
from dataset_builder.decoding.pictures import (
    DecodedPicture,
    Pixels,
    SourceImage,
    reduce_image,
    replicate_grey,
    require_size,
    sample_image,
)
from dataset_builder.decoding.strict_jpeg import StrictFile
from dataset_builder.errors import UnreadableImageError, UnsupportedColorError
from manifests.images.headers import MOST_SCANS, count_scans
from manifests.images.pixels import apply_orientation


def read_jpeg(path: Path, data: bytes, *, look: bool) -> SourceImage:
    """Decode a JPEG; `look` as in `dataset_builder.decoding.images.read_image`.

    Raises:
        UnreadableImageError: if it is damaged or too large.
        UnsupportedColorError: if its colours cannot be brought to sRGB.
    """
    from PIL import Image

    stream = StrictFile(data)
    with Image.open(stream, formats=("JPEG",)) as image:
        require_size(path, image.width, image.height)
        exif = image.getexif()
        facts = read_exif(exif)
        meaning = _find_meaning(image, exif)
        means_srgb = meaning is None or meaning.is_srgb
        plain = image.mode == "RGB" and means_srgb
        if plain and not look:
            image.draft("L", image.size)
        stream.watch(image)
        image.load()
        stream.require_complete(image, data)
        if plain:
            swapped = facts.orientation >= 5
            shape = (image.width, image.height, 3) if swapped else (image.height, image.width, 3)
            picture = DecodedPicture(
                shape,
                1,
                load=lambda: apply_orientation(_to_array(image, data), facts.orientation),
                preview=lambda: apply_orientation(reduce_image(image), facts.orientation),
                sample=lambda: sample_image(image),
            )
            return SourceImage(picture, facts, data)
        if image.mode == "CMYK" and meaning is None:
            pixels = np.asarray(image.convert("RGB"))
        else:
            pixels = np.asarray(image)
            pixels = pixels[..., None] if pixels.ndim == 2 else pixels
            if meaning is not None and not means_srgb:
                pixels = meaning.convert(pixels)
    return SourceImage(apply_orientation(replicate_grey(pixels), facts.orientation), facts, None)


def require_few_scans(path: Path, data: bytes) -> None:
    """Raise UnreadableImageError for a JPEG of more than `MOST_SCANS` scans."""
    if (scans := count_scans(data)) > MOST_SCANS:
        raise UnreadableImageError(f"{path}: expected a JPEG of at most {MOST_SCANS} scans, got {scans}; save it anew")


def _find_meaning(image: Any, exif: Any) -> ColorMeaning | None:
    profile = image.info.get("icc_profile")
    if profile:
        return read_profile(profile)
    if any(name == "APP2" and body.startswith(b"ICC_PROFILE\0") for name, body in image.applist):
        raise UnsupportedColorError(
            "has a colour profile of which parts are missing; remove the profile or copy it again"
        )
    return make_adobe_space() if image.mode == "RGB" and names_adobe_rgb(exif) else None


def _to_array(image: Any, data: bytes) -> Pixels:
    """RGB of a Pillow image that is loaded; decoded anew from its file where its colours were left out."""
    from PIL import Image

    if image.mode == "RGB":
        return np.asarray(image)
    with Image.open(io.BytesIO(data), formats=("JPEG",)) as coloured:
        return np.asarray(coloured)
