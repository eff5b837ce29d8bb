"""Each yardstick answers its one question on bursts where the answer is known."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from assessors import create_assessor
from assessors.inputs import BurstInputs, make_inputs
from restorers.burst import CFA, Burst
from tests.synthetic import make_burst

NAMES = ("index", "random", "sharpness", "noise", "exposure", "alignment_difference", "niqe", "piqe")


@pytest.fixture(scope="module")
def burst() -> Burst:
    return make_burst(height=96, width=96, num_frames=5, max_shift=3, shot=1e-4, read=1e-6, reference_index=2).burst


@pytest.fixture(scope="module")
def inputs(burst: Burst) -> BurstInputs:
    return make_inputs(burst)


@pytest.mark.parametrize("name", NAMES)
def test_all_give_a_finite_score_for_each_frame_and_the_same_again(inputs: BurstInputs, name: str) -> None:
    assessor = create_assessor(name)
    assert assessor.info.name == name
    scores = assessor.score(inputs, "denoise/mean")
    assert scores.shape == (5,)
    assert np.isfinite(scores).all()
    np.testing.assert_array_equal(create_assessor(name).score(inputs, "denoise/mean"), scores)


@pytest.mark.parametrize("name", NAMES)
def test_frames_without_anything_to_see(name: str) -> None:
    black = make_inputs(Burst(np.zeros((3, 32, 32), np.float32), cfa=CFA.RGGB))
    assert np.isfinite(create_assessor(name).score(black, "denoise/mean")).all()


def test_order(inputs: BurstInputs) -> None:
    assert create_assessor("index").score(inputs, "a/b").tolist() == [-2, -1, 0, -1, -2]


def test_random_orders_differ_between_scenarios_and_bursts(inputs: BurstInputs) -> None:
    random = create_assessor("random")
    scores = random.score(inputs, "a/b")
    assert (scores != random.score(inputs, "a/c")).all()
    assert (scores != random.score(replace(inputs, planes=inputs.planes + 1), "a/b")).all()
    assert len(set(scores)) == 5


def test_blur_noise_and_misalignment_are_seen(burst: Burst) -> None:
    frames = burst.frames.copy()
    for dy, dx in np.ndindex(2, 2):
        plane = np.ascontiguousarray(frames[1, dy::2, dx::2])
        frames[1, dy::2, dx::2] = cv2.GaussianBlur(plane, (0, 0), 1.5)
    frames[3] = np.roll(burst.frames[3], 10, axis=0)[::-1]
    shot = burst.shot_noise * np.array([16, 1, 1, 1, 1])
    worse = make_inputs(replace(burst, frames=frames, shot_noise=shot, read_noise=burst.read_noise))
    assert create_assessor("sharpness").score(worse, "a/b").argmin() == 1
    assert create_assessor("noise").score(worse, "a/b").argmin() == 0
    assert create_assessor("alignment_difference").score(worse, "a/b").argmin() == 3
    assert create_assessor("alignment_difference").score(worse, "a/b").argmax() == 2  # the reference itself


def test_exposure_prefers_middle_grey() -> None:
    levels = np.array([0.02, 0.21, 0.9])
    frames = np.broadcast_to(levels[:, None, None], (3, 32, 32)).astype(np.float32)
    burst = Burst(frames.copy(), cfa=CFA.RGGB, exposure_ratio=levels / levels[1], reference_index=1)
    assert create_assessor("exposure").score(make_inputs(burst), "a/b").argmax() == 1


def test_a_frame_of_which_nothing_is_shown_is_the_worst(inputs: BurstInputs) -> None:
    valid = inputs.valid.copy()
    valid[4] = False
    scores = create_assessor("alignment_difference").score(replace(inputs, valid=valid), "a/b")
    assert scores.argmin() == 4
