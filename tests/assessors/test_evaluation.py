"""The protocol on a tiny data set: predictions that fit or not, perfect and reversed scores, intervals, ceiling, command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from scipy import stats

from assessors import Entrant, Targets, evaluate, load_targets, read_predictions, write_predictions
from assessors.errors import PredictionError
from assessors.evaluation import AGAIN, ALL, average_scenarios
from dataset_builder.cli.main import main
from manifests.errors import SelectionError
from manifests.schema import BURSTS, RELIABILITY
from manifests.store import read_dataset_table, read_labels, table_path, write_table

MEAN = {"scenarios": ["denoise/mean"], "estimator": "leave_one_out"}


@pytest.fixture
def targets(tiny_original: Path) -> Targets:
    return load_targets(tiny_original, "all", **MEAN)


def predict_labels(root: Path, change: Callable[[float], float] = float) -> pa.Table:
    """The labels themselves as predictions, changed somehow."""
    rows = [
        {
            "burst_id": row["burst_id"],
            "frame_index": row["frame_index"],
            "scenario": row["scenario"],
            "score": change(row["score"] or 0),
        }
        for row in read_labels(root, ["denoise/mean"]).to_pylist()
        if row["estimator"] == "leave_one_out"
    ]
    return pa.Table.from_pylist(rows)


def write(path: Path, table: pa.Table) -> Path:
    pq.write_table(table, path)
    return path


def find(results: list, entrant: str, measure: str, preset: str = ALL) -> float:
    (value,) = [one.value for one in results if (one.entrant, one.measure, one.preset) == (entrant, measure, preset)]
    return value


# -------------------------------------------------------------------------------------------------------- predictions


def test_predictions_come_back_as_they_were_written(tiny_original: Path, targets: Targets, tmp_path: Path) -> None:
    table = predict_labels(tiny_original)
    shuffled = table.take(pa.array(np.random.default_rng(0).permutation(len(table))))
    write_predictions(tmp_path / "one.parquet", shuffled)
    assert pq.read_table(tmp_path / "one.parquet")["score"].to_pylist() == table["score"].to_pylist()
    entrant = read_predictions(tmp_path / "one.parquet", targets)
    assert entrant.name == "one"
    known = np.isfinite(targets.labels.values[0])
    np.testing.assert_allclose(entrant.scores[0, known], targets.labels.values[0, known])
    # As other tools write them: texts as codes, other widths, more columns, more scenarios.
    other = table.set_column(2, "scenario", table["scenario"].dictionary_encode()).set_column(
        3, "score", table["score"].cast(pa.float32())
    )
    other = other.append_column("remark", pa.array(["x"] * len(other)))
    np.testing.assert_allclose(
        read_predictions(write(tmp_path / "two.parquet", other), targets).scores, entrant.scores, rtol=1e-6
    )


def set_score(table: pa.Table, row: int, value: float | None) -> pa.Table:
    scores = table["score"].to_pylist()
    scores[row] = value
    return table.set_column(3, "score", pa.array(scores, pa.float64()))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop_columns(["score"]), "expected columns burst_id, frame_index, scenario, score; score missing"),
        (lambda t: set_score(t, 2, np.nan), "1 scores are NaN or infinite, the first of burst_id=tiny-1, frame"),
        (lambda t: set_score(t, 2, np.inf), "1 scores are NaN or infinite"),
        (lambda t: set_score(t, 2, None), "column score: 1 values are missing"),
        (lambda t: pa.concat_tables([t, t.slice(3, 2)]), "2 rows repeat a frame and scenario, the first burst_id=tiny-1, frame_index=1"),
        (lambda t: t.slice(0, 7), r"\d labelled frames of denoise/mean have no prediction, the first frame \d of burst tiny-2"),
        (lambda t: t.set_column(0, "burst_id", pa.array(["x"] * len(t))), "is of another data set: 1 bursts are not in .*, such as x"),
        (lambda t: t.set_column(0, "burst_id", pa.array(["x", *t["burst_id"].to_pylist()[1:]])), "has bursts of another one: 1 bursts"),
        (lambda t: t.set_column(1, "frame_index", pa.array([9] * 13)), "burst_id=tiny-0, frame_index=9, .*: expected a frame below 2"),
        (lambda t: t.set_column(1, "frame_index", pa.array(["a"] * 13)), "column frame_index: expected int32, got string"),
        (lambda t: t.set_column(2, "scenario", pa.array(["sr/x"] * len(t))), "no scenario that is .*: expected denoise/mean, got"),
        (lambda t: t.slice(0, 0), "no scenario that is evaluated has predictions"),
    ],
)  # fmt: skip
def test_predictions_that_do_not_fit(
    tiny_original: Path, targets: Targets, tmp_path: Path, change: Callable[[pa.Table], pa.Table], message: str
) -> None:
    path = write(tmp_path / "p.parquet", change(predict_labels(tiny_original)))
    with pytest.raises(PredictionError, match=f"p.parquet: {message}"):
        read_predictions(path, targets)


def test_what_is_no_file_of_predictions(targets: Targets, tmp_path: Path) -> None:
    (tmp_path / "text.parquet").write_text("burst_id")
    for name in ("text.parquet", "gone.parquet"):
        with pytest.raises(PredictionError, match=f"{name}: cannot be read as Parquet"):
            read_predictions(tmp_path / name, targets)


def test_other_splits_need_not_be_predicted(tiny_original: Path, tmp_path: Path) -> None:
    targets = load_targets(tiny_original, "test", **MEAN)
    table = predict_labels(tiny_original)
    only = table.filter(pa.compute.equal(table["burst_id"], "tiny-3"))
    assert np.isfinite(read_predictions(write(tmp_path / "p.parquet", only), targets).scores).sum() == 4


# --------------------------------------------------------------------------------------------------------- evaluation


def test_the_labels_themselves_are_perfect(tiny_original: Path, targets: Targets, tmp_path: Path) -> None:
    entrants = [
        read_predictions(write(tmp_path / f"{name}.parquet", predict_labels(tiny_original, change)), targets)
        for name, change in (("same", float), ("reversed", lambda score: -score), ("equal", lambda _: 1.0))
    ]
    results = evaluate(targets, entrants)
    for measure, best, worst, chance in (
        ("spearman", 1, -1, 0),
        ("kendall", 1, -1, 0),
        ("pairwise", 1, 0, 0.5),
        ("auc", 1, 0, 0.5),
    ):
        assert find(results, "same", measure) == pytest.approx(best)
        assert find(results, "reversed", measure) == pytest.approx(worst)
        assert find(results, "equal", measure) == pytest.approx(chance)
    assert find(results, "same", "top-1") == find(results, "same", "precision@1/2") == 1
    assert average_scenarios(results, "spearman")["same", "leave_one_out"] == pytest.approx(1)


def test_numbers_are_means_over_bursts(tiny_original: Path, targets: Targets) -> None:
    rng = np.random.default_rng(3)
    scores = rng.standard_normal((1, int(targets.index.starts[-1])))
    (result,) = [
        one for one in evaluate(targets, [Entrant("e", scores)]) if (one.measure, one.preset) == ("spearman", ALL)
    ]
    expected, scenes = [], set()
    for number in range(5):
        rows = targets.rows(number)
        labels = targets.labels.values[0, rows]
        known = np.isfinite(labels)
        if known.sum() >= 3 and np.ptp(labels[known]) > 0:
            expected.append(stats.spearmanr(labels[known], scores[0, rows][known]).statistic)
            scenes.add(targets.index.scene_id[number].as_py())
    assert result.value == pytest.approx(np.mean(expected))
    assert (result.bursts, result.scenes) == (len(expected), len(scenes))


def test_presets_are_told_apart(tiny: Path) -> None:
    rows = read_dataset_table(tiny, "bursts").to_pylist()
    for row in rows:
        row["preset"] = "night" if row["burst_id"] == "tiny-2" else "day"
    write_table(tiny, table_path("bursts"), BURSTS, rows)
    targets = load_targets(tiny, "all", **MEAN)
    results = evaluate(targets, [Entrant("e", np.arange(float(targets.index.starts[-1]))[None])])
    whole = next(one for one in results if (one.measure, one.preset) == ("pairwise", ALL))
    parts = [one for one in results if one.measure == "pairwise" and one.preset != ALL]
    assert [one.preset for one in parts] == ["day", "night"]
    assert sum(one.value * one.bursts for one in parts) == pytest.approx(whole.value * whole.bursts)


def test_the_ceiling_is_what_labels_reach_that_are_made_again(tiny: Path) -> None:
    row = {
        "scenario": "denoise/mean", "estimator": "leave_one_out", "metric": "psnr", "bursts": 3, "frames": 9, "spearman": 0.8, "icc": 0.7,
        "stable_best": 0.6, "median_score": 0.1, "noise_error": 0.01, "length_spearman": None,
    }  # fmt: skip
    names = RELIABILITY.schema.names
    write_table(tiny, table_path("reliability"), RELIABILITY, [{name: row.get(name) for name in names}])
    targets = load_targets(tiny, "all", scenarios=["denoise/mean"], estimator=["leave_one_out", "add_one"])
    again = [one for one in evaluate(targets, []) if one.entrant == AGAIN]
    assert [(one.estimator, one.measure, one.value) for one in again] == [
        ("leave_one_out", "spearman", 0.8),
        ("leave_one_out", "top-1", 0.6),
    ]


def test_nothing_to_judge_by(tiny_original: Path) -> None:
    with pytest.raises(SelectionError, match="split 'val' has no bursts"):
        load_targets(tiny_original, "val", **MEAN)
    with pytest.raises(SelectionError, match="no burst of split 'all' has labels by psnr"):
        load_targets(tiny_original, "all", scenarios=[])


# -------------------------------------------------------------------------------------------------------- command line


def run(*arguments: Any) -> Any:
    return CliRunner().invoke(main, [str(one) for one in arguments], catch_exceptions=False)


def test_predict_then_evaluate(tiny_original: Path, tmp_path: Path) -> None:
    cache = ("--cache", tmp_path / "cache")
    out = tmp_path / "sharp.parquet"
    done = run("predict", tiny_original, "--model", "sharpness", "--out", out, *cache)
    assert done.exit_code == 0, done.output
    assert "32 scores of 5 bursts" in done.output  # 16 frames, two scenarios
    options = ("--split", "all", "--estimator", "leave_one_out", "--estimator", "solo")
    both = run(
        "evaluate", tiny_original, "--model", "sharpness", "--model", "index", "--predictions", out, *options, *cache
    )
    assert both.exit_code == 0, both.output
    assert "denoise/mean, leave_one_out: " in both.output
    told = json.loads(
        run("evaluate", tiny_original, "--model", "sharpness", "--predictions", out, "--json", *options, *cache).output
    )
    values: dict = {}
    for row in told["results"]:
        values.setdefault(row.pop("entrant"), []).append(row)
    assert values["sharpness"] == values["sharp"]
    assert {row["scenario"] for row in values["sharp"]} == {"denoise/mean", "denoise/nlm"}


def test_what_cannot_be_evaluated_is_said_in_a_line(tiny_original: Path, tmp_path: Path) -> None:
    cases = [
        ((), 2, "name at least one --model or --predictions"),
        (("--model", "sharpnes"), 1, "assessor 'sharpnes' is unknown: did you mean sharpness?"),
        (("--model", "index", "--scenario", "sr/none"), 1, "no labels of scenario 'sr/none'"),
        (("--predictions", tmp_path / "gone.parquet"), 1, "cannot be read as Parquet"),
    ]
    for options, status, message in cases:
        done = run("evaluate", tiny_original, "--split", "all", "--estimator", "leave_one_out", *options)
        assert done.exit_code == status
        assert message in done.output


def test_intervals_stay_where_numbers_can_be(targets: Targets) -> None:
    scores = np.random.default_rng(0).normal(size=(1, len(targets.index.paths)))
    results = [one for one in evaluate(targets, [Entrant("noise", scores, signed=True)]) if one.low is not None]
    assert results
    for one in results:
        assert -1 <= one.low <= one.value <= one.high <= 1
        assert one.low >= 0 or one.measure in {"spearman", "kendall"}
