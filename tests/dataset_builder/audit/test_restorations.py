"""Bursts restored for the report: their numbers are those of the labels and of brute force; results are reused and failures contained."""

import itertools
import shutil

import cv2
import numpy as np
import pandas as pd
import pytest

from dataset_builder.audit.restorations import WINDOW, choose_window, read_restorations, restore_sample
from dataset_builder.audit.stage import restore_bursts, write_audit
from dataset_builder.build import build_dataset
from dataset_builder.labeling.game import FidelityGame, LabelingTask
from dataset_builder.labeling.units import BurstRows, read_bursts
from dataset_builder.recipe import parse_recipe
from dataset_builder.records.loading import load_burst, load_homographies, load_truth
from dataset_builder.work.local import LocalWorkers
from manifests.store import read_labels
from restorers import create
from restorers.fidelity import METRICS
from tests.photographs import write_photographs

SCENARIOS = ("denoise/mean", "sr/backprojection@x2")


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("restored")
    write_photographs(folder / "photos", 1, height=200, width=220)
    source = {"kind": "photographs", "name": "photos", "root": "photos", "bursts_per_photograph": 1}
    recipe = {
        "sources": [{**source, "frame_height": 32, "frame_width": 32}],
        "scenarios": [{"name": name} for name in SCENARIOS],
    }
    (folder / "recipe.toml").touch()
    build_dataset(folder / "recipe.toml", parse_recipe(recipe, "recipe"), folder / "data")
    return folder / "data"


def make_game(root, scenario):
    (rows,) = read_bursts(root).values()
    task = LabelingTask(
        load_burst(root, rows.burst, rows.frames),
        load_truth(root, rows.burst),
        rows.burst["scale"],
        load_homographies(rows.frames),
    )
    return FidelityGame(create(scenario), task, METRICS["psnr"])


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_leaving_a_frame_out_costs_what_its_label_says(built, scenario):
    rows = read_restorations(built)
    rows = rows[rows["scenario"] == scenario].set_index("guide")
    labels = read_labels(built, [scenario]).to_pandas()
    labels = labels[(labels["estimator"] == "leave_one_out") & (labels["metric"] == "psnr")].set_index("frame_index")[
        "score"
    ]
    whole = rows.loc["all", "fidelity"]
    for name, score in (("without best", labels.max()), ("without worst", labels.min())):
        assert whole - rows.loc[name, "fidelity"] == pytest.approx(score, abs=1e-6)
        assert labels[rows.loc[name, "left_out"]] == pytest.approx(score)


def test_the_perfect_selector_is_that_of_brute_force(built):
    game = make_game(built, "denoise/mean")
    rows = read_restorations(built)
    rows = rows[(rows["scenario"] == "denoise/mean") & (rows["guide"] == "oracle")]
    for row in rows[rows["kept"] <= 2].to_dict("records"):
        expected = [game.value(frozenset(chosen)) for chosen in itertools.combinations(game.others, row["kept"])]
        assert row["fidelity"] == pytest.approx(max(expected), abs=1e-6)
    freest = rows.set_index("policy")["fidelity"]
    assert freest["drop_harmful"] >= freest.max() - 1e-9


def test_no_selector_beats_the_perfect_one(built):
    rows = read_restorations(built)
    mine = rows[(rows["scenario"] == "denoise/mean") & (rows["policy"] != "")]
    table = mine.pivot_table(index="policy", columns="guide", values="fidelity")
    for name in ("labels", "random", "first"):
        assert (table["oracle"] >= table[name].fillna(-np.inf) - 1e-9).all()


class Idle:
    """Workers who must have nothing to do."""

    def run(self, units, _root):
        assert list(units) == []
        return iter(())


def test_what_is_still_true_is_not_restored_again(built, tmp_path):
    root = shutil.copytree(built, tmp_path / "copy")
    path = root / "audit" / "restorations.parquet"
    before = path.read_bytes()
    assert restore_bursts(root, workers=Idle()) == []
    assert path.read_bytes() == before


@pytest.mark.slow
def test_bursts_of_equal_content_have_their_rows_each(built, tmp_path):
    root = shutil.copytree(built, tmp_path / "copy")
    ((name, rows),) = read_bursts(root).items()
    labels = read_labels(root, [SCENARIOS[0]]).to_pandas()
    labels = labels[labels["estimator"] == "leave_one_out"]
    sets = labels[["scenario", "estimator", "metric"]].drop_duplicates()
    twins = {each: BurstRows({**rows.burst, "burst_id": each}, rows.frames) for each in (name, "twin")}
    both = pd.concat([labels, labels.assign(burst_id="twin")])
    for workers in (LocalWorkers(1), Idle()):
        assert restore_sample(root, twins, sets, both, workers=workers) == []
        counts = read_restorations(root)["burst_id"].value_counts()
        assert counts[name] == counts["twin"] > 0


@pytest.mark.slow
def test_made_anew_the_bytes_are_the_same(built, tmp_path):
    root = shutil.copytree(built, tmp_path / "copy")
    path = root / "audit" / "restorations.parquet"
    before = path.read_bytes()
    path.write_bytes(b"damaged")
    assert restore_bursts(root, workers=LocalWorkers(2)) == []
    assert path.read_bytes() == before


def test_a_restorer_that_is_gone_is_remarked_and_the_audit_goes_on(built, tmp_path, monkeypatch):
    root = shutil.copytree(built, tmp_path / "copy")
    (root / "audit" / "restorations.parquet").unlink()
    (root / "frames").rename(root / "gone")
    remarks = restore_bursts(root)
    assert len(remarks) == len(SCENARIOS)
    assert all("photos" in remark for remark in remarks)
    assert read_restorations(root).empty
    assert "gain" in str(write_audit(root).statistics.curves.columns.tolist())


def test_the_window_shows_where_images_differ():
    image = np.zeros((300, 400, 3))
    other = image.copy()
    cv2.circle(other, (350, 60), 8, (1.0, 1.0, 1.0), -1)
    rows, columns = choose_window(image, other)
    assert (rows.stop - rows.start, columns.stop - columns.start) == (WINDOW, WINDOW)
    assert rows.start <= 52
    assert rows.stop >= 68
    assert columns.start <= 342
    assert columns.stop >= 358
    assert choose_window(image[:20, :30], other[:20, :30]) == (slice(0, 20), slice(0, 30))
