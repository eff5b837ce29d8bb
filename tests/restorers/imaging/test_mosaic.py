"""Mosaics: planes, colour interpolation, resampling, noise, tiles."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from restorers.burst import CFA, Burst
from restorers.classical.stabilisation import stabilise, unstabilise
from restorers.classical.tile_grid import TileGrid, raised_cosine
from restorers.fidelity import psnr
from restorers.imaging.mosaic import demosaic, join_planes, resample_planes, split_planes
from restorers.imaging.noise import estimate_noise, noise_levels
from restorers.imaging.warping import unsaturated
from tests.synthetic import make_burst


def mosaic_of(image: np.ndarray, cfa: CFA) -> np.ndarray:
    height, width = image.shape[:2]
    channel = np.tile(np.array(cfa.channels).reshape(2, 2), (height // 2, width // 2))
    return np.take_along_axis(image, channel[..., None], -1)[..., 0].astype(np.float32)


@given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 2**31))
def test_planes_are_the_mosaic_rearranged(rows, columns, seed):
    mosaic = np.random.default_rng(seed).random((2 * rows, 2 * columns), dtype=np.float32)
    planes = split_planes(mosaic)
    assert np.array_equal(planes[1], mosaic[0::2, 1::2])
    assert np.array_equal(planes[2], mosaic[1::2, 0::2])
    assert np.array_equal(join_planes(planes), mosaic)


@pytest.mark.parametrize("cfa", list(CFA))
def test_demosaicking_is_exact_where_colour_differences_are_constant(cfa):
    y, x = np.mgrid[:20, :24]
    ramp = 0.01 * x + 0.015 * y
    image = np.stack([ramp + 0.3, ramp + 0.1, ramp], -1)
    restored = demosaic(mosaic_of(image, cfa), cfa)
    np.testing.assert_allclose(restored[3:-3, 3:-3], image[3:-3, 3:-3], atol=1e-6)


@pytest.mark.parametrize("cfa", list(CFA))
def test_demosaicking_keeps_what_the_sensor_saw(cfa):
    mosaic = np.random.default_rng(0).random((12, 14), dtype=np.float32)
    assert np.array_equal(mosaic_of(demosaic(mosaic, cfa), cfa), mosaic)


@pytest.mark.parametrize("cfa", list(CFA))
def test_resampling_undoes_known_motion(cfa):
    sample = make_burst(height=128, width=128, num_frames=3, shot=0, read=0, lens=1.5, cfa=cfa)
    for index in (1, 2):
        planes, inside = resample_planes(sample.burst.frames[index], cfa, sample.homographies[index])
        mask = join_planes(inside)
        assert 0.7 < mask.mean() < 1
        error = join_planes(planes)[mask] - sample.truth[mask]
        assert -10 * np.log10(np.mean(error**2)) > 45
        assert psnr(sample.burst.frames[index], sample.truth) < 30


def test_saturation_spreads_to_all_pixels_interpolated_from_it():
    frame = np.full((40, 40), 0.5, np.float32)
    frame[20, 20] = 1
    shift = np.eye(3)
    shift[0, 2] = 6
    blocked = ~unsaturated(frame, shift)
    rows, columns = np.nonzero(blocked)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (17, 23, 11, 17)


@pytest.mark.parametrize(("shot", "read"), [(4e-3, 1e-4), (1e-2, 1e-6), (0.0, 4e-4)])
def test_noise_is_measured(shot, read):
    rng = np.random.default_rng(3)
    signal = np.broadcast_to(np.linspace(0.05, 0.8, 400), (400, 400))
    frame = signal + rng.standard_normal(signal.shape) * np.sqrt(shot * signal + read)
    found_shot, found_read = estimate_noise(frame.astype(np.float32))
    for level in (0.1, 0.4, 0.8):
        assert found_shot * level + found_read == pytest.approx(shot * level + read, rel=0.1)


def test_a_constant_frame_has_no_noise():
    assert estimate_noise(np.full((8, 8), 0.5, np.float32)) == (0, 0)


def test_noise_levels_follow_the_exposure():
    frames = np.zeros((2, 4, 4), np.float32)
    burst = Burst(
        frames,
        cfa=CFA.RGGB,
        shot_noise=np.full(2, 1e-2),
        read_noise=np.full(2, 1e-4),
        exposure_ratio=np.array([1.0, 2.0]),
    )
    shot, read = noise_levels(burst)
    np.testing.assert_allclose(shot, [1e-2, 5e-3])
    np.testing.assert_allclose(read, [1e-4, 2.5e-5])


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from([4, 8, 16]))
def test_windowed_tiles_add_up_to_the_planes(height, width, size):
    if min(height, width) <= size // 2:
        height, width = height + size, width + size
    planes = np.random.default_rng(height * 41 + width).random((4, height, width), dtype=np.float32)
    grid = TileGrid(size, height, width)
    tiles = grid.windows(planes)
    assert tiles.shape[:3] == (grid.shape[0], 4, grid.shape[1])
    assert [row for rows in grid.chunks(4) for row in range(*rows.indices(grid.shape[0]))] == [*range(grid.shape[0])]
    np.testing.assert_allclose(grid.overlap_add(tiles * raised_cosine(size)), planes, atol=1e-6)


@pytest.mark.parametrize(("shot", "read"), [(1e-2, 1e-4), (4e-3, 4e-5), (1e-3, 1e-3)])
@pytest.mark.parametrize("signal", [0.02, 0.1, 0.5])
def test_stabilised_noise_is_unit_and_the_inverse_is_unbiased(signal, shot, read):
    # By the definition in Mäkitalo & Foi (2013): the inverse maps the mean of the stabilised values to the signal.
    rng = np.random.default_rng(4)
    values = shot * rng.poisson(signal / shot, 400_000) + rng.normal(0, np.sqrt(read), 400_000)
    stabilised = stabilise(values, shot, read)
    assert stabilised.std() == pytest.approx(1, abs=0.05)
    assert unstabilise(stabilised.mean(keepdims=True), shot, read)[0] == pytest.approx(signal, abs=0.02 * np.sqrt(shot))


def test_stabilisation_without_shot_noise_is_linear():
    values = np.array([-0.1, 0.0, 0.3])
    np.testing.assert_allclose(stabilise(values, 0.0, 4e-4), values / 0.02)
    np.testing.assert_allclose(unstabilise(stabilise(values, 0.0, 4e-4), 0.0, 4e-4), values)
