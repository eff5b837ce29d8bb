"""What the pixels of a frame say without any restorer: brightness, contrast, sharpness, noise. Small, for workers import it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dataset_builder.records.reading import FramesToRead
from manifests.errors import ManifestError
from manifests.images.pixels import read_linear

FEATURE_NAMES = ("brightness", "contrast", "sharpness", "noise", "signal")
UNKNOWN = (None,) * len(FEATURE_NAMES)
"""What is known of a frame that cannot be read."""
_NOISE_KERNEL = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
_LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32)


def measure_burst(root: Path, wanted: FramesToRead) -> list[tuple[float | None, ...]]:
    """As `measure_pixels`, frame by frame, in a worker; None where a number is not finite or the frame cannot be read."""
    return [_measure_stored(root, wanted.burst, frame) for frame in wanted.frames]


def measure_pixels(image: NDArray[np.float32], domain: str) -> tuple[float, float, float, float, float]:
    """Measure one frame.

    Noise is the median absolute response to Immerkær's kernel ("Fast noise variance estimation", CVIU 1996), which annuls planes and
    edges, over 0.6745 and the kernel's norm 6; of a mosaic in one of its green planes, else in green. Texture adds to it, so compare it
    between frames of one kind.

    Args:
        image: float32 [H, W] mosaic or [H, W, 3] RGB, 0 black and 1 white.
        domain: `raw_bayer`, `linear_rgb` or `srgb`.

    Returns:
        brightness, contrast, sharpness, noise, signal.
    """
    if image.ndim == 2:
        height, width = image.shape[0] & ~1, image.shape[1] & ~1
        cells = image[:height, :width].reshape(height // 2, 2, width // 2, 2)
        grey, plane = cells.mean((1, 3)), np.ascontiguousarray(cells[:, 0, :, 1])
    else:
        grey, plane = image @ _LUMINANCE, np.ascontiguousarray(image[..., 1])
    shown = np.clip(grey, 0, 1).astype(np.float32)
    if domain != "srgb":
        shown **= np.float32(1 / 2.2)
    laplacian = cv2.Laplacian(shown, cv2.CV_32F)
    response = np.abs(cv2.filter2D(plane.astype(np.float32), cv2.CV_32F, _NOISE_KERNEL))[1:-1, 1:-1]
    noise = float(np.median(response)) / (0.6745 * 6) if response.size else np.nan
    return float(shown.mean()), float(shown.std()), float(laplacian.var()), noise, float(np.median(plane))


def _measure_stored(root: Path, burst: Mapping[str, Any], frame: Mapping[str, Any]) -> tuple[float | None, ...]:
    # A report on a damaged data set is worth more than none; `verify` is there to complain.
    try:
        image = read_linear(
            root,
            frame["path"],
            black_level=float(burst["black_level"]),
            white_level=float(burst["white_level"]),
            orientation=int(frame["orientation"]),
        )
        values = measure_pixels(image, burst["domain"])
    except (ManifestError, OSError, ValueError, ZeroDivisionError):
        return UNKNOWN
    return tuple(value if math.isfinite(value) else None for value in values)
