"""sRGB photograph to linear camera RGB, and back.

Follows Brooks et al., "Unprocessing images for learned raw denoising" (CVPR 2019), with two departures that make it exactly
invertible: the transfer curve is that of sRGB, without a global tone curve, and gains are divided out linearly, so white in the photograph
becomes the camera's neutral below saturation instead of a clipped pixel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from restorers.color import encode_srgb

# CIE XYZ (D65) to camera RGB, as DNG ColorMatrix tags of four cameras give them (Brooks et al. 2019).
XYZ_TO_CAMERA = np.array(
    [
        [[1.0234, -0.2969, -0.2266], [-0.5625, 1.6328, -0.0469], [-0.0703, 0.2188, 0.6406]],
        [[0.4913, -0.0541, -0.0202], [-0.6130, 1.3513, 0.2906], [-0.1564, 0.2151, 0.7183]],
        [[0.8380, -0.2630, -0.0639], [-0.2887, 1.0725, 0.2496], [-0.0627, 0.1427, 0.5438]],
        [[0.6596, -0.2079, -0.0562], [-0.4782, 1.3016, 0.1933], [-0.0970, 0.1581, 0.5181]],
    ]
)
# IEC 61966-2-1, D65.
SRGB_TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)


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


def mix_color_matrix(weights: NDArray[np.float64]) -> tuple[float, ...]:
    """Camera RGB to linear sRGB for a convex combination of the four known cameras.

    Args:
        weights: float64 [4], not negative, not all 0; scaled to sum to 1.

    Returns:
        9 floats by rows; each row sums to 1.
    """
    mixed = np.tensordot(weights / weights.sum(), XYZ_TO_CAMERA, axes=1) @ SRGB_TO_XYZ
    to_srgb = np.linalg.inv(mixed / mixed.sum(axis=1, keepdims=True))
    return tuple(float(value) for value in to_srgb.ravel())


def decode_srgb(image: NDArray[np.uint8] | NDArray[np.uint16]) -> NDArray[np.float32]:
    """Undo the sRGB transfer curve (IEC 61966-2-1) of an 8- or 16-bit image through a table of all its values.

    Returns:
        float32 in [0, 1], linear sRGB, same shape.
    """
    full = np.iinfo(image.dtype).max
    encoded = np.arange(full + 1) / full
    table = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    linear: NDArray[np.float32] = table.astype(np.float32)[image]
    return linear


def unprocess(image: NDArray[np.uint8] | NDArray[np.uint16], profile: ColorProfile) -> NDArray[np.float32]:
    """sRGB photograph to linear camera RGB.

    Args:
        image: [H, W, 3], 8 or 16 bit sRGB.
        profile: the camera.

    Returns:
        float32 [H, W, 3] in [0, 1]. Colours that the camera's primaries cannot express are clipped at 0.
    """
    return to_camera(decode_srgb(image), profile)


def to_camera(linear_srgb: NDArray[np.float32], profile: ColorProfile) -> NDArray[np.float32]:
    """Linear sRGB [H, W, 3] to linear camera RGB, clipped to [0, 1]."""
    matrix = np.linalg.inv(profile.to_srgb).astype(np.float32)
    camera: NDArray[np.float32] = np.clip(linear_srgb @ matrix.T, 0, 1)
    return camera


def process(linear: NDArray[np.floating[Any]], profile: ColorProfile) -> NDArray[np.float32]:
    """Linear camera RGB [H, W, 3] to sRGB in [0, 1], float32; the inverse of `unprocess` inside the camera's gamut."""
    return encode_srgb(linear.astype(np.float32) @ profile.to_srgb.astype(np.float32).T)
