"""Trained assessors: invariance, masks, resumed training, files and what is wrong with them, the command line."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from assessors import create_assessor, load_targets
from assessors.baselines.boosting import fit_boosting
from assessors.boosting import BoostingSettings
from assessors.errors import InvalidAssessorError
from assessors.examples import Examples, collect_examples, scale_worth
from assessors.features import measure_frames
from assessors.inputs import make_inputs
from assessors.model_files import ModelHeader, save_model
from assessors.networks.set_network import SetAssessor, SetNetwork, SetNetworkSettings
from assessors.networks.threads import one_thread
from assessors.provider import InputProvider
from assessors.training import TrainingSettings, train_network
from dataset_builder.cli.main import main
from restorers.burst import Burst
from tests.synthetic import make_burst

SIZES = SetNetworkSettings(width=16, blocks=1, attention_heads=2)
SHORT = TrainingSettings(steps=12, batch=4, every=3, seed=3)


@pytest.fixture(scope="module")
def burst() -> Burst:
    return make_burst(height=32, width=32, num_frames=4, max_shift=2).burst


@pytest.fixture(scope="module")
def names(burst: Burst) -> tuple[str, ...]:
    return measure_frames(make_inputs(burst))[0]


def make_examples(names: tuple[str, ...], count: int, seed: int) -> Examples:
    """Bursts of several lengths; the worth of a frame is its third feature, less the mean of the burst's."""
    rng = np.random.default_rng(seed)
    features = tuple(
        rng.standard_normal((int(size), len(names))).astype(np.float32) for size in rng.integers(4, 9, count)
    )
    worth = [np.stack([table[:, 2] - table[:, 2].mean(), -table[:, 5]]).astype(np.float64) for table in features]
    for one in worth:
        one[:, 0] = np.nan
    heads = (("denoise/mean", "leave_one_out"), ("denoise/nlm", "solo"))
    return Examples(names, features, tuple(worth), tuple(np.ones((count, 2))), np.arange(count), heads)


def train(names: tuple[str, ...], **changes: Any) -> SetAssessor:
    examples, validation = make_examples(names, 24, 0), make_examples(names, 8, 1)
    arguments = {"settings": SHORT, "sizes": SIZES, "name": "set", "metric": "psnr", **changes}
    return train_network(examples, validation, **arguments)


# ------------------------------------------------------------------------------------------------------------- network


def test_frames_are_a_set_and_padding_is_not_seen() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = SetNetwork(7, 3, SIZES).eval()
        features = torch.randn(2, 6, 7)
    mask = torch.tensor([[True] * 6, [True] * 4 + [False] * 2])
    with torch.inference_mode(), one_thread():
        scores = network(features, mask)
        assert scores.shape == (2, 3, 6)
        order = torch.tensor([3, 0, 5, 1, 4, 2])
        torch.testing.assert_close(
            network(features[:, order], mask[:, order])[0], scores[0][:, order], rtol=1e-4, atol=1e-5
        )
        other = features.clone()
        other[1, 4:] = 1e3
        torch.testing.assert_close(network(other, mask)[1, :, :4], scores[1, :, :4], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(network(features[1:, :4], mask[1:, :4])[0], scores[1, :, :4], rtol=1e-4, atol=1e-5)
    assert not torch.allclose(scores[:, 0], scores[:, 1])  # tasks differ


@pytest.mark.slow
def test_it_learns_and_keeps_the_best(names: tuple[str, ...]) -> None:
    seen: list[dict] = []
    settings = TrainingSettings(steps=60, batch=16, every=15, rate=0.01, dropout=0.0)
    model = train(names, settings=settings, watch=lambda figures: seen.append(dict(figures)))
    assert [one["step"] for one in seen] == [15, 30, 45, 60]
    best = max(one["spearman"] for one in seen)
    assert best > seen[0]["spearman"]
    assert best > 0.5
    assert seen[int(np.argmax([one["spearman"] for one in seen]))]["step"] == model.header.training["best_step"]
    assert model.info.scenarios == ("denoise/mean", "denoise/nlm")
    assert model.info.signed


def test_resumed_training_ends_as_uninterrupted_one(names: tuple[str, ...], tmp_path: Path) -> None:
    whole = train(names).to_arrays()
    again = train(names).to_arrays()
    checkpoint = tmp_path / "checkpoint.safetensors"
    train(names, checkpoint=checkpoint, stop_after=7)  # in between: goes on from step 6
    resumed = train(names, checkpoint=checkpoint).to_arrays()
    for key, value in whole.items():
        np.testing.assert_array_equal(again[key], value)
        np.testing.assert_array_equal(resumed[key], value, err_msg=key)
    with pytest.raises(InvalidAssessorError, match="is of another training"):
        train(names, checkpoint=checkpoint, settings=replace(SHORT, seed=4))
    checkpoint.write_bytes(checkpoint.read_bytes()[:50])
    with pytest.raises(InvalidAssessorError, match="a damaged checkpoint"):
        train(names, checkpoint=checkpoint)


def test_nothing_to_learn_from(names: tuple[str, ...]) -> None:
    examples = make_examples(names, 4, 0)
    empty = replace(examples, worth=tuple(one * np.nan for one in examples.worth))
    with pytest.raises(ValueError, match="none of the bursts has a label"):
        train_network(empty, examples, SHORT, SIZES, name="x", metric="psnr")
    with pytest.raises(ValueError, match="expected the features"):
        train_network(examples, replace(examples, names=names[1:]), SHORT, SIZES, name="x", metric="psnr")


# ---------------------------------------------------------------------------------------------------------- examples


def test_worth_is_relative_to_the_burst_and_keeps_its_sign() -> None:
    values, errors = np.array([np.nan, 3.0, -1.0, 2.0]), np.full(4, 0.5)
    worth, trust = scale_worth(values, errors, signed=True)
    np.testing.assert_allclose(worth, values / np.sqrt(14 / 3))
    assert trust == pytest.approx((14 / 3 - 0.25) / (14 / 3))
    centred, _ = scale_worth(values, errors, signed=False)
    assert np.nanmean(centred) == pytest.approx(0)
    assert scale_worth(values, errors * 100, signed=True)[1] == 0
    nothing, trust = scale_worth(np.zeros(3), errors[:3], signed=True)
    assert (nothing.tolist(), trust) == ([0, 0, 0], 0)
    assert scale_worth(values * np.nan, errors, signed=True)[1] == 0


def test_examples_of_a_data_set(tiny_original: Path, tmp_path: Path) -> None:
    targets = load_targets(tiny_original, "train", scenarios=["denoise/mean"], estimator=["leave_one_out", "add_one"])
    provider = InputProvider(tiny_original, "all", cache=tmp_path)
    examples = collect_examples(targets, provider)
    assert [len(one) for one in examples.features] == [3, 2, 3, 4]
    assert [one.shape for one in examples.worth] == [(2, 3), (2, 2), (2, 3), (2, 4)]
    assert len(set(examples.scenes)) == 3
    expected, _ = measure_frames(provider[2])
    assert examples.names == expected
    np.testing.assert_array_equal(examples.features[2], measure_frames(provider[2])[1])


def test_labels_that_are_all_uncertain_are_trusted_alike(tiny_original: Path, tmp_path: Path) -> None:
    targets = load_targets(tiny_original, "train", scenarios=["denoise/mean"], estimator=["leave_one_out", "add_one"])
    errors = targets.labels.errors.copy()
    errors[0] = 100.0
    uncertain = replace(targets, labels=replace(targets.labels, errors=errors))
    provider = InputProvider(tiny_original, "all", cache=tmp_path)
    usual, found = (np.array(collect_examples(each, provider).trust) for each in (targets, uncertain))
    assert not np.array_equal(usual[:, 0], np.ones(4))
    labelled = [np.isfinite(targets.labels.values[0][targets.rows(int(burst))]).any() for burst in targets.bursts]
    np.testing.assert_array_equal(found[:, 0], labelled)
    np.testing.assert_array_equal(found[:, 1], usual[:, 1])


# -------------------------------------------------------------------------------------------------------------- files


def save(path: Path, model: Any) -> Path:
    save_model(path, model.header, model.to_arrays())
    return path


def test_models_come_back_from_their_files(names: tuple[str, ...], burst: Burst, tmp_path: Path) -> None:
    examples = make_examples(names, 40, 0)
    inputs = make_inputs(burst)
    trees = fit_boosting(examples, BoostingSettings(trees=5, least=2), name="trees", metric="psnr")
    for model in (train(names), trees):
        path = save(tmp_path / f"{model.header.kind}.safetensors", model)
        assert path.read_bytes() == save(tmp_path / "again.safetensors", model).read_bytes()
        loaded = create_assessor(str(path))
        assert loaded.info == model.info
        for scenario in ("denoise/mean", "denoise/nlm"):
            np.testing.assert_array_equal(loaded.score(inputs, scenario), model.score(inputs, scenario))
        with pytest.raises(KeyError):
            loaded.score(inputs, "sr/other")


def test_files_that_are_no_models(names: tuple[str, ...], tmp_path: Path) -> None:
    trees = fit_boosting(make_examples(names, 10, 0), BoostingSettings(trees=2, least=2), name="t", metric="psnr")
    arrays, header = trees.to_arrays(), trees.header
    good = save(tmp_path / "good.safetensors", trees)
    cases = {
        "cannot be read": tmp_path / "gone.safetensors",
        "or damaged": tmp_path / "cut.safetensors",
        "expected versions": tmp_path / "old.safetensors",
        "of kind 'oracle'": tmp_path / "kind.safetensors",
        "do not fit its header": tmp_path / "few.safetensors",
        "trees of head 0": tmp_path / "wide.safetensors",
    }
    cases["or damaged"].write_bytes(good.read_bytes()[:-7])
    save_model(cases["expected versions"], replace(header, features_version="0"), arrays)
    save_model(cases["of kind 'oracle'"], replace(header, kind="oracle"), arrays)
    save_model(cases["do not fit its header"], header, {"means": arrays["means"]})
    save_model(cases["trees of head 0"], replace(header, features=names[:1]), arrays)
    for message, path in cases.items():
        with pytest.raises(InvalidAssessorError, match=message):
            create_assessor(str(path))
    network = replace(header, kind="set_network", settings={"width": 16, "blocks": 1, "attention_heads": 2})
    save_model(tmp_path / "net.safetensors", network, arrays)
    with pytest.raises(InvalidAssessorError, match="do not fit its header"):
        create_assessor(str(tmp_path / "net.safetensors"))
    assert isinstance(header, ModelHeader)


# -------------------------------------------------------------------------------------------------------- command line


RECIPE = """
dataset = "{root}"
name = "mine"
kind = "{kind}"
estimators = ["leave_one_out"]
scenarios = ["denoise/mean"]
train = "train"
validation = "test"

[network]
width = 16
blocks = 1
attention_heads = 2

[training]
steps = 4
every = 2

[boosting]
trees = 3
least = 1.0
"""


@pytest.mark.parametrize("kind", ["set_network", "boosting"])
def test_train_then_evaluate(tiny_original: Path, tmp_path: Path, kind: str) -> None:
    recipe, model, cache = tmp_path / "recipe.toml", tmp_path / "model.safetensors", tmp_path / "cache"
    recipe.write_text(RECIPE.format(root=tiny_original, kind=kind))
    done = CliRunner().invoke(main, ["train", str(recipe), "--out", str(model), "--cache", str(cache)])
    assert done.exit_code == 0, done.output
    assert f"mine ({kind}) in {model}" in done.output
    arguments = [
        "evaluate",
        str(tiny_original),
        "--model",
        str(model),
        "--split",
        "all",
        "--estimator",
        "leave_one_out",
    ]
    told = CliRunner().invoke(main, [*arguments, "--json", "--cache", str(cache)])
    assert told.exit_code == 0, told.output
    assert {row["entrant"] for row in json.loads(told.output)["results"]} == {"mine"}
    assert {row["scenario"] for row in json.loads(told.output)["results"]} == {"denoise/mean"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("kind = ", "kid = "), "kid"),
        (('"boosting"', '"forest"'), "kind"),
        (("width = 16", "width = 0"), "width"),
        (('name = "mine"', "name = 3"), "name"),
        (("dataset", "= dataset"), "TOML"),
        (('validation = "test"', 'validation = "val"'), "split 'val' has no bursts"),
        (('validation = "test"', 'validation = "train"'), "expected another split than train"),
        (('validation = "test"', 'validation = "all"'), "3 scenes are in 'train', too"),
    ],
)
def test_recipes_that_cannot_be_followed(
    tiny_original: Path, tmp_path: Path, change: tuple[str, str], message: str
) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(RECIPE.format(root=tiny_original, kind="boosting").replace(*change))
    done = CliRunner().invoke(
        main, ["train", str(recipe), "--out", str(tmp_path / "m.safetensors"), "--cache", str(tmp_path)]
    )
    assert done.exit_code == 1
    assert message in done.output
    assert len(done.output.strip().splitlines()) <= 2
    assert not (tmp_path / "m.safetensors").exists()
