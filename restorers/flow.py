"""Dense motion by DIS optical flow (Kroeger et al., ECCV 2016), with what of it can be trusted. Conventions as in `restorers.align`."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from restorers.align import grey_image
from restorers.burst import Burst, Domain, FloatImage

_WORST_RETURN = 0.5
"""Grey pixels by which going to the frame and back may miss: more means occlusion, or nothing to follow."""
_RANGE = (0.001, 0.999)
"""Quantiles of the reference that span the 8 bits on which the flow works."""


@dataclass(frozen=True, eq=False)
class Flow:
    """Motion of every pixel of the grey image.

    Attributes:
        displacement: float32 [h, w, 2], (x, y) in frame pixels: what to add to a reference position to find it in the frame.
        reliable: bool [h, w]; False where the way there and back misses its start, or leaves the frame.
        factor: frame pixels per grey pixel: 2 for a mosaic, else 1.
    """

    displacement: FloatImage
    reliable: NDArray[np.bool_]
    factor: int


def estimate_flow(reference: FloatImage, frame: FloatImage, domain: Domain, *, exposure_ratio: float = 1.0) -> Flow:
    """Find the motion of every pixel.

    Args:
        reference: float32 [H, W] mosaic or [H, W, 3], at least 16 x 16 grey pixels.
        frame: same shape.
        domain: of both.
        exposure_ratio: of the frame, relative to the reference.
    """
    grey, factor = grey_image(reference, domain)
    other, _ = grey_image(frame, domain, exposure_ratio)
    low, high = np.quantile(grey, _RANGE)
    first, second = (_to_bytes(image, float(low), float(high)) for image in (grey, other))
    engine = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    forward, backward = (
        np.asarray(engine.calc(*pair, np.empty(0)), np.float32) for pair in ((first, second), (second, first))
    )
    height, width = grey.shape
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    at_x, at_y = x + forward[..., 0], y + forward[..., 1]
    back = cv2.remap(backward, at_x, at_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    missed = np.hypot(*np.moveaxis(forward + back, -1, 0))
    inside = (at_x >= 0) & (at_x <= width - 1) & (at_y >= 0) & (at_y <= height - 1)
    return Flow(forward * np.float32(factor), (missed < _WORST_RETURN) & inside, factor)


def flow_of_burst(burst: Burst, index: int) -> Flow:
    """`estimate_flow` from the reference of a burst to frame `index`."""
    ratio = burst.exposure_ratio[index] / burst.exposure_ratio[burst.reference_index]
    return estimate_flow(burst.reference, burst.frames[index], burst.domain, exposure_ratio=float(ratio))


def _to_bytes(image: FloatImage, low: float, high: float) -> NDArray[np.uint8]:
    """8 bits between two values after the square root, which evens out the noise of light."""
    scaled = np.sqrt(np.clip((image - low) / max(high - low, 1e-6), 0, 1))
    codes: NDArray[np.uint8] = np.rint(255 * scaled).astype(np.uint8)
    return codes
