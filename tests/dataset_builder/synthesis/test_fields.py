"""Frame pixels from the latent image: exact sums at any position, little blur that depends on it, noise from a table."""

import cv2
import numpy as np
import pytest
from scipy import stats

from dataset_builder.randomness import draw_normal, make_generator
from dataset_builder.synthesis.fields import (
    get_density,
    locate_pixels,
    locate_sites,
    make_field,
    prefilter,
    sample_field,
    sample_mosaics,
)
from dataset_builder.synthesis.motion import pose_to_homography
from restorers import CFA

SIDE = 12


def make_latent(side=120, seed=0):
    return np.random.default_rng(seed).integers(0, 2**16, (side, side), np.uint16)


def shift(x, y):
    """Homography of a scene that moved by so many frame pixels."""
    return pose_to_homography((x, y, 0.0), SIDE, SIDE)[None]


def sample(latent, scale, homographies, origin=(20, 20)):
    pixels = locate_pixels(homographies, scale, origin)
    return sample_field(make_field(*prefilter(latent, scale), scale), pixels, (SIDE, SIDE))


@pytest.mark.parametrize("scale", [4, 5])
@pytest.mark.parametrize(("x", "y"), [(0, 0), (0, 13), (3, 0), (16, 16), (31, 30)])
def test_frame_pixels_are_the_light_on_their_squares(scale, x, y):
    """Latent pixels as uniform squares, cut into 32 x 32 parts and counted: integers all the way."""
    latent = make_latent(84)
    found = sample(latent, scale, shift(-x / 32 / scale, -y / 32 / scale))
    parts = np.repeat(np.repeat(latent.astype(np.int64), 32, axis=0), 32, axis=1)
    sums = np.pad(parts.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
    left, top = (32 * (20 + scale * np.arange(SIDE)) + offset for offset in (x, y))
    right, bottom = left + 32 * scale, top + 32 * scale
    light = (
        sums[np.ix_(bottom, right)] - sums[np.ix_(top, right)] - sums[np.ix_(bottom, left)] + sums[np.ix_(top, left)]
    )
    np.testing.assert_array_equal(found * 1024, light)


@pytest.mark.parametrize("scale", [1, 2, 3, 4])
def test_on_the_latent_grid_samples_are_sums(scale):
    latent = make_latent()
    found = sample(latent, scale, shift(0, 0))
    part = latent[20 : 20 + SIDE * scale, 20 : 20 + SIDE * scale].astype(np.int64)
    np.testing.assert_array_equal(found, part.reshape(SIDE, scale, SIDE, scale).sum(axis=(1, 3)))


@pytest.mark.parametrize("scale", [2, 3])
def test_halfway_between_latent_pixels_six_taps_count(scale):
    latent = make_latent()
    found = sample(latent, scale, shift(-0.5 / scale, 0))
    weights = np.array([3, -16, 77, 77, -16, 3])
    rows = latent[20 : 20 + SIDE * scale].astype(np.int64).reshape(SIDE, scale, -1).sum(axis=1)
    sums = np.stack([rows[:, i : i + scale].sum(axis=1) for i in range(110)], axis=1)
    at = 20 + scale * np.arange(SIDE)
    np.testing.assert_array_equal(
        found * 128, sum(weight * sums[:, at + tap] for tap, weight in enumerate(weights, -2))
    )


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
def test_sums_over_poses_are_exact(scale):
    """Every sample is a whole multiple of 2^-24 below 2^29, so 53 bits hold it: neither order nor SIMD can change a bit."""
    latent, rng = np.full((200, 200), 65535, np.uint16), np.random.default_rng(scale)
    latent[::3, ::2] = make_latent(200)[::3, ::2]
    poses = np.concatenate([rng.uniform(-1, 1, (65, 2)), rng.uniform(-0.02, 0.02, (65, 1))], axis=1)
    pixels = locate_pixels(pose_to_homography(poses, SIDE, SIDE), scale, (30, 30))
    planes, sites = prefilter(np.dstack([latent] * 3), scale), locate_sites(pixels)
    (found,) = sample_mosaics(planes, scale, [sites], (SIDE, SIDE), cfa=CFA.RGGB)
    assert found.max() < 2**29
    np.testing.assert_array_equal(found * 2**24, np.rint(found * 2**24))
    cv2.setUseOptimized(False)
    try:
        (backwards,) = sample_mosaics(planes, scale, [sites[::-1]], (SIDE, SIDE), cfa=CFA.RGGB)
    finally:
        cv2.setUseOptimized(True)
    np.testing.assert_array_equal(found, backwards)


@pytest.mark.parametrize("cfa", CFA)
def test_a_mosaic_is_its_planes_at_its_sites(cfa):
    latent = np.dstack([make_latent(seed=seed) for seed in range(3)])
    pixels = locate_pixels(pose_to_homography((0.4, -0.3, 0.02), SIDE, SIDE)[None], 4, (30, 34))
    planes = prefilter(latent, 4)
    (found,) = sample_mosaics(planes, 4, [locate_sites(pixels)], (SIDE, SIDE), cfa=cfa)
    planes = [sample_field(make_field(plane, 4), pixels, (SIDE, SIDE)) for plane in planes]
    for (row, column), channel in zip(np.ndindex(2, 2), cfa.channels, strict=True):
        expected = planes[channel][row::2, column::2]
        # Positions are rounded to 1/32 of a sample, once from the pixel's and once from the site's.
        assert np.abs(found[row::2, column::2] - expected).max() < 16 * 65535 * 2 / 32
        assert np.abs(found[row::2, column::2] - expected).mean() < 16 * 65535 / 1000


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_little_of_the_finest_detail_is_lost_between_samples(scale):
    """A wave of half a cycle per frame pixel, at every phase: docs/synthesis.md states the bounds."""
    side, frequency = 160, 0.5 / scale
    x = np.arange(side)
    waves = [np.cos(2 * np.pi * frequency * x + phase) for phase in (0, np.pi / 2)]
    gains = []
    for step in range(32 * scale):
        offset = step / 32
        pixels = locate_pixels(shift(-offset / scale, 0), scale, (20, 20))
        # The two phases make a complex wave, whose magnitude is the gain wherever it is sampled.
        real, imaginary = (sample_field(make_field(np.tile(wave, (40, 1)), scale), pixels, (4, SIDE)) for wave in waves)
        gains.append(np.hypot(real, imaginary).mean())
    assert gains[0] == pytest.approx(1, abs=1e-12)
    assert min(gains) == pytest.approx({2: 0.921, 3: 0.966, 4: np.cos(np.pi / 8)}[scale], abs=2e-3)
    assert max(gains) < 1.005
    assert get_density(scale) >= 4


def test_a_part_of_a_field_adds_its_light_where_it_lies():
    latent, change = make_latent().astype(np.int64) // 2, np.zeros((120, 120), np.int64)
    change[30:50, 34:60] = make_latent(seed=1)[30:50, 34:60] // 2
    pixels = locate_pixels(pose_to_homography((0.37, -0.21, 0.01), SIDE, SIDE)[None], 2, (20, 20))
    whole, still, part = (
        prefilter(image.astype(np.uint16), 2)[0] for image in (latent + change, latent, change[20:60, 24:70])
    )
    fields = make_field(still, 2), make_field(part, 2, offset=(24, 20))
    found = sum(sample_field(field, pixels, (SIDE, SIDE)) for field in fields)
    np.testing.assert_array_equal(found, sample_field(make_field(whole, 2), pixels, (SIDE, SIDE)))


def test_normal_numbers_are_normal():
    numbers = draw_normal(make_generator("0a", "test"), (1001, 999))
    assert numbers.dtype == np.float32
    assert numbers.shape == (1001, 999)
    assert stats.kstest(numbers.ravel()[:200_000], "norm").pvalue > 0.01
    assert [numbers.mean(), numbers.var(), stats.kurtosis(numbers.ravel())] == pytest.approx([0, 1, 0], abs=0.01)
    assert np.abs(numbers).max() == pytest.approx(4.3875, abs=1e-4)
    neighbours = np.corrcoef([numbers[:, :-4].ravel(), *(numbers[:, i : i - 4 or None].ravel() for i in range(1, 5))])
    assert np.abs(neighbours - np.eye(5)).max() < 0.005


def test_normal_numbers_are_the_same_everywhere():
    """The first numbers of a stream, in units of 2^-20: a change of these changes the noise of every burst."""
    numbers = draw_normal(make_generator("0a", "test"), (6,))
    np.testing.assert_array_equal(numbers, draw_normal(make_generator("0a", "test"), (8,))[:6])
    assert np.rint(numbers * 2**20).astype(int).tolist() == [1209538, -1494877, 450499, -86909, 663284, -617037]
