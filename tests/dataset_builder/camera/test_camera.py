import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataset_builder.camera.cameras import CAMERAS, mix_profile
from dataset_builder.camera.color import (
    SRGB_TO_XYZ,
    UINT16_MAX,
    decode_srgb_codes,
    encode_srgb,
    expand_highlights,
    process,
    to_camera,
    unprocess,
)
from dataset_builder.camera.develop import demosaic_bilinear, develop
from dataset_builder.camera.isp import compress_jpeg
from dataset_builder.camera.sensor import Sensor, add_noise, digitise, read_codes
from restorers import CFA
from restorers.imaging.mosaic import mosaic
from tests.photographs import make_photograph

weights = st.lists(st.floats(0.01, 1), min_size=4, max_size=4).map(np.array)


def test_srgb_curve_at_known_values():
    codes = np.array([[0, 10, 128, 255]], np.uint8)
    expected = np.array([0, 10 / 255 / 12.92, ((128 / 255 + 0.055) / 1.055) ** 2.4, 1])
    np.testing.assert_array_equal(decode_srgb_codes(codes)[0], np.rint(expected * UINT16_MAX))
    np.testing.assert_allclose(encode_srgb(decode_srgb_codes(codes) / UINT16_MAX)[0] * 255, codes[0], atol=0.03)


def test_every_16_bit_code_is_decoded():
    codes = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    decoded = decode_srgb_codes(codes)
    assert (np.diff(decoded.ravel().astype(int)) >= 0).all()
    # Half a linear code, seen through the steepest part of the curve.
    np.testing.assert_allclose(encode_srgb(decoded / UINT16_MAX) * 65535, codes, atol=0.5 * 12.92 + 0.1)


@settings(max_examples=25, deadline=None)
@given(weights=weights, red=st.floats(1.5, 2.6), blue=st.floats(1.3, 2.2), bits=st.sampled_from([8, 16]))
def test_round_trip_stays_below_a_thousandth(weights, red, blue, bits):
    profile = mix_profile(weights, (red, 1.0, blue))
    photograph = make_photograph(40, 50, seed=1, bits=bits)
    camera = decode_srgb_codes(photograph) / UINT16_MAX @ np.linalg.inv(profile.to_srgb).T
    inside = ((camera >= 0) & (camera <= 1)).all(axis=-1)
    assert inside.mean() > 0.5
    restored = process(unprocess(photograph, profile) / UINT16_MAX, profile)
    expected = photograph / np.iinfo(photograph.dtype).max
    assert np.abs(restored - expected)[inside].max() < 1e-3
    if bits == 8:
        np.testing.assert_array_equal(np.rint(restored * 255)[inside], photograph[inside])


@pytest.mark.parametrize("cfa", CFA)
@pytest.mark.parametrize("bits", range(10, 15))
def test_round_trip_through_the_sensor(cfa, bits):
    """sRGB to RAW codes and back; a smooth photograph, since a mosaic holds a third of the numbers."""
    sensor = Sensor(cfa, bits, 2 ** (bits - 4), 2**bits - 1)
    y, x = np.mgrid[:64, :64] / 64
    photograph = np.rint(255 * np.stack([0.3 + 0.3 * x, 0.2 + 0.4 * y, 0.5 - 0.2 * x], axis=-1)).astype(np.uint8)
    profile = mix_profile(np.ones(4), (2.0, 1.0, 1.6))
    codes = digitise(mosaic(unprocess(photograph, profile) / UINT16_MAX, cfa), sensor)
    restored = process(demosaic_bilinear(read_codes(codes, sensor), cfa), profile)
    error = np.abs(restored - photograph / 255)[2:-2, 2:-2]
    assert error.max() < 2.5 / 255 + 3 / 2**bits


@given(weights=weights)
def test_grey_stays_grey(weights):
    matrix = np.reshape(mix_profile(weights, (1.0, 1.0, 1.0)).color_matrix, (3, 3))
    np.testing.assert_allclose(matrix.sum(axis=1), 1, atol=1e-12)


@pytest.mark.parametrize("camera", CAMERAS.values(), ids=lambda camera: camera.name)
def test_real_cameras_see_daylight_as_white(camera):
    profile = camera.daylight
    white = np.reshape(camera.xyz_to_camera, (3, 3)) @ SRGB_TO_XYZ.sum(axis=1)
    developed = profile.to_srgb @ (white / white[1])
    np.testing.assert_allclose(developed, 1, rtol=1e-9)
    colour = np.array([0.4, 0.3, 0.2])
    seen = np.reshape(camera.xyz_to_camera, (3, 3)) @ SRGB_TO_XYZ @ colour / white[1]
    np.testing.assert_allclose(profile.to_srgb @ seen, colour, rtol=1e-9)
    assert profile.white_balance[1] == 1
    assert 1 < profile.white_balance[0] < 3
    assert 10 <= camera.sensor.bits <= 14


def test_unprocess_keeps_16_bit_precision():
    profile = mix_profile(np.ones(4), (2.0, 1.0, 1.6))
    image = np.full((2, 2, 3), 50000, np.uint16)
    image[0, 0] += 3
    camera = unprocess(image, profile)
    assert (camera[0, 0] > camera[1, 1]).all()


def test_values_beyond_white_need_a_larger_one():
    profile = mix_profile(np.ones(4), (2.0, 1.0, 1.6))
    bright = np.full((1, 1, 3), 4.0)
    assert to_camera(bright, profile).max() == UINT16_MAX
    np.testing.assert_allclose(
        to_camera(bright, profile, white=8.0)[0, 0] * profile.white_balance * 8 / UINT16_MAX, 4, rtol=1e-3
    )


def test_highlights_expand_and_shadows_stay():
    grey = np.linspace(0, 1, 11)[:, None, None] * np.ones(3)
    expanded = expand_highlights(grey, 8.0)
    np.testing.assert_allclose(expanded[-1], 8, rtol=1e-6)
    np.testing.assert_allclose(expanded[1], grey[1] * 1.07, rtol=1e-5)
    np.testing.assert_allclose(expand_highlights(grey, 1.0), grey)


@pytest.mark.parametrize("cfa", CFA)
def test_mosaic_keeps_the_channel_each_pixel_sees(cfa):
    image = np.broadcast_to(np.array([1, 2, 3], np.float32), (4, 6, 3))
    values = {"R": 1, "G": 2, "B": 3}
    expected = np.tile(np.reshape([values[letter] for letter in cfa.value], (2, 2)), (2, 3))
    np.testing.assert_array_equal(mosaic(image, cfa), expected)


@pytest.mark.parametrize("cfa", CFA)
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_demosaic_reproduces_smooth_colour(cfa, kind):
    y, x = np.mgrid[:32, :32] / 32
    image = np.stack([0.2 + 0.3 * x, 0.1 + 0.4 * y, 0.5 - 0.2 * x], axis=-1).astype(kind)
    result = demosaic_bilinear(mosaic(image, cfa), cfa)
    assert result.dtype == kind
    np.testing.assert_allclose(result[2:-2, 2:-2], image[2:-2, 2:-2], atol=1e-6)


def test_develop_shows_grey_as_grey():
    profile = mix_profile(np.ones(4), (2.1, 1.0, 1.7))
    grey = np.full((4, 4, 3), 0.2) / profile.white_balance
    picture = develop(grey, profile.white_balance, profile.color_matrix)
    np.testing.assert_allclose(picture, encode_srgb(np.float64(0.2)), atol=1e-6)


@pytest.mark.parametrize(("signal", "shot", "read"), [(0.05, 1e-3, 1e-5), (0.3, 1.2e-2, 5e-4), (0.0, 1e-2, 1e-4)])
def test_noise_has_the_moments_of_the_model(signal, shot, read):
    clean = np.full((400, 500), signal)
    noise = add_noise(clean, shot_noise=shot, read_noise=read, rng=np.random.default_rng(0)) - clean
    variance, count = shot * signal + read, clean.size
    assert abs(noise.mean()) < 5 * np.sqrt(variance / count)
    assert noise.var() == pytest.approx(variance, rel=5 * np.sqrt(2 / count))
    assert np.mean(noise**4) / variance**2 == pytest.approx(3, rel=0.05)


def test_row_noise_is_common_to_a_row():
    clean = np.full((2000, 50), 0.2)
    noisy = add_noise(clean, shot_noise=0, read_noise=1e-4, row_noise=0.03, rng=np.random.default_rng(0))
    assert noisy.mean(axis=1).std() == pytest.approx(np.sqrt(0.03**2 + 1e-4 / 50), rel=0.1)
    assert noisy.std(axis=1).mean() == pytest.approx(0.01, rel=0.05)


@pytest.mark.parametrize("name", ["shot_noise", "read_noise", "row_noise"])
@pytest.mark.parametrize("wrong", [-1e-3, np.nan, np.inf])
def test_impossible_noise_is_refused(name, wrong):
    noise = {"shot_noise": 0.0, "read_noise": 0.0, "row_noise": 0.0, name: wrong}
    with pytest.raises(ValueError, match=rf"{name}: expected a finite number >= 0"):
        add_noise(np.zeros((2, 2)), rng=np.random.default_rng(0), **noise)


def test_sensor_quantises_and_saturates():
    sensor = Sensor(black_level=1000, white_level=5000)
    codes = digitise(np.array([-1.0, 0.0, 0.5, 0.50012, 1.0, 2.0]), sensor)
    np.testing.assert_array_equal(codes, [0, 1000, 3000, 3000, 5000, 5000])
    signal = np.linspace(0, 1, 10001)
    error = read_codes(digitise(signal, sensor), sensor) - signal
    assert np.abs(error).max() <= 0.5 / 4000 + 1e-12


@given(bits=st.integers(8, 16), data=st.data())
def test_codes_come_back(bits, data):
    white = data.draw(st.integers(1, 2**bits - 1))
    sensor = Sensor(CFA.GRBG, bits, data.draw(st.integers(0, white - 1)), white)
    codes = np.array([0, sensor.black_level, white], np.uint16)
    np.testing.assert_array_equal(digitise(read_codes(codes, sensor), sensor), codes)


@pytest.mark.parametrize("levels", [(12, 256, 4096), (10, 64, 64), (14, -1, 100), (7, 0, 100), (17, 0, 100)])
def test_impossible_sensors_are_refused(levels):
    with pytest.raises(ValueError, match="expected"):
        Sensor(CFA.RGGB, *levels)


def test_lower_quality_costs_more():
    image = make_photograph(64, 64)
    errors = [np.square(compress_jpeg(image, quality) - image.astype(float)).mean() for quality in (95, 60, 10)]
    assert errors == sorted(errors)
    assert errors[0] < errors[2] / 3
