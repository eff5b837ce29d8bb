"""Whether a photograph can serve as truth: not saturated, not blurred, not a second copy."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from dataset_builder.camera.color import SRGB_TO_XYZ, UINT16_MAX, encode_srgb

SCREENING_VERSION = "1"
"""Changes whenever equal photographs would be described differently."""
_HASH_SIDE = 32
_THUMBNAIL_SIDE = 16
_MAX_DISTANCE = 10
_MIN_CORRELATION = 0.97
_BLUR_SIDE = 512


@dataclass(frozen=True)
class PhotographFacts:
    """What screening needs to know; plain data.

    Attributes:
        height: px, after reduction.
        width: px.
        clipped: share of the pixels of which a channel is saturated.
        blur: perceptual blur effect (Crete et al., SPIE 2007) of the middle, 0 sharp to 1 blurred.
        perceptual_hash: 64 bits, whether each low frequency of the picture is above the median (Zauner 2010).
        thumbnail: 16 x 16 grey values 0..255 by rows, hex.
    """

    height: int
    width: int
    clipped: float
    blur: float
    perceptual_hash: int
    thumbnail: str


def describe_photograph(linear: NDArray[np.uint16]) -> PhotographFacts:
    """Measure a photograph.

    Args:
        linear: uint16 codes [H, W, 3] of linear sRGB.
    """
    from skimage.measure import blur_effect

    height, width = linear.shape[:2]
    top, left = max(0, (height - _BLUR_SIDE) // 2), max(0, (width - _BLUR_SIDE) // 2)
    middle = _to_grey(linear[top : top + _BLUR_SIDE, left : left + _BLUR_SIDE])
    # A picture of one pixel or one colour has no edges that could be sharp.
    has_edges = min(middle.shape) >= 3 and float(np.ptp(middle)) > 0
    small = cv2.resize(linear, (_HASH_SIDE, _HASH_SIDE), interpolation=cv2.INTER_AREA)
    grey = _to_grey(np.asarray(small, np.uint16))
    thumbnail = cv2.resize(grey, (_THUMBNAIL_SIDE, _THUMBNAIL_SIDE), interpolation=cv2.INTER_AREA)
    return PhotographFacts(
        height=height,
        width=width,
        clipped=float((linear == UINT16_MAX).any(axis=2).mean()),
        blur=float(blur_effect(middle)) if has_edges else 1.0,  # type: ignore[no-untyped-call]  # scikit-image has no types
        perceptual_hash=hash_picture(grey),
        thumbnail=np.rint(np.asarray(thumbnail) * 255).astype(np.uint8).tobytes().hex(),
    )


def hash_picture(grey: NDArray[np.float32]) -> int:
    """Perceptual hash of float32 [32, 32]: bit k tells whether the k-th of the 8 x 8 lowest frequencies exceeds their median."""
    frequencies = cv2.dct(grey)[:8, :8].ravel()
    bits = frequencies > np.median(frequencies[1:])
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


class SeenPhotographs:
    """Photographs accepted so far, in which near-duplicates are sought."""

    def __init__(self) -> None:
        self._paths: list[str] = []
        self._thumbnails: list[NDArray[np.float64]] = []
        self._hashes = np.empty(0, np.uint64)

    def find(self, facts: PhotographFacts) -> str | None:
        """Path of one that looks the same: hashes differ in at most 10 of 64 bits, and thumbnails correlate by 0.97 or more."""
        close = np.bitwise_count(self._hashes[: len(self._paths)] ^ np.uint64(facts.perceptual_hash)) <= _MAX_DISTANCE
        thumbnail = _centre(facts)
        for index in np.flatnonzero(close):
            if float((thumbnail * self._thumbnails[index]).sum()) >= _MIN_CORRELATION:
                return self._paths[index]
        return None

    def add(self, path: str, facts: PhotographFacts) -> None:
        """Remember a photograph."""
        if len(self._paths) == len(self._hashes):
            self._hashes = np.concatenate([self._hashes, np.zeros(len(self._hashes) + 64, np.uint64)])
        self._hashes[len(self._paths)] = facts.perceptual_hash
        self._paths.append(path)
        self._thumbnails.append(_centre(facts))


def _centre(facts: PhotographFacts) -> NDArray[np.float64]:
    """Thumbnail without mean, of unit norm; 0 for a picture of one colour, which resembles nothing."""
    values = np.frombuffer(bytes.fromhex(facts.thumbnail), np.uint8).astype(np.float64)
    values -= values.mean()
    norm = float(np.linalg.norm(values))
    return values / norm if norm else values


def _to_grey(linear: NDArray[np.uint16]) -> NDArray[np.float32]:
    return encode_srgb(linear / UINT16_MAX @ SRGB_TO_XYZ[1])
