"""From a preset to the parameters of one burst.

Every stage draws from a generator of its own, and every drawn number is rounded to 24 significant bits: the last bits of exponentials
and cosines, in which platforms differ, reach neither the pixels nor the tables.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataset_builder.camera.cameras import CAMERAS, MIXED, mix_profile
from dataset_builder.camera.color import ColorProfile
from dataset_builder.camera.isp import Processing
from dataset_builder.camera.sensor import Sensor, choose_black_level, find_darkest
from dataset_builder.randomness import make_generator
from dataset_builder.synthesis.distributions import draw, snap
from dataset_builder.synthesis.layered.parallax import Layering, draw_drift, focus_layers, sink_object
from dataset_builder.synthesis.motion import relate_poses, sample_trajectory
from dataset_builder.synthesis.obstacles import Occluder
from dataset_builder.synthesis.parameters import BurstParameters, FrameParameters, measure_path
from dataset_builder.synthesis.presets import Preset
from dataset_builder.synthesis.scene import add_object, place_crop, set_focus
from restorers import CFA

_BLUR_SPACING = 0.5
_MIN_BLUR = 0.25
_MAX_BLUR_SAMPLES = 65
_COARSE = 33
_SKIN = np.array([0.16, 0.05, 0.03])  # linear sRGB of a finger in its own shade
Floats = NDArray[np.float64]


def sample_burst(
    preset: Preset,
    seed: str,
    *,
    photograph_size: tuple[int, int],
    height: int,
    width: int,
    scale: int,
    layering: Layering | None = None,
) -> BurstParameters:
    """Draw the parameters of one burst.

    Args:
        preset: the distributions.
        seed: hex, from `randomness.derive_seed`.
        photograph_size: rows and columns of the photograph.
        height: rows of a frame, even.
        width: columns of a frame, even.
        scale: photograph pixels per frame pixel.
        layering: the layers, where the photograph is a layered scene.

    Raises:
        PhotographTooSmallError: if the frames and their motion do not fit into the photograph: no pixel is ever made up.
        ValueError: if the preset's noise is that of a profile which was not read.
    """
    if preset.noise is not None:
        raise ValueError(f"noise: {preset.noise} has not been read yet; see dataset_builder.synthesis.noise_profiles")
    exposure = make_generator(seed, "exposure")
    count = int(draw(preset.num_frames, exposure))
    reference = count // 2 if preset.reference == "middle" else 0
    exposures = _expose(preset, exposure, count, reference)
    motions = _move(preset, seed, exposures, reference, None if layering is None else (layering, scale))
    frames = tuple(FrameParameters(**facts, **motion) for facts, motion in zip(exposures, motions, strict=True))
    frames = _spoil(preset, make_generator(seed, "outliers"), frames, reference, min(height, width))
    frames = _process(preset, make_generator(seed, "processing"), frames)
    camera, sensor, profile = _choose_camera(preset, make_generator(seed, "camera"), frames)
    scene = make_generator(seed, "scene")
    burst = BurstParameters(
        height=height,
        width=width,
        scale=scale,
        origin=(0, 0),
        window=(0, 0, 0, 0),
        reference_index=reference,
        camera=camera,
        sensor=sensor,
        profile=profile,
        frames=frames,
        brightness=draw(preset.brightness, scene),
        highlights=draw(preset.highlights, scene),
        lens_blur=draw(preset.lens_blur, scene),
    )
    focus = make_generator(seed, "focus")
    burst = set_focus(preset, focus, burst) if layering is None else focus_layers(preset, focus, burst, layering)
    burst = place_crop(burst, make_generator(seed, "place"), photograph_size)
    burst = add_object(preset, make_generator(seed, "object"), burst, photograph_size)
    return burst if layering is None else sink_object(burst, make_generator(seed, "object_depth"), layering)


def _expose(preset: Preset, rng: np.random.Generator, count: int, reference: int) -> list[dict[str, Any]]:
    """Fields of the frames that depend on exposure and sensitivity."""
    trade = preset.exposure_trade.sample(rng, count)
    error = preset.exposure_error.sample(rng, count)
    level = np.arange(count) // preset.frames_per_exposure
    steps = draw(preset.exposure_step, rng) * (level - level[reference])
    exposure_time = snap(draw(preset.exposure_time, rng) * 2.0 ** (trade + steps))
    gain = 2.0 ** (error - trade)
    gain = snap(gain / gain[reference])
    exposure = snap(2.0 ** (steps + error - error[reference]))
    shot_noise = draw(preset.shot_noise, rng)
    if preset.read_noise is None:
        read_noise = float(np.exp(2.18 * np.log(shot_noise) + 1.20 + rng.normal(0, preset.read_noise_spread)))
    else:
        read_noise = draw(preset.read_noise, rng)
    amplification = draw(preset.noise_gain, rng) ** 2
    row_noise = draw(preset.row_noise, rng)
    interval = draw(preset.frame_interval, rng)
    adc_noise = draw(preset.adc_noise, rng)
    start = np.concatenate([[0.0], np.cumsum(np.maximum(interval, exposure_time))[:-1]])
    middle = start + exposure_time / 2
    read = snap(read_noise * amplification * gain**2 + adc_noise**2)
    columns = {
        "timestamp": snap(middle - middle[0]),
        "exposure_time": exposure_time,
        "gain": gain,
        "exposure_ratio": exposure,
        "shot_noise": snap(shot_noise * amplification * gain),
        "read_noise": read,
        "row_noise": snap(row_noise * np.sqrt(read)),
    }
    rows = zip(*(column.tolist() for column in columns.values()), strict=True)
    return [dict(zip(columns, row, strict=True)) for row in rows]


def _move(
    preset: Preset, seed: str, exposures: list[dict[str, Any]], reference: int, layered: tuple[Layering, int] | None
) -> list[dict[str, Any]]:
    """Fields of the frames that depend on motion: poses from one trajectory through the whole burst, plus each frame's jitter.

    In a layered scene, given with its scale, the shifts of its layers, too.
    """
    rng, count = make_generator(seed, "motion"), len(exposures)
    focal_length, line_time = draw(preset.focal_length, rng), draw(preset.line_time, rng)
    sway, tremor = draw(preset.sway, rng), draw(preset.tremor, rng)
    trajectory = sample_trajectory(rng, sway=(sway * focal_length, sway), tremor=(tremor * focal_length, tremor))
    jitter = np.stack(
        [
            preset.jitter.sample(rng, count),
            preset.jitter.sample(rng, count),
            preset.jitter_roll.sample(rng, count),
        ],
        axis=-1,
    )
    jitter[reference] = 0
    middle = np.array([facts["timestamp"] for facts in exposures])
    exposure_time = np.array([facts["exposure_time"] for facts in exposures])

    def time(numbers: list[int]) -> Floats:
        """Midpoints [sum of numbers] of as many equal slices of each exposure."""
        slices = np.concatenate([(np.arange(number) + 0.5) / number - 0.5 for number in numbers])
        return np.asarray(np.repeat(middle, numbers) + np.repeat(exposure_time, numbers) * slices)

    drift = None if layered is None else draw_drift(layered[0], seed, focal_length)
    numbers, poses, skew = [1] * count, snap(jitter), np.zeros((count, 2))
    if sway or tremor or drift is not None:
        times = time([_COARSE] * count)
        # The layers of a scene take different paths; without any there is one.
        paths = trajectory.shift.pose(times)[:, None] + (0 if drift is None else drift.at(times))
        paths = np.moveaxis(paths.reshape(count, _COARSE, -1, 2), 2, 0)
        numbers = [max(_count_poses(path) for path in layers) for layers in zip(*paths, strict=True)]
        path = relate_poses(trajectory.pose(time(numbers)), trajectory.pose(middle[reference]))
        poses = snap(path + np.repeat(jitter, numbers, axis=0))
        skew = snap(line_time * trajectory.velocity(middle)[:, :2])
    ends = np.cumsum(numbers)[:-1]
    moved = [{"poses": part, "skew": (x, y)} for part, (x, y) in zip(np.split(poses, ends), skew.tolist(), strict=True)]
    if drift is None or layered is None:
        return moved
    shifts = np.rint(layered[1] * (drift.at(time(numbers)) - drift.at(middle[reference]))).astype(np.int64)
    return [{**frame, "layer_shifts": part} for frame, part in zip(moved, np.split(shifts, ends), strict=True)]


def _count_poses(poses: Floats) -> int:
    """How many poses an exposure needs: odd, so that the middle one is that of mid-exposure."""
    length = measure_path(poses)
    if length < _MIN_BLUR:
        return 1
    return int(np.clip(2 * np.ceil((length / _BLUR_SPACING - 1) / 2) + 1, 3, _MAX_BLUR_SAMPLES))


def _spoil(
    preset: Preset,
    rng: np.random.Generator,
    frames: tuple[FrameParameters, ...],
    reference: int,
    side: int,
) -> tuple[FrameParameters, ...]:
    """Make some frames useless: as many as drawn on average, each with the same probability."""
    if not preset.outliers.support[1]:
        return frames
    count = len(frames)
    spoilt = rng.uniform(size=count) < draw(preset.outliers, rng) / count
    spoilt[reference] = False
    kinds = [preset.outlier_kinds[number] for number in rng.integers(len(preset.outlier_kinds), size=count)]
    shift = np.stack([preset.outlier_shift.sample(rng, count), preset.outlier_shift.sample(rng, count)], axis=-1)
    result = []
    for index, frame in enumerate(frames):
        if not spoilt[index]:
            result.append(frame)
        elif kinds[index] == "blocked":
            occluder = Occluder(
                angle=float(snap(rng.uniform(0, 2 * np.pi))),
                edge=float(snap(side * rng.uniform(-0.5, 0.15))),
                softness=float(snap(side * rng.uniform(0.2, 0.4))),
                color=tuple(snap(_SKIN * rng.uniform(0.4, 1.2)).tolist()),
            )
            result.append(dataclasses.replace(frame, outlier="blocked", occluder=occluder))
        else:
            poses = snap(frame.poses + np.append(shift[index], 0))
            result.append(dataclasses.replace(frame, outlier="misaligned", poses=poses))
    return tuple(result)


def _process(
    preset: Preset, rng: np.random.Generator, frames: tuple[FrameParameters, ...]
) -> tuple[FrameParameters, ...]:
    if preset.domain != "srgb":
        return frames
    count = len(frames)
    red, blue = (snap(preset.white_balance_error.sample(rng, count)) for _ in range(2))
    sharpening, quality = snap(preset.sharpening.sample(rng, count)), preset.jpeg_quality.sample(rng, count)
    return tuple(
        dataclasses.replace(
            frame,
            processing=Processing((float(red[i]), float(blue[i])), float(sharpening[i]), round(float(quality[i]))),
        )
        for i, frame in enumerate(frames)
    )


def _choose_camera(
    preset: Preset, rng: np.random.Generator, frames: tuple[FrameParameters, ...]
) -> tuple[str, Sensor, ColorProfile]:
    """A real camera with its daylight balance, or a mixed one with gains as Brooks et al. (CVPR 2019) draw them.

    The codes of the mixed one hold all noise of all frames: what clips at 0 brightens the dark, and no average gets rid of that.
    """
    name = preset.cameras[rng.integers(len(preset.cameras))]
    if name != MIXED:
        return name, CAMERAS[name].sensor, _snap_profile(CAMERAS[name].daylight)
    bits = int(draw(preset.bits, rng))
    depth = max(
        find_darkest(shot_noise=frame.shot_noise, read_noise=frame.read_noise, row_noise=frame.row_noise)
        for frame in frames
    )
    sensor = Sensor(list(CFA)[rng.integers(4)], bits, choose_black_level(bits, depth), 2**bits - 1)
    gains = (float(rng.uniform(1.9, 2.4)), 1.0, float(rng.uniform(1.5, 1.9)))
    return name, sensor, _snap_profile(mix_profile(rng.uniform(1e-8, 1, 4), gains))


def _snap_profile(profile: ColorProfile) -> ColorProfile:
    red, green, blue = (float(gain) for gain in snap(np.array(profile.white_balance)))
    return ColorProfile((red, green, blue), tuple(snap(np.array(profile.color_matrix)).tolist()))
