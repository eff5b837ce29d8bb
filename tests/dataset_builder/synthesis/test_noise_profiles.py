"""Presets with the noise of a camera, from a file in the layout of darktable's."""

import json

import pytest
from click.testing import CliRunner

from dataset_builder.cli.main import main
from dataset_builder.errors import NoiseProfileError
from dataset_builder.recipe import parse_recipe, read_recipe
from dataset_builder.synthesis.draw import sample_burst
from dataset_builder.synthesis.noise_profiles import read_noise_profile
from tests.photographs import write_photographs

PROFILES = {
    "version": 0,
    "noiseprofiles": [
        {
            "maker": "Acme",
            "models": [
                {
                    "comment": "Acme One contributed by nobody",
                    "model": "One 1000D",
                    "profiles": [
                        {"name": "One iso 100", "iso": 100, "a": [3e-4, 1e-4, 2e-4], "b": [3e-7, 1e-7, 2e-7]},
                        {"name": "One iso 400", "iso": 400, "a": [9e-4, 4e-4, 5e-4], "b": [9e-7, -1e-7, 8e-7]},
                        {"name": "bad", "iso": 200, "skip": True, "a": [1.0, 1.0, 1.0], "b": [1.0, 1.0, 1.0]},
                        {"name": "One iso 1600", "iso": 1600, "a": [3e-3, 1.6e-3, 2e-3], "b": [3e-6, 2e-6, 2e-6]},
                    ],
                },
                {"model": "Twin", "profiles": [{"name": "t", "iso": 100, "a": [1e-4] * 3, "b": [0, 0, 0]}]},
            ],
        },
        {
            "maker": "Other",
            "models": [{"model": "Twin", "profiles": [{"name": "t", "iso": 100, "a": [2e-4] * 3, "b": [1e-7] * 3}]}],
        },
    ],
}
RECIPE = """
noise_profiles = "profiles.json"

[presets.mine]
base = "handheld"
noise = "darktable:One 1000D@1600"
exposure_trade = 0
exposure_error = 0

[[sources]]
kind = "photographs"
name = "photos"
root = "photos"
preset = "mine"
bursts_per_photograph = 1
frame_height = 32
frame_width = 32
"""


@pytest.fixture
def profiles(tmp_path):
    path = tmp_path / "profiles.json"
    path.write_text(json.dumps(PROFILES))
    return path


@pytest.mark.parametrize(
    ("model", "iso", "expected"),
    [
        ("One 1000D", 100, (1e-4, 1e-7)),
        ("acme one 1000d", 1600, (1.6e-3, 2e-6)),
        ("One 1000D", 250, (2.5e-4, 0.0)),  # (1e-7 − 1e-7) / 2; ISO 200 is marked as bad
        ("One 1000D", 400, (4e-4, 0.0)),  # a fit below 0
        ("One 1000D", 1000, (1e-3, 0.95e-6)),
        ("Other Twin", 100, (2e-4, 1e-7)),
    ],
)
def test_green_is_interpolated_between_listed_iso(profiles, model, iso, expected):
    assert read_noise_profile(profiles, model, iso) == pytest.approx(expected, rel=1e-9, abs=1e-15)


@pytest.mark.parametrize(
    ("model", "iso", "message"),
    [
        ("One 100D", 100, r"expected one of the 3 cameras of the file; did you mean Acme One 1000D\?"),
        ("Zzz", 100, "none has a similar name"),
        ("Twin", 100, "is ambiguous; say Acme Twin or Other Twin"),
        ("One 1000D", 80, "expected an ISO that is profiled, ISO 100 to 1600, got 80"),
        ("One 1000D", 3200, "ISO 100 to 1600, got 3200"),
    ],
)
def test_unknown_cameras_and_iso_are_named(profiles, model, iso, message):
    with pytest.raises(NoiseProfileError, match=message):
        read_noise_profile(profiles, model, iso)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is no JSON"),
        ("[" * 100_000, "is no JSON"),
        ("{}", "noiseprofiles: Field required"),
        ('{"noiseprofiles": [{"maker": "A", "models": [{"model": "M"}]}]}', r"models\.0\.profiles: Field required"),
        (
            json.dumps(PROFILES).replace("[0.0003, 0.0001, 0.0002]", "[0.1, 0.2]"),
            r"profiles\.0\.a: List should have at",
        ),
        (
            json.dumps(PROFILES).replace("[0.0003, 0.0001, 0.0002]", "[0.1, NaN, 0.2]"),
            r"a\.1: Input should be a finite",
        ),
    ],
)
def test_malformed_files_are_one_line(tmp_path, content, message):
    path = tmp_path / "profiles.json"
    path.write_text(content)
    with pytest.raises(NoiseProfileError, match=message) as caught:
        read_noise_profile(path, "One 1000D", 100)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(NoiseProfileError, match=r"none\.json: cannot be read"):
        read_noise_profile(tmp_path / "none.json", "One 1000D", 100)


def test_values_that_no_sensor_has_are_refused(tmp_path):
    path = tmp_path / "profiles.json"
    path.write_text(json.dumps(PROFILES).replace("0.0016", "-1"))
    with pytest.raises(NoiseProfileError, match=r"expected a in 0\.\.1"):
        read_noise_profile(path, "One 1000D", 1600)


def preview(recipe, out, *options, **variables):
    return CliRunner().invoke(main, ["build", str(recipe), "--out", str(out), "--dry-run", *options], env=variables)


@pytest.mark.slow
def test_a_recipe_takes_the_noise_of_a_camera(tmp_path, profiles):
    write_photographs(tmp_path / "photos", 1, height=240, width=260)
    recipe, other = tmp_path / "mine.toml", tmp_path / "other.json"
    recipe.write_text(RECIPE)
    other.write_text(json.dumps(PROFILES).replace("0.0016", "0.0032"))
    # What is stored and read again needs no file, and says where the numbers came from.
    preset = parse_recipe(read_recipe(recipe).model_dump(mode="json"), "stored").presets["mine"]
    assert preset.noise_origin == "darktable:One 1000D@1600"
    burst = sample_burst(preset, "00", photograph_size=(240, 260), height=32, width=32, scale=2)
    assert [frame.shot_noise for frame in burst.frames] == pytest.approx([1.6e-3] * len(burst.frames), rel=1e-6)
    assert [frame.read_noise for frame in burst.frames] == pytest.approx([2e-6] * len(burst.frames), rel=1e-6)
    assert read_recipe(recipe, noise_profiles=other).presets["mine"].shot_noise.value == pytest.approx(3.2e-3)
    assert preview(recipe, tmp_path / "out").exit_code == 0
    profiles.unlink()
    assert preview(recipe, tmp_path / "out", "--noise-profiles", str(other)).exit_code == 0
    assert preview(recipe, tmp_path / "out", BUIQA_NOISE_PROFILES=str(other)).exit_code == 0
    done = preview(recipe, tmp_path / "out")
    assert done.exit_code != 0
    assert "profiles.json: cannot be read" in done.output.replace("\n", "")


def test_a_profile_needs_a_file(tmp_path):
    recipe = tmp_path / "mine.toml"
    recipe.write_text(RECIPE.replace('noise_profiles = "profiles.json"', ""))
    with pytest.raises(NoiseProfileError, match="--noise-profiles"):
        read_recipe(recipe)
    preset = parse_recipe({"presets": {"mine": {"noise": "darktable:One 1000D@100"}}}, "x").presets["mine"]
    with pytest.raises(ValueError, match="has not been read yet"):
        sample_burst(preset, "00", photograph_size=(200, 200), height=32, width=32, scale=2)
