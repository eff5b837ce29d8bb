"""What the sensor does to light: colour filter array, noise, quantisation, saturation."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from dataset_builder.randomness import draw_normal
from restorers import CFA

_Number = TypeVar("_Number", bound=np.generic)
MIN_BITS, MAX_BITS = 8, 16
_FARTHEST = 4.4
"""Standard deviations, beyond which `draw_normal` has no numbers."""


@dataclass(frozen=True)
class Sensor:
    """Colour filter array and code values: `black_level` means no light, `white_level` means 1, the saturation.

    Raises:
        ValueError: unless 0 <= black_level < white_level < 2 ** bits.
    """

    cfa: CFA = CFA.RGGB
    bits: int = 14
    black_level: int = 1024
    white_level: int = 16383

    def __post_init__(self) -> None:
        if not MIN_BITS <= self.bits <= MAX_BITS:
            raise ValueError(f"bits: expected {MIN_BITS} to {MAX_BITS}, got {self.bits}")
        if not 0 <= self.black_level < self.white_level < 2**self.bits:
            raise ValueError(
                f"levels: expected 0 <= black < white < {2**self.bits} for {self.bits} bits, "
                f"got {self.black_level} and {self.white_level}"
            )


def find_darkest(*, shot_noise: float, read_noise: float, row_noise: float = 0.0) -> float:
    """How far below 0 `add_noise` can take a signal.

    That is the largest value of k·√(shot_noise·x + read_noise) − x over x >= 0, and k times the row noise, with k = 4.4.
    """
    floor = math.sqrt(read_noise)
    turn = _FARTHEST * shot_noise / 2
    # Where shot noise grows faster than the signal at first, the deepest point is not that of no light at all.
    depth = _FARTHEST * floor if floor >= turn else _FARTHEST * turn / 2 + read_noise / shot_noise
    return depth + _FARTHEST * row_noise


def choose_black_level(bits: int, depth: float) -> int:
    """Black level of a sensor that can write signals down to −depth: 1/16 of the range, or 1/8, 1/4 or 1/2 where that is too little.

    Args:
        bits: bits of its codes, the largest of which is white.
        depth: by how much noise takes black below 0; what half of the range does not hold is clipped.
    """
    white = 2**bits - 1
    levels: list[int] = [*(2 ** (bits - halvings) for halvings in (4, 3, 2)), white // 2]
    return next((black for black in levels if black >= depth * (white - black)), levels[-1])


def add_noise(
    signal: NDArray[np.floating[Any]],
    *,
    shot_noise: float,
    read_noise: float,
    rng: np.random.Generator,
    row_noise: float = 0.0,
) -> NDArray[np.float64]:
    """Add Gaussian noise of variance `shot_noise · signal + read_noise` (Foi et al., TIP 2008), signal 1 at white.

    Noise is of 24 significant bits, `randomness.draw_normal`, through operations that are correctly rounded everywhere.

    Args:
        signal: [H, W].
        shot_noise: variance per signal.
        read_noise: variance without signal.
        rng: where the noise comes from.
        row_noise: standard deviation of an offset that the pixels of a row share.

    Returns:
        float64 [H, W]; not clipped.

    Raises:
        ValueError: if a parameter is negative or not finite.
    """
    for name, value in (("shot_noise", shot_noise), ("read_noise", read_noise), ("row_noise", row_noise)):
        if not (math.isfinite(value) and value >= 0):
            raise ValueError(f"{name}: expected a finite number >= 0, got {value}")
    deviation = signal.astype(np.float32)
    np.maximum(deviation, 0, out=deviation)
    deviation *= np.float32(shot_noise)
    deviation += np.float32(read_noise)
    np.sqrt(deviation, out=deviation)
    deviation *= draw_normal(rng, signal.shape)
    noisy: NDArray[np.float64] = np.add(signal, deviation, dtype=np.float64)
    if row_noise:
        noisy += row_noise * draw_normal(rng, (signal.shape[0], 1))
    return noisy


def digitise(signal: NDArray[np.floating[Any]], sensor: Sensor) -> NDArray[np.uint16]:
    """Signal (0 = no light, 1 = white) to sensor codes: scaled, offset by the black level, rounded, clipped to 0..white level."""
    codes = signal * (sensor.white_level - sensor.black_level)
    codes += sensor.black_level
    np.rint(codes, out=codes)
    clipped: NDArray[np.uint16] = codes.clip(0, sensor.white_level, out=codes).astype(np.uint16)
    return clipped


def read_codes(codes: NDArray[np.uint16], sensor: Sensor) -> NDArray[np.float64]:
    """Sensor codes to signal, the inverse of `digitise` up to rounding and saturation."""
    signal: NDArray[np.float64] = (codes.astype(np.float64) - sensor.black_level) / (
        sensor.white_level - sensor.black_level
    )
    return signal
