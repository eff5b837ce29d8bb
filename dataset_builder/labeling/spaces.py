"""Images in the space where a metric compares them."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dataset_builder.camera.develop import demosaic_bilinear, develop
from restorers import Burst, Domain, RestorerInfo
from restorers.errors import UnsupportedBurstError
from restorers.fidelity import HDR_PEAK, WHITE_LUMINANCE, Space
from restorers.imaging.color import decode_srgb, encode_srgb
from restorers.imaging.hdr_encoding import LUMINANCE, encode_mu_law, encode_pu21, tone_map
from restorers.imaging.mosaic import mosaic

LUMA = np.array([0.299, 0.587, 0.114], np.float32)
"""Of display sRGB, as implementations of fusion metrics have it (ITU-R BT.601)."""


def to_space(
    image: NDArray[np.floating[Any]], space: Space, *, info: RestorerInfo, burst: Burst
) -> NDArray[np.floating[Any]]:
    """Bring an image in a restorer's output domain and scale to the space of a metric (see `restorers.fidelity`).

    Args:
        image: [H·scale, W·scale] or [H·scale, W·scale, 3]: a restored image or its truth.
        space: colour space of the metric.
        info: facts of the restorer.
        burst: whose colour filter array, white balance and colour matrix apply.

    Raises:
        UnsupportedBurstError: if display images are asked for as a mosaic.
    """
    domain = info.output_for(burst.domain)
    if space == "linear":
        return decode_srgb(image) if domain is Domain.SRGB else image
    if space == "srgb":
        return _display(image, domain, burst)
    if space == "luma":
        return 255 * (_tone(image, domain, burst) @ LUMA)
    if space in ("mu_law", "pu21", "pu21_luminance"):
        return _encode_light(_see_light(image, domain, burst), space)
    if space == "frame" and burst.domain is not Domain.RAW_BAYER:
        return _match_colour(image, info, burst)
    return _mosaic(image, domain, burst)


def _display(image: NDArray[np.floating[Any]], domain: Domain, burst: Burst) -> NDArray[np.floating[Any]]:
    if domain is Domain.SRGB:
        return image
    if domain is Domain.RAW_BAYER:
        assert burst.cfa is not None
        image = demosaic_bilinear(image, burst.cfa)
    return develop(image, burst.white_balance.tolist(), burst.color_matrix)


def _encode_light(light: NDArray[np.float64], space: Space) -> NDArray[np.float64]:
    if space == "mu_law":
        return encode_mu_law(light, peak=HDR_PEAK)
    shown = np.clip(light, 0, HDR_PEAK) * WHITE_LUMINANCE
    return encode_pu21(shown @ LUMINANCE if space == "pu21_luminance" else shown)


def _tone(image: NDArray[np.floating[Any]], domain: Domain, burst: Burst) -> NDArray[np.floating[Any]]:
    """Display sRGB that shows light as bright as the shortest exposure holds."""
    if domain is Domain.SRGB:
        return image
    white = max(1.0, 1 / float(burst.exposure_ratio.min()))
    return encode_srgb(tone_map(_see_light(image, domain, burst), white=white))


def _see_light(image: NDArray[np.floating[Any]], domain: Domain, burst: Burst) -> NDArray[np.float64]:
    """Linear light in the primaries of sRGB, which may be brighter than white and, outside their gamut, below 0."""
    if domain is Domain.SRGB:
        return decode_srgb(image).astype(np.float64)
    if domain is Domain.RAW_BAYER:
        assert burst.cfa is not None
        image = demosaic_bilinear(image, burst.cfa)
    light: NDArray[np.float64] = image @ (burst.color_matrix * burst.white_balance).T
    return light


def _match_colour(image: NDArray[np.floating[Any]], info: RestorerInfo, burst: Burst) -> NDArray[np.floating[Any]]:
    domain = info.output_for(burst.domain)
    if info.scale != 1 or domain is Domain.RAW_BAYER or (burst.domain is Domain.LINEAR_RGB and domain is Domain.SRGB):
        raise UnsupportedBurstError(
            f"a metric in the domain of the frames: expected {burst.domain} at scale 1, got {domain} at scale {info.scale}"
        )
    return encode_srgb(image) if domain is not burst.domain else image


def _mosaic(image: NDArray[np.floating[Any]], domain: Domain, burst: Burst) -> NDArray[np.floating[Any]]:
    if domain is Domain.RAW_BAYER:
        return image
    if domain is Domain.SRGB or burst.cfa is None:
        raise UnsupportedBurstError(
            "a metric in the mosaic of the frames: display images have none; choose another metric"
        )
    height, width = burst.reference.shape[:2]
    reduced = cv2.resize(np.asarray(image, np.float32), (width, height), interpolation=cv2.INTER_AREA)
    return mosaic(np.asarray(reduced, np.float32), burst.cfa)
