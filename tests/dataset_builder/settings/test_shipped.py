"""Recipes are found by path and by name."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from dataset_builder.cli.main import main
from dataset_builder.errors import RecipeError
from dataset_builder.settings.shipped import find_recipe, list_recipes
from tests.places import ROOT


def test_those_of_the_checkout_have_names() -> None:
    assert list_recipes() == sorted(path.stem for path in (ROOT / "recipes").iterdir())
    for name in list_recipes():
        assert find_recipe(Path(name)) == ROOT / "recipes" / f"{name}.toml"


def test_a_file_of_that_name_goes_first_and_a_folder_does_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("demo").mkdir()  # as `buiqa build demo --out demo` leaves it
    assert find_recipe(Path("demo")) == ROOT / "recipes" / "demo.toml"
    Path("demo").rmdir()
    Path("demo").write_text("")
    assert find_recipe(Path("demo")) == Path("demo")


@pytest.mark.parametrize("path", ["nowhere/demo", "demo.toml", "/demo", "./nowhere/demo.toml"])
def test_paths_are_no_names(path: str) -> None:
    assert find_recipe(Path(path)) == Path(path)


def test_an_unknown_name_is_told_what_comes_close() -> None:
    with pytest.raises(
        RecipeError, match=r"demp: no such file, and no recipe .*; did you mean demo\? they are assessor, ben"
    ):
        find_recipe(Path("demp"))
    with pytest.raises(RecipeError, match="toolkit; they are"):
        find_recipe(Path("zzz"))


def test_commands_take_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    planned = CliRunner().invoke(main, ["build", "demo", "--out", "demo", "--dry-run"])
    assert planned.exit_code == 0, planned.output
    assert "32" in planned.output
    for command in (["build", "lerned", "--out", "x"], ["train", "lerned", "--out", "x.safetensors"]):
        refused = CliRunner().invoke(main, command)
        assert refused.exit_code == 1
        assert "did you mean learned?" in refused.output
