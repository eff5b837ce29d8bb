"""One black and one white level for the frames of a burst, whose cameras let them drift; and lens shading for their crops."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dataset_builder.decoding.frame import Frame, LensShading, SensorFacts
from dataset_builder.decoding.levels import shift_levels
from dataset_builder.ingest.crops import Window
from restorers import Domain

_MOST_DRIFT = 0.02
"""Share of the range from black to white within which levels count as the same that drifted."""


def match_levels(frame: Frame, first: SensorFacts) -> Frame:
    """Bring a mosaic to the levels of its burst's first frame where they only drifted; any other frame comes back as it is."""
    sensor = frame.sensor
    if sensor.domain is not Domain.RAW_BAYER or sensor.form == first.form or sensor.cfa != first.cfa:
        return frame
    drift = max(abs(sensor.black_level - first.black_level), abs(sensor.white_level - first.white_level))
    if drift > _MOST_DRIFT * (first.white_level - first.black_level):
        return frame
    levels = {"to_black": first.black_level, "to_white": first.white_level}
    shifted = shift_levels(np.asarray(frame.pixels, np.uint16), sensor.black_level, sensor.white_level, **levels)
    matched = replace(sensor, black_level=first.black_level, white_level=first.white_level)
    own_levels = (sensor.black_level, sensor.white_level)
    return replace(frame, picture=shifted, sensor=matched, file=None, own_levels=own_levels)


def cut_shading(shading: LensShading, window: Window, shape: tuple[int, int]) -> LensShading:
    """The gains over a window of a frame of `shape`, on a grid of as many points, linear between those of the whole."""
    gains = np.reshape(shading.gains, (shading.height, shading.width, 4))
    for axis, (start, side) in enumerate(((window.y, window.height), (window.x, window.width))):
        points, whole = gains.shape[axis], shape[axis]
        places = (start + np.linspace(0, side - 1, points)) / max(whole - 1, 1) * (points - 1)
        lower = np.minimum(places.astype(int), max(points - 2, 0))
        share = (places - lower).reshape((-1, 1, 1) if axis == 0 else (1, -1, 1))
        upper = np.minimum(lower + 1, points - 1)
        gains = np.take(gains, lower, axis) * (1 - share) + np.take(gains, upper, axis) * share
    return LensShading(shading.height, shading.width, tuple(gains.ravel().tolist()))
