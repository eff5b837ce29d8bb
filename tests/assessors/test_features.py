"""Features see what was done to a frame, and do not depend on the order of frames or on which mosaic it was."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from assessors.features import measure_frames
from assessors.inputs import BurstInputs, make_inputs
from restorers.burst import CFA, Burst
from tests.synthetic import make_burst


@pytest.fixture(scope="module")
def burst() -> Burst:
    return make_burst(height=64, width=64, num_frames=6, max_shift=3, shot=1e-3, read=1e-5).burst


def measure(inputs: BurstInputs) -> dict[str, np.ndarray]:
    names, table = measure_frames(inputs)
    assert table.shape == (inputs.num_frames, len(names))
    assert table.dtype == np.float32
    assert np.isfinite(table).all()
    assert len(set(names)) == len(names)
    return dict(zip(names, table.T, strict=True))


def test_changes_are_seen(burst: Burst) -> None:
    frames = burst.frames.copy()
    for dy, dx in np.ndindex(2, 2):
        frames[1, dy::2, dx::2] = cv2.blur(np.ascontiguousarray(frames[1, dy::2, dx::2]), (7, 1))  # across
    frames[2, 16:40, 16:40] = 0.9
    frames[3] *= 1.1
    numbers = measure(make_inputs(replace(burst, frames=np.clip(frames, -1, 1))))
    assert numbers["edges across"][1:].argmin() == 0
    assert numbers["gain fine"][1:].argmin() == 0
    lost = numbers["edges down"] - numbers["edges across"]
    assert lost[1] > lost[3:].max() + 0.2
    assert numbers["mismatched"][2] > numbers["mismatched"][4:].max() + 0.2
    assert numbers["burst:mismatch 99 %"][2] > 1
    assert numbers["brightness"][3] > numbers["brightness"][4:].max() + 0.2
    assert numbers["reference"].tolist() == [1, 0, 0, 0, 0, 0]


def test_what_the_camera_knows(burst: Burst) -> None:
    ratios = np.array([1, 1, 2, 0.5, 1, 1.0])
    known = {
        "shot_noise": burst.shot_noise * [1, 4, 1, 1, 1, 1],
        "read_noise": burst.read_noise,
        "exposure_ratio": ratios,
    }
    numbers = measure(make_inputs(replace(burst, frames=burst.frames * 0.4, **known)))
    assert numbers["noise"].argmax() == 1
    assert numbers["exposure"].argmax() == 2
    assert numbers["exposure"].argmin() == 3
    assert (np.ptp(numbers["scene: noise"]), np.ptp(numbers["scene: frames"])) == (0, 0)


def test_order_matters_only_where_it_is_measured(burst: Burst) -> None:
    order = np.array([0, 4, 2, 5, 1, 3])
    shuffled = replace(burst, frames=burst.frames[order], timestamps=np.empty(0))
    names, first = measure_frames(make_inputs(burst))
    _, second = measure_frames(make_inputs(shuffled))
    free = [place for place, name in enumerate(names) if name not in {"order", "burst:order"}]
    np.testing.assert_allclose(second[:, free], first[order][:, free], atol=2e-3)


def test_flipped_mosaics_measure_alike(burst: Burst) -> None:
    flipped = replace(burst, frames=np.ascontiguousarray(burst.frames[:, ::-1, ::-1]), cfa=CFA.BGGR)
    first, second = measure(make_inputs(burst)), measure(make_inputs(flipped))
    for name in ("own fine", "noise", "saturated"):
        np.testing.assert_allclose(first[name], second[name], atol=1e-3)


@pytest.mark.parametrize("count", [1, 2])
def test_the_shortest_bursts_and_empty_scenes(count: int) -> None:
    frames = np.zeros((count, 16, 16), np.float32)
    measure(make_inputs(Burst(frames, cfa=CFA.RGGB)))
    measure(make_inputs(Burst(frames[:, :4, :4], cfa=CFA.RGGB)))
