"""Every column of every table: what breaks its rule is named by `verify`, and refused by whoever reads the table."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from manifests.errors import ManifestError, SchemaError
from manifests.plain_text import show
from manifests.schema import FORMAT_VERSION, TABLES, Column
from manifests.schema.table import BOOLEAN
from manifests.schema.words import LONGEST_TEXT
from manifests.store import labels_path, read_table, read_unchecked, table_path
from manifests.verification.verify import verify
from tests.tiny_dataset import seal

LABELS = labels_path("denoise/mean")
FILES = {name: LABELS if name == "labels" else table_path(name) for name in TABLES}
IN_TINY = [name for name in TABLES if name not in {"reliability", "packs"}]
ROWS = {
    "reliability": {
        "scenario": "denoise/mean", "estimator": "add_one", "metric": "psnr", "bursts": 4, "frames": 12, "spearman": 0.5, "icc": 0.5,
        "stable_best": 0.5, "median_score": 1.0, "noise_error": 0.1, "length_spearman": None,
    },
    "packs": {
        "burst_id": "tiny-0", "shard": "shards/0.arrow", "offset": 0, "length": 8, "dtype": "uint8", "sha256": "0" * 64,
    },
}  # fmt: skip
WRONG: dict[tuple[str, str], list[Any]] = {
    ("bursts", "source"): ["", "A", "a/b", "é"],
    ("bursts", "reference_index"): [99],
    ("bursts", "num_frames"): [0],
    ("bursts", "height"): [0, 15],
    ("bursts", "width"): [0, 15],
    ("bursts", "domain"): ["", "raw", "RAW_BAYER"],
    ("bursts", "cfa"): ["XXXX", "", "rggb"],
    ("bursts", "scale"): [0, -1],
    ("bursts", "black_level"): [65535.0, 65534.9999999],
    ("bursts", "white_balance"): [[0.0, 1.0, 1.0], [-1.0, 1.0, 1.0]],
    ("bursts", "color_matrix"): [[0.0] * 9, [1.0] * 9, [float(n) for n in range(9)]],
    ("bursts", "crop"): [[0, 0, 0, 1], [-1, 0, 4, 4]],
    ("bursts", "lens_shading"): [[0.0] * 4],
    ("bursts", "lens_shading_size"): [[2, 2]],
    ("bursts", "ground_truth_white"): [0.0, -1.0],
    ("bursts", "ground_truth_path"): ["/etc/passwd", "../x.png", "a\\b"],
    ("bursts", "ground_truth_kind"): ["some"],
    ("frames", "frame_index"): [-1],
    ("frames", "path"): ["", "/etc/passwd", "a/../../b"],
    ("frames", "homography"): [[0.0] * 9, [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0, 0.0], [math.inf] * 9],
    ("frames", "orientation"): [0, 9],
    ("frames", "exposure_ratio"): [0.0, -1.0],
    ("frames", "trajectory"): [[1.0, 2.0]],
    ("frames", "jpeg_quality"): [0, 101],
    ("frames", "outlier"): ["odd"],
    ("frames", "captured_at"): ["yesterday"],
    ("labels", "burst_id"): ["../x"],
    ("labels", "score"): [1e308, -1e300],
    ("labels", "rank"): [0],
    ("labels", "score_norm"): [-0.1, 1.1],
    ("labels", "std_error"): [-1.0],
    ("labels", "scenario"): ["denoise/other"],
    ("labels", "unit"): ["", "furlong"],
    ("splits", "split"): ["", "dev"],
    ("failures", "stage"): ["", "audit"],
    ("reliability", "icc"): [1.5],
    ("packs", "dtype"): ["float32"],
    ("packs", "shard"): ["../x"],
}
"""What breaks the rules of one column, beyond what is wrong in every column of its type."""


def list_wrong_values(table: str, column: Column) -> Iterator[Any]:
    """Values that no row may have in a column."""
    if not column.nullable:
        yield None
    kind, wrap = column.kind, lambda value: value
    if pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind):
        size = kind.list_size if pa.types.is_fixed_size_list(kind) else 3
        kind, wrap = kind.value_type, lambda value: [value] * size
        yield wrap(None)
    if pa.types.is_floating(kind):
        yield from map(wrap, (math.nan, math.inf, -math.inf, 1e308, -1e300))
    elif pa.types.is_integer(kind):
        yield from map(wrap, (-1, -(2**31)))
    elif pa.types.is_string(kind):
        yield from map(wrap, ("a\0b", "x" * (LONGEST_TEXT + 1)))
    yield from WRONG.get((table, column.name), ())


def read_rows(root: Path, table: str) -> list[dict[str, Any]]:
    return read_unchecked(root, FILES[table], TABLES[table]).to_pylist() if table in IN_TINY else [ROWS[table]]


def write_anything(root: Path, table: str, rows: list[dict[str, Any]]) -> None:
    """Write rows with none of the checks of the store."""
    fields = [field.with_nullable(True) for field in TABLES[table].schema]
    schema = pa.schema(fields, metadata={"format_version": str(FORMAT_VERSION)})
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), root / FILES[table])


def test_every_column_has_values_that_are_wrong() -> None:
    for name, kind in TABLES.items():
        assert all([*list_wrong_values(name, column)] for column in kind.columns)
        assert all(column.rule is not None for column in kind.columns if column.kind != BOOLEAN)
    assert all(column in TABLES[table].schema.names for table, column in WRONG)


@pytest.mark.parametrize("table", TABLES)
def test_verify_names_table_and_column_of_whatever_is_wrong(tiny: Path, table: str) -> None:
    rows = read_rows(tiny, table)
    planted = [(column.name, value) for column in TABLES[table].columns for value in list_wrong_values(table, column)]
    sound = next((row for row in rows if row.get("score") is not None), rows[-1])
    write_anything(tiny, table, [*rows, *({**sound, name: value} for name, value in planted)])
    seal(tiny)
    found = [problem for problem in verify(tiny, hashes=False) if problem.file == FILES[table]]
    for name, value in planted:
        got = f"got {show(value, quoted=True)}"
        if table == "packs":  # which is read by `check_packs`, and refused as a whole
            continue
        assert any(p.message.startswith(f"{name}: expected") and p.message.endswith(got) for p in found), (name, value)
    assert found


@pytest.mark.slow
@pytest.mark.parametrize("table", TABLES)
def test_reading_refuses_each_of_them_alone(tiny: Path, table: str) -> None:
    kind, rows = TABLES[table], read_rows(tiny, table)
    target = next((place for place, row in enumerate(rows) if row.get("score") is not None), len(rows) - 1)
    for column in kind.columns:
        for value in list_wrong_values(table, column):
            changed = [*rows[:target], {**rows[target], column.name: value}, *rows[target + 1 :]]
            write_anything(tiny, table, changed)
            with pytest.raises(SchemaError) as caught:
                read_table(tiny, FILES[table], kind)
            message = str(caught.value)
            assert FILES[table] in message, (column.name, value)
            assert column.name in message, (column.name, value, message)
            assert "\n" not in message


@pytest.mark.parametrize("table", IN_TINY)
def test_a_column_of_another_type_or_none(tiny: Path, table: str) -> None:
    file, kind = FILES[table], TABLES[table]
    sound = pq.read_table(tiny / file)
    for place, name in enumerate(kind.schema.names):
        other = pa.array([[1]] * len(sound), pa.list_(pa.int8()))
        for broken in (
            sound.set_column(place, name, other),
            sound.drop_columns(name),
            sound.append_column(name, sound[name]),
        ):
            pq.write_table(broken, tiny / file)
            with pytest.raises(ManifestError, match=f"{file}.*{name}"):
                read_table(tiny, file, kind)
    assert any(
        problem.file == file and kind.schema.names[-1] in problem.message for problem in verify(tiny, hashes=False)
    )


def test_rows_of_different_tables_that_do_not_fit(tiny: Path) -> None:
    """A burst that is named and is not there, in every table that names bursts."""
    for table, column in (("frames", "burst_id"), ("labels", "burst_id"), ("splits", "burst_id")):
        rows = read_rows(tiny, table)
        write_anything(tiny, table, [*rows[:-1], {**rows[-1], column: "zzz"}])
        seal(tiny)
        found = [p for p in verify(tiny, hashes=False) if p.file == FILES[table] and "zzz" in p.row]
        assert any(problem.message.startswith(f"{column}: expected a burst") for problem in found)
        write_anything(tiny, table, rows)
