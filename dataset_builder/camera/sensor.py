"""What the sensor does to light: colour filter array, noise, quantisation, saturation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from restorers import CFA


@dataclass(frozen=True)
class Sensor:
    """Colour filter array and code values: `black_level` means no light, `white_level` means 1, the saturation."""

    cfa: CFA = CFA.RGGB
    black_level: int = 1024
    white_level: int = 16383


def mosaic(image: NDArray[np.float32], cfa: CFA) -> NDArray[np.float32]:
    """Keep of [H, W, 3] the channel that each pixel of the colour filter array sees; [H, W]."""
    height, width = image.shape[:2]
    result = np.empty((height, width), image.dtype)
    for (row, column), channel in zip(np.ndindex(2, 2), cfa.channels, strict=True):
        result[row::2, column::2] = image[row::2, column::2, channel]
    return result


def add_noise(
    signal: NDArray[np.float32], *, shot_noise: float, read_noise: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Add Gaussian noise of variance `shot_noise · signal + read_noise` (Foi et al., TIP 2008), signal 1 at white.

    Raises:
        ValueError: if a parameter is negative or not finite.
    """
    for name, value in (("shot_noise", shot_noise), ("read_noise", read_noise)):
        if not (np.isfinite(value) and value >= 0):
            raise ValueError(f"{name}: expected a finite number >= 0, got {value}")
    deviation = np.sqrt(np.maximum(signal, 0) * np.float32(shot_noise) + np.float32(read_noise))
    noisy: NDArray[np.float32] = signal + deviation * rng.standard_normal(signal.shape, dtype=np.float32)
    return noisy


def digitise(signal: NDArray[np.floating[Any]], sensor: Sensor) -> NDArray[np.uint16]:
    """Signal (0 = no light, 1 = white) to sensor codes: scaled, offset by the black level, rounded, clipped to 0..white level."""
    codes = signal * (sensor.white_level - sensor.black_level) + sensor.black_level
    clipped: NDArray[np.uint16] = np.clip(np.rint(codes), 0, sensor.white_level).astype(np.uint16)
    return clipped
