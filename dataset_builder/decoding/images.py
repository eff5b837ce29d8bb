"""Decode a camera's or editor's image file, and say what its EXIF knows."""

from __future__ import annotations

import dataclasses
import io
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataset_builder.decoding.exif import CaptureFacts, read_exif, read_known_tags, read_tiff_tags
from dataset_builder.decoding.extras import MissingReaderError
from dataset_builder.decoding.source_files import require_file
from dataset_builder.decoding.tiff import require_few_directories
from dataset_builder.errors import UnreadableImageError
from manifests.images.headers import MOST_SCANS, count_scans
from manifests.images.pixels import apply_orientation
from manifests.schema.words import MOST_PIXELS

TIFF_SUFFIXES = frozenset({".tif", ".tiff"})
HEIF_SUFFIXES = frozenset({".heic", ".heif"})
IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png"}) | TIFF_SUFFIXES | HEIF_SUFFIXES

_PREVIEW_SIDE = 192

Pixels = NDArray[np.uint8] | NDArray[np.uint16]


@dataclass(frozen=True, eq=False)
class DecodedPicture:
    """A picture that is known to be sound, but becomes an array only when somebody looks at it.

    Attributes:
        shape: shape of that array, upright.
        itemsize: bytes per sample.
        load: makes it.
        preview: makes a smaller one, of the same proportions, that need not be as exact.
    """

    shape: tuple[int, ...]
    itemsize: int
    load: Callable[[], Pixels]
    preview: Callable[[], Pixels]


@dataclass(frozen=True, eq=False)
class SourceImage:
    """A decoded file.

    Attributes:
        picture: what `pixels` come from.
        facts: facts of its EXIF.
        file: bytes of the file, if it is a JPEG or PNG that holds these very pixels in RGB, up to EXIF orientation; else None.
    """

    picture: Pixels | DecodedPicture
    facts: CaptureFacts
    file: bytes | None

    @cached_property
    def pixels(self) -> Pixels:
        """uint8 or uint16 [H, W, 3], RGB, upright. Grey becomes three equal channels, CMYK is converted, alpha is dropped."""
        return self.picture.load() if isinstance(self.picture, DecodedPicture) else self.picture


def read_image(path: Path, *, page: int | None = None, look: bool = True) -> SourceImage:
    """Decode a JPEG, PNG, TIFF (8 or 16 bit) or, where pillow-heif is installed, HEIC completely.

    Args:
        path: the file.
        page: number of the page in a TIFF of several, from 0; None expects a single one.
        look: whether somebody will look at the pixels. If not, a JPEG is checked by decoding its brightness alone, to the last bit of
            the file, and is decoded again in the end if somebody does.

    Raises:
        MissingSourceError: if there is no such file.
        UnreadableImageError: if it is empty, damaged, truncated, animated, too large, or of another kind.
        MissingReaderError: if it is HEIC and pillow-heif is not installed.
    """
    suffix = path.suffix.lower()
    require_file(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if suffix in TIFF_SUFFIXES:
                return _read_tiff(path, page)
            return _read_heif(path) if suffix in HEIF_SUFFIXES else _read_with_pillow(path, look=look)
    except (UnreadableImageError, MissingReaderError):
        raise
    except Exception as error:  # decoders raise anything on hostile files
        raise UnreadableImageError(
            f"{path}: cannot be decoded ({explain(error)}); copy it again or remove it"
        ) from error


def explain(error: Exception) -> str:
    """What an exception says, in one line."""
    return " ".join(str(error).split()) or type(error).__name__


def count_pages(path: Path) -> int:
    """Number of pages of a TIFF.

    Raises:
        SourceError: if it is no TIFF, or has more than `MOST_DIRECTORIES`.
    """
    import tifffile

    require_file(path)
    try:
        require_few_directories(path)
        with tifffile.TiffFile(path) as tiff:
            return len(tiff.pages)
    except UnreadableImageError:
        raise
    except Exception as error:  # as in read_image
        raise UnreadableImageError(f"{path}: cannot be read as TIFF ({explain(error)}); remove it") from error


def _read_with_pillow(path: Path, *, look: bool) -> SourceImage:
    from PIL import Image

    data = path.read_bytes()
    with Image.open(io.BytesIO(data), formats=("JPEG", "PNG")) as image:
        require_size(path, image.width, image.height)
        if getattr(image, "n_frames", 1) > 1 and image.format == "PNG":
            raise UnreadableImageError(f"{path}: is animated; extract its frames as single images")
        if image.format == "JPEG":
            require_few_scans(path, data)
        facts = read_exif(image.getexif())
        depth16 = image.format == "PNG" and data[24:25] == b"\x10"
        colour = image.mode
        if not look and colour == "RGB" and image.format == "JPEG":
            image.draft("L", image.size)
        image.load()
        opaque = "transparency" not in image.info
        plain = colour == "RGB" and opaque and (image.format != "PNG" or facts.orientation == 1)
        if plain and not depth16:
            swapped = facts.orientation >= 5
            shape = (image.width, image.height, 3) if swapped else (image.height, image.width, 3)
            picture = DecodedPicture(
                shape,
                1,
                load=lambda: apply_orientation(_to_array(image, data), facts.orientation),
                preview=lambda: apply_orientation(_preview(image), facts.orientation),
            )
            return SourceImage(picture, facts, data)
        pixels: Pixels = _decode_png16(path, data) if depth16 else np.asarray(image.convert("RGB"))
    return SourceImage(apply_orientation(pixels, facts.orientation), facts, data if plain else None)


def _to_array(image: Any, data: bytes) -> Pixels:
    """RGB of a Pillow image that is loaded; decoded anew from its file where its colours were left out."""
    from PIL import Image

    if image.mode == "RGB":
        return np.asarray(image)
    with Image.open(io.BytesIO(data), formats=("JPEG",)) as coloured:
        return np.asarray(coloured)


def _preview(image: Any) -> Pixels:
    """A Pillow image averaged down to some hundred pixels along each side, in three channels."""
    factor = max(1, min(image.size) // _PREVIEW_SIDE)
    pixels = np.asarray(image.reduce(factor) if factor > 1 else image)
    return pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2)


def _read_heif(path: Path) -> SourceImage:
    try:
        import pillow_heif
    except ImportError as error:
        raise MissingReaderError(str(path), "pillow-heif", "heif") from error
    heif = pillow_heif.open_heif(path, convert_hdr_to_8bit=True)
    require_size(path, *heif.size)
    image = heif.to_pillow()
    # The decoder turns pictures upright by the container's own transformation, of which EXIF is a copy.
    facts = dataclasses.replace(read_exif(image.getexif()), orientation=1)
    return SourceImage(np.asarray(image.convert("RGB")), facts, None)


def _read_tiff(path: Path, number: int | None) -> SourceImage:
    import tifffile

    require_few_directories(path)
    with tifffile.TiffFile(path) as tiff:
        if number is None and len(tiff.pages) > 1:
            raise UnreadableImageError(
                f"{path}: has {len(tiff.pages)} pages; ingest it with `buiqa ingest stack`, or split it into single images"
            )
        page = tiff.pages[number or 0].aspage()
        require_size(path, page.imagewidth, page.imagelength)
        tags = read_known_tags(page.tags)
        pixels = page.asarray()
    if pixels.dtype not in (np.uint8, np.uint16):
        raise UnreadableImageError(f"{path}: expected 8 or 16 bit per channel, got {pixels.dtype}; convert it")
    facts = read_tiff_tags(tags)
    return SourceImage(apply_orientation(_to_rgb(path, pixels), facts.orientation), facts, None)


def _to_rgb(path: Path, pixels: NDArray[Any]) -> Pixels:
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    if pixels.ndim != 3 or pixels.shape[2] not in (1, 2, 3, 4):
        raise UnreadableImageError(f"{path}: expected a grey or RGB image, got shape {list(pixels.shape)}; convert it")
    colour = pixels[..., :1] if pixels.shape[2] < 3 else pixels[..., :3]
    return np.ascontiguousarray(np.broadcast_to(colour, (*colour.shape[:2], 3)))


def _decode_png16(path: Path, data: bytes) -> Pixels:
    import cv2

    # Pillow cuts 16-bit RGB to 8 bits. It has decoded the file once, so damage is already ruled out.
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None:
        raise UnreadableImageError(f"{path}: cannot be decoded; copy it again or remove it")
    return _to_rgb(path, pixels[..., 2::-1] if pixels.ndim == 3 else pixels)


def require_size(path: Path, width: int, height: int, *, most: int = MOST_PIXELS) -> None:
    """Raise UnreadableImageError for more than `most` pixels."""
    if width * height > most:
        raise UnreadableImageError(f"{path}: {width} x {height} px is more than {most:,} px; crop or reduce it first")


def require_few_scans(path: Path, data: bytes) -> None:
    """Raise UnreadableImageError for a JPEG of more than `MOST_SCANS` scans."""
    if (scans := count_scans(data)) > MOST_SCANS:
        raise UnreadableImageError(f"{path}: expected a JPEG of at most {MOST_SCANS} scans, got {scans}; save it anew")
