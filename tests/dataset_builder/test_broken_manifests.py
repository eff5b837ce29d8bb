"""Commands that only read a data set work on what its tables may say, and refuse the rest with one line that names it."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from dataset_builder.audit.audit import audit_dataset
from dataset_builder.audit.tables import read_tables
from dataset_builder.cli.main import main
from dataset_builder.export.bursts import iterate_samples
from dataset_builder.export.score_lists import export_score_lists
from dataset_builder.labeling.units import read_bursts
from dataset_builder.viewing.contact_sheet import draw_contact_sheet
from manifests.description import read_description, write_description
from manifests.documents.card import write_card
from manifests.errors import ManifestError
from manifests.loading.dataset import BurstQualityDataset
from manifests.operations.combine import subset_dataset
from manifests.operations.compare import compare_datasets
from manifests.operations.pack import pack_dataset
from manifests.schema import TABLES, Column, TableSchema
from manifests.verification.verify import verify
from tests.manifests.verification.test_every_column import (
    FILES,
    IN_TINY,
    list_wrong_values,
    read_rows,
    write_anything,
)
from tests.tiny_dataset import seal


def load_all(root: Path) -> None:
    dataset = BurstQualityDataset(root, None, ["denoise/mean"], estimator="add_one")
    for place in range(len(dataset)):
        dataset[place]


REFUSED_BY = {
    "bursts": (load_all, read_tables, read_bursts, lambda root: next(iterate_samples(root))),
    "frames": (load_all, read_tables, read_bursts, lambda root: next(iterate_samples(root))),
    "labels": (load_all, lambda root: next(iterate_samples(root))),
    "splits": (lambda root: BurstQualityDataset(root, scenarios=[]), lambda root: next(iterate_samples(root))),
    "failures": (),
}


@pytest.mark.slow
@pytest.mark.parametrize("table", IN_TINY)
def test_a_wrong_value_is_refused_or_does_not_matter(tiny: Path, table: str) -> None:
    kind, rows = TABLES[table], read_rows(tiny, table)
    target = next((place for place, row in enumerate(rows) if row.get("score") is not None), len(rows) - 1)
    for column in kind.columns:
        value = list(list_wrong_values(table, column))[-1]
        write_anything(tiny, table, [*rows[:target], {**rows[target], column.name: value}, *rows[target + 1 :]])
        for read in REFUSED_BY[table]:
            try:
                read(tiny)
            except ManifestError as error:
                assert FILES[table] in str(error), (column.name, error)  # noqa: PT017  # it may also work
                assert column.name in str(error), (column.name, error)  # noqa: PT017
        if table in {"labels", "splits", "failures"}:  # which an audit does without, and says so
            problems = read_tables(tiny).problems
            assert all(FILES[table] in problem and column.name in problem for problem in problems), problems
            assert problems or column.name in {
                "rank",
                "score_norm",
                "num_evaluations",
                "noise_error",
                "reason",
                "label_key",
                "restorer_fingerprint",
            }


def list_extremes(column: Column) -> Iterator[Any]:
    """Values that a row may have, and few do."""
    kind, wrap = column.kind, lambda value: value
    if pa_size := getattr(kind, "list_size", 0):
        kind, wrap = kind.value_type, lambda value: [value] * pa_size
    name = str(kind)
    if name in {"int32", "int64"}:
        yield from map(wrap, (0, 1_000, 99_998))
    elif name == "double":
        yield from map(wrap, (1e12, -1e12 if column.name == "score" else 1e-12, 5e-324))
    elif name == "string":
        yield from ("\x1b[31m\u202e<script>", "é" * 4000, "9999-99-99T99:99:99")
    elif name == "bool":
        yield from (True, False)
    else:
        yield from ([], None)


def plant_extremes(kind: TableSchema, rows: list[dict[str, Any]], turn: int, keep: set[str]) -> list[dict[str, Any]]:
    """Every column of the last row at an extreme, as far as the rules allow it."""
    import pyarrow as pa

    row = dict(rows[-1])
    for column in kind.columns:
        extremes = list(list_extremes(column))
        changed = {**row, column.name: extremes[turn % len(extremes)]}
        table = pa.Table.from_pylist([*rows[:-1], changed], schema=kind.schema)
        if column.name not in keep and not list(kind.find_violations(table)):
            row = changed
    return [*rows[:-1], row]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of means and correlations of what is constant
@pytest.mark.parametrize("turn", range(3))
def test_whatever_the_rules_allow_is_read(tiny: Path, tmp_path: Path, turn: int) -> None:
    keep = {
        "burst_id",
        "frame_index",
        "num_frames",
        "reference_index",
        "is_reference",
        "scenario",
        "estimator",
        "metric",
        "path",
        "rank",
    }
    for table in IN_TINY:
        write_anything(tiny, table, plant_extremes(TABLES[table], read_rows(tiny, table), turn, keep))
    seal(tiny)
    verify(tiny, hashes=False)
    readers = (
        load_all,
        audit_dataset,
        write_card,
        lambda root: draw_contact_sheet(root, "tiny-3"),
        lambda root: compare_datasets(root, root),
        lambda root: export_score_lists(root, tmp_path / "csv"),
        lambda root: subset_dataset(root, tmp_path / "subset", "num_frames > 0"),
        lambda root: pack_dataset(root, tmp_path / "pack"),
        lambda root: list(iterate_samples(root)),
    )
    for read in readers:
        try:
            read(tiny)
        except ManifestError as error:
            assert "\n" not in str(error)  # noqa: PT017  # it may also work


STRANGERS = {
    "frames": ({"burst_id": "zzz"}, "frames.parquet: burst_id: 'zzz' is not in the table bursts"),
    "splits": ({"burst_id": "zzz"}, "splits.parquet: burst_id: 'zzz' is not in the table bursts"),
    "labels": ({"frame_index": 9}, "frame_index: expected a frame of the burst, below 4, got 9"),
    "bursts": ({"burst_id": "zzz"}, "frames.parquet: burst_id: 'tiny-3' is not in the table bursts"),
}


@pytest.mark.parametrize("table", STRANGERS)
@pytest.mark.parametrize(
    "command", ["subset ROOT --where num_frames>0 --out OUT", "export ROOT --format csv --out OUT"]
)
def test_rows_that_belong_to_nothing(tiny: Path, tmp_path: Path, table: str, command: str) -> None:
    change, message = STRANGERS[table]
    rows = read_rows(tiny, table)
    write_anything(tiny, table, [*rows[:-1], {**rows[-1], **change}])
    line = [word.replace("ROOT", str(tiny)).replace("OUT", str(tmp_path / "out")) for word in command.split()]
    result = CliRunner().invoke(main, line)
    assert (result.exit_code, message in result.output) == (1, True), result.output
    assert len(result.output.splitlines()) == 1
    if table in {"splits", "labels"}:
        assert message in " ".join(read_tables(tiny).problems)
    else:
        with pytest.raises(ManifestError, match="is not in the table bursts"):
            read_tables(tiny)


ODD = (None, [], "x", {"x": []}, [{"x": 1}])


@pytest.mark.parametrize(
    "key",
    ["name", "recipe", "recipe.audit", "recipe.audit.rules", "recipe.splits", "recipe.sources", "recipe.scenarios", "recipe.dataset",
     "software", "totals", "metrics", "metrics.psnr", "estimators", "scenarios", "scenarios.denoise/mean", "form", "provenance"],
)  # fmt: skip
def test_a_description_that_says_anything(tiny: Path, tmp_path: Path, key: str) -> None:
    sound = read_description(tiny)
    for number, odd in enumerate(ODD):
        place = description = copy.deepcopy(sound)
        for step in key.split(".")[:-1]:
            place = place.setdefault(step, {})
        place[key.rsplit(".", maxsplit=1)[-1]] = odd
        write_description(tiny, description)
        try:
            read_description(tiny)
        except ManifestError as error:
            assert key in str(error)  # noqa: PT017  # it may also be sound
            assert any(
                problem.file == "dataset.json" and key in problem.message for problem in verify(tiny, hashes=False)
            )
            continue
        lines = (
            ["diff", str(tiny), str(tiny)],
            ["subset", str(tiny), "--where", "num_frames>0", "--out", str(tmp_path / f"subset{number}")],
        )
        for line in lines:
            result = CliRunner().invoke(main, line)
            assert result.exception is None or isinstance(result.exception, SystemExit), (odd, line[0], result.exc_info)
        if key == "recipe.audit.rules":
            audit_dataset(tiny)
