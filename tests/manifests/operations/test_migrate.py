"""An older data set becomes one of this format; a newer one is left alone."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from dataset_builder.cli.main import main
from manifests.confined.reading import hash_file
from manifests.description import read_description
from manifests.errors import FormatVersionError, MissingManifestError, SchemaError
from manifests.operations.migrate import migrate_dataset
from manifests.schema import FORMAT_VERSION
from manifests.store import read_dataset_table, table_path
from manifests.verification.verify import verify

ADDED_SINCE_1 = {"bursts": ["perceptual_hash", "ground_truth_white"], "splits": ["fold"]}


def age(root: Path) -> Path:
    """Make the tiny data set one of format 1."""
    for path in (root / "manifests").rglob("*.parquet"):
        table = pq.read_table(path, partitioning=None).drop_columns(ADDED_SINCE_1.get(path.stem, []))
        pq.write_table(table.replace_schema_metadata({**table.schema.metadata, b"format_version": b"1"}), path)
    description = json.loads((root / "dataset.json").read_text())
    digests = {path: hash_file(root, path) for path in description["manifests"]}
    (root / "dataset.json").write_text(json.dumps({**description, "format_version": 1, "manifests": digests}))
    return root


def read_all(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_an_old_data_set_becomes_what_this_version_writes(tiny: Path, tiny_original: Path) -> None:
    with pytest.raises(FormatVersionError, match="buiqa migrate"):
        read_dataset_table(age(tiny), "bursts")
    assert any("buiqa migrate" in problem.message for problem in verify(tiny))
    assert len(migrate_dataset(tiny)) == 6
    assert verify(tiny) == []
    assert read_all(tiny) == read_all(tiny_original)
    assert migrate_dataset(tiny) == []


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
