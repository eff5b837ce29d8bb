"""Labels by scenario and split."""

from __future__ import annotations

from pathlib import Path

import pytest

from manifests.errors import SelectionError
from manifests.queries import select_labels
from manifests.schema import LABELS
from manifests.store import labels_path, read_dataset_table, read_labels, write_table
from manifests.verification.verify import verify


@pytest.mark.parametrize("split", [None, "train", "test"])
@pytest.mark.parametrize("estimator", [None, "add_one"])
def test_rows_are_those_of_the_tables(tiny_original: Path, split: str | None, estimator: str | None) -> None:
    splits = {row["burst_id"]: row["split"] for row in read_dataset_table(tiny_original, "splits").to_pylist()}
    found = select_labels(tiny_original, "denoise/mean", split=split, estimator=estimator, metric="psnr")
    expected = [
        {name: row[name] for name in found.column_names}
        for row in read_labels(tiny_original, ["denoise/mean"]).to_pylist()
        if (split is None or splits[row["burst_id"]] == split) and estimator in {None, row["estimator"]}
    ]
    assert found.to_pylist() == expected
    assert expected


def test_a_folder_may_be_a_string(tiny_original: Path) -> None:
    found = select_labels(str(tiny_original), "denoise/mean", split="test")
    assert found.equals(select_labels(tiny_original, "denoise/mean", split="test"))
    assert verify(str(tiny_original)) == []


def test_how_far_noise_moves_labels_is_among_the_columns(tiny: Path) -> None:
    rows = read_labels(tiny, ["denoise/mean"]).to_pylist()
    noisy = [{**row, "noise_error": None if row["score"] is None else 0.25} for row in rows]
    write_table(tiny, labels_path("denoise/mean"), LABELS, noisy)
    found = select_labels(tiny, "denoise/mean").select(["score", "noise_error"]).to_pylist()
    assert found == [{name: row[name] for name in ("score", "noise_error")} for row in noisy]


@pytest.mark.parametrize("choice", [{"split": "val"}, {"estimator": "shapley"}, {"metric": "ssim"}])
def test_nothing_is_an_error(tiny_original: Path, choice: dict[str, str]) -> None:
    with pytest.raises(SelectionError, match="has no labels with"):
        select_labels(tiny_original, "denoise/mean", **choice)
    with pytest.raises(SelectionError, match="no labels of scenario 'x'"):
        select_labels(tiny_original, "x")
