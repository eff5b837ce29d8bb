"""An older data set becomes one of this format; a newer one is left alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from dataset_builder.cli.main import main
from manifests.confined.reading import hash_file
from manifests.description import read_description
from manifests.documents.croissant import describe_croissant, write_croissant
from manifests.errors import FormatVersionError, MissingManifestError, SchemaError
from manifests.operations.migrate import migrate_dataset
from manifests.schema import FORMAT_VERSION
from manifests.store import read_dataset_table, read_labels, table_path
from manifests.verification.verify import verify
from tests.tiny_dataset import finish_description

ADDED = {
    2: {"bursts": ["perceptual_hash", "ground_truth_white"], "splits": ["fold"]},
    3: {"labels": ["noise_error", "reason"], "failures": ["estimator", "metric", "frame_index"]},
}
"""Columns by the version that brought them."""
MEAN = "manifests/labels/denoise--mean.parquet"


def age(root: Path, version: int = 1) -> Path:
    """Make the tiny data set one of an older format."""
    for path in (root / "manifests").rglob("*.parquet"):
        name = "labels" if path.parent.name == "labels" else path.stem
        later = [column for since, tables in ADDED.items() if since > version for column in tables.get(name, ())]
        table = pq.read_table(path, partitioning=None).drop_columns(later)
        stamp = {b"format_version": str(version).encode()}
        pq.write_table(table.replace_schema_metadata({**table.schema.metadata, **stamp}), path)
    reseal(root, format_version=version)
    return root


def reseal(root: Path, **changes: Any) -> None:
    """State the digests of the documents as they are."""
    description = {**json.loads((root / "dataset.json").read_text()), **changes}
    digests = {path: hash_file(root, path) for path in description["manifests"]}
    (root / "dataset.json").write_text(json.dumps({**description, "manifests": digests}))


def edit(root: Path, file: str, change: Callable[[list[dict[str, Any]]], object]) -> None:
    """Change rows of a table of any version, and seal them."""
    table = pq.read_table(root / file, partitioning=None)
    rows = table.to_pylist()
    change(rows)
    pq.write_table(pa.Table.from_pylist(rows, table.schema), root / file)
    reseal(root)


def read_all(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.mark.parametrize("version", range(1, FORMAT_VERSION))
def test_an_old_data_set_becomes_what_this_version_writes(tiny: Path, tiny_original: Path, version: int) -> None:
    with pytest.raises(FormatVersionError, match="buiqa migrate"):
        read_dataset_table(age(tiny, version), "bursts")
    assert any("buiqa migrate" in problem.message for problem in verify(tiny))
    assert len(migrate_dataset(tiny)) == 6
    assert verify(tiny) == []
    assert read_all(tiny) == read_all(tiny_original)
    assert migrate_dataset(tiny) == []


def test_what_was_called_banzhaf_is_marginal(tiny: Path) -> None:
    def rename(rows: list[dict[str, Any]]) -> None:
        for row in rows:
            row["estimator"] = {"add_one": "banzhaf", "leave_one_out": "banzhaf(4)"}[row["estimator"]]

    age(tiny, 2)
    (tiny / "recipe.toml").write_text('estimators = [\'banzhaf\', "banzhaf(4)", "shapley"]  # not banzhaf')
    edit(tiny, MEAN, rename)
    recipe = {"scenarios": [{"name": "denoise/mean", "estimators": ["banzhaf", "banzhaf(4)"]}, {"name": "denoise/nlm"}]}
    reseal(tiny, recipe=recipe, estimators={"banzhaf(4)": "formula"})
    migrate_dataset(tiny)
    assert verify(tiny) == []
    labels = read_labels(tiny, ["denoise/mean"])
    assert labels.column("estimator").unique().to_pylist() == ["marginal", "marginal(4)"]
    description = read_description(tiny)
    assert [choice.get("estimators") for choice in description["recipe"]["scenarios"]] == [
        ["marginal", "marginal(4)"],
        None,
    ]
    assert description["estimators"] == {"marginal(4)": "formula"}
    expected = 'estimators = [\'marginal\', "marginal(4)", "shapley"]  # not banzhaf'
    assert (tiny / "recipe.toml").read_text() == expected


def test_ranks_of_rounding_noise_become_one_rank(tiny: Path) -> None:
    def split(rows: list[dict[str, Any]]) -> None:
        burst = [row for row in rows if row["burst_id"] == "tiny-2" and row["estimator"] == "add_one"][1:]
        for place, row in enumerate(burst):
            row.update(score=1e-9 * place, rank=3 - place, score_norm=place / 2)

    edit(age(tiny, 2), MEAN, split)
    migrate_dataset(tiny)
    labels = read_labels(tiny, ["denoise/mean"]).to_pylist()
    found = [row for row in labels if row["burst_id"] == "tiny-2" and row["estimator"] == "add_one"]
    assert [row["rank"] for row in found] == [None, 1, 1, 1]
    assert [row["score_norm"] for row in found] == [None, 0.5, 0.5, 0.5]
    assert [row["score"] for row in found] == [None, 0.0, 1e-9, 2e-9]
    assert verify(tiny) == []


def test_metadata_of_others_follow(tiny: Path) -> None:
    write_croissant(tiny)
    finish_description(tiny)
    migrate_dataset(age(tiny, 2))
    assert verify(tiny) == []
    assert json.loads((tiny / "croissant.json").read_text()) == describe_croissant(tiny)


@pytest.mark.parametrize("table", ["bursts", "frames", "splits"])
def test_it_ends_the_same_after_an_interruption(tiny: Path, tiny_original: Path, table: str) -> None:
    age(tiny)
    done = tiny / table_path(table)
    done.write_bytes((tiny_original / table_path(table)).read_bytes())
    assert done not in migrate_dataset(tiny)
    assert read_all(tiny) == read_all(tiny_original)


def test_scores_edited_by_hand_are_not_sealed_as_if_they_were_sound(tiny: Path) -> None:
    path = age(tiny) / "manifests/labels/denoise--nlm.parquet"
    table = pq.read_table(path, partitioning=None)
    pq.write_table(table.set_column(5, table.schema.field("score"), pa.array([1.0] * len(table))), path)
    with pytest.raises(SchemaError, match=r"denoise--nlm\.parquet: was changed since it was sealed"):
        migrate_dataset(tiny)


def test_what_cannot_be_migrated(tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingManifestError):
        migrate_dataset(tmp_path / "nowhere")
    (tiny / "dataset.json").write_text(json.dumps({"format_version": FORMAT_VERSION + 1}))
    with pytest.raises(FormatVersionError, match="pip install --upgrade"):
        migrate_dataset(tiny)
    (tiny / "dataset.json").write_text("{}")
    with pytest.raises(SchemaError, match="format_version"):
        migrate_dataset(tiny)


def test_a_lost_column_is_not_invented(tiny: Path) -> None:
    path = tiny / table_path("frames")
    pq.write_table(pq.read_table(path).drop_columns("sha256"), path)
    age(tiny)
    with pytest.raises(SchemaError, match="'sha256' is missing"):
        migrate_dataset(tiny)


def test_a_damaged_image_costs_its_own_hash(tiny: Path) -> None:
    age(tiny)
    (tiny / "frames/tiny/tiny-0/00.png").write_bytes(b"no image")
    migrate_dataset(tiny)
    hashes = {row["burst_id"]: row["perceptual_hash"] for row in read_dataset_table(tiny, "bursts").to_pylist()}
    assert hashes["tiny-0"] is None
    assert hashes["tiny-1"] is not None


def test_the_command(tiny: Path, tmp_path: Path) -> None:
    age(tiny)
    first, second = (CliRunner().invoke(main, ["migrate", str(tiny)]) for _ in range(2))
    assert "6 tables rewritten" in first.output
    assert "nothing to do" in second.output
    assert read_description(tiny)["name"] == "tiny"
    assert CliRunner().invoke(main, ["migrate", str(tmp_path / "nowhere")]).exit_code == 2
