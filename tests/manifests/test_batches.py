"""Tables in pieces are the tables as a whole, whatever the pieces, and no rule is lost between them."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from manifests import batches, matching, table_writer
from manifests.batches import Cursor, count_rows, is_null, iterate_table, walk_together
from manifests.errors import SchemaError
from manifests.matching import iterate_burst_tables, read_burst_tables
from manifests.schema import FRAMES, LABELS, TABLES
from manifests.store import labels_path, list_label_files, read_table, table_path, write_table
from manifests.table_writer import open_writer


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_writer, "ROWS_PER_GROUP", 2)
    monkeypatch.setattr(batches, "ROWS_AT_ONCE", 3)
    monkeypatch.setattr(matching, "_BURSTS_AT_ONCE", 2)


def cut_again(root: Path) -> None:
    """Write the tables of a data set anew, in the small row groups of the fixture."""
    for path, kind in [
        *((table_path(name), TABLES[name]) for name in ("bursts", "frames", "splits")),
        *((path, LABELS) for path in list_label_files(root)),
    ]:
        write_table(root, path, kind, read_table(root, path, kind))


@pytest.mark.parametrize("seed", range(4))
def test_bytes_do_not_depend_on_how_a_table_was_cut(
    tiny: Path, tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_writer, "ROWS_PER_GROUP", 1 + 2 * seed)
    table = read_table(tiny, table_path("frames"), FRAMES)
    write_table(tmp_path, "whole", FRAMES, table)
    cuts = [0, *np.sort(np.random.default_rng(seed).integers(0, table.num_rows, 5)).tolist(), table.num_rows]
    with open_writer(tmp_path, "pieces", FRAMES) as writer:
        for start, stop in pairwise(cuts):
            writer.write(table.slice(start, stop - start))
    assert (tmp_path / "pieces").read_bytes() == (tmp_path / "whole").read_bytes()


def write_pieces(root: Path, pieces: list[pa.Table]) -> None:
    with open_writer(root, "t", FRAMES) as writer:
        for piece in pieces:
            writer.write(piece)


def test_a_writer_refuses_rows_that_come_too_early_or_twice(tiny_original: Path, tmp_path: Path) -> None:
    table = read_table(tiny_original, table_path("frames"), FRAMES)
    with pytest.raises(SchemaError, match="come before"):
        write_pieces(tmp_path, [table.slice(3), table.slice(0, 3)])
    with pytest.raises(SchemaError, match="1 rows repeat the key"):
        write_pieces(tmp_path, [table, table.slice(table.num_rows - 1)])
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("small_pieces")
def test_pieces_of_whole_bursts_make_the_table(tiny: Path) -> None:
    cut_again(tiny)
    path = labels_path("denoise/mean")
    pieces = list(iterate_table(tiny, path, LABELS))
    assert len(pieces) > 2
    assert pa.concat_tables(pieces).equals(read_table(tiny, path, LABELS))
    bursts = [set(piece.column("burst_id").to_pylist()) for piece in pieces]
    assert sum(map(len, bursts)) == len(set().union(*bursts))
    coded = pa.concat_tables(iterate_table(tiny, path, LABELS, columns=["burst_id", "score"], coded=["burst_id"]))
    assert coded.column("burst_id").cast(pa.string()).equals(read_table(tiny, path, LABELS).column("burst_id"))
    assert count_rows(tiny, path, LABELS) == sum(piece.num_rows for piece in pieces)
    assert is_null(tiny, path, "reason")
    assert not is_null(tiny, path, "score")


@pytest.mark.usefixtures("small_pieces")
def test_bursts_come_with_their_frames(tiny: Path) -> None:
    cut_again(tiny)
    whole, pieces = read_burst_tables(tiny), list(iterate_burst_tables(tiny))
    assert len(pieces) == 3
    assert pa.concat_tables(piece.bursts for piece in pieces).equals(whole.bursts)
    assert pa.concat_tables(piece.frames for piece in pieces).equals(whole.frames)
    assert np.concatenate([np.diff(piece.starts) for piece in pieces]).tolist() == np.diff(whole.starts).tolist()


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("column", ["scenario", "unit", "burst_id"])
def test_rules_hold_between_pieces(tiny: Path, column: str) -> None:
    path = labels_path("denoise/mean")
    table = read_table(tiny, path, LABELS)
    texts = table.column(column).to_pylist()
    texts[-1] = {"scenario": "denoise/nlm", "unit": "1", "burst_id": "a-burst"}[column]
    wrong = table.set_column(table.schema.get_field_index(column), LABELS.schema.field(column), pa.array(texts))
    with pq.ParquetWriter(tiny / path, wrong.schema.with_metadata({"format_version": "3"})) as file:
        for start in (0, table.num_rows - 1):
            file.write_table(wrong.slice(start, table.num_rows - 1 if start == 0 else 1))
    with pytest.raises(SchemaError, match=f"{column}: expected"):
        read_table(tiny, path, LABELS)
    with pytest.raises(SchemaError, match=f"{column}: expected"):
        list(iterate_table(tiny, path, LABELS, coded=["scenario", "unit", "metric", "burst_id"]))


def test_tables_walked_together_share_their_ranges() -> None:
    def make(names: str) -> pa.Table:
        rows = [dict.fromkeys(LABELS.schema.names) | {"burst_id": name} for name in names]
        return pa.Table.from_pylist(rows, schema=LABELS.schema)

    pairs = list(walk_together(iter(map(make, ("aab", "", "df"))), iter(map(make, ("b", "ceg"))), LABELS))
    found = [tuple("".join(table.column("burst_id").to_pylist()) for table in pair) for pair in pairs]
    assert found == [("aab", "b"), ("df", "ce"), ("", "g")]
    cursor = Cursor(iter(map(make, ("ab", "bcd"))), LABELS)
    assert [cursor.take(last).num_rows for last in ("", "b", "c")] == [0, 3, 1]
    assert [piece.num_rows for piece in cursor.finish()] == [1]
