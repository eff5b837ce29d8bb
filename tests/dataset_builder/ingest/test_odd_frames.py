"""A frame that was processed otherwise than the rest, such as a phone's own merge among its captures."""

import cv2
import numpy as np
import pytest

from dataset_builder.decoding.exif import CaptureFacts
from dataset_builder.decoding.frame import Frame, SensorFacts
from dataset_builder.ingest.measures import choose_reference, describe_odd, find_odd, view_frame
from restorers import Domain

SIDE = 96


def view_burst(*, merged=None, gains=(1.0,) * 7):
    """Noisy captures of one scene; `merged` is their mean, sharpened so that it is the sharpest of all."""
    rng = np.random.default_rng(0)
    scene = 90 + 60 * cv2.GaussianBlur(rng.normal(0, 12, (SIDE, SIDE, 3)), (0, 0), 4)
    frames = [np.clip(gain * scene + rng.normal(0, 6, scene.shape), 0, 255) for gain in gains]
    if merged is not None:
        mean = np.mean(frames, axis=0)
        frames[merged] = np.clip(mean + 0.5 * (mean - cv2.GaussianBlur(mean, (0, 0), 3)), 0, 255)
    facts = CaptureFacts(), SensorFacts(Domain.SRGB)
    return [view_frame(Frame(np.rint(frame).astype(np.uint8), *facts)) for frame in frames]


@pytest.mark.parametrize("merged", [0, 4])
def test_a_merge_among_captures_is_named_and_no_reference(merged):
    views = view_burst(merged=merged)
    assert np.argmax([view.sharpness for view in views]) == merged
    assert choose_reference(views, "sharpest") != merged
    assert set(find_odd(views)) == {merged}
    (said,) = describe_odd(views, [f"{index}.png" for index in range(7)])
    assert f"{merged}.png has 0." in said


def test_captures_alike_are_left_alone():
    assert find_odd(view_burst()) == {}


def test_exposures_are_not_compared_with_each_other():
    assert find_odd(view_burst(gains=(0.25, 0.5, 1.0, 1.5, 0.25))) == {}
