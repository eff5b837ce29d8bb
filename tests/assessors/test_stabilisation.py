"""The transform makes noise uniform, agrees with that of the restorers above black, and keeps what lies below it."""

from __future__ import annotations

import numpy as np
import pytest

from assessors.stabilisation import stabilise_signal, stabilised_deviation, unstabilise_signal
from restorers.classical.stabilisation import stabilise


@pytest.mark.parametrize(("shot", "read"), [(1e-2, 1e-4), (1e-4, 1e-6), (0.0, 1e-4)])
def test_it_is_that_of_the_restorers_from_black_on(shot: float, read: float) -> None:
    signal = np.linspace(0, 2, 101).astype(np.float32)
    expected = stabilise(signal, shot, read)
    np.testing.assert_allclose(stabilise_signal(signal, shot, read), expected - expected[0], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("shot", "read"), [(1e-2, 1e-4), (1e-4, 1e-6), (1e-3, 0.0), (0.0, 0.0)])
def test_it_can_be_undone_and_goes_on_straight_below_black(shot: float, read: float) -> None:
    signal = np.linspace(-0.5, 1.5, 201).astype(np.float32)
    values = stabilise_signal(signal, shot, read)
    np.testing.assert_allclose(unstabilise_signal(values, shot, read), signal, atol=1e-5)
    assert (np.diff(values) > 0).all()
    steps = np.diff(values[:51])  # below black
    np.testing.assert_allclose(steps, steps[0], rtol=1e-3)


def test_noise_becomes_uniform_and_dark_means_stay_unbiased() -> None:
    rng = np.random.default_rng(0)
    shot, read = 4e-3, 1e-3
    for level in (0.0, 0.05, 0.3, 1.0):
        noisy = (level + rng.standard_normal(40000) * np.sqrt(shot * level + read)).astype(np.float32)
        values = stabilise_signal(noisy, shot, read)
        assert values.std() == pytest.approx(1, abs=0.05)
        assert values.mean() == pytest.approx(float(stabilise_signal(np.float32(level), shot, read)), abs=0.06)
    clipped = stabilise_signal(np.maximum(noisy - 1, 0), shot, read)
    assert clipped.mean() > 0.3  # what clipping at black would do


def test_deviation_of_a_frame_of_other_noise() -> None:
    rng = np.random.default_rng(1)
    signal = rng.uniform(0, 1, 40000).astype(np.float32)
    frame, reference = (8e-3, 4e-4), (2e-3, 1e-4)
    noisy = signal + rng.standard_normal(signal.shape).astype(np.float32) * np.sqrt(frame[0] * signal + frame[1])
    measured = (stabilise_signal(noisy, *reference) - stabilise_signal(signal, *reference)).std()
    assert stabilised_deviation(signal, frame, reference) == pytest.approx(measured, rel=0.03)
