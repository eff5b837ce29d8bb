"""A training of a few steps: the same every time, and the same when it was interrupted."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from safetensors import safe_open

from restorers.learned.trained import StackForm, TrainedRestorer
from restorers.learned.weights import read_weights
from restorers.trial import make_sample_burst
from tests.photographs import write_photographs
from tests.restorers.learned.networks import SMALL
from training.restorers import photographs as lists
from training.restorers.__main__ import main
from training.restorers.engine import Schedule, find_rate, train
from training.restorers.examples import list_examples, make_mixture, measure_errors
from training.restorers.recipes import RECIPES, TrainingRecipe

SCHEDULE = Schedule(validate_every=2, validation_bursts=2, validation_side=32)
RECIPE = TrainingRecipe(
    task="denoise",
    file="tiny",
    summary="tiny",
    paper="none",
    network="kernel_merge",
    sizes=SMALL["kernel_merge"],
    form=StackForm("planes"),
    presets={"handheld": 1.0, "night": 1.0},
    side=32,
    lengths=(2, 3),
    batch=3,
    fresh=1,
    cycles=(3, 1),
    warm_up=2,
)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = write_photographs(tmp_path_factory.mktemp("photographs"), 2)
    first, second = sorted(folder.iterdir())
    return {"train": (first,), "validation": (second,)}


class KilledError(Exception):
    """Stands for a process that ends."""


def test_training_is_deterministic_and_resumes_to_the_same_bytes(files, tmp_path):
    lines: list[str] = []
    whole, resumed = tmp_path / "whole.safetensors", tmp_path / "resumed.safetensors"
    assert train(RECIPE, files, tmp_path / "a", whole, schedule=SCHEDULE, report=lines.append)
    assert [line.split()[0] for line in lines] == ["2", "4"]

    def die(_line):
        raise KilledError

    with pytest.raises(KilledError):
        train(RECIPE, files, tmp_path / "b", resumed, schedule=SCHEDULE, report=die)
    # Time that is up before the first step leaves everything as it was.
    assert not train(RECIPE, files, tmp_path / "b", resumed, schedule=SCHEDULE, minutes=0)
    assert train(RECIPE, files, tmp_path / "b", resumed, schedule=SCHEDULE)
    assert resumed.read_bytes() == whole.read_bytes()
    states = [torch.load(tmp_path / name / "state.pt", weights_only=True) for name in "ab"]
    assert all(torch.equal(value, states[1]["network"][key]) for key, value in states[0]["network"].items())
    other = tmp_path / "other.safetensors"
    train(dataclasses.replace(RECIPE, seed=2, cycles=(2,)), files, tmp_path / "c", other, schedule=SCHEDULE)
    assert other.read_bytes() != whole.read_bytes()


def test_the_card_says_how_the_weights_came_to_be(files, tmp_path):
    path = tmp_path / "tiny.safetensors"
    train(dataclasses.replace(RECIPE, cycles=(2,)), files, tmp_path / "work", path, schedule=SCHEDULE)
    with safe_open(path, framework="pt") as file:
        card = json.loads(file.metadata()["card"])
    assert card["recipe"]["presets"] == dict(RECIPE.presets)
    assert card["recipe"]["seed"] == 1
    assert {"file", "collection", "license"} == card["trained_on"][0].keys()
    assert card["validation"]["step"] == 2
    restorer = TrainedRestorer(read_weights(path))
    burst = make_sample_burst(restorer.info, side=32)
    assert np.isfinite(restorer.restore(burst)).all()


@pytest.mark.parametrize("form", [StackForm("planes"), StackForm("samples", 1), StackForm("samples", 2)])
def test_the_wanted_image_is_what_frames_show_without_noise(files, form):
    recipe = dataclasses.replace(RECIPE, form=form, presets={"handheld": 1.0})
    for example in list_examples(recipe, make_mixture(recipe, files["train"], side=64), 2):
        stack = example.stack
        seen = stack.values[:1] / (stack.weights[:1] if form.form == "samples" else 1)
        if form.form == "samples":
            seen = torch.nn.functional.pixel_shuffle(seen, 2 * form.scale)
        assert seen.shape[1:] == example.wanted.shape
        error = float(measure_errors(seen, example.wanted[None], form))
        shifted = example.wanted.roll(3, -1)[None]
        assert error < float(measure_errors(seen, shifted, form))


def test_no_photograph_has_two_uses():
    uses = {use: {each.file for each in lists.list_photographs(use)} for use in ("train", "validation", "test")}
    assert not uses["train"] & uses["test"]
    assert not uses["train"] & uses["validation"]
    assert not uses["validation"] & uses["test"]
    everything = " ".join(set.union(*uses.values())).lower()
    assert "kodim" not in everything
    assert "mcm" not in everything


def test_photographs_that_are_missing_are_named(tmp_path):
    result = CliRunner().invoke(main, ["denoise/kpn", "--photographs", str(tmp_path), "--work", str(tmp_path)])
    assert result.exit_code == 1
    assert "photographs for train are not below" in result.output
    assert "lomiri-wallpapers-16.04" in result.output or "libjxl-testdata" in result.output


def test_photographs_are_found_at_any_depth(tmp_path):
    names = [each.file for each in lists.list_photographs("validation")]
    for number, name in enumerate(names):
        place = tmp_path / str(number)
        place.mkdir()
        (place / name).touch()
    found = lists.find_photographs("validation", [tmp_path])
    assert [path.name for path in found] == names


def test_recipes_are_of_their_scenarios():
    for name, recipe in RECIPES.items():
        assert name.startswith(f"{recipe.task}/")
        assert recipe.sizes.get("scale", 1) == recipe.form.scale
        assert recipe.fresh <= recipe.batch


def test_the_learning_rate_falls_and_rises_again():
    recipe = dataclasses.replace(RECIPE, cycles=(100, 50), warm_up=10, rate=1.0)
    rates = [find_rate(recipe, step) for step in range(recipe.steps)]
    assert rates[:2] == [0.1, 0.2]
    assert rates[10] == 1.0
    assert (np.diff(rates[10:100]) < 0).all()
    np.testing.assert_allclose(rates[55], 0.505)
    assert rates[99] < 0.012
    assert rates[100] == 0.6
    np.testing.assert_allclose(rates[125], 0.6 * 0.505)
