"""Points under homographies."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def map_points(homography: NDArray[np.float64], points: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Map points [N, 2] (x, y) by homographies [..., 3, 3]; [..., N, 2]."""
    homogeneous = np.concatenate([points, np.ones((len(points), 1))], axis=1)
    mapped = homogeneous @ np.swapaxes(homography, -1, -2)
    result: NDArray[np.float64] = mapped[..., :2] / mapped[..., 2:]
    return result


def mean_displacement(homography: NDArray[np.float64], height: int, width: int) -> float:
    """Mean distance in px that a homography moves the pixels of a grid (measured on 5 x 5 points)."""
    grid = np.stack(np.meshgrid(np.linspace(0, width - 1, 5), np.linspace(0, height - 1, 5)), axis=-1).reshape(-1, 2)
    return float(np.linalg.norm(map_points(homography, grid) - grid, axis=-1).mean())
