"""Bursts to try restorers on, and what a trial costs."""

import numpy as np

from restorers import create
from restorers.trial import make_sample_burst, measure_cost


def test_a_sample_burst_suits_the_restorer():
    info = create("denoise/hdrplus").info
    burst = make_sample_burst(info, num_frames=3, side=64)
    assert burst.frames.shape == (3, 64, 64)
    assert burst.domain in info.input_domains
    np.testing.assert_array_equal(burst.frames, make_sample_burst(info, num_frames=3, side=64).frames)


def test_the_cost_is_that_of_a_megapixel_of_frames():
    small, large = (measure_cost(create("denoise/mean"), side=side) for side in (64, 192))
    assert 0 < small < 1000
    assert 0 < large < 1000
