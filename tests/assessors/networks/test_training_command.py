"""`buiqa train` with networks that see pixels, from recipe to evaluation."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from assessors.errors import TrainingRecipeError
from assessors.recipe import read_training_recipe
from dataset_builder.cli.main import main

RECIPE = """
dataset = "{root}"
name = "mine"
kind = "{kind}"
scenarios = ["denoise/mean", "denoise/nlm"]
train = "train"
validation = "test"

[{kind}]
{sizes}

[training]
steps = 2
every = 1
batch = 2
window = 8
frames = 2
"""
SIZES = {
    "buiqa": "width = 4\nprompt_width = 4\ntoken = 8\nattention_heads = 2",
    "memory": 'width = 4\nwords = 4\nreference = "truth"',
    "multitask": 'width = 4\ntoken = 8\nattention_heads = 2\nfacts = "measured"',
}


@pytest.mark.parametrize(
    "kind", ["buiqa", *(pytest.param(kind, marks=pytest.mark.slow) for kind in SIZES if kind != "buiqa")]
)
def test_train_then_evaluate(tiny_original: Path, tmp_path: Path, kind: str) -> None:
    recipe, model, cache = tmp_path / "recipe.toml", tmp_path / "model.safetensors", tmp_path / "cache"
    recipe.write_text(RECIPE.format(root=tiny_original, kind=kind, sizes=SIZES[kind]))
    done = CliRunner().invoke(main, ["train", str(recipe), "--out", str(model), "--cache", str(cache)])
    assert done.exit_code == 0, done.output
    assert f"mine ({kind}) in {model}" in done.output
    rows = model.with_suffix(".csv").read_text().splitlines()
    assert rows[0] == "step,loss,added,spearman"
    assert len(rows) == 3
    arguments = ["evaluate", str(tiny_original), "--model", str(model), "--split", "all", "--estimator", "solo"]
    told = CliRunner().invoke(main, [*arguments, "--json", "--cache", str(cache)])
    assert told.exit_code == 0, told.output
    results = json.loads(told.output)["results"]
    assert {(row["entrant"], row["scenario"]) for row in results} == {("mine", "denoise/nlm")}


@pytest.mark.parametrize(
    ("kind", "line", "message"),
    [
        ("buiqa", "token = 10", "expected a divisor of the width 10, got 4"),
        ("buiqa", 'backbone = "vgg"', "buiqa.backbone"),
        ("memory", 'reference = "other"', "memory.reference"),
        ("multitask", "width = 6", "multitask.width"),
        ("multitask", "layers = 3", "multitask.layers"),
    ],
)
def test_recipes_that_cannot_be(tmp_path: Path, kind: str, line: str, message: str) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(f'dataset = "x"\nname = "x"\nkind = "{kind}"\n[{kind}]\n{line}\n')
    with pytest.raises(TrainingRecipeError, match=message):
        read_training_recipe(recipe)
