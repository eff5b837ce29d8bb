"""A decoded picture, before anybody asks what it is part of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataset_builder.decoding.exif import CaptureFacts
from dataset_builder.errors import SourceError, UnreadableImageError
from manifests.schema.words import MOST_PIXELS

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
        sample: makes some of its rows, perhaps in brightness alone and not upright: equal for equal pixels of one kind of file.
    """

    shape: tuple[int, ...]
    itemsize: int
    load: Callable[[], Pixels]
    preview: Callable[[], Pixels]
    sample: Callable[[], Pixels]


@dataclass(frozen=True, eq=False)
class SourceImage:
    """A decoded file.

    Attributes:
        picture: what `pixels` come from.
        facts: facts of its EXIF.
        file: bytes of the file, if it is a JPEG or PNG that holds these very pixels in sRGB, up to EXIF orientation; else None.
    """

    picture: Pixels | DecodedPicture
    facts: CaptureFacts
    file: bytes | None

    @cached_property
    def pixels(self) -> Pixels:
        """uint8 or uint16 [H, W, 3], sRGB, upright."""
        return self.picture.load() if isinstance(self.picture, DecodedPicture) else self.picture


def require_size(path: Path, width: int, height: int, *, most: int = MOST_PIXELS) -> None:
    """Raise UnreadableImageError for more than `most` pixels."""
    if width * height > most:
        raise UnreadableImageError(f"{path}: {width} x {height} px is more than {most:,} px; crop or reduce it first")


def explain(error: Exception) -> str:
    """What an exception says, in one line."""
    return " ".join(str(error).split()) or type(error).__name__


@contextmanager
def named(path: Path) -> Iterator[None]:
    """Errors of decoders in the project's words, with the name of the file."""
    try:
        yield
    except SourceError as error:
        if str(error).startswith(str(path)):
            raise
        raise type(error)(f"{path}: {error}") from error
    except Exception as error:  # decoders raise anything on hostile files
        raise UnreadableImageError(
            f"{path}: cannot be decoded ({explain(error)}); copy it again or remove it"
        ) from error


def replicate_grey(pixels: Pixels) -> Pixels:
    """[H, W, 1] to three equal channels; [H, W, 3] as it is."""
    return np.ascontiguousarray(np.broadcast_to(pixels, (*pixels.shape[:2], 3)))


def deepen(codes: NDArray[np.integer], largest: int) -> Pixels:
    """Codes of which `largest` means white to 8 bits if they fit exactly, else to 16; larger ones are clipped.

    Codes of up to 16 bits come out one to one.
    """
    if largest == 255:
        return codes.astype(np.uint8, copy=False)
    if largest == 65535:
        return codes.astype(np.uint16, copy=False)
    full = 255 if largest < 255 else 65535
    return look_up(round_codes(np.arange(65536) * (full / largest), full), codes)


def look_up(table: Pixels, indices: NDArray[np.integer]) -> Pixels:
    """Entries of a table at indices, of their shape."""
    entries: Pixels = table[indices]
    return entries


def round_codes(values: NDArray[np.floating[Any]], full: int) -> Pixels:
    """Nearest codes of 0..full, which is 255 or 65535."""
    rounded: NDArray[np.floating[Any]] = np.rint(np.clip(values, 0, full))
    return rounded.astype(np.uint8) if full == 255 else rounded.astype(np.uint16)


def drop_alpha(pixels: Pixels, alpha: Pixels, *, associated: bool) -> Pixels:
    """Colours of a picture with an alpha channel: those of its pixels before anything showed through.

    Args:
        pixels: [H, W, C].
        alpha: [H, W].
        associated: whether colours were multiplied by it.

    Raises:
        UnreadableImageError: if some pixels are wholly transparent, so that there is no picture.
    """
    full, opaque = np.iinfo(pixels.dtype).max, np.iinfo(alpha.dtype).max
    if (empty := np.count_nonzero(alpha == 0)) > 0:
        raise UnreadableImageError(
            f"{100 * empty / alpha.size:.2g} % of the pixels are wholly transparent and show nothing; crop it, or flatten it in an editor"
        )
    if not associated or (alpha == opaque).all():
        return pixels
    return round_codes(pixels.astype(np.float64) * opaque / alpha[..., None], full)


def reduce_image(image: Any) -> Pixels:
    """A Pillow image averaged down to some hundred pixels along each side, in three channels."""
    factor = max(1, min(image.size) // _PREVIEW_SIDE)
    pixels = np.asarray(image.reduce(factor) if factor > 1 else image)
    return pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2)


def sample_image(image: Any) -> Pixels:
    """A few rows of a Pillow image, the first among them."""
    rows = [image.height * share // 4 for share in range(4)]
    return np.concatenate([np.asarray(image.crop((0, row, image.width, row + 1))) for row in rows])
