"""Commands that only look decode pictures of strangers in a worker, under its limits, and write nothing to the data set."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner, Result

from dataset_builder.cli.main import main
from dataset_builder.records.references import ReferenceReader
from dataset_builder.work.local import ONE_WORKER
from manifests.schema import BURSTS, FRAMES, SPLITS
from manifests.store import read_dataset_table, table_path, write_table
from manifests.verification.verify import verify
from tests.tiny_dataset import REFERENCES, SCENES, seal


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def list_files(root: Path) -> dict[str, int]:
    return {str(path.relative_to(root)): path.stat().st_mtime_ns for path in root.rglob("*")}


def make_look_alike(root: Path) -> None:
    """Let a burst that is tested on show the reference of one that is trained on."""
    source, target = "tiny-2", "tiny-3"
    paths = [root / f"frames/tiny/{burst}/{REFERENCES[burst]:02d}.png" for burst in (source, target)]
    shutil.copyfile(*paths)
    rows = read_dataset_table(root, "bursts").to_pylist()
    (shown,) = (row["perceptual_hash"] for row in rows if row["burst_id"] == source)
    write_table(
        root,
        table_path("bursts"),
        BURSTS,
        [{**row, "perceptual_hash": shown if row["burst_id"] == target else row["perceptual_hash"]} for row in rows],
    )
    replace_frame(root, target, REFERENCES[target], paths[0].read_bytes())


def replace_frame(root: Path, burst_id: str, index: int, data: bytes) -> None:
    (root / f"frames/tiny/{burst_id}/{index:02d}.png").write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    rows = read_dataset_table(root, "frames").to_pylist()
    write_table(
        root,
        table_path("frames"),
        FRAMES,
        [
            {**row, "sha256": digest} if (row["burst_id"], row["frame_index"]) == (burst_id, index) else row
            for row in rows
        ],
    )
    seal(root)


def test_verify_finds_look_alikes_by_a_worker(tiny: Path, tmp_path: Path) -> None:
    make_look_alike(tiny)
    before = list_files(tiny)
    alone = verify(tiny)
    assert [problem.file for problem in alone] == ["manifests/splits.parquet"]
    assert "looks like tiny-2" in str(alone[0]) or "looks like tiny-3" in str(alone[0])
    reader = ReferenceReader(tiny, ONE_WORKER, results=tmp_path)
    assert verify(tiny, read=reader) == alone
    assert reader.remarks == []
    assert list_files(tiny) == before
    rows = read_dataset_table(tiny, "splits").to_pylist()
    write_table(tiny, table_path("splits"), SPLITS, [{**row, "split": "train"} for row in rows])
    seal(tiny)
    assert verify(tiny, read=lambda _: pytest.fail("nothing is to be read")) == []  # type: ignore[arg-type, return-value]
    assert SCENES["tiny-2"] != SCENES["tiny-3"]


@pytest.mark.slow
def test_show_and_restore_write_nothing_to_the_data_set(tiny: Path, tmp_path: Path) -> None:
    before = list_files(tiny)
    for name, command in (("show", ()), ("restore", ("--scenario", "denoise/mean"))):
        result = invoke(name, tiny, "tiny-1", *command, "--out", tmp_path / f"{name}.png")
        assert result.exit_code == 0, result.output
        assert cv2.imread(str(tmp_path / f"{name}.png")).size
    assert list_files(tiny) == before


@pytest.mark.slow
def test_a_picture_that_takes_too_much_memory_is_an_error_of_one_line(tiny: Path, tmp_path: Path) -> None:
    replace_frame(tiny, "tiny-3", 1, cv2.imencode(".png", np.zeros((6000, 6000), np.uint16))[1].tobytes())
    limit = ("--memory-limit", "0.25")
    commands = (
        ("show", tiny, "tiny-3", "--out", tmp_path / "a.png"),
        ("restore", tiny, "tiny-3", "--scenario", "denoise/mean", "--out", tmp_path / "a.png"),
        ("export", tiny, "--format", "webdataset", "--out", tmp_path / "out"),
        ("export", tiny, "--format", "fiftyone", "--out", tmp_path / "out"),
    )
    for command in commands:
        result = invoke(*command, *limit)
        assert result.exit_code == 1, result.output
        assert "tiny-3/01.png" in result.output or "MemoryError" in result.output
        assert result.output.count("\n") == 1
        assert sorted(path.name for path in tmp_path.iterdir()) == ["dataset"]
    assert invoke("show", tiny, "tiny-2", "--out", tmp_path / "a.png", *limit).exit_code == 0
