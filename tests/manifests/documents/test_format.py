"""The format is what docs/format.md says, and other software reads it."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from manifests import table_writer
from manifests.documents.format_document import render_format_document
from manifests.schema import LABELS, TABLES
from manifests.store import labels_path, read_dataset_table, read_labels, table_path, write_table
from tests.places import ROOT
from tests.tiny_dataset import make_frame_row

NAMES = ("bursts", "frames", "splits", "failures")


def test_the_page_is_up_to_date() -> None:
    page = ROOT / "docs" / "format.md"
    expected = "run `python -m manifests.documents.format_document > docs/format.md`"
    assert page.read_text(encoding="utf-8") == render_format_document(), expected


def test_the_page_names_every_column() -> None:
    page = render_format_document()
    for kind in TABLES.values():
        section = page[page.index(f"\n## {kind.name}\n") :]
        assert all(f"`{field.name}`" in section and field.metadata[b"doc"] for field in kind.schema)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_pandas_polars_and_duckdb_read_every_table(tiny_original: Path, name: str) -> None:
    duckdb, polars = pytest.importorskip("duckdb"), pytest.importorskip("polars")
    path = tiny_original / table_path(name)
    expected = read_dataset_table(tiny_original, name).to_pylist()
    assert len(pd.read_parquet(path)) == len(expected)
    assert polars.read_parquet(path).to_dicts() == expected
    rows = duckdb.sql(f"select * from '{path}'").to_arrow_table().to_pylist()
    plain = [{key: list(v) if isinstance(v, tuple) else v for key, v in row.items()} for row in rows]
    assert plain == expected


def test_the_query_of_the_page(tiny_original: Path) -> None:
    duckdb, polars = pytest.importorskip("duckdb"), pytest.importorskip("polars")
    folder = tiny_original / "manifests"
    query = (
        render_format_document().split('duckdb.sql("""')[1].split('"""')[0].replace("DATASET/manifests", str(folder))
    )
    found = sorted(duckdb.sql(query).fetchall())
    expected = [
        (row["burst_id"], row["frame_index"], row["score"])
        for row in read_labels(tiny_original).to_pylist()
        if row["burst_id"] == "tiny-3" and row["estimator"] == "leave_one_out" and row["score"] is not None
    ]
    assert found == sorted(expected)
    assert found
    labels = polars.scan_parquet(f"{folder}/labels/*.parquet").filter(polars.col("burst_id") == "tiny-1").collect()
    assert len(labels) == 3 * 3


def test_hugging_face_reads_the_tables(tiny_original: Path, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    for path in ((tiny_original / table_path("frames")), (tiny_original / labels_path("denoise/mean"))):
        loaded = datasets.load_dataset("parquet", data_files=str(path), split="train", cache_dir=str(tmp_path))
        assert loaded.to_list() == pq.read_table(path).to_pylist()


def test_encodings_statistics_and_pruning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_writer, "ROWS_PER_GROUP", 20)
    rng = np.random.default_rng(0)
    rows = [
        make_frame_row(f"b{burst:02d}", index, shot_noise=rng.uniform()) for burst in range(12) for index in range(7)
    ]
    path = tmp_path / "frames.parquet"
    write_table(path.parent, path.name, TABLES["frames"], rows)
    file = pq.ParquetFile(path)
    spans = []
    for number in range(file.metadata.num_row_groups):
        group = file.metadata.row_group(number)
        columns = {group.column(index).path_in_schema: group.column(index) for index in range(group.num_columns)}
        spans.append((columns["burst_id"].statistics.min, columns["burst_id"].statistics.max))
        assert all(column.statistics is not None and column.has_offset_index for column in columns.values())
        assert "BYTE_STREAM_SPLIT" in columns["shot_noise"].encodings
        assert "BYTE_STREAM_SPLIT" in columns["homography.list.element"].encodings
        assert "RLE_DICTIONARY" in columns["burst_id"].encodings
    assert len(spans) == 4
    assert all(low <= high for low, high in spans)
    # No burst in two groups, so that a query for one burst reads one group.
    assert all(before[1] < after[0] for before, after in itertools.pairwise(spans))


def test_split_floats_are_smaller(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    scores = rng.normal(0, 0.3, 4000)
    rows = [
        {
            **dict.fromkeys(LABELS.schema.names, ""),
            "burst_id": f"b{index:05d}",
            "frame_index": 0,
            "score": score,
            "std_error": 0.0,
            "noise_error": 0.1,
            "reason": None,
            "rank": 1,
            "score_norm": 0.5,
            "num_evaluations": 1,
        }
        for index, score in enumerate(scores)
    ]
    write_table(tmp_path, "labels.parquet", LABELS, rows)
    column = next(
        column
        for column in map(
            pq.ParquetFile(tmp_path / "labels.parquet").metadata.row_group(0).column, range(len(LABELS.columns))
        )
        if column.path_in_schema == "score"
    )
    pq.write_table(
        pq.read_table(tmp_path / "labels.parquet", columns=["score"]), tmp_path / "plain.parquet", compression="zstd"
    )
    plain = pq.ParquetFile(tmp_path / "plain.parquet").metadata.row_group(0).column(0)
    assert column.total_compressed_size < 0.85 * plain.total_compressed_size
