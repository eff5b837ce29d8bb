"""sRGB photograph to linear camera RGB, and back.

Follows Brooks et al., "Unprocessing images for learned raw denoising" (CVPR 2019), with two departures that make it exactly
invertible: the transfer curve is that of sRGB, without a global tone curve, and gains are divided out linearly, so white in the photograph
becomes the camera's neutral below saturation instead of a clipped pixel.

Linear images are stored as uint16 codes, 65535 = 1 unless said otherwise. A round trip sRGB -> camera -> sRGB is off by less than
1e-3 of white, a quarter of an 8-bit step, inside the camera's gamut: 8-bit photographs come back exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from restorers.imaging.color import encode_srgb

UINT16_MAX = 65535
_ROWS = 64
# IEC 61966-2-1, D65.
SRGB_TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
_LUMINANCE = SRGB_TO_XYZ[1]


@dataclass(frozen=True)
class ColorProfile:
    """How a camera sees colour.

    Attributes:
        white_balance: gains of R, G, B that turn camera RGB of a grey surface into grey at display brightness.
        color_matrix: white-balanced camera RGB to linear sRGB, by rows; each row sums to 1, so grey stays grey.
    """

    white_balance: tuple[float, float, float]
    color_matrix: tuple[float, ...]

    @property
    def to_srgb(self) -> NDArray[np.float64]:
        """[3, 3], camera RGB to linear sRGB."""
        matrix: NDArray[np.float64] = np.reshape(self.color_matrix, (3, 3)) * np.asarray(self.white_balance)
        return matrix


def mix_color_matrix(xyz_to_camera: NDArray[np.float64], weights: NDArray[np.float64]) -> tuple[float, ...]:
    """Camera RGB to linear sRGB for a convex combination of cameras.

    Args:
        xyz_to_camera: float64 [K, 3, 3].
        weights: float64 [K], not negative, not all 0; scaled to sum to 1.

    Returns:
        9 floats by rows; each row sums to 1.
    """
    mixed = np.tensordot(weights / weights.sum(), xyz_to_camera, axes=1) @ SRGB_TO_XYZ
    to_srgb = np.linalg.inv(mixed / mixed.sum(axis=1, keepdims=True))
    return tuple(float(value) for value in to_srgb.ravel())


def decode_srgb_codes(image: NDArray[np.uint8] | NDArray[np.uint16]) -> NDArray[np.uint16]:
    """Undo the sRGB transfer curve (IEC 61966-2-1) of an 8- or 16-bit image through a table of all its values.

    Returns:
        uint16 codes of linear sRGB, same shape.
    """
    full = np.iinfo(image.dtype).max
    encoded = np.arange(full + 1) / full
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    table = np.rint(linear * UINT16_MAX).astype(np.uint16)
    return cv2.LUT(image, table).astype(np.uint16, copy=False) if image.dtype == np.uint8 else table[image]


def expand_highlights(linear: NDArray[np.float64], gain: float) -> NDArray[np.float64]:
    """Give a photograph back some of the range that its camera compressed: L · (1 + (gain − 1) · Y²), Y its luminance.

    Hue and shadows stay; white becomes `gain`. An inverse tone curve in the manner of Banterle et al. (GRAPHITE 2006); what the camera
    clipped stays lost.

    Args:
        linear: float64 [H, W, 3], linear sRGB in [0, 1].
        gain: at least 1.
    """
    luminance = cv2.transform(linear, _LUMINANCE[None])
    expanded: NDArray[np.float64] = linear * (1 + (gain - 1) * np.square(luminance).reshape(*linear.shape[:2], 1))
    return expanded


def to_camera(
    linear_srgb: NDArray[np.float64] | NDArray[np.uint16], profile: ColorProfile, *, white: float = 1.0
) -> NDArray[np.uint16]:
    """Linear sRGB to linear camera RGB.

    Float64 throughout: the code of a pixel depends on the platform only if its value lies within about 1e-15 of the middle
    between two codes.

    Args:
        linear_srgb: [H, W, 3]; float64, where 1 is the photograph's white, or codes.
        profile: the camera.
        white: value that code 65535 means.

    Returns:
        uint16 [H, W, 3] codes; values outside 0..white, colours that the camera's primaries cannot express among them, are clipped.
    """
    full = 1 if linear_srgb.dtype == np.uint16 else UINT16_MAX
    matrix = np.linalg.inv(profile.to_srgb) * (full / white)
    codes = np.empty(linear_srgb.shape, np.uint16)
    # A few rows at a time stay in the cache; the sum with 0 rounds to nearest even, clips and converts in one pass.
    for top in range(0, len(codes), _ROWS):
        rows = slice(top, top + _ROWS)
        camera = cv2.transform(linear_srgb[rows].astype(np.float64, copy=False), matrix)
        cv2.add(camera, 0.0, dst=codes[rows], dtype=cv2.CV_16U)  # type: ignore[call-overload]  # takes a number, too
    return codes


def unprocess(image: NDArray[np.uint8] | NDArray[np.uint16], profile: ColorProfile) -> NDArray[np.uint16]:
    """sRGB photograph [H, W, 3] of 8 or 16 bit to linear camera RGB codes."""
    return to_camera(decode_srgb_codes(image), profile)


def process(linear: NDArray[np.floating[Any]], profile: ColorProfile) -> NDArray[np.float32]:
    """Linear camera RGB [H, W, 3], 1 = white, to sRGB in [0, 1], float32; the inverse of `unprocess` inside the camera's gamut."""
    return encode_srgb(linear.astype(np.float64) @ profile.to_srgb.T)
