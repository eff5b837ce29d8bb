"""Whether a photograph can serve as truth: not saturated, not blurred, not a second copy."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from dataset_builder.camera.color import SRGB_TO_XYZ, UINT16_MAX
from manifests.images.appearance import (
    MIN_CORRELATION,
    correlate_thumbnails,
    find_near_pairs,
    hash_thumbnail,
    make_thumbnail,
)
from restorers.imaging.color import encode_srgb

SCREENING_VERSION = "1"
"""Changes whenever equal photographs would be described differently."""
_BLUR_SIDE = 512
_SMALL_SIDE = 256


@dataclass(frozen=True)
class PhotographFacts:
    """What screening needs to know; plain data.

    Attributes:
        height: px, after reduction.
        width: px.
        clipped: share of the pixels of which a channel is saturated.
        blur: perceptual blur effect (Crete et al., SPIE 2007) of the middle, 0 sharp to 1 blurred.
        perceptual_hash: perceptual hash of its thumbnail (`manifests.images.appearance`); None where that shows too little.
        thumbnail: 32 x 32 grey values 0..255 by rows, hex.
    """

    height: int
    width: int
    clipped: float
    blur: float
    perceptual_hash: str | None
    thumbnail: str


def describe_photograph(linear: NDArray[np.uint16]) -> PhotographFacts:
    """Measure a photograph.

    Args:
        linear: uint16 codes [H, W, 3] of linear sRGB.
    """
    from skimage.measure import blur_effect

    height, width = linear.shape[:2]
    top, left = max(0, (height - _BLUR_SIDE) // 2), max(0, (width - _BLUR_SIDE) // 2)
    middle = encode_srgb(linear[top : top + _BLUR_SIDE, left : left + _BLUR_SIDE] / UINT16_MAX @ SRGB_TO_XYZ[1])
    # A picture of one colour has no edges that could be sharp.
    has_edges = min(middle.shape) >= 3 and float(np.ptp(middle)) > 0
    small = linear
    if min(height, width) > _SMALL_SIDE:
        small = cv2.resize(linear, (_SMALL_SIDE, _SMALL_SIDE), interpolation=cv2.INTER_AREA).astype(
            np.uint16, copy=False
        )
    thumbnail = make_thumbnail(small.astype(np.float32) / np.float32(UINT16_MAX), "linear_rgb")
    return PhotographFacts(
        height=height,
        width=width,
        clipped=float((linear == UINT16_MAX).any(axis=2).mean()),
        blur=float(blur_effect(middle)) if has_edges else 1.0,  # type: ignore[no-untyped-call]  # scikit-image has no types
        perceptual_hash=hash_thumbnail(thumbnail),
        thumbnail=np.rint(thumbnail * 255).astype(np.uint8).tobytes().hex(),
    )


def find_look_alikes(photographs: Sequence[PhotographFacts]) -> Mapping[int, tuple[int, ...]]:
    """Earlier photographs that look the same as a later one, by position: hashes differ in few bits and thumbnails correlate."""
    hashes = [facts.perceptual_hash for facts in photographs]
    found: dict[int, tuple[int, ...]] = defaultdict(tuple)
    for pair in find_near_pairs(hashes, range(len(hashes))):
        thumbnails = (_read_thumbnail(photographs[index]) for index in pair[:2])
        if correlate_thumbnails(*thumbnails) >= MIN_CORRELATION:
            found[pair.second] = (*found[pair.second], pair.first)
    return found


def _read_thumbnail(facts: PhotographFacts) -> NDArray[np.float32]:
    values = np.frombuffer(bytes.fromhex(facts.thumbnail), np.uint8)
    side = int(np.sqrt(len(values)))
    return values.reshape(side, side).astype(np.float32) / np.float32(255)
