"""Dense flow on known motion."""

from __future__ import annotations

import numpy as np
import pytest

from restorers.flow import estimate_flow, flow_of_burst
from tests.synthetic import make_burst, make_colour_burst, texture


def true_displacement(homography, shape, factor):
    """Frame pixels, at the centres of the grey pixels."""
    x, y = np.meshgrid(np.arange(shape[1]), np.arange(shape[0]))
    points = np.stack([factor * x + (factor - 1) / 2, factor * y + (factor - 1) / 2, np.ones(shape)])
    moved = np.tensordot(homography, points, 1)
    return np.moveaxis(moved[:2] / moved[2] - points[:2], 0, -1)


def errors(sample, index, flow):
    expected = true_displacement(sample.homographies[index], flow.reliable.shape, flow.factor)
    return np.hypot(*np.moveaxis(flow.displacement - expected, -1, 0))


@pytest.mark.parametrize("scene", ["astronaut", "chelsea", "texture"])
@pytest.mark.parametrize("kind", ["mosaic", "colour"])
def test_known_motion_is_found_to_a_fraction_of_a_pixel(scene, kind):
    photograph = texture(400, 400, seed=2) if scene == "texture" else scene
    settings = {"height": 160, "width": 160, "num_frames": 3, "max_shift": 6, "corner": (40, 20)}
    if kind == "mosaic":
        sample = make_burst(photograph, shot=1e-4, read=1e-6, **settings)
    else:
        sample = make_colour_burst(photograph, read=1e-5, **settings)
    for index in (1, 2):
        flow = flow_of_burst(sample.burst, index)
        assert flow.factor == (2 if kind == "mosaic" else 1)
        error = errors(sample, index, flow)[flow.reliable]
        assert flow.reliable.mean() > 0.6
        assert np.median(error) < 0.25
        assert np.quantile(error, 0.9) < 1.0


def test_other_exposures_move_alike():
    sample = make_burst(
        "astronaut", height=160, width=160, num_frames=2, exposure_ratio=(1.0, 0.5), shot=1e-4, read=1e-6
    )
    flow = flow_of_burst(sample.burst, 1)
    assert np.median(errors(sample, 1, flow)[flow.reliable]) < 0.25


def test_what_is_not_there_is_not_trusted():
    one = make_burst("astronaut", height=160, width=160, num_frames=2, shot=1e-4, read=1e-6)
    other = make_burst("coffee", height=160, width=160, num_frames=1, shot=1e-4, read=1e-6)
    related = flow_of_burst(one.burst, 1).reliable.mean()
    unrelated = estimate_flow(one.burst.reference, other.burst.reference, one.burst.domain).reliable.mean()
    assert unrelated < 0.5 * related
    frames = one.burst.frames[1].copy()
    frames[60:100, 60:100] = other.burst.frames[0][60:100, 60:100]
    hidden = estimate_flow(one.burst.reference, frames, one.burst.domain).reliable
    assert hidden[34:46, 34:46].mean() < 0.7 * hidden.mean()


def test_a_still_scene_does_not_move():
    frame = make_burst("astronaut", height=64, width=64, num_frames=1).burst.reference
    flow = estimate_flow(frame, frame, make_burst(height=32, width=32, num_frames=1).burst.domain)
    assert np.abs(flow.displacement).max() < 0.05
    assert flow.reliable.all()
