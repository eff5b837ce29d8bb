"""The card says what the manifests say, and nothing that changes from one run to the next."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from manifests.confined.plain import hash_plain
from manifests.description import write_description
from manifests.documents.card import render_card, write_card
from manifests.documents.markdown import render_table
from manifests.documents.statistics import (
    count_contents,
    count_failures,
    count_licenses,
    count_scenes,
    count_shared_scenes,
    find_nearest_bursts,
    summarise_labels,
    summarise_splits,
)
from manifests.errors import MissingManifestError
from manifests.schema import FAILURES, LABELS, RELIABILITY, SPLITS, TABLES
from manifests.store import labels_path, list_label_files, read_dataset_table, read_labels, table_path, write_table
from tests.tiny_dataset import LENGTHS, make_label_rows


def read_markdown_table(card: str, section: str) -> list[dict[str, str]]:
    """Rows of the first table after a heading."""
    lines = card[card.index(f"# {section}\n") :].splitlines()
    start = next(index for index, line in enumerate(lines) if line.startswith("|"))
    rows = []
    for line in lines[start:]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]])
    return [dict(zip(rows[0], row, strict=True)) for row in rows[2:]]


def test_the_card_is_written_and_repeats_itself(tiny: Path) -> None:
    write_card(tiny)
    assert (tiny / "DATASET.md").read_text(encoding="utf-8") == render_card(tiny) == render_card(tiny)


def test_contents(tiny_original: Path) -> None:
    card = render_card(tiny_original)
    assert "5 bursts of 4 scenes, 16 frames, 31 scores in 2 scenarios." in card
    phone, synthetic = read_markdown_table(card, "What it contains")
    assert (phone["Source"], phone["Preset"], phone["Domain"], phone["With ground truth"]) == (
        "phone",
        "ingested",
        "srgb",
        "0",
    )
    assert (synthetic["Scenes"], synthetic["Bursts"], synthetic["Frames"]) == ("3", "4", "13")
    assert (synthetic["Frames per burst"], synthetic["Width, px"]) == ("2 to 4", "16")


def test_labels_against_numpy(tiny_original: Path) -> None:
    rows = read_labels(tiny_original).to_pylist()
    table = read_markdown_table(render_card(tiny_original), "Labels")
    assert [(row["Scenario"], row["Estimator"]) for row in table] == [
        ("denoise/mean", "add_one"),
        ("denoise/mean", "leave_one_out"),
        ("denoise/nlm", "solo"),
    ]
    for line in table:
        chosen = [row for row in rows if (row["scenario"], row["estimator"]) == (line["Scenario"], line["Estimator"])]
        scores = np.array([row["score"] for row in chosen if row["score"] is not None])
        assert int(line["Scores"]) == len(scores)
        assert int(line["Bursts"]) == len({row["burst_id"] for row in chosen})
        for name, value in {
            "Mean": scores.mean(),
            "SD": scores.std(ddof=1),
            "Minimum": scores.min(),
            "Maximum": scores.max(),
        }.items():
            assert float(line[name]) == pytest.approx(value, abs=5.1e-5)
        assert line["Negative"] == f"{100 * (scores < 0).mean():.1f} %"


def test_splits_are_proved(tiny_original: Path) -> None:
    card = render_card(tiny_original)
    assert read_markdown_table(card, "Splits") == [
        {"Split": "train", "Scenes": "3", "Bursts": "4", "Frames": "12", "Scores": "21"},
        {"Split": "test", "Scenes": "1", "Bursts": "1", "Frames": "4", "Scores": "10"},
    ]
    assert "Scenes in more than one split: 0." in card


def test_a_leak_shows(tiny: Path) -> None:
    rows = read_dataset_table(tiny, "splits").to_pylist()
    rows[1]["split"] = "val"  # of scene-a, whose other burst is in train
    write_table(tiny, table_path("splits"), SPLITS, rows)
    assert count_shared_scenes(tiny) == 1
    assert "Scenes in more than one split: 1." in render_card(tiny)
    assert summarise_splits(tiny)["split"].tolist() == ["train", "val", "test"]


def test_failures_licences_and_rebuilding(tiny: Path) -> None:
    card = render_card(tiny)
    (failure,) = read_markdown_table(card, "Failures")
    assert failure["First message"] == "broken.png: cannot be read \\| restore it"
    assert [row["Licence of the originals"] for row in read_markdown_table(card, "Licences")] == [
        "proprietary",
        "CC0-1.0",
    ]
    assert "buiqa build recipe.toml --out DIR" in card
    assert hash_plain(tiny / "recipe.toml") in card
    assert {"Software": "numpy", "Version": "2"} in read_markdown_table(card, "How to rebuild")
    write_table(tiny, table_path("failures"), FAILURES, [])
    (tiny / "recipe.toml").unlink()
    card = render_card(tiny)
    assert "## Failures\n\nNone.\n" in card
    assert "not built from one recipe file" in card


def test_definitions_and_conventions(tiny_original: Path) -> None:
    card = render_card(tiny_original)
    assert "- `leave_one_out`: v(N) − v(N∖{i})\n" in card
    assert {"Convention": "cap", "Value": "100.0"} in read_markdown_table(card, "How a label is defined")
    assert "made-up \\| numbers" in card
    assert "Bursts without ground truth, hence without the labels that need one: 1." in card


def test_every_column_is_described_from_the_schema(tiny_original: Path) -> None:
    card = render_card(tiny_original)
    for kind in TABLES.values():
        table = read_markdown_table(card, kind.name)
        assert [row["Column"].strip("*`") for row in table] == kind.schema.names
        assert [row["Null"] == "yes" for row in table] == [field.nullable for field in kind.schema]
        assert [row["Meaning"] for row in table] == [field.metadata[b"doc"].decode() for field in kind.schema]
        assert {row["Column"].strip("*`") for row in table if row["Column"].startswith("**")} == set(kind.sort_by)


def test_a_bare_description_is_enough(tiny: Path) -> None:
    write_description(tiny, {})
    for path in list_label_files(tiny):
        (tiny / path).unlink()
    card = render_card(tiny)
    assert "There are none." in card
    assert "The estimators are not recorded" in card
    assert "The software versions are not recorded" in card


def test_no_data_set_has_no_card(tmp_path: Path) -> None:
    with pytest.raises(MissingManifestError):
        write_card(tmp_path)
    assert not list(tmp_path.iterdir())


def test_text_cannot_leave_its_cell() -> None:
    table = render_table(["A", "B"], [["x|y\nz", "<script>"]])
    assert table == "| A | B |\n| --- | --- |\n| x\\|y z | \\<script> |"


# ----------------------------------------------------------------------------------------------------------- statistics


def test_statistics_add_up(tiny_original: Path) -> None:
    contents, licenses, splits = (
        count_contents(tiny_original),
        count_licenses(tiny_original),
        summarise_splits(tiny_original),
    )
    for table in (contents, licenses, splits):
        assert table["bursts"].sum() == 5
        assert table["frames"].sum() == 16
    assert count_scenes(tiny_original) == splits["scenes"].sum() == 4
    assert splits["labels"].sum() == summarise_labels(tiny_original)["scores"].sum() == 31
    assert count_failures(tiny_original)["failures"].tolist() == [1]


def test_statistics_of_nothing(tiny: Path) -> None:
    shutil.rmtree(tiny / "manifests" / "labels")
    (tiny / table_path("failures")).unlink()
    labels = summarise_labels(tiny)
    assert len(labels) == 0
    assert {"scenario", "estimator", "metric", "unit", "mean", "negative_share"} <= set(labels.columns)
    assert summarise_splits(tiny)["labels"].tolist() == [0, 0]
    assert len(count_failures(tiny)) == 0


def test_a_scenario_without_scores_has_no_line(tiny: Path) -> None:
    rows = make_label_rows("tiny-0", "denoise/none", "add_one", np.random.default_rng(0))
    for row in rows:
        row.update(dict.fromkeys(("score", "std_error", "rank", "score_norm")))
    write_table(tiny, labels_path("denoise/none"), LABELS, rows)
    assert set(summarise_labels(tiny)["scenario"]) == {"denoise/mean", "denoise/nlm"}


def test_one_score_has_no_deviation(tiny: Path) -> None:
    rows = make_label_rows("tiny-0", "denoise/one", "add_one", np.random.default_rng(0))
    write_table(tiny, labels_path("denoise/one"), LABELS, rows)
    labels = summarise_labels(tiny).set_index("scenario")
    assert labels.loc["denoise/one", "scores"] == LENGTHS["tiny-0"] - 1
    assert pd.isna(labels.loc["denoise/one", "std"])
    assert read_markdown_table(render_card(tiny), "Labels")[-1]["SD"] == "–"


def test_reliability_against_numpy(tiny: Path) -> None:
    path = tiny / labels_path("denoise/nlm")
    rows = [{**row, "std_error": 0.1} for row in read_labels(tiny, ["denoise/nlm"]).to_pylist()]
    write_table(path.parent, path.name, LABELS, rows)
    *exact, line = read_markdown_table(render_card(tiny), "How far they can be trusted")
    assert [row["Reliability"] for row in exact] == ["–", "–"]
    variances = [np.var([row["score"] for row in rows if row["burst_id"] == name], ddof=1) for name in LENGTHS]
    variance = float(np.mean(variances))
    assert (line["Scenario"], line["Estimator"]) == ("denoise/nlm", "solo")
    assert float(line["Spread"]) == pytest.approx(variance**0.5, abs=1e-4)
    assert float(line["Error"]) == pytest.approx(0.1)
    assert float(line["Reliability"]) == pytest.approx((variance - 0.01) / variance, abs=1e-4)
    assert (line["Preset"], line["Noise"]) == ("test", "not measured")
    write_table(path.parent, path.name, LABELS, [{**row, "noise_error": 0.2} for row in rows])
    line = read_markdown_table(render_card(tiny), "How far they can be trusted")[-1]
    assert float(line["Noise"]) == pytest.approx(0.2)
    assert float(line["Reliability"]) == pytest.approx((variance - 0.01 - 0.04) / variance, abs=1e-4)


def test_labels_made_again(tiny: Path) -> None:
    assert "Half the frames" not in render_card(tiny)
    row = {
        "scenario": "denoise/nlm",
        "estimator": "solo",
        "metric": "psnr",
        "preset": "night",
        "bursts": 3,
        "frames": 20,
        "spearman": 0.91,
    }
    row |= {"icc": 0.8, "stable_best": 2 / 3, "median_score": 0.25, "noise_error": 0.05, "length_spearman": None}
    write_table(tiny, table_path("reliability"), RELIABILITY, [row])
    again = "# Again\n" + render_card(tiny).partition("Bursts labelled again")[2]
    line = read_markdown_table(again, "Again")[0]
    names = ("Scenario", "Estimator", "Preset", "Bursts")
    assert [line[name] for name in names] == ["denoise/nlm", "solo", "night", "3"]
    assert [line[name] for name in ("Other noise", "ICC", "Same best", "Half the frames", "Median score", "Noise error")] == [
        "0.9100", "0.8000", "0.6667", "–", "0.2500", "0.0500",
    ]  # fmt: skip


def test_the_nearest_pair_across_splits(tiny: Path) -> None:
    rows = read_dataset_table(tiny, "bursts").to_pylist()
    hashes = {"tiny-0": "00" * 8, "tiny-1": "00" * 8, "tiny-2": "ff" * 8, "tiny-3": "00" * 7 + "07", "phone-0": None}
    rows = [{**row, "perceptual_hash": hashes[row["burst_id"]]} for row in rows]
    write_table(tiny, table_path("bursts"), TABLES["bursts"], rows)
    assert find_nearest_bursts(tiny) == ("tiny-0", "tiny-3", 3)
    card = " ".join(render_card(tiny).split())
    assert "`tiny-0` and `tiny-3`, which differ in 3 of 64 bits" in card
    write_table(tiny, table_path("bursts"), TABLES["bursts"], [{**row, "perceptual_hash": None} for row in rows])
    assert find_nearest_bursts(tiny) is None
    assert "There are no pairs across splits" in render_card(tiny)


@pytest.mark.parametrize(
    ("method", "words"),
    [("hash", "hash of its `scene_id`"), ("stratified", "its share of each"), ("official", "lists in the recipe")],
)
def test_collection_splits_citation_and_provenance(tiny: Path, method: str, words: str) -> None:
    sources = [{"name": "phone", "kind": "folders", "root": "in", "license": "x", "reference_index": 2, "folders": []}]
    write_description(
        tiny,
        {
            "name": "bursts",
            "software": {"buiqa-toolkit": "9.8.7"},
            "recipe": {"sources": sources, "splits": {"method": method}},
            "provenance": {"query": "num_frames > 3"},
        },
    )
    card = render_card(tiny)
    assert read_markdown_table(card, "How it was made") == [
        {"Source": "phone", "Kind": "folders", "Settings": "reference_index 2, root in"}
    ]
    assert words in card
    assert "pip install buiqa-toolkit==9.8.7" in card
    assert "bursts, built with buiqa-toolkit 9.8.7" in card
    assert '"query": "num_frames > 3"' in card
