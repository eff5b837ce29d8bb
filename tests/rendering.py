"""Bursts of a few frames with chosen parameters, for tests of rendering and labelling."""

import dataclasses

import numpy as np

from dataset_builder.camera.color import UINT16_MAX, ColorProfile
from dataset_builder.camera.sensor import Sensor, read_codes
from dataset_builder.synthesis.parameters import BurstParameters, FrameParameters
from restorers import CFA

NEUTRAL = ColorProfile((1.0, 1.0, 1.0), (1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0))
"""A camera that sees linear sRGB."""
SENSOR = Sensor()


def make_frame(pose=(0.0, 0.0, 0.0), **known) -> FrameParameters:
    return FrameParameters(poses=np.reshape(np.array(pose, np.float64), (-1, 3)), **known)


def make_parameters(*frames, photograph, scale=2, cfa=CFA.RGGB, side=48, origin=(20, 24), **known) -> BurstParameters:
    """A burst that sees the whole photograph."""
    height, width = photograph.shape[:2]
    facts = {"reference_index": 0, "camera": "mixed", "sensor": Sensor(cfa=cfa), "profile": NEUTRAL, **known}
    return BurstParameters(side, side, scale, origin, (0, 0, width, height), frames=frames, **facts)


def to_codes(linear) -> np.ndarray:
    """Linear values in [0, 1] as a photograph."""
    return np.rint(np.asarray(linear) * UINT16_MAX).astype(np.uint16)


def make_grey(height, width, value) -> np.ndarray:
    return np.full((height, width, 3), round(value * UINT16_MAX), np.uint16)


def to_signal(codes, sensor=SENSOR) -> np.ndarray:
    return read_codes(codes, sensor)


def silence(parameters: BurstParameters) -> BurstParameters:
    """The same burst without noise and with equal exposures."""
    quiet = {"shot_noise": 0.0, "read_noise": 0.0, "row_noise": 0.0, "exposure_ratio": 1.0}
    frames = tuple(dataclasses.replace(frame, **quiet) for frame in parameters.frames)
    return dataclasses.replace(parameters, frames=frames)
