import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataset_builder.camera.color import (
    ColorProfile,
    decode_srgb,
    encode_srgb,
    mix_color_matrix,
    process,
    to_camera,
    unprocess,
)
from dataset_builder.camera.develop import demosaic, develop
from dataset_builder.camera.sensor import Sensor, add_noise, digitise, mosaic
from restorers import CFA
from tests.photographs import make_photograph

weights = st.lists(st.floats(0.01, 1), min_size=4, max_size=4).map(np.array)


def test_srgb_curve_at_known_values():
    codes = np.array([[0, 10, 128, 255]], np.uint8)
    expected = [0, 10 / 255 / 12.92, ((128 / 255 + 0.055) / 1.055) ** 2.4, 1]
    np.testing.assert_allclose(decode_srgb(codes)[0], expected, rtol=1e-6)
    np.testing.assert_allclose(encode_srgb(decode_srgb(codes))[0] * 255, codes[0], atol=1e-4)


def test_srgb_table_covers_16_bit():
    codes = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    np.testing.assert_allclose(encode_srgb(decode_srgb(codes)) * 65535, codes, atol=0.02)


@settings(max_examples=25, deadline=None)
@given(weights=weights, red=st.floats(1.5, 2.6), blue=st.floats(1.3, 2.2), brightness=st.floats(1, 2))
def test_round_trip_is_exact_inside_the_gamut(weights, red, blue, brightness):
    profile = ColorProfile((red * brightness, brightness, blue * brightness), mix_color_matrix(weights))
    linear = decode_srgb(make_photograph(40, 50, seed=1, bits=16))
    camera = linear @ np.linalg.inv(profile.to_srgb).T
    inside = ((camera >= 0) & (camera <= 1)).all(axis=-1)
    assert inside.mean() > 0.5
    restored = process(to_camera(linear, profile), profile)
    np.testing.assert_allclose(restored[inside], encode_srgb(linear)[inside], atol=2e-5)


@given(weights=weights)
def test_grey_stays_grey(weights):
    matrix = np.reshape(mix_color_matrix(weights), (3, 3))
    np.testing.assert_allclose(matrix.sum(axis=1), 1, atol=1e-12)


def test_unprocess_keeps_16_bit_precision():
    profile = ColorProfile((2.0, 1.0, 1.6), mix_color_matrix(np.ones(4)))
    image = np.full((2, 2, 3), 30000, np.uint16)
    image[0, 0] += 1
    camera = unprocess(image, profile)
    assert (camera[0, 0] > camera[1, 1]).all()


@pytest.mark.parametrize("cfa", CFA)
def test_mosaic_keeps_the_channel_each_pixel_sees(cfa):
    image = np.broadcast_to(np.array([1, 2, 3], np.float32), (4, 6, 3))
    values = {"R": 1, "G": 2, "B": 3}
    expected = np.tile(np.reshape([values[letter] for letter in cfa.value], (2, 2)), (2, 3))
    np.testing.assert_array_equal(mosaic(image, cfa), expected)


@pytest.mark.parametrize("cfa", CFA)
def test_demosaic_reproduces_smooth_colour(cfa):
    y, x = np.mgrid[:32, :32] / 32
    image = np.stack([0.2 + 0.3 * x, 0.1 + 0.4 * y, 0.5 - 0.2 * x], axis=-1).astype(np.float32)
    np.testing.assert_allclose(demosaic(mosaic(image, cfa), cfa)[2:-2, 2:-2], image[2:-2, 2:-2], atol=1e-6)


def test_develop_shows_grey_as_grey():
    white_balance, matrix = (2.1, 1.0, 1.7), mix_color_matrix(np.ones(4))
    grey = np.full((4, 4, 3), 0.2) / white_balance
    picture = develop(grey, white_balance, matrix)
    np.testing.assert_allclose(picture, encode_srgb(np.float64(0.2)), atol=1e-6)


@pytest.mark.parametrize(("signal", "shot", "read"), [(0.05, 1e-3, 1e-5), (0.3, 1.2e-2, 5e-4), (0.0, 1e-2, 1e-4)])
def test_noise_has_the_moments_of_the_model(signal, shot, read):
    clean = np.full((400, 500), signal, np.float32)
    noise = add_noise(clean, shot_noise=shot, read_noise=read, rng=np.random.default_rng(0)) - clean
    variance, count = shot * signal + read, clean.size
    assert abs(noise.mean()) < 5 * np.sqrt(variance / count)
    assert noise.var() == pytest.approx(variance, rel=5 * np.sqrt(2 / count))
    assert np.mean(noise**4) / variance**2 == pytest.approx(3, rel=0.05)


@pytest.mark.parametrize("wrong", [-1e-3, np.nan, np.inf])
def test_impossible_noise_is_refused(wrong):
    with pytest.raises(ValueError, match=r"shot_noise: expected a finite number >= 0"):
        add_noise(np.zeros((2, 2), np.float32), shot_noise=wrong, read_noise=0, rng=np.random.default_rng(0))


def test_sensor_quantises_and_saturates():
    sensor = Sensor(black_level=1000, white_level=5000)
    codes = digitise(np.array([-1.0, 0.0, 0.5, 0.50012, 1.0, 2.0]), sensor)
    np.testing.assert_array_equal(codes, [0, 1000, 3000, 3000, 5000, 5000])
    signal = np.linspace(0, 1, 10001)
    error = (digitise(signal, sensor).astype(float) - 1000) / 4000 - signal
    assert np.abs(error).max() <= 0.5 / 4000 + 1e-12
