"""Defocus: circles of confusion, the same everywhere or following a smooth depth."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from dataset_builder.synthesis.fields import Planes

_SUBSAMPLES = 32
_LEVELS_PER_PX = 2


@dataclass(frozen=True)
class Depth:
    """Smooth inverse depth over the reference frame: a tilted plane and a wave, 0 nearest, 1 farthest.

    Attributes:
        angle: rad; direction in which it grows.
        wave_angle: rad; direction of the wave.
        wave_phase: rad.
    """

    angle: float
    wave_angle: float
    wave_phase: float

    def at(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
        """Inverse depth at places relative to the frame's sides: 0 at their start, 1 at their end."""
        plane = (x - 0.5) * math.cos(self.angle) + (y - 0.5) * math.sin(self.angle)
        wave = np.sin(2 * np.pi * (x * math.cos(self.wave_angle) + y * math.sin(self.wave_angle)) + self.wave_phase)
        inverse: NDArray[np.float64] = np.clip(0.5 + 0.8 * plane + 0.15 * wave, 0, 1)
        return inverse


@lru_cache(maxsize=64)
def make_disc(radius: float) -> NDArray[np.float64]:
    """Kernel of a uniform disc of a radius in px, float64 [k, k], sum 1.

    Each weight is the part of the pixel that the disc covers. A disc that reaches no other pixel becomes three by three weights of the
    same variance, radius² / 4 along each axis.
    """
    reach = max(0, math.ceil(radius - 0.5))
    if reach == 0:
        variance = radius**2 / 4
        across = np.array([variance / 2, 1 - variance, variance / 2])
        return np.asarray(np.outer(across, across))
    fine = (np.arange((2 * reach + 1) * _SUBSAMPLES) + 0.5) / _SUBSAMPLES - reach - 0.5
    inside = np.hypot(fine[:, None], fine) <= radius
    side = 2 * reach + 1
    weights = inside.reshape(side, _SUBSAMPLES, side, _SUBSAMPLES).sum(axis=(1, 3)).astype(np.float64)
    return np.asarray(weights / weights.sum())


def blur_disc(planes: Planes, radius: float) -> Planes:
    """Convolve planes with a disc of a radius in their px."""
    if radius <= 0:
        return planes
    kernel = make_disc(radius)
    return tuple(
        cv2.filter2D(plane, -1, kernel, borderType=cv2.BORDER_REPLICATE).astype(np.float64, copy=False)
        for plane in planes
    )


@dataclass(frozen=True, eq=False)
class FocusStack:
    """The scene at evenly spaced blurs, between which a frame interpolates pixel by pixel.

    Attributes:
        levels: level k has a radius of k / `_LEVELS_PER_PX` frame px.
        depth: float64 [H', W'], inverse depth of each pixel of the planes.
        series: frame px; blur radius for a difference in depth of 1.
    """

    levels: tuple[Planes, ...]
    depth: NDArray[np.float64]
    series: float

    def focus_at(self, focus: float) -> Planes:
        """The planes as a lens focused at that inverse depth sees them."""
        radius = self.series * np.abs(self.depth - focus) * _LEVELS_PER_PX
        result = tuple(np.zeros_like(plane) for plane in self.levels[0])
        for number, level in enumerate(self.levels):
            weight = np.maximum(0, 1 - np.abs(radius - number))
            for channel, plane in enumerate(level):
                result[channel][:] += weight * plane
        return result


def make_focus_stack(planes: Planes, depth: NDArray[np.float64], series: float, scale: int) -> FocusStack:
    """Blur planes of `scale` px per frame px at every level that a series may need."""
    count = math.ceil(series * _LEVELS_PER_PX) + 1
    levels = tuple(blur_disc(planes, number / _LEVELS_PER_PX * scale) for number in range(count))
    return FocusStack(levels, depth, series)
