"""The model that comes with the package: small, says what it was made of, and finds what anybody would."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from assessors import create_assessor, make_inputs
from assessors.model_files import read_model
from assessors.shipped import PATH
from tests.synthetic import make_burst


def test_it_is_small_and_says_what_it_was_made_of() -> None:
    assert PATH.stat().st_size <= 3_000_000
    header, _ = read_model(PATH)
    assert header.signed
    assert header.training["recipe"]["training"]["seed"] == 0
    data = header.training["data"]
    assert data["name"] == "benchmark"
    assert data["scenes"] > 300
    assert data["licenses"]
    members = header.settings["members"]
    assert [member["kind"] for member in members] == ["set_network", "boosting"]
    assert all(member["training"]["validation_spearman"] > 0.5 for member in members[:-1])


def test_a_frame_that_shows_something_else_or_nothing_sharp_is_worth_least() -> None:
    burst = make_burst(height=96, width=96, num_frames=6, max_shift=2).burst
    frames = burst.frames.copy()
    for row, column in np.ndindex(2, 2):
        frames[3, row::2, column::2] = cv2.GaussianBlur(frames[3, row::2, column::2], (0, 0), 3)
    frames[4] = np.rot90(frames[4], 2)
    inputs = make_inputs(replace(burst, frames=frames))
    others = [index for index in range(6) if index != burst.reference_index]
    for name in ("selector", "selector@half_sum"):
        scores = create_assessor(name).score(inputs, "denoise/mean")
        assert set(sorted(others, key=lambda index: scores[index])[:2]) == {3, 4}
        assert max(scores[3], scores[4]) < 0
