"""Labels by scenario and split."""

from __future__ import annotations

from pathlib import Path

import pytest

from manifests.errors import SelectionError
from manifests.queries import select_labels
from manifests.store import read_dataset_table, read_labels


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


@pytest.mark.parametrize("choice", [{"split": "val"}, {"estimator": "shapley"}, {"metric": "ssim"}])
def test_nothing_is_an_error(tiny_original: Path, choice: dict[str, str]) -> None:
    with pytest.raises(SelectionError, match="has no labels with"):
        select_labels(tiny_original, "denoise/mean", **choice)
    with pytest.raises(SelectionError, match="no labels of scenario 'x'"):
        select_labels(tiny_original, "x")
