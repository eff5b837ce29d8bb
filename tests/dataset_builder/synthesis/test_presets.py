"""Presets of the toolkit and of recipes: distributions by name, ranges, and what changes when they change."""

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from dataset_builder.build import build_dataset
from dataset_builder.cli.main import main
from dataset_builder.errors import PhotographTooSmallError, RecipeError
from dataset_builder.recipe import parse_recipe, read_recipe
from dataset_builder.synthesis.builtin import HANDHELD, PRESETS
from dataset_builder.synthesis.distributions import DISTRIBUTIONS, Distribution, draw
from dataset_builder.synthesis.draw import sample_burst
from dataset_builder.synthesis.render import render_burst
from manifests.images.pixels import read_pixels
from manifests.store import read_dataset_table
from manifests.verification.verify import verify
from tests.photographs import write_photographs

adapter = TypeAdapter(Distribution)
numbers = st.floats(-1e3, 1e3)
pairs = st.tuples(numbers, numbers).map(sorted)
EXAMPLES = {
    "constant": st.builds(lambda value: {"value": value}, numbers),
    "uniform": st.builds(lambda ends: {"low": ends[0], "high": ends[1]}, pairs),
    "log_uniform": st.builds(lambda ends: {"low": 10 ** (ends[0] / 500), "high": 10 ** (ends[1] / 500)}, pairs),
    "normal": st.builds(
        lambda ends, mean: {"low": ends[0], "high": ends[1], "mean": mean, "deviation": 3.0}, pairs, numbers
    ),
    "integers": st.builds(lambda ends: {"low": int(ends[0]), "high": int(ends[1])}, pairs),
    "poisson": st.builds(lambda mean, high: {"mean": mean, "high": high}, st.floats(0, 50), st.integers(0, 20)),
    "choice": st.builds(lambda values: {"values": tuple(values)}, st.lists(numbers, min_size=1, max_size=5)),
}
RECIPE = """
seed = 5

[presets.shaky]
base = "handheld"
num_frames = {distribution = "integers", low = 3, high = 4}
sway = {distribution = "constant", value = 0.0005}
defocus = 0.5
scale = 3

[[sources]]
kind = "photographs"
name = "photos"
root = "photos"
preset = "shaky"
bursts_per_photograph = 2
frame_height = 32
frame_width = 32
"""


def test_every_distribution_is_tested():
    assert EXAMPLES.keys() == DISTRIBUTIONS.keys()


@pytest.mark.parametrize("name", EXAMPLES)
@given(data=st.data())
def test_values_stay_within_the_support(name, data):
    distribution = adapter.validate_python({"distribution": name, **data.draw(EXAMPLES[name])})
    low, high = distribution.support
    values = distribution.sample(np.random.default_rng(0), 50)
    assert values.shape == (50,)
    assert low <= values.min() <= values.max() <= high
    assert draw(distribution, np.random.default_rng(0)) == np.float32(values[0])
    assert adapter.validate_json(distribution.model_dump_json()) == distribution


@pytest.mark.parametrize(
    ("facts", "mean", "deviation"),
    [
        ({"distribution": "uniform", "low": 2, "high": 8}, 5, 6 / 12**0.5),
        ({"distribution": "log_uniform", "low": 1, "high": np.e**2}, (np.e**2 - 1) / 2, None),
        ({"distribution": "normal", "mean": 3, "deviation": 2, "low": -50, "high": 50}, 3, 2),
        ({"distribution": "integers", "low": 1, "high": 6}, 3.5, (35 / 12) ** 0.5),
        ({"distribution": "poisson", "mean": 1.5, "high": 100}, 1.5, 1.5**0.5),
        ({"distribution": "choice", "values": (1, 1, 4)}, 2, 2**0.5),
    ],
)
def test_moments(facts, mean, deviation):
    values = adapter.validate_python(facts).sample(np.random.default_rng(0), 20000)
    assert values.mean() == pytest.approx(mean, rel=0.03)
    if deviation is not None:
        assert values.std() == pytest.approx(deviation, rel=0.03)


def test_presets_survive_json():
    for name, preset in PRESETS.items():
        assert parse_recipe({"presets": {"copy": preset.model_dump(mode="json")}}, "x").presets["copy"] == preset, name


@given(
    changes=st.fixed_dictionaries(
        {},
        optional={
            "exposure_time": st.floats(1e-4, 0.3),
            "shot_noise": st.floats(1e-6, 0.5),
            "read_noise": st.one_of(st.none(), st.floats(0, 0.1)),
            "row_noise": st.floats(0, 4),
            "sway": st.floats(0, 2e-3),
            "tremor": st.floats(0, 1e-3),
            "line_time": st.floats(0, 1e-4),
            "jitter": st.floats(-8, 8),
            "defocus": st.floats(0, 4),
            "outliers": st.floats(0, 10),
            "object_probability": st.floats(0, 1),
            "brightness": st.floats(1e-3, 4),
        },
    ),
    seed=st.integers(0, 1000),
)
def test_any_allowed_preset_can_be_sampled(changes, seed):
    preset = parse_recipe({"presets": {"mine": {"base": "handheld", **changes}}}, "test").presets["mine"]
    burst = sample_burst(preset, f"{seed:04x}", photograph_size=(2000, 2000), height=32, width=48, scale=2)
    frames = burst.frames
    assert 8 <= len(frames) <= 14
    reference = frames[burst.reference_index]
    assert reference.exposure_ratio == reference.gain == 1
    for index, frame in enumerate(frames):
        assert min(frame.shot_noise, frame.read_noise, frame.row_noise, frame.defocus, frame.blur_length) >= 0
        assert min(frame.exposure_time, frame.gain, frame.exposure_ratio) > 0
        assert np.isfinite(burst.homographies(index)).all()
        assert abs(np.linalg.det(burst.homography(index)) - 1) < 0.1
    np.testing.assert_array_equal(burst.homography(burst.reference_index), np.eye(3))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tremmor": 1}, "presets.mine.tremmor: unknown key; did you mean tremor?"),
        ({"base": "handhold"}, "presets.mine: expected one of action, bracket,"),
        ({"exposure_time": -1}, "presets.mine.exposure_time: expected values in 1e-06..60, got -1..-1"),
        (
            {"exposure_time": {"distribution": "uniform", "low": 0.1, "high": 100}},
            "expected values in 1e-06..60, got 0.1..100",
        ),
        (
            {"exposure_time": {"distribution": "gauss"}},
            "presets.mine.exposure_time.distribution: expected constant, uniform,",
        ),
        ({"exposure_time": {"low": 1}}, "presets.mine.exposure_time.distribution: is required; expected constant,"),
        ({"exposure_time": {"distribution": "uniform", "low": 1}}, "presets.mine.exposure_time.high: is required"),
        ({"sway": {"distribution": "uniform", "low": 0.02, "high": 0.01}}, "expected low <= high, got 0.02 and 0.01"),
        (
            {"sway": {"distribution": "uniform", "low": 0, "hihg": 1}},
            "presets.mine.sway.hihg: unknown key; did you mean high?",
        ),
        (
            {"shot_noise": {"distribution": "log_uniform", "low": 0, "high": 1}},
            "shot_noise.low: expected greater than 0, got 0",
        ),
        ({"shot_noise": {"distribution": "choice", "values": []}}, "presets.mine.shot_noise.values: expected"),
        ({"num_frames": 1}, "presets.mine.num_frames: expected values in 2..100, got 1..1"),
        ({"cameras": ["Kodak"]}, "presets.mine: cameras: expected mixed or some of Huawei Nexus 6P"),
        (
            {"outlier_kinds": ["thumb"]},
            "presets.mine.outlier_kinds[0]: expected 'misaligned' or 'blocked', got 'thumb'",
        ),
        ({"focus_series": 3, "defocus": 1}, "presets.mine: defocus: expected 0 in a focus series"),
        (
            {"focus_series": 3, "object_probability": 1},
            "presets.mine: object_probability: expected 0 in a focus series",
        ),
        ({"shot_noise": 0, "read_noise": None}, "presets.mine: shot_noise: expected more than 0"),
    ],
)
def test_impossible_presets_are_refused(changes, message):
    with pytest.raises(RecipeError) as caught:
        parse_recipe({"presets": {"mine": changes}}, "my.toml")
    assert message in str(caught.value)
    assert str(caught.value).startswith("my.toml: ")


def test_not_a_number_is_refused():
    with pytest.raises(ValueError, match="finite"):
        HANDHELD.model_validate({**HANDHELD.model_dump(), "shot_noise": float("nan")})


def test_names_must_be_known_and_new():
    with pytest.raises(RecipeError, match=r"presets\.night: the toolkit has a preset of that name"):
        parse_recipe({"presets": {"night": {}}}, "x")
    source = {"kind": "photographs", "name": "a", "root": ".", "preset": "mine"}
    assert parse_recipe({"presets": {"mine": {}}, "sources": [source]}, "x").sources[0].preset == "mine"
    with pytest.raises(RecipeError, match=r"sources\[0\].preset: expected one of action, .*yours, got 'mine'"):
        parse_recipe({"presets": {"yours": {}}, "sources": [source]}, "x")


@pytest.mark.slow
def test_a_recipe_brings_its_own_preset(tmp_path):
    write_photographs(tmp_path / "photos", 1, height=240, width=260)
    path, root = tmp_path / "mine.toml", tmp_path / "out"
    path.write_text(RECIPE)
    build_dataset(path, read_recipe(path), root)
    bursts = read_dataset_table(root, "bursts").to_pandas()
    frames = read_dataset_table(root, "frames").to_pandas()
    assert bursts.preset.tolist() == ["shaky", "shaky"]
    assert bursts.scale.tolist() == [3, 3]
    assert set(bursts.num_frames) <= {3, 4}
    assert set(frames.defocus) == {0.5}
    assert verify(root) == []
    assert build_dataset(path, read_recipe(path), root)[0].counts["reused"] == 2
    path.write_text(RECIPE.replace("value = 0.0005", "value = 0.0006"))
    assert build_dataset(path, read_recipe(path), root)[0].counts["rebuilt"] == 2
    path.write_text(RECIPE.replace("shaky", "shakier").replace("value = 0.0005", "value = 0.0006"))
    assert build_dataset(path, read_recipe(path), root)[0].counts["rebuilt"] == 2


@pytest.mark.slow
@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_can_be_built_and_shown(name, tmp_path):
    write_photographs(tmp_path / "photos", 1, height=420, width=430)
    root = tmp_path / "out"
    arguments = ["--preset", name, "--bursts", "1", "--height", "48", "--width", "48", "--out", str(root)]
    done = CliRunner().invoke(main, ["synthesize", str(tmp_path / "photos"), *arguments])
    assert done.exit_code == 0, done.output
    assert verify(root) == []
    (burst,) = read_dataset_table(root, "bursts").to_pylist()
    frames = read_dataset_table(root, "frames").to_pylist()
    assert (burst["preset"], burst["num_frames"]) == (name, len(frames))
    check_columns(root, frames)
    done = CliRunner().invoke(main, ["show", str(root), burst["burst_id"], "--out", str(tmp_path / "sheet.png")])
    assert done.exit_code == 0, done.output
    assert read_pixels(tmp_path, "sheet.png").shape[0] > 48


def check_columns(root, frames):
    """What the table says of each frame follows from its trajectory and its mask."""
    for frame in frames:
        poses = np.reshape(frame["trajectory"], (-1, 3))
        steps = np.hypot(*np.diff(poses[:, :2], axis=0).T)
        length = steps.sum() * len(poses) / max(1, len(poses) - 1)
        assert frame["blur_length"] == pytest.approx(length, abs=1e-6)
        homography, (x, y, roll) = np.reshape(frame["homography"], (3, 3)), poses[len(poses) // 2]
        skew = np.abs(frame["rolling_shutter"]).max() + np.abs(frames[0]["rolling_shutter"]).max()
        centre = homography @ (23.5, 23.5, 1) - (23.5, 23.5, 0)
        np.testing.assert_allclose(centre[:2], (x, y), atol=1e-6 + skew * (np.abs(poses).max() + 1))
        assert np.arctan2(homography[1, 0], homography[0, 0]) == pytest.approx(roll, abs=1e-6 + 2 * skew)
        mask = np.zeros((48, 48)) if frame["mask_path"] is None else read_pixels(root, frame["mask_path"])
        assert frame["occlusion"] == pytest.approx(mask.mean() / 255, abs=1e-6)
        assert (frame["outlier"] == "blocked") <= (frame["occlusion"] > 0.1)


@settings(max_examples=40, deadline=None)
@given(
    changes=st.fixed_dictionaries(
        {},
        optional={
            "exposure_time": st.floats(1e-4, 0.3),
            "shot_noise": st.floats(1e-6, 0.5),
            "row_noise": st.floats(0, 4),
            "tremor": st.floats(0, 5e-4),
            "line_time": st.floats(0, 1e-4),
            "jitter_roll": st.floats(-0.3, 0.3),
            "lens_blur": st.floats(0, 1),
            "defocus": st.floats(0, 2),
            "outliers": st.floats(0, 10),
            "object_probability": st.just(1.0),
            "brightness": st.floats(1e-3, 4),
            "bits": st.integers(10, 14),
        },
    ),
    base=st.sampled_from(sorted(set(PRESETS) - {"focus"})),
    scale=st.integers(1, 8),
    seed=st.integers(0, 1000),
)
def test_any_allowed_preset_can_be_rendered(changes, base, scale, seed):
    preset = parse_recipe({"presets": {"mine": {"base": base, **changes}}}, "test").presets["mine"]
    photograph = np.full((600, 620, 3), 30000, np.uint16)
    photograph[::7, ::5] = (65535, 20000, 0)
    try:
        burst = sample_burst(preset, f"{seed:04x}", photograph_size=(600, 620), height=16, width=24, scale=scale)
    except PhotographTooSmallError:
        return
    rendered = render_burst(photograph, burst, f"{seed:04x}")
    assert rendered.ground_truth.shape == (16 * scale, 24 * scale, 3)
    assert rendered.ground_truth.dtype == np.uint16
    for frame, codes, mask in zip(burst.frames, rendered.frames, rendered.masks, strict=True):
        assert codes.shape == ((16, 24, 3) if burst.is_srgb else (16, 24))
        assert codes.dtype == (np.uint8 if burst.is_srgb else np.uint16)
        assert codes.max() <= (255 if burst.is_srgb else burst.sensor.white_level)
        assert mask is None or (mask.shape == (16, 24) and mask.dtype == np.uint8)
        assert frame.outlier != "blocked" or mask is not None
