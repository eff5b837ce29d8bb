"""Structural similarity."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

_SIGMA, _RADIUS = 1.5, 5
_MS_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)


def ssim(image: NDArray[np.floating[Any]], truth: NDArray[np.floating[Any]], *, data_range: float = 1.0) -> float:
    """Mean structural similarity (Wang et al., TIP 2004) over the pixels whose window lies inside, and over channels.

    Args:
        image: [H, W] or [H, W, C], at least 11 x 11.
        truth: same shape.
        data_range: full range of the signal.

    Raises:
        ValueError: if the image is too small.
    """
    luminance, structure = _compare(image, truth, data_range)
    return float((luminance * structure).mean())


def ms_ssim(image: NDArray[np.floating[Any]], truth: NDArray[np.floating[Any]], *, data_range: float = 1.0) -> float:
    """Multi-scale structural similarity (Wang et al., Asilomar 2003), mean over channels.

    Each scale halves the image by averaging 2 x 2 pixels. Five scales need 176 px; smaller images use as many as keep 11 px, with
    their weights divided by their sum.

    Args:
        image: [H, W] or [H, W, C], at least 11 x 11.
        truth: same shape.
        data_range: full range of the signal.

    Raises:
        ValueError: if the image is too small.
    """
    side = min(image.shape[:2])
    scales = sum(side // 2**level > 2 * _RADIUS for level in range(len(_MS_WEIGHTS))) or 1
    weights = np.array(_MS_WEIGHTS[:scales])
    if scales < len(_MS_WEIGHTS):
        weights /= weights.sum()
    product: NDArray[np.float64] = np.ones(1)
    for level, weight in enumerate(weights):
        luminance, structure = _compare(image, truth, data_range)
        last = level == scales - 1
        term = (luminance * structure if last else structure).mean(axis=(0, 1))
        product = product * np.maximum(term, 0) ** weight
        image, truth = _halve(image), _halve(truth)
    return float(product.mean())


def _compare(
    image: NDArray[np.floating[Any]], truth: NDArray[np.floating[Any]], data_range: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Luminance term and contrast-structure term of every window inside, [H − 10, W − 10, C]."""
    if min(image.shape[:2]) <= 2 * _RADIUS:
        raise ValueError(f"SSIM: expected at least {2 * _RADIUS + 1} px on each side, got {list(image.shape[:2])}")
    x, y = (np.atleast_3d(each).astype(np.float64) for each in (image, truth))
    mean_x, mean_y = _smooth(x), _smooth(y)
    variance_x, variance_y = _smooth(x * x) - mean_x**2, _smooth(y * y) - mean_y**2
    covariance = _smooth(x * y) - mean_x * mean_y
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    luminance = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    structure = (2 * covariance + c2) / (variance_x + variance_y + c2)
    return luminance, structure


def _smooth(image: NDArray[np.float64]) -> NDArray[np.float64]:
    smoothed: NDArray[np.float64] = ndimage.gaussian_filter(image, _SIGMA, radius=_RADIUS, axes=(0, 1))
    return smoothed[_RADIUS:-_RADIUS, _RADIUS:-_RADIUS]


def _halve(image: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    height, width = image.shape[0] // 2 * 2, image.shape[1] // 2 * 2
    blocks = image[:height, :width].reshape(height // 2, 2, width // 2, 2, *image.shape[2:])
    halved: NDArray[np.floating[Any]] = blocks.mean(axis=(1, 3))
    return halved
