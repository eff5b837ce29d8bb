"""A decoded picture of a video as upright sRGB, by what the stream says of its colours, depth and orientation."""

from __future__ import annotations

from typing import Any

import numpy as np

from dataset_builder.decoding.color_spaces import UNSPECIFIED, make_coded_space
from dataset_builder.decoding.pictures import Pixels, deepen, drop_alpha, replicate_grey
from dataset_builder.errors import UnreadableImageError, UnsupportedColorError
from manifests.images.pixels import apply_orientation

_MATRICES = (0, 1, UNSPECIFIED, 4, 5, 6, 7, 9)
"""Matrix coefficients (H.273) that FFmpeg's scaler knows; what is unspecified counts as BT.601, as FFmpeg has it."""
_LIMITED = 1
# x' = a x + c y and y' = b x + d y, as EXIF orientation.
_ORIENTATIONS = {
    (1, 0, 0, 1): 1,
    (-1, 0, 0, 1): 2,
    (-1, 0, 0, -1): 3,
    (1, 0, 0, -1): 4,
    (0, 1, 1, 0): 5,
    (0, 1, -1, 0): 6,
    (0, -1, -1, 0): 7,
    (0, -1, 1, 0): 8,
}


def read_picture(picture: Any) -> Pixels:
    """Pixels of a picture that PyAV decoded.

    Returns:
        [H, W, 3], upright sRGB; uint16 where the stream has more than 8 bits, else uint8.

    Raises:
        UnreadableImageError: if it is interlaced, turned by other than quarters, or has no pixels of whole numbers.
        UnsupportedColorError: if its colours cannot be brought to sRGB.
    """
    if picture.interlaced_frame:
        raise UnreadableImageError("is interlaced: each picture shows two moments; deinterlace it first")
    meaning = make_coded_space(int(picture.color_primaries) or UNSPECIFIED, int(picture.color_trc) or UNSPECIFIED)
    if any(side.type.name.startswith("DOVI") for side in picture.side_data) and int(picture.color_trc) == UNSPECIFIED:
        raise UnsupportedColorError("has colours of Dolby Vision's own; export it as SDR")
    orientation = _find_orientation(picture)
    pixels = _to_rgb(picture)
    return apply_orientation(pixels if meaning.is_srgb else meaning.convert(pixels), orientation)


def _to_rgb(picture: Any) -> Pixels:
    layout, matrix = picture.format, int(picture.colorspace)
    if layout.is_bayer or not layout.components or "f32" in layout.name or "f16" in layout.name:
        raise UnreadableImageError(
            f"has pixels of kind {layout.name}; convert it to one of whole numbers of RGB or YUV"
        )
    if matrix not in _MATRICES and not layout.is_rgb:
        raise UnsupportedColorError(f"matrix coefficients {matrix} (H.273) are not known here; convert it to sRGB")
    bits = max(component.bits for component in layout.components)
    if any(component.is_alpha for component in layout.components):
        samples = picture.to_ndarray(format="rgba64le" if bits > 8 else "rgba")
        return drop_alpha(np.ascontiguousarray(samples[..., :3]), samples[..., 3], associated=False)
    if bits <= 8:
        return np.ascontiguousarray(picture.to_ndarray(format="rgb24"))
    if layout.name.startswith(("gray", "gbrp")) and int(picture.color_range) != _LIMITED:
        # The scaler would shift these, and leave their white below that of 16 bits.
        samples = picture.to_ndarray()
        return replicate_grey(deepen(samples[..., None] if samples.ndim == 2 else samples, 2**bits - 1))
    return np.ascontiguousarray(picture.to_ndarray(format="rgb48le"))


def _find_orientation(picture: Any) -> int:
    """EXIF orientation that does what the display matrix (ISO/IEC 14496-12, tkhd) does; moved by whole sides, which says nothing."""
    for side in picture.side_data:
        if side.type.name == "DISPLAYMATRIX":
            numbers = np.frombuffer(side, np.int32)[:9]
            turn = tuple(int(np.rint(numbers[place] / 65536)) for place in (0, 1, 3, 4))
            if turn not in _ORIENTATIONS or np.abs(numbers[[0, 1, 3, 4]] / 65536 - turn).max() > 0.01:
                raise UnreadableImageError(
                    f"is shown by the matrix {(numbers[[0, 1, 3, 4]] / 65536).tolist()}, which neither turns by quarters nor mirrors; "
                    "turn it in an editor"
                )
            return _ORIENTATIONS[turn]
    return 1
