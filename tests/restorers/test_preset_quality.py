"""The restorers' figures on bursts of the presets; `python -m benchmarks.quality` prints them all."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest

from benchmarks.quality import SMALL_SIDE, bursts, find_small_photographs, measure, reduce

FILES = ("astronaut.png", "motorcycle_left.png", "retina.jpg")


@pytest.fixture(scope="module")
def gains(tmp_path_factory):
    """By preset and figure, one number per burst."""
    found = {}
    for preset in ("action", "night", "bracket", "focus"):
        root, figures = tmp_path_factory.mktemp(preset), defaultdict(list)
        for rows, burst, truth in bursts(preset, find_small_photographs(), FILES, root, side=SMALL_SIDE):
            measure(preset, rows, burst, truth, figures, root=root)
            assert reduce(truth, rows["burst"]["scale"]).shape[0] == SMALL_SIDE
        found[preset] = {label: np.array(values) for label, values in figures.items()}
    return found


@pytest.mark.parametrize("name", ["denoise/robust_mean", "denoise/hdrplus", "denoise/handheld"])
def test_no_ghosts_where_things_move(gains, name):
    values = gains["action"][f"{name} where things move"]
    assert len(values) >= 2
    assert values.min() >= -0.5
    assert gains["action"]["denoise/mean where things move"].min() < -3


def test_deblurring_beats_the_sharpest_frame(gains):
    assert gains["night"]["deblur/fourier over the sharpest frame"].min() > 0


def test_radiance_is_not_clipped_where_any_frame_is_not(gains):
    figures = gains["bracket"]
    assert figures["hdr/radiance: share of those left at the clipping level"].max() == 0
    assert np.abs(figures["hdr/radiance: median relative error where the reference clips"]).max() < 0.1


def test_the_focus_stack_is_close_to_the_truth_in_texture(gains):
    assert gains["focus"]["focus/stack over a lens without depth limit, textured"].min() > -1
