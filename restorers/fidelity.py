"""Fidelity metrics, each with every convention that its value depends on."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

_Number = TypeVar("_Number", bound=np.generic)
PSNR_CAP = 100.0
"""dB; the value of a perfect restoration, and the ceiling of all others."""


@dataclass(frozen=True)
class MetricConvention:
    """What a fidelity number means; written beside every label.

    Attributes:
        name: as in the column `metric`.
        version: changes whenever equal input would give another number.
        unit: of the number.
        domain: where the error is measured.
        data_range: the signal's full range.
        border: ground-truth pixels dropped along each side.
        cap: ceiling of the value.
        aggregate: how several values become one.
    """

    name: str = "psnr"
    version: str = "1"
    unit: str = "dB"
    domain: str = (
        "linear light, in the domain of the restorer's output: the mosaic for raw_bayer, camera RGB for linear_rgb"
    )
    data_range: float = 1.0
    border: int = 8
    cap: float = PSNR_CAP
    aggregate: str = "mean of per-image values"

    def describe(self) -> dict[str, Any]:
        """Plain data for manifests."""
        return asdict(self)


PSNR = MetricConvention()
METRICS = {PSNR.name: PSNR}


def psnr_from_mse(mse: float, *, data_range: float = 1.0) -> float:
    """10·log10(data_range² / mse), at most `PSNR_CAP` dB."""
    if mse <= 0:
        return PSNR_CAP
    return min(PSNR_CAP, 10 * math.log10(data_range * data_range / mse))


def psnr(
    image: NDArray[np.floating[Any]], truth: NDArray[np.floating[Any]], *, data_range: float = 1.0, border: int = 0
) -> float:
    """Peak signal-to-noise ratio of one image, in dB.

    Args:
        image: [H, W] or [H, W, C].
        truth: same shape.
        data_range: full range of the signal; never taken from the data.
        border: pixels dropped along each side; the error is averaged over what remains, all channels together, in float64.

    Raises:
        ValueError: if the shapes differ or nothing remains.
    """
    if image.shape != truth.shape:
        raise ValueError(f"image and truth: expected equal shapes, got {list(image.shape)} and {list(truth.shape)}")
    inner = crop_border(image, border).astype(np.float64) - crop_border(truth, border)
    if inner.size == 0:
        raise ValueError(f"border: {border} leaves nothing of {list(image.shape)}")
    return psnr_from_mse(float(np.mean(np.square(inner))), data_range=data_range)


def crop_border(image: NDArray[_Number], border: int) -> NDArray[_Number]:
    """Drop `border` pixels along each side of [H, W, ...]; a view."""
    return image[border : image.shape[0] - border, border : image.shape[1] - border]
