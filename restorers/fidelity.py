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
    """10·log10(data_range² / mse), at most `PSNR_CAP` dB.

    Raises:
        ValueError: if the error is not finite, or the range not a positive number.
    """
    if not 0 < data_range < math.inf:
        raise ValueError(f"data_range: expected a positive number, got {data_range}")
    # Not left to the comparisons below: every one of them is false for NaN, which would then count as perfect.
    if not math.isfinite(mse):
        raise ValueError(f"mse: expected a finite number, got {mse}")
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
        ValueError: if the shapes differ, nothing remains, or what remains is not finite.
    """
    if image.shape != truth.shape:
        raise ValueError(f"image and truth: expected equal shapes, got {list(image.shape)} and {list(truth.shape)}")
    restored, expected = (crop_border(each, border).astype(np.float64) for each in (image, truth))
    if restored.size == 0:
        raise ValueError(f"border: {border} leaves nothing of {list(image.shape)}")
    for name, values in (("image", restored), ("truth", expected)):
        if not np.isfinite(values).all():
            raise ValueError(f"{name}: expected finite values, got NaN or infinity")
    return psnr_from_mse(float(np.mean(np.square(restored - expected))), data_range=data_range)


def crop_border(image: NDArray[_Number], border: int) -> NDArray[_Number]:
    """Drop `border` pixels along each side of [H, W, ...]; a view.

    Raises:
        ValueError: if the border is negative.
    """
    if border < 0:
        raise ValueError(f"border: expected 0 or more, got {border}")
    return image[border : image.shape[0] - border, border : image.shape[1] - border]
