"""One transform for all frames of a burst that makes the reference's noise of variance 1, and keeps what lies below black."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LEAST_READ = 1e-9
"""Read noise that every frame has at least: that of rounding to 14 bits is 3e-10."""


def stabilise_signal(signal: NDArray[np.float32], shot: float, read: float) -> NDArray[np.float32]:
    """Generalised Anscombe transform (Starck et al. 1998) shifted so that 0 stays 0, and continued below 0 by its tangent there.

    2/a·(√(a·x + 3/8·a² + b) − √(3/8·a² + b)), written without the division by a, so that Gaussian noise (a = 0) needs no case of its own.
    Clipping below black would bias the mean of dark, noisy frames; the tangent does not.

    Args:
        signal: linear, 1 at white, in the exposure of the reference.
        shot: a in the reference's noise variance a·x + b.
        read: b, at least `LEAST_READ`.

    Returns:
        float32 of the same shape; noise of variance a·x + b has become noise of variance about 1.
    """
    floor = np.float32(0.375 * shot**2 + max(read, LEAST_READ))
    root = np.sqrt(np.float32(shot) * np.maximum(signal, 0) + floor)
    root += np.sqrt(floor)
    stabilised: NDArray[np.float32] = np.divide(2 * signal, root, dtype=np.float32)
    return stabilised


def unstabilise_signal(values: NDArray[np.float32], shot: float, read: float) -> NDArray[np.float32]:
    """Undo `stabilise_signal` algebraically: the signal that has these values."""
    floor = 0.375 * shot**2 + max(read, LEAST_READ)
    signal = values * np.float32(np.sqrt(floor))
    above = np.maximum(values, 0)
    signal += np.float32(shot / 4) * above * above
    return signal


def stabilised_deviation(
    signal: NDArray[np.float32], frame: tuple[float, float], reference: tuple[float, float]
) -> float:
    """Standard deviation that a frame's noise has after the reference's transform, root mean square over the pixels of a signal.

    Args:
        signal: linear, in the exposure of the reference.
        frame: shot and read noise of the frame, in that exposure.
        reference: those of the reference.
    """
    light = np.maximum(signal, 0)
    own = frame[0] * light + max(frame[1], LEAST_READ)
    floor = 0.375 * reference[0] ** 2 + max(reference[1], LEAST_READ)
    return float(np.sqrt(np.mean(own / (reference[0] * light + floor))))
