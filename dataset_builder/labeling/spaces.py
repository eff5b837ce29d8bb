"""Images in the space where a metric compares them."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dataset_builder.camera.develop import demosaic, develop
from dataset_builder.camera.sensor import mosaic
from restorers import Burst, Domain, RestorerInfo
from restorers.color import decode_srgb
from restorers.errors import UnsupportedBurstError
from restorers.fidelity import Space


def to_space(
    image: NDArray[np.floating[Any]], space: Space, *, info: RestorerInfo, burst: Burst
) -> NDArray[np.floating[Any]]:
    """Bring an image in a restorer's output domain and scale to the space of a metric (see `restorers.fidelity`).

    Args:
        image: [H·scale, W·scale] or [H·scale, W·scale, 3]: a restored image or its truth.
        space: of the metric.
        info: of the restorer.
        burst: whose colour filter array, white balance and colour matrix apply.

    Raises:
        UnsupportedBurstError: if display images are asked for as a mosaic.
    """
    domain = info.output_for(burst.domain)
    if space == "frame":
        if burst.domain is Domain.SRGB and domain is Domain.SRGB and info.scale == 1:
            return image
        space = "raw"
    if space == "linear":
        return decode_srgb(image) if domain is Domain.SRGB else image
    if space == "srgb":
        if domain is Domain.SRGB:
            return image
        if domain is Domain.RAW_BAYER:
            assert burst.cfa is not None
            image = demosaic(image, burst.cfa)
        return develop(image, burst.white_balance.tolist(), burst.color_matrix)
    if domain is Domain.SRGB or burst.cfa is None:
        raise UnsupportedBurstError(
            "metric in the mosaic of the frames: display images have none; choose another metric"
        )
    if domain is Domain.RAW_BAYER:
        return image
    height, width = burst.reference.shape[:2]
    reduced = np.asarray(
        cv2.resize(np.asarray(image, np.float32), (width, height), interpolation=cv2.INTER_AREA), np.float32
    )
    return mosaic(reduced, burst.cfa)
