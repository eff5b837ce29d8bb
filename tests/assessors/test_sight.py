"""Windows, turns and views of bursts."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from assessors.sight import draw_window, fit_square, list_windows, turn, view_burst
from restorers.imaging.mosaic import join_planes
from tests.assessors.pixel_data import make_random_inputs

RNG = np.random.default_rng(0)


def test_turns_are_the_symmetries_of_a_square() -> None:
    image = RNG.random((3, 5, 5)).astype(np.float32)
    turned = [turn(image, number) for number in range(8)]
    assert all(not np.array_equal(one, two) for one, two in itertools.combinations(turned, 2))
    expected = [np.rot90(image, k, (1, 2)) for k in range(4)]
    expected += [one.swapaxes(1, 2) for one in expected]
    assert all(any(np.array_equal(one, each) for each in expected) for one in turned)


def test_a_transposed_mosaic_has_its_greens_exchanged() -> None:
    planes = RNG.random((2, 4, 5, 5)).astype(np.float32)
    np.testing.assert_array_equal(join_planes(turn(planes, 4, planes=True)), join_planes(planes).swapaxes(-1, -2))


@pytest.mark.parametrize(("height", "width"), [(12, 16), (192, 192), (193, 60), (300, 1024), (2000, 3000)])
def test_windows_of_whole_bursts(height: int, width: int) -> None:
    windows = list_windows(height, width)
    assert 1 <= len(windows) <= 9
    for rows, columns in windows:
        assert 0 <= rows.start < rows.stop <= height
        assert 0 <= columns.start < columns.stop <= width
        assert rows.start % 4 == columns.start % 4 == 0
    if max(height, width) <= 192:
        assert windows == [(slice(0, height), slice(0, width))]
    else:
        assert all(max(rows.stop - rows.start, columns.stop - columns.start) <= 192 for rows, columns in windows)
        # They reach the edges, but for less than the step of their starts.
        assert max(rows.stop for rows, _ in windows) > height - 4
        assert max(columns.stop for _, columns in windows) > width - 4


def test_windows_of_a_step_lie_inside() -> None:
    drawn = [draw_window(RNG, 24, 9, 16) for _ in range(50)]
    assert {(rows.start, rows.stop) for rows, _ in drawn} == {(0, 16), (4, 20), (8, 24)}
    assert {(columns.start, columns.stop) for _, columns in drawn} == {(0, 9)}
    filled = fit_square(np.ones((2, 3, 16, 9), np.float32), 16, np.nan)
    assert filled.shape == (2, 3, 16, 16)
    assert np.isnan(filled[..., 9:]).all()
    assert (filled[..., :9] == 1).all()


def test_a_view_shows_the_frames_through_the_window() -> None:
    inputs = make_random_inputs(RNG, 5, 12, 16)
    frames, window = np.array([1, 3]), (slice(4, 12), slice(0, 8))
    view = view_burst(inputs, frames, window)
    level = inputs.planes[inputs.reference_index].mean()
    np.testing.assert_allclose(view.pixels, (inputs.aligned[frames][:, :, 4:12, :8] - level) / 8, atol=1e-5)
    np.testing.assert_array_equal(view.valid, inputs.valid[frames][:, 4:12, :8])
    assert view.reference.tolist() == [one == inputs.reference_index for one in (1, 3)]
