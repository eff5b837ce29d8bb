"""How layers move and blur against each other: parallax of a camera that shifts, motion of their own, and a thin lens.

The background, the farthest layer, moves as the homographies of the frames say. A camera that shifts by t sees a layer at depth Z move by
focal length · t · (1/Z − 1/Z_background) px against it; shifts towards the scene are not modelled.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataset_builder.randomness import make_generator
from dataset_builder.synthesis.distributions import Distribution, draw, snap
from dataset_builder.synthesis.motion import Trajectory, sample_trajectory
from dataset_builder.synthesis.parameters import BurstParameters
from dataset_builder.synthesis.presets import Preset

LAYERING_VERSION = "1"
"""Changes whenever equal presets, seeds and scenes would give other pixels."""
_SHARE_OF_STEP = 0.3
"""Part of the even step between two layers by which each may lie nearer or farther."""
_BLUR_STEP = 1 / 8


@dataclass(frozen=True)
class Layering:
    """What a burst needs to know of the layers of its scene before it sees them.

    Attributes:
        inverse_depths: 1/m of each layer, nearest first, the background last.
        translation: m; root mean square of the slow shift of the camera along each axis.
        layer_speed: px/s of each layer but the background on its own, in a random direction.
        aperture: px; blur radius of the farthest layer when the nearest is in focus, outside focus series.
    """

    inverse_depths: tuple[float, ...]
    translation: Distribution
    layer_speed: Distribution
    aperture: Distribution

    def describe(self) -> dict[str, Any]:
        """Plain data."""
        drawn = {name: getattr(self, name) for name in ("translation", "layer_speed", "aperture")}
        return {
            "inverse_depths": list(self.inverse_depths),
            **{name: distribution.model_dump(mode="json") for name, distribution in drawn.items()},
        }

    @property
    def depths(self) -> NDArray[np.float64]:
        """Of each layer, as columns of a data set count: even in inverse depth, 0 nearest, 1 farthest."""
        nearest, farthest = self.inverse_depths[0], self.inverse_depths[-1]
        return (nearest - np.array(self.inverse_depths)) / (nearest - farthest)


def draw_inverse_depths(seed: str, layers: int, near: float, far: float) -> tuple[float, ...]:
    """Depths of the layers of a scene, about evenly spaced in 1/m, the nearest and the farthest at the ends.

    Args:
        seed: hex, of the scene.
        layers: at least 2.
        near: m.
        far: m.
    """
    rng = make_generator(seed, "depths")
    place = np.arange(layers, dtype=np.float64)
    place[1:-1] += rng.uniform(-_SHARE_OF_STEP, _SHARE_OF_STEP, layers - 2)
    return tuple((1 / near + (1 / far - 1 / near) * place / (layers - 1)).tolist())


@dataclass(frozen=True, eq=False)
class Drift:
    """Motion of layers against the background.

    Attributes:
        trajectory: of the camera, m.
        parallax: px per m, float64 [K], of each layer.
        velocity: px/s, float64 [K, 2].
    """

    trajectory: Trajectory
    parallax: NDArray[np.float64]
    velocity: NDArray[np.float64]

    def at(self, times: NDArray[np.float64]) -> NDArray[np.float64]:
        """Shifts [..., K, 2] in px at times [...] in seconds."""
        seen = self.trajectory.shift.pose(times)[..., None, :] * self.parallax[:, None]
        return np.asarray(seen + np.multiply.outer(times, self.velocity))


def draw_drift(layering: Layering, seed: str, focal_length: float) -> Drift:
    """Draw how the layers of a burst move.

    Args:
        layering: of its scene.
        seed: hex, of the burst.
        focal_length: px.
    """
    rng = make_generator(seed, "parallax")
    trajectory = sample_trajectory(rng, sway=(draw(layering.translation, rng), 0.0), tremor=(0.0, 0.0))
    inverse = np.array(layering.inverse_depths)
    speed = layering.layer_speed.sample(rng, len(inverse))
    speed[-1] = 0
    direction = rng.uniform(0, 2 * np.pi, len(inverse))
    velocity = np.stack([speed * np.cos(direction), speed * np.sin(direction)], axis=-1)
    return Drift(trajectory, focal_length * (inverse - inverse[-1]), velocity)


def focus_layers(
    preset: Preset, rng: np.random.Generator, burst: BurstParameters, layering: Layering
) -> BurstParameters:
    """Blur each layer as a thin lens does: by how far it lies, in 1/m, from what the frame focuses on.

    In a focus series the frames focus from near to far. Outside of one they focus on one layer, which each misses by the preset's defocus.
    """
    depths, count = layering.depths, len(burst.frames)
    series = draw(preset.focus_series, rng)
    if series:
        focus = [float(snap(index / (count - 1))) for index in range(count)]
        radii = series * np.abs(depths - np.array(focus)[:, None])
    else:
        missed, aperture = preset.defocus.sample(rng, count), draw(layering.aperture, rng)
        radii = np.abs(aperture * (depths - depths[rng.integers(len(depths))]) + missed[:, None])
        focus = []
    radii = _BLUR_STEP * np.rint(radii / _BLUR_STEP)
    frames = tuple(
        dataclasses.replace(
            frame,
            focus=focus[index] if focus else None,
            defocus=float(snap(radii[index].mean())),
            layer_blurs=tuple(radii[index].tolist()),
        )
        for index, frame in enumerate(burst.frames)
    )
    return dataclasses.replace(burst, frames=frames, focus_series=series)


def sink_object(burst: BurstParameters, rng: np.random.Generator, layering: Layering) -> BurstParameters:
    """Let what moves through the scene pass behind some of its layers."""
    if burst.moving_object is None:
        return burst
    nearer = int(rng.integers(len(layering.inverse_depths)))
    return dataclasses.replace(burst, moving_object=dataclasses.replace(burst.moving_object, nearer_layers=nearer))
