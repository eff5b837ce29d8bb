"""Statistics of natural scenes: what BRISQUE, NIQE and PIQE measure in one picture.

Grey values are 0..255. MSCN coefficients are the picture minus its local mean over its local deviation plus 1 (Mittal et al., "No-Reference
Image Quality Assessment in the Spatial Domain", IEEE TIP 2012, equations 1-3).
"""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.float64]

_SHIFTS = ((0, 1), (1, 0), (1, 1), (1, -1))
"""Rows and columns to the neighbour: horizontal, vertical and both diagonals."""
_LUMA = np.array([65.481, 128.553, 24.966])
"""Of R, G and B in [0, 1] to Y in 16..235 (ITU-R BT.601), as MATLAB's rgb2ycbcr."""


def to_luma(display: NDArray[np.float32]) -> Picture:
    """Y of display RGB [..., 3] in [0, 1], rounded as the published measures do; float64 [...], 16..235."""
    return np.asarray(np.rint(display @ _LUMA + 16))


def normalise_locally(grey: Picture) -> tuple[Picture, Picture]:
    """MSCN coefficients of a picture [H, W], and its local deviation: Gaussian window of 7 x 7 pixels, σ = 7/6, edges repeated."""
    window = cv2.getGaussianKernel(7, 7 / 6)

    def average(image: Picture) -> Picture:
        return np.asarray(cv2.sepFilter2D(image, cv2.CV_64F, window, window, borderType=cv2.BORDER_REPLICATE))

    mean = average(grey)
    deviation = np.sqrt(np.abs(average(grey * grey) - mean * mean))
    return (grey - mean) / (deviation + 1), deviation


def halve_bicubic(grey: Picture) -> Picture:
    """Half the size by MATLAB's antialiased bicubic kernel (Keys, a = −1/2, stretched by 2), edges mirrored; sides are rounded up."""
    distance = np.abs(np.arange(-3.5, 4)) / 2
    near = 1.5 * distance**3 - 2.5 * distance**2 + 1
    far = -0.5 * distance**3 + 2.5 * distance**2 - 4 * distance + 2
    kernel = np.where(distance <= 1, near, np.where(distance < 2, far, 0))
    kernel /= kernel.sum()
    # Pixel i of the result lies between pixels 2i and 2i + 1, the fourth and fifth under the kernel.
    filtered = cv2.sepFilter2D(grey, cv2.CV_64F, kernel, kernel, anchor=(3, 3), borderType=cv2.BORDER_REFLECT)
    return np.asarray(filtered[::2, ::2])


def fit_asymmetric_gaussian(values: Picture) -> tuple[Picture, Picture, Picture]:
    """Shape, left and right deviation of the asymmetric generalised Gaussian that fits values [..., N] by moments.

    Lasmar et al., "Multiscale skewed heavy tailed model for texture analysis", ICIP 2009; shapes from 0.2 to 10 in steps of 0.001.

    Returns:
        float64 [...] each; NaN where the values are all of one sign.
    """
    shapes, ratios, _ = _list_shapes()
    below, above = values < 0, values > 0
    with np.errstate(divide="ignore", invalid="ignore"):
        squares = values * values
        left = np.sqrt((squares * below).sum(-1) / below.sum(-1))
        right = np.sqrt((squares * above).sum(-1) / above.sum(-1))
        skew = left / right
        ratio = np.abs(values).mean(-1) ** 2 / squares.mean(-1)
        ratio = ratio * (skew**3 + 1) * (skew + 1) / (skew**2 + 1) ** 2
    known = np.isfinite(ratio)
    place = np.searchsorted((ratios[1:] + ratios[:-1]) / 2, np.where(known, ratio, 0))
    return np.where(known, shapes[place], np.nan), left, right


def fit_gaussian(values: Picture) -> tuple[Picture, Picture]:
    """Shape and variance of the generalised Gaussian that fits values [..., N] by moments (BRISQUE, equation 4)."""
    shapes, ratios, _ = _list_shapes()
    variance = np.square(values).mean(-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.abs(values).mean(-1) ** 2 / variance
    place = np.searchsorted((ratios[1:] + ratios[:-1]) / 2, np.nan_to_num(ratio))
    return np.where(variance > 0, shapes[place], np.nan), variance


@cache
def _list_shapes() -> tuple[Picture, Picture, Picture]:
    """Shapes, the ratio of squared mean deviation to variance that each has, which grows with it, and √(Γ(1/shape)/Γ(3/shape))."""
    from scipy.special import gamma

    shapes = np.arange(0.2, 10.001, 0.001)
    one, two, three = (gamma(number / shapes) for number in (1, 2, 3))
    return shapes, two**2 / (one * three), np.sqrt(one / three)


def measure_niqe_block(blocks: Picture) -> Picture:
    """The 18 features of blocks of MSCN coefficients at one scale.

    Mittal et al., "Making a Completely Blind Image Quality Analyzer", IEEE SPL 2013, section II-C.

    Args:
        blocks: float64 [N, side, side].

    Returns:
        float64 [N, 18]; NaN where a block shows next to nothing.
    """
    from scipy.special import gamma

    count = len(blocks)
    shape, left, right = fit_asymmetric_gaussian(blocks.reshape(count, -1))
    scale = np.sqrt(gamma(1 / shape) / gamma(3 / shape))
    features = [shape, scale * (left + right) / 2]
    for shift in _SHIFTS:
        products = blocks * np.roll(blocks, shift, axis=(1, 2))
        shape, left, right = fit_asymmetric_gaussian(products.reshape(count, -1))
        scale = np.sqrt(gamma(1 / shape) / gamma(3 / shape))
        mean = scale * (right - left) * gamma(2 / shape) / gamma(1 / shape)
        features += [shape, mean, scale * left, scale * right]
    return np.stack(features, axis=-1)


def measure_brisque(grey: Picture) -> Picture:
    """The 36 features of BRISQUE (Mittal et al. 2012, table I): 18 at full size, 18 at half; float64, NaN of a picture of one value.

    At each scale: shape and variance of the MSCN coefficients; for each neighbour shape, mean, left and right variance of the products.
    """
    from scipy.special import gamma

    features: list[Picture] = []
    for scale in (1, 2):
        coefficients, _ = normalise_locally(grey if scale == 1 else halve_bicubic(grey))
        features += fit_gaussian(coefficients.ravel())
        for shift in _SHIFTS:
            products = coefficients * np.roll(coefficients, shift, axis=(0, 1))
            shape, left, right = fit_asymmetric_gaussian(products.ravel())
            mean = (right - left) * np.sqrt(gamma(1 / shape) / gamma(3 / shape)) * gamma(2 / shape) / gamma(1 / shape)
            features += [shape, mean, left**2, right**2]
    return np.array(features, np.float64)
