"""What a burst shows: where in the photograph it lies, how deep the scene is, what moves through it."""

from __future__ import annotations

import dataclasses

import numpy as np

from dataset_builder.camera.geometry import map_points
from dataset_builder.errors import PhotographTooSmallError
from dataset_builder.synthesis.distributions import draw, snap
from dataset_builder.synthesis.fields import INTERPOLATION_MARGIN
from dataset_builder.synthesis.focus import Depth
from dataset_builder.synthesis.obstacles import MovingObject
from dataset_builder.synthesis.parameters import BurstParameters, FrameParameters
from dataset_builder.synthesis.presets import Preset

_DEFOCUS_STEP = 1 / 8
_FLAT = ("photograph", "hand motion", "take a larger photograph, smaller frames or a calmer preset")
_LAYERED = (
    "scene",
    "motion of hand and layers",
    "draw larger scenes, smaller frames, a farther near, or a calmer motion",
)


def set_focus(preset: Preset, rng: np.random.Generator, burst: BurstParameters) -> BurstParameters:
    """Defocus each frame, or draw a depth and let the frames focus from near to far."""
    if not (preset.focus_series.support[1] or preset.defocus.support[1]):
        return burst
    series, count = draw(preset.focus_series, rng), len(burst.frames)
    radius = _DEFOCUS_STEP * np.rint(preset.defocus.sample(rng, count) / _DEFOCUS_STEP)
    if not series:
        frames = (dataclasses.replace(frame, defocus=float(radius[i])) for i, frame in enumerate(burst.frames))
        return dataclasses.replace(burst, frames=tuple(frames))
    angle, wave_angle, phase = (float(value) for value in snap(rng.uniform(0, 2 * np.pi, 3)))
    depth = Depth(angle, wave_angle, phase)
    inverse = depth.at(*np.meshgrid(np.linspace(0, 1, 33), np.linspace(0, 1, 33)))
    frames = (
        dataclasses.replace(
            frame,
            focus=float(snap(i / (count - 1))),
            defocus=float(snap(series * np.abs(inverse - i / (count - 1)).mean())),
        )
        for i, frame in enumerate(burst.frames)
    )
    return dataclasses.replace(burst, frames=tuple(frames), depth=depth, focus_series=series)


def place_crop(burst: BurstParameters, rng: np.random.Generator, photograph_size: tuple[int, int]) -> BurstParameters:
    """Draw the crop uniformly from all places where every sample of every pose, and every blur, falls inside the photograph."""
    height, width, scale = burst.height, burst.width, burst.scale
    corners = np.array([[0, 0], [width - 1, 0], [0, height - 1], [width - 1, height - 1]], np.float64)
    to_reference = np.asarray(np.linalg.inv(burst.all_homographies), np.float64)
    seen = scale * map_points(to_reference, corners).reshape(-1, 2)
    widest = max([burst.focus_series, *(max((frame.defocus, *frame.layer_blurs)) for frame in burst.frames)])
    margin = INTERPOLATION_MARGIN + int(np.ceil(scale * (widest + 4 * burst.lens_blur)))
    low = np.ceil(margin - seen.min(axis=0)).astype(int)
    reach = np.ceil(seen.max(axis=0)).astype(int) + scale + margin
    shifts = [np.abs(frame.layer_shifts).max(axis=(0, 1)) for frame in burst.frames if frame.layer_shifts is not None]
    beside = np.max(shifts, axis=0, initial=0) if shifts else np.zeros(2, np.int64)
    room = np.array(photograph_size[::-1]) - reach - beside
    if (room < low + beside).any():
        need = reach + low + 2 * beside
        kind, motion, way_out = _LAYERED if burst.frames[0].layer_shifts is not None else _FLAT
        raise PhotographTooSmallError(
            f"the {kind} has {photograph_size[1]} x {photograph_size[0]} px but frames of {width} x {height} px at scale {scale} "
            f"with this {motion} need {need[0]} x {need[1]}: {way_out}"
        )
    x, y = (int(value) for value in rng.integers(low + beside, room, endpoint=True))
    window = (x - int(low[0]), y - int(low[1]), x + int(reach[0]), y + int(reach[1]))
    return dataclasses.replace(burst, origin=(x, y), window=window)


def add_object(
    preset: Preset, rng: np.random.Generator, burst: BurstParameters, photograph_size: tuple[int, int]
) -> BurstParameters:
    """Something that crosses the middle of the frame at some time during the burst, on a straight line."""
    if not preset.object_probability:
        return burst
    size, speed = draw(preset.object_size, rng), draw(preset.object_speed, rng)
    direction, moment = rng.uniform(0, 2 * np.pi), rng.uniform(0, 1)
    place = rng.uniform(-0.2, 0.2, 2)
    amplitudes, phases = snap(rng.uniform(0, [0.25, 0.12, 0.08])), snap(rng.uniform(0, 2 * np.pi, 3))
    corner, brightness = rng.uniform(0, 1, 2), float(snap(rng.uniform(0.5, 1.0)))
    if rng.uniform() >= preset.object_probability:
        return burst
    scale, sides = burst.scale, np.array([burst.width, burst.height])
    thing = MovingObject(float(snap(scale * size * sides.min())), amplitudes, phases, (0, 0), brightness)
    room = np.array(photograph_size[::-1]) - thing.side
    if (room < 0).any():
        raise PhotographTooSmallError(
            f"the photograph has {photograph_size[1]} x {photograph_size[0]} px but the moving object needs {thing.side} x {thing.side}: "
            "take a larger photograph, smaller frames or a smaller object_size"
        )
    left, top = (int(value) for value in corner * room)
    passing = moment * burst.frames[-1].timestamp
    centre = sides / 2 + place * sides.min()
    velocity = speed * np.array([np.cos(direction), np.sin(direction)])

    def follow(frame: FrameParameters) -> FrameParameters:
        number = len(frame.poses)
        times = frame.timestamp + frame.exposure_time * ((np.arange(number) + 0.5) / number - 0.5)
        positions = scale * (centre + np.multiply.outer(times - passing, velocity))
        return dataclasses.replace(frame, object_positions=np.rint(positions).astype(np.int64))

    return dataclasses.replace(
        burst,
        moving_object=dataclasses.replace(thing, texture=(left, top)),
        frames=tuple(follow(frame) for frame in burst.frames),
    )
