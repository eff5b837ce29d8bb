"""How much a fused image keeps of the images that it was fused from: a score that needs no truth.

Images are luma of display values times 255, the range that the constants of the paper are stated for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

_WINDOW, _RADIUS, _SIGMA = 11, 5, 1.5
_WEIGHTS = (0.0448, 0.2856, 0.3001)
"""Of the scales of MEF-SSIM, divided by their sum."""
_STABILITY = (0.03 * 255) ** 2
_LEAST_CONTRAST = 1e-3
_MOST_POWER = 10.0
"""From there on the power mean is the maximum."""
SMALLEST_SIDE = _WINDOW
"""Pixels that an image needs along each side."""

Image = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class _Scale:
    """What one scale of a fused image is compared with.

    Attributes:
        sources: float64 [K, h, w], less a constant.
        shares: float64 [K, h − 10, w − 10]; the desired patch is the sum of the sources' patches, less their means, times these.
        variance: float64 [h − 10, w − 10], of the desired patch, Gaussian window.
    """

    sources: Image
    shares: Image
    variance: Image

    def compare(self, image: Image) -> float:
        """Mean of (2 σ_xy + C) / (σ_x² + σ_y² + C) over patches."""
        mean = _weigh(image)
        variance = _weigh(image * image) - mean * mean
        covariance = np.zeros_like(variance)
        for source, share in zip(self.sources, self.shares, strict=True):
            covariance += share * (_weigh(source * image) - _weigh(source) * mean)
        return float(((2 * covariance + _STABILITY) / (self.variance + variance + _STABILITY)).mean())


class StructureOfStack:
    """MEF-SSIM (Ma, Zeng & Wang, "Perceptual quality assessment for multi-exposure image fusion", TIP 2015).

    A patch of a source is its mean, its contrast c_k = ‖x_k − μ_k‖ and its structure s_k = (x_k − μ_k) / c_k. The fused patch should have
    the largest contrast of all sources and their mean structure, weighted by c_k^p, p = tan(π R / 2), at most 10, where R =
    ‖Σ (x_k − μ_k)‖ / Σ c_k tells how far sources agree; it is compared with that as SSIM compares contrast and structure. Mean brightness
    does not count. Three scales, each half the one before; smaller images use as many as keep 11 px.

    Args:
        sources: [K, H, W], all on the grid of the fused image; luma, 0..255.

    Raises:
        ValueError: if they are smaller than 11 px.
    """

    def __init__(self, sources: NDArray[np.floating[Any]]) -> None:
        side = min(sources.shape[1:])
        if side < SMALLEST_SIDE:
            raise ValueError(
                f"MEF-SSIM: expected at least {SMALLEST_SIDE} px on each side, got {list(sources.shape[1:])}"
            )
        count = sum(side // 2**level >= _WINDOW for level in range(len(_WEIGHTS)))
        self._weights = np.array(_WEIGHTS[:count]) / sum(_WEIGHTS[:count])
        self._scales: list[_Scale] = []
        levels = [_centre(source) for source in sources]
        for _ in range(count):
            self._scales.append(_describe(np.stack(levels)))
            levels = [_halve(level) for level in levels]

    def measure(self, image: NDArray[np.floating[Any]]) -> float:
        """MEF-SSIM of a fused image [H, W], luma, 0..255; at most 1."""
        level, product = _centre(image), 1.0
        for scale, weight in zip(self._scales, self._weights, strict=True):
            product *= max(scale.compare(level), 0.0) ** weight
            level = _halve(level)
        return float(product)


def _describe(sources: Image) -> _Scale:
    """The desired patches of one scale."""
    area = _WINDOW**2
    means = np.stack([_average(source) for source in sources])
    squares = (_average(source * source) - mean**2 for source, mean in zip(sources, means, strict=True))
    contrasts = np.stack([np.sqrt(np.maximum(area * square, 0)) for square in squares])
    total = sources.sum(0)
    together = np.sqrt(np.maximum(area * (_average(total * total) - means.sum(0) ** 2), 0))
    # The authors' code adds the small constants alike.
    contrasts += _LEAST_CONTRAST
    agreement = np.clip(together / (contrasts - _LEAST_CONTRAST).sum(0).clip(1e-12), 0, 1 - 1e-12)
    power = np.minimum(np.tan(np.pi / 2 * agreement), _MOST_POWER)
    weights = (contrasts / _WINDOW) ** power + np.finfo(np.float64).eps
    shares = weights / weights.sum(0) / contrasts
    length = area * _combine(sources, shares, means, _average)
    scale = np.divide(contrasts.max(0), np.sqrt(length), out=np.zeros_like(length), where=length > 0)
    shares *= scale
    return _Scale(sources, shares, _combine(sources, shares, [_weigh(source) for source in sources], _weigh))


def _combine(sources: Image, shares: Image, means: Sequence[Image] | Image, average: Callable[[Image], Image]) -> Image:
    """Variance of Σ share_k x_k in each window."""
    total = np.zeros(shares.shape[1:])
    for first in range(len(sources)):
        for second in range(first, len(sources)):
            covariance = average(sources[first] * sources[second]) - means[first] * means[second]
            total += (1 if first == second else 2) * shares[first] * shares[second] * covariance
    return np.maximum(total, 0)


def _centre(image: NDArray[np.floating[Any]]) -> Image:
    """Only differences from means count; small numbers lose less to rounding."""
    centred: Image = np.asarray(image, np.float64) - 127.5
    return centred


def _average(image: Image) -> Image:
    return np.asarray(cv2.blur(image, (_WINDOW, _WINDOW)), np.float64)[_RADIUS:-_RADIUS, _RADIUS:-_RADIUS]


def _weigh(image: Image) -> Image:
    blurred = np.asarray(cv2.GaussianBlur(image, (_WINDOW, _WINDOW), _SIGMA), np.float64)
    return blurred[_RADIUS:-_RADIUS, _RADIUS:-_RADIUS]


def _halve(image: Image) -> Image:
    height, width = image.shape[0] // 2, image.shape[1] // 2
    return np.asarray(
        cv2.resize(image[: 2 * height, : 2 * width], (width, height), interpolation=cv2.INTER_AREA), np.float64
    )
