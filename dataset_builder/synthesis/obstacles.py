"""What comes between the camera and the scene: an object that moves on its own, and something that blocks the lens."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class MovingObject:
    """A blob that shows another part of the photograph or scene and moves by whole truth pixels.

    Attributes:
        radius: truth px, on average over directions.
        amplitudes: float64 [K]; of the harmonics 2, 3, … of its outline, relative to the radius.
        phases: float64 [K]; rad.
        texture: (left, top) of the square of `side` px of the photograph that it shows.
        brightness: factor on that.
        nearer_layers: of a layered scene, how many layers are before it.
    """

    radius: float
    amplitudes: NDArray[np.float64]
    phases: NDArray[np.float64]
    texture: tuple[int, int]
    brightness: float
    nearer_layers: int = 0

    @property
    def reach(self) -> int:
        """Truth px from its centre to where its outline surely ends."""
        return int(np.ceil(self.radius * (1 + np.abs(self.amplitudes).sum()))) + 1

    @property
    def side(self) -> int:
        """Side of its square, odd."""
        return 2 * self.reach + 1

    @cached_property
    def alpha(self) -> NDArray[np.float64]:
        """Coverage of each truth pixel of its square, float64 [side, side] in [0, 1]."""
        y, x = np.mgrid[-self.reach : self.reach + 1, -self.reach : self.reach + 1].astype(np.float64)
        angle = np.arctan2(y, x)
        outline = np.ones_like(angle)
        for order, (amplitude, phase) in enumerate(zip(self.amplitudes, self.phases, strict=True), start=2):
            outline += amplitude * np.cos(order * angle + phase)
        alpha: NDArray[np.float64] = np.clip(self.radius * outline - np.hypot(x, y) + 0.5, 0, 1)
        return alpha


@dataclass(frozen=True)
class Occluder:
    """A finger before the lens: dark, far out of focus, coming in from one side.

    Attributes:
        angle: rad; from the image centre towards the finger.
        edge: px from the image centre, along that direction, to where it covers half of the light.
        softness: px over which its cover grows from nothing to all.
        color: linear sRGB, 1 = the reference's white.
    """

    angle: float
    edge: float
    softness: float
    color: tuple[float, float, float]

    def cover(self, height: int, width: int) -> NDArray[np.float64]:
        """Fraction of the light of each pixel that it takes, float64 [height, width]."""
        y, x = np.mgrid[:height, :width].astype(np.float64)
        along = (x - (width - 1) / 2) * np.cos(self.angle) + (y - (height - 1) / 2) * np.sin(self.angle)
        ramp = np.clip((along - self.edge) / self.softness + 0.5, 0, 1)
        cover: NDArray[np.float64] = ramp * ramp * (3 - 2 * ramp)
        return cover
