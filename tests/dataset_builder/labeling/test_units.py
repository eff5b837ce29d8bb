"""What fails of a burst's labels costs nothing else, and says why."""

import re
import shutil
from pathlib import Path

import pytest

from dataset_builder.bursts import build_bursts, plan_source
from dataset_builder.labeling.catalogue import read_catalogue
from dataset_builder.labeling.engine import build_labels, preview_stage
from dataset_builder.labeling.scenarios import ScenarioChoice, resolve_scenarios
from dataset_builder.labeling.units import read_bursts
from dataset_builder.recipe import parse_recipe
from dataset_builder.work.local import ONE_WORKER
from dataset_builder.work.report import no_progress
from manifests.schema import FRAMES
from manifests.store import labels_path, read_dataset_table, read_labels, table_path, write_table
from restorers import Domain, RestorerInfo
from restorers.errors import RestorationError
from tests.photographs import write_photographs

HERE = "tests.dataset_builder.labeling.test_units"
RECIPE = {
    "presets": {"few": {"base": "handheld", "num_frames": 3}, "more": {"base": "handheld", "num_frames": 5}},
    "sources": [
        {
            "kind": "photographs",
            "name": preset,
            "root": "photos",
            "preset": preset,
            "bursts_per_photograph": 1,
            "frame_height": 40,
            "frame_width": 40,
        }
        for preset in ("few", "more")
    ],
}


class NotFrom3:
    """The mean of all frames, unless frame 3 is the reference."""

    info = RestorerInfo("denoise", "1", frozenset({Domain.RAW_BAYER}), Domain.RAW_BAYER)

    def restore(self, burst):
        if burst.reference_index == 3:
            raise RestorationError("not from there")
        return burst.frames.mean(axis=0)


class NotAlone(NotFrom3):
    """The mean of at least two frames."""

    def restore(self, burst):
        if burst.num_frames == 1:
            raise RestorationError("not alone")
        return burst.frames.mean(axis=0)


@pytest.fixture(scope="module")
def bursts(tmp_path_factory):
    """A burst of 3 frames and one of 5, whose frame 2 lies far from all others."""
    folder = tmp_path_factory.mktemp("units")
    write_photographs(folder / "photos", 1, height=150, width=150)
    recipe = parse_recipe(RECIPE, "recipe")
    settings = {"seed": 1, "presets": recipe.presets, "workers": ONE_WORKER}
    plans = {each.name: plan_source(each, folder, folder / "set", **settings) for each in recipe.sources}
    build_bursts(folder / "set", plans, workers=ONE_WORKER, progress=no_progress)
    root = folder / "set"
    frames = read_dataset_table(root, "frames").to_pylist()
    for row in frames:
        if row["burst_id"] == find_burst(root, 5) and row["frame_index"] == 2:
            row["homography"] = [1.0, 0, 35, 0, 1, 0, 0, 0, 1]
    write_table(root, table_path("frames"), FRAMES, frames)
    return root


@pytest.fixture
def root(bursts, tmp_path):
    return Path(shutil.copytree(bursts, tmp_path / "set"))


def find_burst(root, num_frames):
    (found,) = (name for name, rows in read_bursts(root).items() if rows.burst["num_frames"] == num_frames)
    return found


def label(root, name, estimators, metrics=("psnr",)):
    choice = ScenarioChoice(name=name, estimators=estimators, metrics=metrics)
    return build_labels(root, resolve_scenarios([choice]), workers=ONE_WORKER, progress=no_progress)


def tabulate(root, name, num_frames):
    """Scores and reasons of a burst by estimator, or by estimator and metric."""
    table = read_labels(root, [name]).to_pandas()
    own = table[table.burst_id == find_burst(root, num_frames)]
    return {key: group.sort_values("frame_index") for key, group in own.groupby(["estimator", "metric"])}


def test_a_metric_that_needs_more_aligned_frames_costs_the_others_nothing(root):
    report = label(root, "denoise/mean", ("leave_one_out", "add_one"), ("psnr", "mse_held_out"))
    assert report.counts["created"] == 2
    assert report.counts["failed"] == 0
    assert {metric for _, metric in tabulate(root, "denoise/mean", 3)} == {
        "psnr"
    }  # three frames are known to be too few
    found = tabulate(root, "denoise/mean", 5)
    assert len(found) == 4
    reason = found["add_one", "mse_held_out"].reason.iloc[1].removeprefix("UnsupportedBurstError: ")
    assert re.fullmatch(r"mse_held_out: [0-2] of 4 frames can be aligned to the reference, needed are 3", reason)
    for estimator in ("leave_one_out", "add_one"):
        assert found[estimator, "psnr"].score.notna().tolist() == [False, True, True, True, True]
        assert found[estimator, "psnr"].reason.isna().all()
        missing = found[estimator, "mse_held_out"]
        assert missing.score.isna().all()
        assert missing.num_evaluations.tolist() == [0, 0, 0, 0, 0]
        assert missing.reason.fillna("").tolist() == ["", *[f"UnsupportedBurstError: {reason}"] * 4]
    own = [row for row in report.failures if row["burst_id"] == find_burst(root, 5)]
    assert [(row["estimator"], row["metric"], row["frame_index"]) for row in own] == [
        ("add_one", "mse_held_out", None),
        ("leave_one_out", "mse_held_out", None),
    ]
    assert {(row["error_type"], row["message"], row["source"]) for row in own} == {
        ("UnsupportedBurstError", reason, "more")
    }
    # What is impossible is not tried again, and said again all the same.
    again = label(root, "denoise/mean", ("leave_one_out", "add_one"), ("psnr", "mse_held_out"))
    assert again.counts["reused"] == 2
    assert again.failures == report.failures


def test_labels_do_not_depend_on_what_was_asked_for_first(root, tmp_path):
    other = Path(shutil.copytree(root, tmp_path / "other"))
    label(root, "denoise/mean", ("leave_one_out",), ("psnr", "mse_held_out"))
    for metric in ("mse_held_out", "psnr"):
        label(other, "denoise/mean", ("leave_one_out",), (metric,))
    assert read_labels(root).equals(read_labels(other))


def test_an_outlier_has_no_score_as_reference_and_the_others_have_theirs(root):
    report = label(root, "denoise/mean", ("leave_one_out", "as_reference", "solo"))
    found = tabulate(root, "denoise/mean", 5)
    assert found["leave_one_out", "psnr"].score.notna().tolist() == [False, True, True, True, True]
    for estimator in ("as_reference", "solo"):
        rows = found[estimator, "psnr"]
        assert rows.score.notna().tolist() == [True, True, False, True, True]
        assert rows["rank"].dropna().sort_values().tolist() == [1, 2, 3, 4]
        assert rows.reason.iloc[2].startswith("UnsupportedBurstError: frame 2: shows too little")
        assert rows.reason.isna().sum() == 4
    assert [(row["estimator"], row["frame_index"]) for row in report.failures] == [("as_reference", 2), ("solo", 2)]


def test_a_frame_that_fails_is_tried_again_and_one_that_cannot_be_is_not(root):
    name = f"{HERE}:NotFrom3"
    first = label(root, name, ("as_reference", "leave_one_out"))
    rows = tabulate(root, name, 5)["as_reference", "psnr"]
    assert rows.score.notna().tolist() == [True, True, False, False, True]
    assert rows.reason.iloc[3] == "RestorationError: not from there"
    assert tabulate(root, name, 5)["leave_one_out", "psnr"].score.notna().sum() == 4
    before = (root / labels_path(name)).read_bytes()
    choice = ScenarioChoice(name=name, estimators=("as_reference", "leave_one_out"), metrics=("psnr",))
    assert preview_stage(root, resolve_scenarios([choice]), read_catalogue(root)).counts["rebuilt"] == 1
    again = label(root, name, ("as_reference", "leave_one_out"))
    assert (again.counts["rebuilt"], again.counts["reused"]) == (1, 1)
    assert again.failures == first.failures
    assert (root / labels_path(name)).read_bytes() == before


def test_an_estimator_that_fails_leaves_no_rows_and_the_others_have_theirs(root):
    name = f"{HERE}:NotAlone"
    report = label(root, name, ("add_one", "leave_one_out", "solo"))
    assert sorted(tabulate(root, name, 3)) == [("leave_one_out", "psnr")]
    assert report.counts["created"] == 2
    assert {(row["estimator"], row["error_type"], row["message"], row["frame_index"]) for row in report.failures} == {
        (estimator, "RestorationError", "not alone", None) for estimator in ("add_one", "solo")
    }
    assert label(root, name, ("add_one", "leave_one_out", "solo")).counts["failed"] == 2
