"""The image signal processor of a phone: sensor signal to the 8-bit JPEG that it would save."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from dataset_builder.camera.color import ColorProfile
from dataset_builder.camera.develop import demosaic_bilinear
from restorers import CFA

_DENOISE_SIGMA = 0.6
_SHARPEN_SIGMA = 1.0


@dataclass(frozen=True)
class Processing:
    """What differs between the JPEGs of one burst.

    Attributes:
        white_balance_error: stops by which the gains of red and of blue are off.
        sharpening: weight of the unsharp mask.
        jpeg_quality: 1..100.
    """

    white_balance_error: tuple[float, float] = (0.0, 0.0)
    sharpening: float = 0.0
    jpeg_quality: int = 95


def develop_jpeg(
    signal: NDArray[np.float64], cfa: CFA, profile: ColorProfile, processing: Processing
) -> NDArray[np.uint8]:
    """Demosaic, balance, convert to sRGB, smooth a little, sharpen, compress and decompress.

    Args:
        signal: float64 [H, W] mosaic, black 0, white 1.
        cfa: its colour filter array.
        profile: profile of the camera.
        processing: processing of this frame.

    Returns:
        uint8 [H, W, 3], sRGB.
    """
    red, blue = (2.0**stops for stops in processing.white_balance_error)
    matrix = profile.to_srgb * np.array([red, 1.0, blue])
    linear = cv2.transform(demosaic_bilinear(np.minimum(signal, 1), cfa), matrix).clip(0, 1)
    image = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    image = cv2.GaussianBlur(image, (0, 0), _DENOISE_SIGMA, borderType=cv2.BORDER_REFLECT_101)
    if processing.sharpening:
        soft = cv2.GaussianBlur(image, (0, 0), _SHARPEN_SIGMA, borderType=cv2.BORDER_REFLECT_101)
        image = image + processing.sharpening * (image - soft)
    codes = np.rint(image.clip(0, 1) * 255).astype(np.uint8)
    return compress_jpeg(codes, processing.jpeg_quality)


def compress_jpeg(image: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    """What JPEG with 4:2:0 chroma of a quality from 1 to 100 leaves of an RGB image [H, W, 3]."""
    options = (
        cv2.IMWRITE_JPEG_QUALITY,
        quality,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420,
    )
    done, data = cv2.imencode(".jpg", np.ascontiguousarray(image[..., ::-1]), options)
    assert done
    decoded = cv2.imdecode(data, cv2.IMREAD_COLOR)
    assert decoded is not None
    return np.ascontiguousarray(decoded[..., ::-1]).astype(np.uint8, copy=False)
