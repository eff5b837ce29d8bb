"""The same networks on what people prefer: series in the layout of Photo Triage, in which the sharper photograph wins."""

from __future__ import annotations

import itertools
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from assessors import InputProvider, evaluate, load_targets, predict
from assessors.fitting import fit_assessor
from assessors.predictions import check_predictions
from assessors.recipe import TrainingRecipe
from benchmarks.stand_ins.photo_triage import write_photo_triage
from dataset_builder.build import add_source
from dataset_builder.recipe import parse_source
from tests.photographs import make_photograph

pytestmark = pytest.mark.slow  # a data set is made
SCENARIO = "subjective/photo_triage"
SIZES = {
    "buiqa": {"width": 4, "prompt_width": 4, "token": 8, "attention_heads": 2},
    # The first photograph of a series is no better than the others.
    "memory": {"width": 4, "words": 6, "reference": "none"},
    "multitask": {"width": 4, "token": 8, "attention_heads": 2},
}


def write_series(root: Path, train: int, val: int) -> Path:
    """Series of three photographs of one scene, blurred the more the less they are liked."""
    folder = root / "in"
    numbers = [(number, 3) for number in range(1, train + val + 1)]
    scores = write_photo_triage(folder, train=numbers[:train], val=numbers[train:], seed=3)
    for number, values in scores.items():
        scene = make_photograph(40, 60, seed=number)
        for photo, rank in enumerate((-values).argsort().argsort()):
            blurred = scene if rank == 0 else cv2.GaussianBlur(scene, (0, 0), 1.2 * rank)
            Image.fromarray(blurred).save(folder / f"train_val_imgs/{number:06d}-{photo + 1:02d}.JPG", quality=95)
    votes = {"votes_per_pair": 50.0, "min_preference": 0.5}
    add_source(root / "out", parse_source(name="triage", kind="photo_triage", root=str(folder), **votes))
    return root / "out"


def train(root: Path, kind: str, cache: Path, **training: float):
    settings = {"batch": 4, "frames": None, "window": 20, "dropout": 0.0, **training}
    recipe = TrainingRecipe.model_validate(
        {
            "dataset": "out",
            "name": "liked",
            "kind": kind,
            "metric": "preference",
            kind: SIZES[kind],
            "training": settings,
        }
    )
    return fit_assessor(recipe, base=root, cache=cache)


def judge(root: Path, model, cache: Path) -> dict[str, float]:
    targets = load_targets(root / "out", "val", metric="preference")
    [table] = predict([model], InputProvider(root / "out", "val", cache=cache), [SCENARIO])
    entrant = check_predictions(table, targets, name="liked", place="here")
    found = {one.measure: one.value for one in evaluate(targets, [entrant])}
    # Pairs in the order of the labels, counted one by one.
    won = []
    for burst in targets.bursts:
        rows = targets.rows(int(burst))
        values, errors, scores = (
            each[rows] for each in (targets.labels.values[0], targets.labels.errors[0], entrant.scores[0])
        )
        clear = [
            (scores[i] > scores[j]) == (values[i] > values[j])
            for i, j in itertools.combinations(range(len(values)), 2)
            if abs(values[i] - values[j]) > np.hypot(errors[i], errors[j])
        ]
        won += [np.mean(clear)] if clear else []
    assert found.get("pairwise", -1.0) == pytest.approx(np.mean(won) if won else -1.0)
    return found


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("triage")
    write_series(root, 2, 1)
    return root


@pytest.mark.parametrize("kind", sorted(SIZES))
def test_networks_train_on_preferences(few: Path, kind: str) -> None:
    model = train(few, kind, few / "cache", steps=2, every=1)
    assert model.info.scenarios == (SCENARIO,)
    assert not model.info.signed  # that a photograph is not liked best does not make it harmful
    assert "spearman" in judge(few, model, few / "cache")


@pytest.mark.parametrize("kind", sorted(SIZES))
def test_what_people_prefer_is_learnt(tmp_path: Path, kind: str) -> None:
    write_series(tmp_path, 16, 8)
    model = train(tmp_path, kind, tmp_path / "cache", steps=100, every=25, batch=8, rate=5e-3)
    assert judge(tmp_path, model, tmp_path / "cache")["pairwise"] > 0.7
