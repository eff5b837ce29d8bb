"""Motion between exposures: a series that is registered has none, whatever its lights and shadows suggest."""

import cv2
import numpy as np
import pytest

from dataset_builder.decoding.exif import CaptureFacts
from dataset_builder.decoding.frame import Frame, SensorFacts
from dataset_builder.ingest.measures import find_shift_error, relate_views, view_frame
from restorers import Domain

SHAPE = (120, 160)


def view_exposures(shift):
    """Three exposures of a scene with bright light on one side, the second and third moved along x."""
    rng = np.random.default_rng(0)
    light = np.exp(cv2.GaussianBlur(rng.normal(0, 4, (SHAPE[0], SHAPE[1] + 40)), (0, 0), 2.0))
    light[:, 100:] *= 4
    light *= 0.08 / np.median(light[:, :100])
    views = []
    for gain, offset in ((1.0, 0), (2.0, shift), (4.0, 2 * shift)):
        shown = np.clip(gain * light[:, 20 + offset : 20 + offset + SHAPE[1]], 0, 1)
        codes = np.rint(65535 * np.repeat(shown[..., None], 3, axis=2)).astype(np.uint16)
        views.append(view_frame(Frame(codes, CaptureFacts(), SensorFacts(Domain.LINEAR_RGB, white_level=65535.0))))
    return views


@pytest.mark.parametrize("shift", [0, 3])
def test_shifts_are_those_of_the_scene(shift):
    rows = relate_views(view_exposures(shift), 0, height=SHAPE[0], width=SHAPE[1], estimates=["motion"])
    error = find_shift_error(Domain.LINEAR_RGB, *SHAPE)
    assert error == 0.5
    assert [row["displacement"] for row in rows] == pytest.approx([0, shift, 2 * shift], abs=2 * error)
