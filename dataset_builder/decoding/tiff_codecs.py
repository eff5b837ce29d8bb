"""Samples of a TIFF page, whatever compressed them.

tifffile unpacks what needs no library beside Python; LZW and JPEG, which editors write, it leaves to imagecodecs. Where that is not
installed, the LibTIFF in Pillow and OpenCV takes its place as far as it gives samples that are known to be those of the file.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataset_builder.decoding.extras import MissingReaderError
from dataset_builder.errors import UnreadableImageError

MIN_IS_WHITE, MIN_IS_BLACK, RGB, PALETTE, SEPARATED, YCBCR, CIELAB, ICCLAB = 0, 1, 2, 3, 5, 6, 8, 9
"""Photometric interpretations (TIFF tag 262)."""
ASSOCIATED, UNASSOCIATED = 1, 2
"""Kinds of alpha among extra samples (tag 338)."""
_LZW, _OLD_JPEG, _JPEG = 5, 6, 7
_PILLOW_MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK")


@dataclass(frozen=True, eq=False)
class PageSamples:
    """What a page holds.

    Attributes:
        values: [H, W, C].
        photometric: what the first channels are.
        extra: kinds of those that follow.
        bits: per sample.
    """

    values: NDArray[Any]
    photometric: int
    extra: tuple[int, ...]
    bits: int


def decode_page(path: Path, number: int, page: Any) -> PageSamples:
    """Decode a page of a TIFF, given by its number and as tifffile describes it.

    Raises:
        UnreadableImageError: if it is no image of rows, columns and samples.
        MissingReaderError: if only imagecodecs can decode it.
    """
    stated = PageSamples(
        np.empty(0),
        int(page.photometric if page.photometric is not None else -1),
        tuple(int(kind) for kind in page.extrasamples),
        int(page.bitspersample),
    )
    try:
        values = _arrange(page.asarray(maxworkers=1), page.axes)
    except (ValueError, NotImplementedError) as error:
        if isinstance(error, ValueError) and "imagecodecs" not in str(error):
            raise
        return _decode_otherwise(path, number, page, stated)
    if stated.photometric == YCBCR and int(page.compression) in (_OLD_JPEG, _JPEG):
        stated = replace(stated, photometric=RGB)  # a JPEG decoder's own conversion
    return replace(stated, values=values)


def _arrange(values: NDArray[Any], axes: str) -> NDArray[Any]:
    """[H, W, C], whatever lay apart."""
    if axes == "YX":
        return values[..., None]
    if axes == "YXS":
        return values
    if axes == "SYX":
        return np.moveaxis(values, 0, 2)
    raise UnreadableImageError(
        f"expected rows, columns and samples, got axes {axes} of shape {list(values.shape)}; convert it"
    )


def _decode_otherwise(path: Path, number: int, page: Any, stated: PageSamples) -> PageSamples:
    found = None
    if int(page.compression) in (1, _LZW, _OLD_JPEG, _JPEG):
        found = _decode_with_pillow(path, number, stated)
        if found is None and stated.photometric in (MIN_IS_BLACK, RGB) and page.planarconfig == 1:
            found = _decode_with_opencv(path, number, stated)
    if found is None or found.values.shape != (page.imagelength, page.imagewidth, page.samplesperpixel):
        raise MissingReaderError(str(path), "imagecodecs", "tiff")
    return found


def _decode_with_pillow(path: Path, number: int, stated: PageSamples) -> PageSamples | None:
    """As Pillow gives them, which inverts, converts YCbCr and divides by alpha of itself; None for modes that hold something else."""
    from PIL import Image

    if stated.bits not in (1, 8) and not (stated.photometric == PALETTE and stated.bits < 8):
        return None
    with Image.open(path, formats=("TIFF",)) as image:
        image.seek(number)
        if image.mode not in _PILLOW_MODES:
            return None
        image.load()
        values = np.asarray(image)
    photometric = {MIN_IS_WHITE: MIN_IS_BLACK, YCBCR: RGB}.get(stated.photometric, stated.photometric)
    extra = tuple(UNASSOCIATED if kind == ASSOCIATED else kind for kind in stated.extra)
    return replace(
        stated, values=values[..., None] if values.ndim == 2 else values, photometric=photometric, extra=extra
    )


def _decode_with_opencv(path: Path, number: int, stated: PageSamples) -> PageSamples | None:
    """16-bit grey and RGB, which Pillow would cut to 8 bits."""
    import cv2

    if stated.bits != 16:
        return None
    data = np.fromfile(path, np.uint8)
    flags = cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION
    done, pages = cv2.imdecodemulti(data, flags, range=(number, number + 1))
    if not done or len(pages) != 1 or pages[0].dtype != np.uint16:
        return None
    values = pages[0]
    if values.ndim == 2:
        return replace(stated, values=values[..., None])
    return replace(stated, values=values[..., [2, 1, 0, *range(3, values.shape[2])]])
