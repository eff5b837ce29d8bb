"""Parts and unions of data sets are sound data sets; what changed between two is said in full."""

from __future__ import annotations

import json
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from dataset_builder.cli.main import main
from dataset_builder.export.web_dataset import export_web_dataset
from manifests.confined.plain import hash_plain
from manifests.description import read_description
from manifests.errors import ImageFileError, MergeConflictError, OutputExistsError, SchemaError, SelectionError
from manifests.images.pixels import write_png
from manifests.operations.combine import merge_datasets, subset_dataset
from manifests.operations.compare import compare_datasets
from manifests.operations.pack import pack_dataset
from manifests.schema import TABLES
from manifests.storage import fetch_dataset, upload_dataset
from manifests.store import read_dataset_table, read_labels, read_table, write_table
from manifests.verification.verify import verify
from tests.tiny_dataset import INGESTED, finish_description

TABLE_NAMES = ("bursts", "frames", "splits")
MEAN = "manifests/labels/denoise--mean.parquet"


def change(root: Path, file: str, edit: Callable[[list[dict[str, Any]]], object]) -> None:
    kind = TABLES["labels" if "labels" in file else Path(file).stem]
    rows = read_table(root, file, kind).to_pylist()
    edit(rows)
    write_table(root, file, kind, rows)
    finish_description(root)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


# --------------------------------------------------------------------------------------------------------------- subset


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("source == 'phone'", [INGESTED]),
        ("num_frames >= 3 and split == 'train'", [INGESTED, "tiny-1", "tiny-2"]),
        ("split == 'test'", ["tiny-3"]),
        ("burst_id in ['tiny-0', 'tiny-2']", ["tiny-0", "tiny-2"]),
        ("num_frames > 0", [INGESTED, "tiny-0", "tiny-1", "tiny-2", "tiny-3"]),
    ],
)
def test_a_subset_is_a_sound_part(tiny_original: Path, tmp_path: Path, query: str, expected: list[str]) -> None:
    out = tmp_path / "out"
    assert subset_dataset(tiny_original, out, query) == len(expected)
    assert verify(out) == []
    for name in TABLE_NAMES:
        rows = [row for row in read_dataset_table(tiny_original, name).to_pylist() if row["burst_id"] in expected]
        assert read_dataset_table(out, name).to_pylist() == rows
    labels = [row for row in read_labels(tiny_original).to_pylist() if row["burst_id"] in expected]
    assert read_labels(out).to_pylist() == labels
    assert read_description(out)["totals"]["bursts"] == len(expected)
    assert read_description(out)["provenance"]["query"] == query


def test_a_subset_of_scenarios(tiny_original: Path, tmp_path: Path) -> None:
    subset_dataset(tiny_original, tmp_path / "out", "num_frames > 2", scenarios=["denoise/nlm"])
    assert set(read_labels(tmp_path / "out").column("scenario").to_pylist()) == {"denoise/nlm"}
    assert verify(tmp_path / "out") == []


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("nothing == 1", "expected a condition on burst_id, source"),
        ("source ==", "expected a condition on"),
        ("num_frames", "expected a condition, which is true or false of each"),
        ("3", "expected a condition, which is true or false of each"),
        ("num_frames > 100", "chooses none of 5 bursts"),
    ],
)
def test_a_query_that_chooses_nothing(tiny_original: Path, tmp_path: Path, query: str, message: str) -> None:
    with pytest.raises(SelectionError, match=message):
        subset_dataset(tiny_original, tmp_path / "out", query)


def test_what_has_no_subset(tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(OutputExistsError):
        subset_dataset(tiny, tiny, "num_frames > 0")
    with pytest.raises(SelectionError, match="no labels of scenario 'x': there are denoise/mean, denoise/nlm"):
        subset_dataset(tiny, tmp_path / "out", "num_frames > 0", scenarios=["x"])
    pack_dataset(tiny, tmp_path / "pack")
    with pytest.raises(SchemaError, match="is a pack"):
        subset_dataset(tmp_path / "pack", tmp_path / "out", "num_frames > 0")
    (tiny / "frames/tiny/tiny-0/00.png").write_bytes(b"damaged")
    with pytest.raises(ImageFileError, match="SHA-256"):
        subset_dataset(tiny, tmp_path / "damaged", "num_frames > 0")


def add_mask(root: Path) -> str:
    """Give a frame a mask, and return its path."""
    path = "frames/tiny/tiny-3/01_mask.png"
    write_png(root, path, np.full((16, 16), 255, np.uint8))
    index = next(
        i for i, row in enumerate(read_dataset_table(root, "frames").to_pylist()) if row["path"].endswith("3/01.png")
    )
    values = {"mask_path": path, "mask_sha256": hash_plain(root / path), "occlusion": 1.0}
    change(root, "manifests/frames.parquet", lambda rows: rows[index].update(values))
    return path


def add_truth_mask(root: Path) -> str:
    """Say where a truth can be trusted, and return the path of that."""
    path = "frames/tiny/tiny-3/ground_truth_mask.png"
    write_png(root, path, np.full((32, 32), 255, np.uint8))
    rows = read_dataset_table(root, "bursts").to_pylist()
    index = next(i for i, row in enumerate(rows) if row["burst_id"] == "tiny-3")
    values = {"ground_truth_mask_path": path, "ground_truth_mask_sha256": hash_plain(root / path)}
    change(root, "manifests/bursts.parquet", lambda rows: rows[index].update(values))
    return path


@pytest.mark.slow
def test_masks_come_along(tiny: Path, tmp_path: Path) -> None:
    path = add_mask(tiny)
    truth_mask = add_truth_mask(tiny)
    assert verify(tiny) == []
    subset_dataset(tiny, tmp_path / "part", "burst_id == 'tiny-3'")
    merge_datasets(tmp_path / "part", tiny, tmp_path / "whole")
    upload_dataset(tiny, f"file://{tmp_path}/there")
    fetched = fetch_dataset(f"file://{tmp_path}/there", cache=tmp_path / "cache")
    for root in (tmp_path / "part", tmp_path / "whole", fetched):
        assert verify(root) == []
        assert all((root / mask).read_bytes() == (tiny / mask).read_bytes() for mask in (path, truth_mask))
    (shard,) = [file for file in export_web_dataset(tiny, tmp_path / "out") if file.name.startswith("test")]
    with tarfile.open(shard) as tar:
        for name, mask in (("01_mask", path), ("truth_mask", truth_mask)):
            member = tar.extractfile(f"tiny-3.{name}.png")
            assert member is not None
            assert member.read() == (tiny / mask).read_bytes()


# ---------------------------------------------------------------------------------------------------------------- merge


@pytest.fixture
def halves(tiny_original: Path, tmp_path: Path) -> tuple[Path, Path]:
    """Two parts of the tiny data set that share a burst."""
    queries = {"a": "burst_id != 'tiny-3'", "b": "burst_id in ['tiny-2', 'tiny-3']"}
    for name, query in queries.items():
        subset_dataset(tiny_original, tmp_path / name, query)
    return tmp_path / "a", tmp_path / "b"


def test_parts_merge_to_the_whole(tiny_original: Path, tmp_path: Path, halves: tuple[Path, Path]) -> None:
    for name, parts in (("ab", halves), ("ba", halves[::-1])):
        out = tmp_path / name
        merge_datasets(*parts, out)
        assert verify(out) == []
        for table in TABLE_NAMES:
            assert read_dataset_table(out, table).equals(read_dataset_table(tiny_original, table))
        assert read_labels(out).equals(read_labels(tiny_original))
        assert len(read_description(out)["provenance"]["merged"]) == 2
        assert set(read_description(out)["scenarios"]) == {"denoise/mean", "denoise/nlm"}


@pytest.mark.slow
def test_a_data_set_merges_with_itself_and_with_labels_of_its_own(tiny: Path, tmp_path: Path) -> None:
    subset_dataset(tiny, tmp_path / "a", "num_frames > 0", scenarios=["denoise/nlm"])
    subset_dataset(tiny, tmp_path / "b", "num_frames > 0", scenarios=["denoise/mean"])
    for parts, out in (((tiny, tiny), "self"), ((tmp_path / "a", tmp_path / "b"), "both")):
        merge_datasets(*parts, tmp_path / out)
        assert verify(tmp_path / out) == []
        assert read_labels(tmp_path / out).equals(read_labels(tiny))


CONFLICTS = [
    ("manifests/bursts.parquet", {"burst_key": "0" * 64}, "burst burst_id=tiny-2: burst_key is"),
    ("manifests/frames.parquet", {"sha256": "0" * 64}, "frame burst_id=tiny-2, frame_index=0: sha256 is"),
    (MEAN, {"score": 0.123}, "label in denoise--mean.parquet burst_id=tiny-2"),
    (MEAN, {"restorer_fingerprint": "0" * 64}, "are of different restorers"),
    ("manifests/splits.parquet", {"split": "val"}, "split of burst_id=tiny-2: split is 'train' in the one and 'val'"),
]


@pytest.mark.parametrize(("file", "values", "message"), CONFLICTS)
def test_contradictions_are_named(
    tmp_path: Path, halves: tuple[Path, Path], file: str, values: dict[str, Any], message: str
) -> None:
    def edit(rows: list[dict[str, Any]]) -> None:
        index = 1 if "labels" in file else 0
        rows[index].update(values)

    change(halves[1], file, edit)
    with pytest.raises(MergeConflictError, match=message):
        merge_datasets(*halves, tmp_path / "out")


def test_a_scene_in_two_splits_is_no_merge(tiny_original: Path, tmp_path: Path) -> None:
    # The two bursts of scene-a, each in a data set of its own.
    for name in ("tiny-0", "tiny-1"):
        subset_dataset(tiny_original, tmp_path / name, f"burst_id == '{name}'")
    change(tmp_path / "tiny-1", "manifests/splits.parquet", lambda rows: rows[0].update(split="val"))
    with pytest.raises(MergeConflictError, match="scene_id=scene-a: is in different splits"):
        merge_datasets(tmp_path / "tiny-0", tmp_path / "tiny-1", tmp_path / "out")


def test_files_of_one_name(tiny_original: Path, tmp_path: Path) -> None:
    for name in ("tiny-0", "tiny-1"):
        subset_dataset(tiny_original, tmp_path / name, f"burst_id == '{name}'")
    root = tmp_path / "tiny-1"
    shutil.move(root / "frames/tiny/tiny-1", root / "frames/tiny/tiny-0")
    change(
        root,
        "manifests/frames.parquet",
        lambda rows: [r.update(path=r["path"].replace("tiny-1", "tiny-0")) for r in rows],
    )
    with pytest.raises(MergeConflictError, match="rename a source"):
        merge_datasets(tmp_path / "tiny-0", root, tmp_path / "out")


# ----------------------------------------------------------------------------------------------------------------- diff


def test_equal_data_sets_do_not_differ(tiny_original: Path, tiny: Path) -> None:
    assert not compare_datasets(tiny_original, tiny)
    result = run("diff", tiny_original, tiny)
    assert (result.exit_code, result.output) == (0, "no differences\n")


def test_every_difference_is_said(tiny_original: Path, tiny: Path) -> None:
    change(tiny, MEAN, lambda rows: [row.update(score=row["score"] + 0.25) for row in rows[1:2]])
    change(tiny, "manifests/frames.parquet", lambda rows: rows[3].update(sha256="0" * 64, shot_noise=0.5))
    change(tiny, "manifests/bursts.parquet", lambda rows: rows[2].update(white_balance=[1.0, 1.0, 1.0]))
    change(tiny, "manifests/splits.parquet", lambda rows: rows[0].update(split="val"))
    (tiny / "manifests/labels/denoise--nlm.parquet").unlink()
    difference = compare_datasets(tiny_original, tiny)
    assert difference.changed == {"tiny-0": ("sha256", "shot_noise"), "tiny-1": ("white_balance",)}
    assert difference.moved == {INGESTED: ("train", "val")}
    mean, nlm = difference.labels
    assert (mean.scenario, mean.estimator, mean.changed, mean.common, mean.added, mean.removed) == (
        "denoise/mean", "add_one", 1, 9, 0, 0,
    )  # fmt: skip
    assert mean.median_change == pytest.approx(0.25)
    assert mean.max_change == pytest.approx(0.25)
    assert (nlm.scenario, nlm.removed, nlm.changed) == ("denoise/nlm", 13, 0)
    back = compare_datasets(tiny, tiny_original)
    assert back.labels[1].added == 13
    result = run("diff", tiny_original, tiny)
    assert result.exit_code == 1
    for text in (
        "bursts changed: 2: tiny-0 (sha256, shot_noise)",
        "1 of 9 changed, by 0.250 dB at the median",
        "13 removed",
    ):
        assert text in result.output
    assert json.loads(run("diff", "--json", tiny_original, tiny).output)["moved"] == {INGESTED: ["train", "val"]}


def test_bursts_parameters_and_versions(tiny_original: Path, tmp_path: Path) -> None:
    subset_dataset(tiny_original, tmp_path / "out", "burst_id != 'tiny-3'")
    difference = compare_datasets(tiny_original, tmp_path / "out")
    assert (difference.added, difference.removed) == ((), ("tiny-3",))
    finish_description(tmp_path / "out")
    description = tmp_path / "out" / "dataset.json"
    text = description.read_text().replace('"numpy": "2"', '"numpy": "3"').replace('"seed": 7', '"seed": 8')
    description.write_text(text)
    difference = compare_datasets(tiny_original, tmp_path / "out")
    assert difference.versions == {"numpy": ("2", "3")}
    assert difference.parameters == {"dataset.seed": (7, 8)}


# --------------------------------------------------------------------------------------------------------- command line


@pytest.mark.slow
def test_commands_make_whole_data_sets(tmp_path: Path) -> None:
    from tests.photographs import write_photographs

    photographs = tmp_path / "photographs"
    write_photographs(photographs, 3)
    options = ["--height", 32, "--width", 32, "--bursts", 2, "--name", "a", "--out", tmp_path / "whole"]
    assert run("synthesize", photographs, *options).exit_code == 0
    whole = tmp_path / "whole"
    names = read_dataset_table(whole, "bursts").column("burst_id").to_pylist()
    for out, query in (("a", f"burst_id == '{names[0]}'"), ("b", f"burst_id != '{names[0]}'")):
        assert run("subset", whole, "--where", query, "--out", tmp_path / out).exit_code == 0
    result = run("merge", tmp_path / "a", tmp_path / "b", "--out", tmp_path / "c")
    assert result.output.endswith("no problems\n")
    assert verify(tmp_path / "c") == []
    assert (tmp_path / "c/audit/index.html").is_file()
    assert "provenance" in read_description(tmp_path / "c")
    assert read_dataset_table(tmp_path / "c", "frames").equals(read_dataset_table(whole, "frames"))
    assert read_dataset_table(tmp_path / "c", "splits").equals(read_dataset_table(whole, "splits"))
    assert run("subset", tmp_path / "c", "--where", "num_frames < 0", "--out", tmp_path / "d").exit_code == 1


@pytest.mark.slow
def test_an_official_split_stays_as_it_is_in_a_part(tmp_path: Path) -> None:
    from tests.photographs import write_photographs

    photographs, whole = tmp_path / "photographs", tmp_path / "whole"
    write_photographs(photographs, 3)
    options = ["--height", 32, "--width", 32, "--bursts", 1, "--name", "a", "--out", whole]
    assert run("synthesize", photographs, *options).exit_code == 0
    scenes = read_dataset_table(whole, "bursts").column("scene_id").to_pylist()
    for split, names in (("train", scenes[:1]), ("test", scenes[1:])):
        (tmp_path / f"{split}.txt").write_text("\n".join(names))
    lists = [f"{split}={tmp_path}/{split}.txt" for split in ("train", "test")]
    assert run("split", whole, "--list", lists[0], "--list", lists[1]).exit_code == 0
    part = tmp_path / "part"
    assert run("subset", whole, "--where", f"scene_id != '{scenes[2]}'", "--out", part).exit_code == 0
    assert verify(part) == []
    assert read_dataset_table(part, "splits").column("split").to_pylist() == ["train", "test"]
