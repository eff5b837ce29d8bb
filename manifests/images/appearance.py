"""What pictures look like, in 64 bits: to find near-duplicates that go by different names.

The hash is that of Zauner, "Implementation and benchmarking of perceptual image hash functions" (2010), section 3.2: which of the
8 × 8 lowest DCT coefficients of a 32 × 32 grey thumbnail exceed their median. Light must be encoded alike before hashes compare,
so linear pixels first get the exponent 1 / 2.2.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.fft import dctn

from manifests.images.close_hashes import BITS, find_close
from manifests.images.pixels import read_linear
from manifests.schema.words import MOST_PIXELS

MAX_DISTANCE = 8
"""Bits in which the hashes of near-duplicates may differ."""
MIN_CORRELATION = 0.95
"""Of the thumbnails of near-duplicates, brightness gradients taken out."""

_SIDE = 32
_MIN_CONTRAST = 0.01
_BLOCK_SIZE = 2**20  # distances held at a time
_FEW = 2048
"""So many hashes are compared each with each."""
_DISTANCES = (3, 7, 11, 15)
"""Within which the nearest pair of more hashes is looked for, one after the other."""
_LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32)


class NearPair(NamedTuple):
    """Two bursts of different groups, by position, and the number of bits in which their hashes differ."""

    first: int
    second: int
    distance: int


def make_thumbnail(image: NDArray[np.float32], domain: str) -> NDArray[np.float32]:
    """Grey thumbnail, gamma encoded.

    Args:
        image: float32 [H, W] mosaic or [H, W, 3] RGB, 0 black and 1 white.
        domain: `raw_bayer`, `linear_rgb` or `srgb`.

    Returns:
        float32 [32, 32] in [0, 1].
    """
    if image.ndim == 3:
        grey = image @ _LUMINANCE
    else:
        height, width = image.shape
        grey = image[: height & ~1, : width & ~1].reshape(height // 2, 2, width // 2, 2).mean((1, 3))
    small = cv2.resize(grey, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA).clip(0, 1)
    return small if domain == "srgb" else small ** np.float32(1 / 2.2)


def hash_thumbnail(thumbnail: NDArray[np.float32]) -> str | None:
    """Hash of a thumbnail, 16 hex digits; None where it shows too little to be told from others."""
    if _flatten(thumbnail).std() < _MIN_CONTRAST:
        return None
    low = dctn(thumbnail, norm="ortho")[:8, :8]
    return np.packbits(low > np.median(low)).tobytes().hex()


def read_thumbnail(
    root: Path, burst: Mapping[str, Any], frame: Mapping[str, Any], *, most: int = MOST_PIXELS
) -> NDArray[np.float32]:
    """Thumbnail of a stored frame.

    Args:
        root: the data set.
        burst: row of `bursts`.
        frame: row of `frames`.
        most: pixels that the file may have.

    Raises:
        ManifestError: if the file is missing, unreadable, too large or outside the data set.
    """
    levels = {"black_level": burst["black_level"], "white_level": burst["white_level"]}
    pixels = read_linear(root, frame["path"], **levels, orientation=frame["orientation"], most=most)
    return make_thumbnail(pixels, burst["domain"])


def hash_reference(root: Path, burst: Mapping[str, Any], frames: Sequence[Mapping[str, Any]]) -> str | None:
    """The column `perceptual_hash` of a burst, from its reference frame.

    Raises:
        ManifestError: as `read_thumbnail`.
    """
    return hash_thumbnail(read_thumbnail(root, burst, frames[burst["reference_index"]]))


def correlate_thumbnails(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    """Correlation of two thumbnails after their planes of best fit are taken out, so that two skies are not taken for one."""
    one, other = _flatten(first), _flatten(second)
    scale = float(np.linalg.norm(one) * np.linalg.norm(other))
    return float((one * other).sum()) / scale if scale > 0 else 0.0


def find_near_pairs(
    hashes: Sequence[str | None], groups: Sequence[Any], *, max_distance: int = MAX_DISTANCE
) -> list[NearPair]:
    """Pairs of different groups whose hashes differ in few bits, nearest first.

    Args:
        hashes: N hashes; None is near nothing.
        groups: N names; pairs within a group do not count.
        max_distance: the largest distance, in bits.
    """
    codes, names, known = _encode(hashes, groups)
    pairs = find_close(codes, names, max_distance)
    order = np.lexsort((pairs.second, pairs.first, pairs.distance))
    columns = (known[pairs.first], known[pairs.second], pairs.distance)
    return [NearPair(*each) for each in zip(*(column[order].tolist() for column in columns), strict=True)]


def find_nearest_pair(hashes: Sequence[str | None], groups: Sequence[Any]) -> NearPair | None:
    """The pair of different groups whose hashes differ least; None if there is none."""
    codes, names, known = _encode(hashes, groups)
    for most in _DISTANCES if len(codes) > _FEW else ():
        pairs = find_close(codes, names, most)
        if len(pairs.first):
            place = np.lexsort((pairs.second, pairs.first, pairs.distance))[0]
            first, second = known[pairs.first[place]], known[pairs.second[place]]
            return NearPair(int(first), int(second), int(pairs.distance[place]))
    best: NearPair | None = None
    for start in range(0, len(codes), step := max(1, _BLOCK_SIZE // max(len(codes), 1))):
        distances = np.bitwise_count(codes[start : start + step, None] ^ codes[None]).astype(np.int64)
        distances[names[start : start + step, None] == names[None]] = BITS + 1
        row, column = np.unravel_index(int(distances.argmin()), distances.shape)
        found = NearPair(int(known[start + row]), int(known[column]), int(distances[row, column]))
        if found.distance <= BITS and (best is None or found.distance < best.distance):
            best = found
    return best


def _encode(
    hashes: Sequence[str | None], groups: Sequence[Any]
) -> tuple[NDArray[np.uint64], NDArray[np.int64], NDArray[np.int64]]:
    """Those that are known: their bits, uint64; numbers for their groups; their positions."""
    known: NDArray[np.int64] = np.flatnonzero([text is not None for text in hashes]).astype(np.int64)
    codes = np.array([int(text, 16) for text in hashes if text is not None], np.uint64)
    names = np.unique(np.asarray(groups, dtype=str)[known], return_inverse=True)[1]
    return codes, names.astype(np.int64), known


def _flatten(thumbnail: NDArray[np.float32]) -> NDArray[np.float32]:
    """Take the plane of best fit out; over a full grid its three terms are orthogonal."""
    ramp = np.arange(_SIDE, dtype=np.float32) - (_SIDE - 1) / 2
    ramp /= np.linalg.norm(ramp) * np.sqrt(_SIDE)
    rows, columns = np.broadcast_to(ramp[:, None], thumbnail.shape), np.broadcast_to(ramp, thumbnail.shape)
    flat: NDArray[np.float32] = (
        thumbnail - thumbnail.mean() - rows * (rows * thumbnail).sum() - columns * (columns * thumbnail).sum()
    )
    return flat
