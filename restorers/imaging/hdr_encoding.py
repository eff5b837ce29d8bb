"""Light of a high dynamic range as numbers that a display shows, or whose differences matter about equally, as PSNR and SSIM take it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

MU = 5000.0
"""Compression of the μ-law (Kalantari & Ramamoorthi, SIGGRAPH 2017)."""
LEAST_LUMINANCE, MOST_LUMINANCE = 0.005, 10_000.0
"""cd/m²; the range that PU21 is defined for."""
LUMINANCE = np.array([0.2126, 0.7152, 0.0722])
"""Of the primaries of sRGB."""
_BANDING_GLARE = (
    0.353487901, 0.3734658629, 8.277049286e-05, 0.9062562627, 0.09150303166, 0.9099517204, 596.3148142,
)  # fmt: skip


def encode_mu_law(light: NDArray[np.floating[Any]], *, peak: float) -> NDArray[np.float64]:
    """log(1 + μ·x) / log(1 + μ) with x = light / peak, cut to [0, 1], and μ = 5000.

    Args:
        light: linear light of any shape.
        peak: light that becomes 1.

    Returns:
        float64 in [0, 1].
    """
    share = np.clip(np.asarray(light, np.float64) / peak, 0, 1)
    encoded: NDArray[np.float64] = np.log1p(MU * share) / np.log1p(MU)
    return encoded


def encode_pu21(luminance: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """The perceptually uniform encoding PU21, variant "banding and glare" (Mantiuk & Azimi, Picture Coding Symposium 2021).

    Args:
        luminance: cd/m² of the display, or of each of its primaries at the same scale; any shape. Cut to 0.005..10,000.

    Returns:
        float64; about 0 at 0.005 cd/m², 256 at 100 and 595 at 10,000.
    """
    p1, p2, p3, p4, p5, p6, p7 = _BANDING_GLARE
    power = np.clip(np.asarray(luminance, np.float64), LEAST_LUMINANCE, MOST_LUMINANCE) ** p4
    encoded: NDArray[np.float64] = p7 * (((p1 + p2 * power) / (1 + p3 * power)) ** p5 - p6)
    return encoded


def tone_map(light: NDArray[np.floating[Any]], *, white: float) -> NDArray[np.float64]:
    """Luminance x becomes x·(1 + x / white²) / (1 + x) (Reinhard et al., SIGGRAPH 2002, equation 4), colours keep their ratios.

    Args:
        light: [..., 3], linear light in the primaries of sRGB; negative light counts as none.
        white: luminance that becomes 1; with 1 light comes back as it is.

    Returns:
        float64, linear, cut to [0, 1].
    """
    positive = np.maximum(np.asarray(light, np.float64), 0)
    luminance = (positive @ LUMINANCE)[..., None]
    toned: NDArray[np.float64] = np.clip(positive * (1 + luminance / white**2) / (1 + luminance), 0, 1)
    return toned
