"""Between linear camera RGB and display RGB, with what a burst knows of its camera."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from restorers.burst import Burst, Domain, FloatArray, FloatImage


def encode_srgb(linear: NDArray[np.floating[Any]]) -> FloatImage:
    """Apply the transfer curve of sRGB (IEC 61966-2-1) to linear values, clipped to [0, 1]; float32."""
    clipped = np.clip(linear, 0, 1).astype(np.float32, copy=False)
    curve = clipped ** (1 / 2.4)
    curve *= 1.055
    curve -= 0.055
    return np.asarray(np.where(clipped <= 0.0031308, clipped * 12.92, curve), np.float32)


def decode_srgb(encoded: NDArray[np.floating[Any]]) -> FloatImage:
    """Undo `encode_srgb` on values in [0, 1]; float32."""
    values = np.clip(encoded, 0, 1).astype(np.float32)
    curve = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    return np.asarray(curve, np.float32)


def linearise(burst: Burst) -> Burst:
    """Turn a display burst into one linear in light; any other burst comes back as it is.

    Light adds up, display values do not, so every merge works on linear values. The camera that made a display image is unknown:
    linear sRGB passes for its camera RGB, and its noise, which the transfer curve has bent, for unknown.
    """
    if burst.domain is not Domain.SRGB:
        return burst
    return replace(burst, frames=decode_srgb(burst.frames), domain=Domain.LINEAR_RGB, shot_noise=None, read_noise=None)


def to_display(image: FloatImage, burst: Burst) -> FloatImage:
    """Linear camera RGB [..., 3] of a burst to sRGB in [0, 1] by its white balance and colour matrix."""
    return encode_srgb(image @ _display_matrix(burst).T.astype(np.float32))


def from_display(image: FloatImage, burst: Burst) -> FloatImage:
    """Undo `to_display` inside the display's gamut."""
    return np.asarray(decode_srgb(image) @ np.linalg.inv(_display_matrix(burst)).T.astype(np.float32))


def _display_matrix(burst: Burst) -> FloatArray:
    return np.asarray(burst.color_matrix * burst.white_balance)
