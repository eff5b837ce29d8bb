"""Small pictures of stored frames in natural colours, for people to look at; never for labels."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dataset_builder.camera.develop import demosaic_bilinear, develop
from manifests.errors import ImageFileError
from manifests.images.headers import require_decodable
from manifests.images.pixels import apply_orientation, read_image_file, read_linear
from manifests.schema.words import MOST_PIXELS
from restorers import CFA
from restorers.imaging.mosaic import average_cells

_JPEG_REDUCTIONS = (
    (8, cv2.IMREAD_REDUCED_COLOR_8),
    (4, cv2.IMREAD_REDUCED_COLOR_4),
    (2, cv2.IMREAD_REDUCED_COLOR_2),
)


def read_thumbnail(
    root: Path, burst: Mapping[str, Any], frame: Mapping[str, Any], size: int, *, most: int = MOST_PIXELS
) -> NDArray[np.uint8]:
    """Read a frame, turn it upright and develop it to sRGB, its longer side at most `size` pixels.

    Large frames are averaged in linear light before they are developed, and large JPEGs are decoded at a fraction of their size; small
    frames keep theirs. No exposure is evened out: a dark frame looks dark.

    Args:
        root: the data set.
        burst: its row of `bursts`.
        frame: its row of `frames`.
        size: longest side, pixels.
        most: pixels that the file may have, unless it is decoded at a fraction.

    Returns:
        uint8 [h, w, 3].

    Raises:
        ImageFileError: if the file is missing or cannot be read.
        UnsafePathError: if its path leaves the data set.
    """
    path = frame["path"]
    shape = (int(burst["height"]), int(burst["width"]))
    orientation = int(frame["orientation"])
    if burst["domain"] == "srgb" and PurePosixPath(path).suffix.lower() in {".jpg", ".jpeg"}:
        return shrink(apply_orientation(_read_jpeg(root, path, shape, size), orientation), size)
    image = read_linear(
        root,
        path,
        black_level=float(burst["black_level"]),
        white_level=float(burst["white_level"]),
        orientation=orientation,
        most=most,
    )
    return shrink_and_develop(image, burst, size)


def shrink_and_develop(image: NDArray[np.float32], burst: Mapping[str, Any], size: int) -> NDArray[np.uint8]:
    """A small picture of a frame in memory.

    Args:
        image: float32 [H, W] or [H, W, 3], upright, 1 at white.
        burst: what its numbers mean: `domain`, `cfa`, `white_balance`, `color_matrix`.
        size: longest side, pixels.

    Returns:
        uint8 [h, w, 3], sRGB.
    """
    if burst["domain"] == "raw_bayer":
        # Large mosaics are halved at once: each cell becomes a pixel.
        make_colours = demosaic_bilinear if max(image.shape) < 2 * size else average_cells
        image = make_colours(image, CFA(burst["cfa"]))
    elif image.ndim == 2:
        image = np.repeat(image[..., np.newaxis], 3, axis=2)
    image = shrink(image, size)
    if burst["domain"] != "srgb":
        white_balance, color_matrix = burst["white_balance"], burst["color_matrix"]
        image = develop(
            image,
            (1.0, 1.0, 1.0) if white_balance is None else white_balance,
            np.eye(3) if color_matrix is None else color_matrix,
        )
    return np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)


def _read_jpeg(root: Path, path: str, shape: tuple[int, int], size: int) -> NDArray[np.uint8]:
    """Decode at the smallest fraction that is still at least `size`; RGB as stored, EXIF orientation not applied."""
    fits = (flag for factor, flag in _JPEG_REDUCTIONS if max(shape) >= factor * size)
    flags = next(fits, cv2.IMREAD_COLOR) | cv2.IMREAD_IGNORE_ORIENTATION
    data = read_image_file(root, path)
    require_decodable(data, str(root / path), most=MOST_PIXELS)
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    if pixels is None:
        raise ImageFileError(f"{root / path}: cannot be read as a JPEG; restore it or build again")
    return np.ascontiguousarray(pixels[..., ::-1]).astype(np.uint8, copy=False)


def shrink(image: NDArray[Any], size: int) -> NDArray[Any]:
    """A picture [h, w, ...] of which no side is longer than `size`: smaller ones stay, larger ones are averaged."""
    height, width = image.shape[:2]
    scale = size / max(height, width)
    if scale >= 1:
        return image
    return cv2.resize(
        image, (max(1, round(width * scale)), max(1, round(height * scale))), interpolation=cv2.INTER_AREA
    )


_QUALITY = 80


def encode_picture(picture: NDArray[np.uint8]) -> str:
    """uint8 RGB [h, w, 3] as a `data:` URI of a WebP."""
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "WEBP", quality=_QUALITY, method=4)
    return "data:image/webp;base64," + base64.b64encode(stream.getvalue()).decode()
