"""The noise of the presets: what their sources say, what the sensor can write down, and what ISO it stands for."""

import re
from pathlib import Path

import numpy as np
import pytest

from dataset_builder.camera.sensitivity import BASELINE_READ_NOISE, BASELINE_SHOT_NOISE, equivalent_iso
from dataset_builder.camera.sensor import Sensor, add_noise, choose_black_level, digitise, find_darkest
from dataset_builder.randomness import derive_seed, make_generator
from dataset_builder.synthesis.builtin import PRESETS
from dataset_builder.synthesis.distributions import Constant
from dataset_builder.synthesis.draw import sample_burst
from dataset_builder.synthesis.render import render_burst
from tests.rendering import to_signal

RAW_PRESETS = sorted(name for name, preset in PRESETS.items() if preset.domain == "raw_bayer")


def sample(name, seed, *, side=32, **changes):
    preset = PRESETS[name].model_copy(update=changes)
    size = (side + 160) * preset.scale
    return sample_burst(
        preset, derive_seed(name, seed), photograph_size=(size, size), height=side, width=side, scale=preset.scale
    )


@pytest.mark.parametrize("shot_noise", [1e-4, 1e-2, 0.05])
@pytest.mark.parametrize("read_noise", [1e-8, 1e-4, 1e-2])
def test_the_darkest_noise_is_that_of_all_signals(shot_noise, read_noise):
    signal = np.linspace(0, 1, 200_001)
    expected = (4.4 * np.sqrt(shot_noise * signal + read_noise) - signal).max()
    found = find_darkest(shot_noise=shot_noise, read_noise=read_noise)
    assert found == pytest.approx(expected, rel=1e-4)
    assert find_darkest(shot_noise=shot_noise, read_noise=read_noise, row_noise=0.01) == pytest.approx(found + 0.044)


def test_a_still_sensor_has_no_noise_to_hold():
    assert find_darkest(shot_noise=0.0, read_noise=0.0) == 0


@pytest.mark.parametrize(
    ("depth", "black"), [(0.0, 64), (0.0667, 64), (0.067, 128), (0.1431, 256), (0.334, 511), (2.0, 511)]
)
def test_the_black_level_leaves_room_for_noise(depth, black):
    assert choose_black_level(10, depth) == black


@pytest.mark.parametrize("name", RAW_PRESETS)
def test_nothing_clips_at_black(name):
    """A dark scene comes back with its mean: no code is 0, and the dark is not brightened."""
    obstacles = {"object_probability": 0.0, "outlier_kinds": ("misaligned",)}
    errors = []
    for seed in range(3):
        burst = sample(name, seed, **obstacles)
        dark = np.full((burst.height + 160, burst.width + 160, 3), 200, np.uint16).repeat(burst.scale, 0)
        rendered = render_burst(dark.repeat(burst.scale, 1), burst, derive_seed(seed))
        level = rendered.ground_truth.mean() / 65535 * burst.truth_white
        for frame, codes in zip(burst.frames, rendered.frames, strict=True):
            assert codes.min() > 0
            assert level < 0.05
            signal = to_signal(codes, burst.sensor)
            step = 1 / (burst.sensor.white_level - burst.sensor.black_level)
            expected = np.mean([rendered.ground_truth[..., channel].mean() for channel in burst.sensor.cfa.channels])
            expected *= frame.exposure_ratio * burst.truth_white / 65535
            variance = frame.shot_noise * expected + frame.read_noise + step**2 / 12
            errors.append((signal.mean() - expected) / np.sqrt(variance / signal.size + frame.row_noise**2 / 32))
    errors = np.array(errors)
    assert abs(errors.mean()) < 4 / np.sqrt(errors.size)
    assert errors.std() < 1.5


def test_kpn_has_the_range_that_was_published():
    # Mildenhall et al. 2018: log10 of the standard deviations uniform in [−3, −1.5] and [−2, −1].
    frames = [sample("kpn", seed).frames[0] for seed in range(150)]
    read = np.log10([frame.read_noise for frame in frames]) / 2
    shot = np.log10([frame.shot_noise for frame in frames]) / 2
    for values, low, high in ((read, -3.0, -1.5), (shot, -2.0, -1.0)):
        assert low <= values.min() < low + 0.1 < high - 0.1 < values.max() <= high
        assert values.mean() == pytest.approx((low + high) / 2, abs=0.1)
        assert values.std() == pytest.approx((high - low) / 12**0.5, rel=0.1)


def test_a_clipped_sensor_is_biased_where_the_mixed_one_is_not():
    """What a black level of 1/16 does to the strongest noise of `kpn`, against the level that is chosen for it."""
    noisy = add_noise(np.zeros((256, 256)), shot_noise=0, read_noise=0.064, rng=make_generator("00", "noise"))
    chosen = choose_black_level(14, find_darkest(shot_noise=0, read_noise=0.064))
    shares, biases = [], []
    for black in (1024, chosen):
        sensor = Sensor(bits=14, black_level=black)
        codes = digitise(noisy.copy(), sensor)
        shares.append((codes == 0).mean())
        biases.append(to_signal(codes, sensor).mean())
    assert shares[0] > 0.35
    assert biases[0] > 0.06
    assert shares[1] < 2e-3
    assert abs(biases[1]) < 4 * 0.253 / 256


def test_the_converter_adds_the_same_at_every_gain():
    levels = {"adc_noise": 0.003, "read_noise": 1e-5}
    frames = sample("handheld", 1, **{name: Constant(value=value) for name, value in levels.items()}).frames
    gains = np.array([frame.gain for frame in frames])
    assert np.ptp(gains) > 0.05
    np.testing.assert_allclose([frame.read_noise for frame in frames], 1e-5 * gains**2 + 9e-6, rtol=1e-6)


def test_read_noise_covers_sensors_of_all_kinds():
    """Ten times between the quietest and the loudest tenth at one shot noise, and the public baseline of HDR+ inside."""
    level = Constant(value=BASELINE_SHOT_NOISE)
    read = np.array([sample("daylight", seed, shot_noise=level).frames[0].read_noise for seed in range(100)])
    low, high = np.quantile(read, (0.1, 0.9))
    assert high / low > 10
    assert read.min() < BASELINE_READ_NOISE / 10
    assert read.max() > BASELINE_READ_NOISE


def test_nine_frames_have_three_exposures():
    burst = sample("ntire2025_hdr", 0)
    assert burst.reference_index == 0
    ratios = [frame.exposure_ratio for frame in burst.frames]
    np.testing.assert_allclose(ratios, [1, 1, 1, 4, 4, 4, 16, 16, 16], rtol=1e-6)
    np.testing.assert_allclose([frame.gain for frame in burst.frames], 1)
    times = np.array([frame.exposure_time for frame in burst.frames])
    np.testing.assert_allclose(times / times[0], ratios, rtol=1e-6)
    whites = [sample("ntire2025_hdr", seed).truth_white for seed in range(40)]
    assert np.mean(np.array(whites) == 1) > 0.9  # the short exposure holds the highlights


@pytest.mark.parametrize(("name", "count"), [("raim2026_5", 5), ("raim2026_7", 7)])
def test_exposure_stacks_go_a_stop_at_a_time_about_the_middle(name, count):
    burst = sample(name, 0)
    assert burst.reference_index == count // 2
    assert burst.moving_object is not None
    ratios = [frame.exposure_ratio for frame in burst.frames]
    np.testing.assert_allclose(ratios, 2.0 ** (np.arange(count) - count // 2), rtol=1e-6)


def test_the_equivalent_iso_of_the_page_is_that_of_the_presets():
    assert equivalent_iso(3.24e-4) == pytest.approx(100)
    page = Path("docs/synthesis.md").read_text()
    rows = dict(re.findall(r"^\| `(\w+)` \| ISO ([\d,]+ to [\d,]+) \|", page, re.MULTILINE))
    assert rows.keys() == PRESETS.keys()
    for name, text in rows.items():
        low, high = (equivalent_iso(value) for value in PRESETS[name].shot_noise.support)
        stated = [float(part.replace(",", "")) for part in text.split(" to ")]
        assert stated == pytest.approx([low, high], rel=0.05), name
