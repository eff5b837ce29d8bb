"""Everything that decides the pixels of a synthetic burst but the photograph and the noise draws, as plain data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dataset_builder.camera.color import ColorProfile, mix_color_matrix
from dataset_builder.camera.sensor import Sensor
from dataset_builder.errors import PhotographTooSmallError
from dataset_builder.randomness import make_generator
from dataset_builder.synthesis.motion import map_points, pose_to_homography, relate_poses, sample_trajectory
from dataset_builder.synthesis.presets import Preset
from restorers import CFA

INTERPOLATION_MARGIN = 4
"""Photograph pixels that the interpolation kernel reaches beyond a sample."""
_BLUR_SPACING = 0.5
_MAX_BLUR_SAMPLES = 65


@dataclass(frozen=True, eq=False)
class FrameParameters:
    """One frame.

    Attributes:
        timestamp: seconds from the mid-exposure of frame 0 to that of this frame.
        exposure_time: seconds.
        gain: analogue gain, relative to the reference.
        exposure_ratio: light gathered times gain, relative to the reference.
        shot_noise: a of the noise variance a·signal + b.
        read_noise: b.
        poses: float64 [n, 3], n odd; (x px, y px, roll rad) relative to the reference's mid-exposure, evenly spaced in time over the
            exposure; the middle one is that of mid-exposure.
    """

    timestamp: float
    exposure_time: float
    gain: float
    exposure_ratio: float
    shot_noise: float
    read_noise: float
    poses: NDArray[np.float64]

    @property
    def mid_pose(self) -> NDArray[np.float64]:
        """Pose [3] at mid-exposure."""
        middle: NDArray[np.float64] = self.poses[len(self.poses) // 2]
        return middle

    @property
    def blur_length(self) -> float:
        """Length in px of the image centre's path during the exposure."""
        return _path_length(self.poses)

    @property
    def blur_angle(self) -> float:
        """Direction of the chord of that path, rad from +x towards +y; 0 for no motion."""
        x, y = self.poses[-1, :2] - self.poses[0, :2]
        return float(np.arctan2(y, x))


@dataclass(frozen=True, eq=False)
class BurstParameters:
    """One burst: geometry, camera and frames.

    Attributes:
        height: rows of a frame, px.
        width: columns.
        scale: photograph pixels per frame pixel, along each side.
        origin: (x, y) of the truth's top-left pixel in the photograph.
        reference_index: frame whose grid the truth is on.
        sensor: colour filter array and levels.
        profile: white balance and colour matrix.
        frames: in capture order.
    """

    height: int
    width: int
    scale: int
    origin: tuple[int, int]
    reference_index: int
    sensor: Sensor
    profile: ColorProfile
    frames: tuple[FrameParameters, ...]


def sample_burst(
    preset: Preset, seed: str, *, photograph_size: tuple[int, int], height: int, width: int, scale: int
) -> BurstParameters:
    """Draw the parameters of one burst.

    Args:
        preset: the distributions.
        seed: hex, from `randomness.derive_seed`.
        photograph_size: rows and columns of the photograph.
        height: rows of a frame, even.
        width: columns of a frame, even.
        scale: photograph pixels per frame pixel.

    Raises:
        PhotographTooSmallError: if the frames and their motion do not fit into the photograph: no pixel is ever made up.
    """
    rng = make_generator(seed, "parameters")
    reference_index = 0
    camera_rng = make_generator(seed, "camera")
    frames = _sample_frames(preset, rng, reference_index)
    return BurstParameters(
        height=height,
        width=width,
        scale=scale,
        origin=_place(frames, rng, photograph_size=photograph_size, height=height, width=width, scale=scale),
        reference_index=reference_index,
        sensor=Sensor(cfa=list(CFA)[camera_rng.integers(4)]),
        profile=_sample_profile(camera_rng),
        frames=frames,
    )


def _sample_frames(preset: Preset, rng: np.random.Generator, reference: int) -> tuple[FrameParameters, ...]:
    count = int(rng.integers(preset.num_frames[0], preset.num_frames[1], endpoint=True))
    stops = rng.uniform(-preset.exposure_spread, preset.exposure_spread, count)
    exposure_time = _log_uniform(rng, *preset.exposure_time) * 2.0**stops
    exposure = 2.0 ** rng.normal(0, preset.exposure_jitter, count)
    gain = exposure / exposure_time
    gain, exposure = gain / gain[reference], exposure / exposure[reference]

    shot_noise = _log_uniform(rng, *preset.shot_noise)
    read_noise = float(np.exp(2.18 * np.log(shot_noise) + 1.20 + rng.normal(0, preset.read_noise_deviation)))

    start = np.concatenate([[0.0], np.cumsum(np.maximum(preset.frame_interval, exposure_time))[:-1]])
    middle = start + exposure_time / 2
    sway, tremor = _log_uniform(rng, *preset.sway_shift), _log_uniform(rng, *preset.tremor_shift)
    trajectory = sample_trajectory(
        rng, sway=(sway, sway * preset.roll_ratio), tremor=(tremor, tremor * preset.roll_ratio)
    )
    origin = trajectory.pose(middle[reference])

    def expose(index: int) -> NDArray[np.float64]:
        def sample(number: int) -> NDArray[np.float64]:
            offsets = (np.arange(number) + 0.5) / number - 0.5
            return relate_poses(trajectory.pose(middle[index] + exposure_time[index] * offsets), origin)

        length = _path_length(sample(_MAX_BLUR_SAMPLES))
        return sample(min(2 * int(np.ceil(length / _BLUR_SPACING / 2)) + 1, _MAX_BLUR_SAMPLES))

    return tuple(
        FrameParameters(
            timestamp=float(middle[i] - middle[0]),
            exposure_time=float(exposure_time[i]),
            gain=float(gain[i]),
            exposure_ratio=float(exposure[i]),
            shot_noise=float(shot_noise * gain[i]),
            read_noise=float(read_noise * gain[i] ** 2),
            poses=expose(i),
        )
        for i in range(count)
    )


def _sample_profile(rng: np.random.Generator) -> ColorProfile:
    """White balance and colour matrix as Brooks et al. (CVPR 2019) draw them; the brightness gain keeps clear of its tail."""
    brightness = 1 / float(np.clip(rng.normal(0.8, 0.1), 0.5, 1.0))
    red, blue = float(rng.uniform(1.9, 2.4)), float(rng.uniform(1.5, 1.9))
    matrix = mix_color_matrix(rng.uniform(1e-8, 1, 4))
    return ColorProfile((red * brightness, brightness, blue * brightness), matrix)


def _place(
    frames: tuple[FrameParameters, ...],
    rng: np.random.Generator,
    *,
    photograph_size: tuple[int, int],
    height: int,
    width: int,
    scale: int,
) -> tuple[int, int]:
    """Draw the crop uniformly from all places where every sample of every pose falls inside the photograph."""
    corners = np.array([[0, 0], [width - 1, 0], [0, height - 1], [width - 1, height - 1]], np.float64)
    poses = np.concatenate([frame.poses for frame in frames])
    inverse = np.linalg.inv(pose_to_homography(poses, height, width)).astype(np.float64)
    seen = scale * map_points(inverse, corners).reshape(-1, 2)
    low = np.ceil(INTERPOLATION_MARGIN - seen.min(axis=0)).astype(int)
    reach = np.ceil(seen.max(axis=0)).astype(int) + scale + INTERPOLATION_MARGIN
    room = np.array(photograph_size[::-1]) - reach
    if (room < low).any():
        need = reach + low
        raise PhotographTooSmallError(
            f"the photograph has {photograph_size[1]} x {photograph_size[0]} px but frames of {width} x {height} px at scale {scale} "
            f"with this hand motion need {need[0]} x {need[1]}: take a larger photograph, smaller frames or a calmer preset"
        )
    x, y = (int(value) for value in rng.integers(low, room, endpoint=True))
    return x, y


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _path_length(poses: NDArray[np.float64]) -> float:
    # The samples are midpoints of equal slices of the exposure, so their path misses half a slice at both ends.
    count = len(poses)
    path = float(np.linalg.norm(np.diff(poses[:, :2], axis=0), axis=1).sum())
    return path * count / (count - 1) if count > 1 else 0.0
