"""Photographs, generated: smooth shading, edges and fine texture in colour."""

from __future__ import annotations

import numpy as np


def make_photograph(height: int = 160, width: int = 192, *, seed: int = 0, bits: int = 8) -> np.ndarray:
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width] / max(height, width)
    image = np.zeros((height, width, 3))
    for _ in range(12):
        direction, frequency = rng.uniform(0, np.pi), 2 ** rng.uniform(0, 5)
        wave = np.sin(2 * np.pi * frequency * (x * np.cos(direction) + y * np.sin(direction)) + rng.uniform(0, 6.3))
        image += (
            (wave > 0.3)[..., None] * rng.uniform(0, 1, 3)
            if rng.uniform() < 0.5
            else wave[..., None] * rng.uniform(0, 0.5, 3)
        )
    image = (image - image.min()) / np.ptp(image)
    full = 2**bits - 1
    return np.rint(full * (0.05 + 0.9 * image)).astype(np.uint8 if bits == 8 else np.uint16)
