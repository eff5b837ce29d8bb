from pathlib import Path

import pytest

from dataset_builder.errors import MissingSourceError, RecipeError
from dataset_builder.recipe import parse_recipe, parse_splits, read_recipe
from dataset_builder.synthesis.source import PhotographSource

PHOTOGRAPHS = {"kind": "photographs", "name": "a", "root": "."}

KINDS = "photographs, scenes, folders, stacks, burstsr, synthetic_burst, hdrplus, kpn, photo_triage or spaq"


@pytest.mark.parametrize(
    "path",
    sorted(set(Path("recipes").glob("*.toml")) - {Path("recipes/assessor.toml"), Path("recipes/selector.toml")}),
    ids=lambda path: path.name,
)
def test_recipes_of_the_repository_are_valid(path):
    assert read_recipe(path).scenarios


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            {"sed": 1},
            (
                "sed: unknown key; did you mean seed? allowed are audit, name, noise_profiles, noise_redraws, presets, scenarios, seed, "
                "sources, splits"
            ),
        ),
        ({"seed": "1"}, "seed: expected a valid integer, got '1'"),
        ({"seed": -1}, "seed: expected greater than or equal to 0, got -1"),
        ({"sources": [{**PHOTOGRAPHS, "presset": "x"}]}, "sources[0].presset: unknown key; did you mean preset?"),
        (
            {"sources": [{**PHOTOGRAPHS, "preset": "nite"}]},
            "sources[0].preset: expected one of action, bracket, burst_sr, daylight, dbsr,",
        ),
        (
            {"sources": [{**PHOTOGRAPHS, "kind": "videos"}]},
            f"sources[0].kind: expected {KINDS}, got 'videos'",
        ),
        ({"sources": [{"name": "a", "root": "."}]}, f"sources[0].kind: is required; expected {KINDS}"),
        ({"sources": [{**PHOTOGRAPHS, "files": ["../secret.png"]}]}, "sources[0].files: '../secret.png' leaves root"),
        ({"sources": [{**PHOTOGRAPHS, "files": ["/etc/passwd"]}]}, "sources[0].files: '/etc/passwd' leaves root"),
        (
            {"sources": [{**PHOTOGRAPHS, "frame_height": 33}]},
            "sources[0].frame_height: expected a multiple of 2, got 33",
        ),
        ({"sources": [PHOTOGRAPHS, PHOTOGRAPHS]}, "sources: the name 'a' is used twice"),
        (
            {"scenarios": [{"name": "x", "estimators": ["shapely"]}]},
            "scenarios[0].estimators: expected one of leave_one_out,",
        ),
        (
            {"scenarios": [{"name": "x", "metrics": ["ssim2"]}]},
            "scenarios[0].metrics: expected one of default, lpips, mef_ssim, ms_ssim, mse_held_out, mse_unbiased, psnr, psnr_mu, ",
        ),
        ({"splits": {"train": 0.9}}, "splits: train + val + test: expected 1, got 1.1"),
        ({"splits": {"trian": 0.9}}, "splits.trian: unknown key; did you mean train?"),
    ],
)
def test_errors_name_the_key_and_the_allowed_values(data, message):
    with pytest.raises(RecipeError) as caught:
        parse_recipe(data, "my.toml")
    assert f"my.toml: {message}" in str(caught.value)


def test_unreadable_recipes(tmp_path):
    with pytest.raises(RecipeError, match="cannot be read"):
        read_recipe(tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_text("seed = = 1")
    with pytest.raises(RecipeError, match="not valid TOML"):
        read_recipe(tmp_path / "bad.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(RecipeError, match="not valid TOML"):
        read_recipe(tmp_path / "binary.toml")


def test_roots_are_relative_to_the_recipe_or_in_a_package(tmp_path):
    source = PhotographSource.model_validate(PHOTOGRAPHS)
    assert source.resolve_root(tmp_path) == tmp_path.resolve()
    packaged = source.model_copy(update={"root": "package:skimage/data"})
    assert (packaged.resolve_root(tmp_path) / "astronaut.png").is_file()
    for root, message in (("nowhere", "no folder"), ("package:no_such_package/data", "is not installed")):
        with pytest.raises(MissingSourceError, match=message):
            source.model_copy(update={"root": root}).resolve_root(tmp_path)


def test_shares_on_the_command_line_leave_the_rest_to_train():
    assert parse_splits(val=0.1, test=0.2, salt="x").train == pytest.approx(0.7)
    with pytest.raises(RecipeError, match="splits"):
        parse_splits(val=0.9, test=0.2, salt="x")
