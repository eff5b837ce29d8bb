"""Hand motion as a continuous random trajectory: it gives the displacement between frames, the blur within each, and its skew.

The camera's pose is (x, y, roll): the shift of the image centre in frame pixels and the rotation about it in radians. Rotations dominate
hand tremor; those about the horizontal and vertical axes act as shifts of angle times focal length on a narrow field of view
(Wronski et al., SIGGRAPH 2019, section 4).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SWAY_BAND = (0.2, 2.0)
"""Hz; slow drift of a hand that holds a camera."""
TREMOR_BAND = (4.0, 12.0)
"""Hz; physiological tremor."""
_WAVES = 16


@dataclass(frozen=True, eq=False)
class Trajectory:
    """A stationary, nearly Gaussian process: on each axis a sum of sinusoids of random frequency and phase, evaluated at any time.

    Attributes:
        amplitude: float64 [K, 3]; px, px, rad.
        frequency: float64 [K, 3]; Hz.
        phase: float64 [K, 3]; rad.
    """

    amplitude: NDArray[np.float64]
    frequency: NDArray[np.float64]
    phase: NDArray[np.float64]

    def pose(self, times: NDArray[np.float64]) -> NDArray[np.float64]:
        """Poses [..., 3] at times [...] in seconds."""
        angle = np.multiply.outer(times, 2 * np.pi * self.frequency) + self.phase
        poses: NDArray[np.float64] = np.einsum("...ka,ka->...a", np.cos(angle, out=angle), self.amplitude)
        return poses

    @property
    def shift(self) -> Trajectory:
        """The same without roll: poses are [..., 2]."""
        return Trajectory(self.amplitude[:, :2], self.frequency[:, :2], self.phase[:, :2])

    def velocity(self, times: NDArray[np.float64]) -> NDArray[np.float64]:
        """Derivatives [..., 3] of the pose per second."""
        angle = 2 * np.pi * np.multiply.outer(times, self.frequency) + self.phase
        rates: NDArray[np.float64] = -(2 * np.pi * self.frequency * self.amplitude * np.sin(angle)).sum(axis=-2)
        return rates


def sample_trajectory(
    rng: np.random.Generator, *, sway: tuple[float, float], tremor: tuple[float, float]
) -> Trajectory:
    """Draw a trajectory.

    Args:
        rng: generator.
        sway: root mean square of the slow component: shift in px along each axis, roll in rad.
        tremor: the same of the fast component.
    """
    parts = []
    for (shift, roll), band in ((sway, SWAY_BAND), (tremor, TREMOR_BAND)):
        amplitude = np.broadcast_to(np.array([shift, shift, roll]) * np.sqrt(2 / _WAVES), (_WAVES, 3))
        frequency = rng.uniform(*band, size=(_WAVES, 3))
        phase = rng.uniform(0, 2 * np.pi, size=(_WAVES, 3))
        parts.append((amplitude, frequency, phase))
    amplitude, frequency, phase = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return Trajectory(amplitude, frequency, phase)


def relate_poses(poses: NDArray[np.float64], reference: NDArray[np.float64]) -> NDArray[np.float64]:
    """Express poses [..., 3] relative to a reference pose [3], so that the reference becomes (0, 0, 0)."""
    roll = poses[..., 2] - reference[2]
    cosine, sine = np.cos(roll), np.sin(roll)
    x = poses[..., 0] - (cosine * reference[0] - sine * reference[1])
    y = poses[..., 1] - (sine * reference[0] + cosine * reference[1])
    return np.stack([x, y, roll], axis=-1)


def pose_to_homography(
    pose: NDArray[np.float64] | tuple[float, float, float], height: int, width: int
) -> NDArray[np.float64]:
    """Reference to frame pixel, [..., 3, 3], of relative poses [..., 3]; rotation about the image centre."""
    x, y, roll = np.moveaxis(np.asarray(pose, np.float64), -1, 0)
    cosine, sine = np.cos(roll), np.sin(roll)
    centre_x, centre_y = (width - 1) / 2, (height - 1) / 2
    matrix = np.zeros((*np.shape(roll), 3, 3))
    matrix[..., 0, 0], matrix[..., 0, 1] = cosine, -sine
    matrix[..., 1, 0], matrix[..., 1, 1] = sine, cosine
    matrix[..., 0, 2] = centre_x + x - cosine * centre_x + sine * centre_y
    matrix[..., 1, 2] = centre_y + y - sine * centre_x - cosine * centre_y
    matrix[..., 2, 2] = 1
    return matrix


def skew_to_homography(skew: NDArray[np.float64] | tuple[float, float], height: int) -> NDArray[np.float64]:
    """What a rolling shutter does, [..., 3, 3]: where a point of an instantaneous image lands when the row it lands on is exposed later.

    Args:
        skew: [..., 2]; displacement in px, along x and y, of a row against the one above it.
        height: rows of the frame; the middle one stays in place.
    """
    x, y = np.moveaxis(np.asarray(skew, np.float64), -1, 0)
    centre = (height - 1) / 2
    undo = np.zeros((*np.shape(x), 3, 3))
    undo[..., 0, 0] = undo[..., 2, 2] = 1
    undo[..., 0, 1], undo[..., 0, 2] = -x, x * centre
    undo[..., 1, 1], undo[..., 1, 2] = 1 - y, y * centre
    return np.linalg.inv(undo)
