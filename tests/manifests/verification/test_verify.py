"""`verify` reports everything that is wrong, as a problem and never as an exception, and nothing that is right."""

from __future__ import annotations

import json
import math
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from manifests.confined.plain import hash_plain
from manifests.description import read_description, write_description
from manifests.images.headers import HEADER_BYTES, ImageHeader, parse_png_header, read_header
from manifests.images.pixels import encode_png, write_png
from manifests.schema import FORMAT_VERSION, TABLES
from manifests.store import read_table, read_unchecked
from manifests.verification.verify import Problem, verify
from tests.tiny_dataset import seal, write_tiny_dataset

Row = dict[str, Any]
BURSTS, FRAMES, SPLITS = "manifests/bursts.parquet", "manifests/frames.parquet", "manifests/splits.parquet"
FAILURES, MEAN, NLM = (
    "manifests/failures.parquet",
    "manifests/labels/denoise--mean.parquet",
    "manifests/labels/denoise--nlm.parquet",
)


def change_rows(root: Path, file: str, change: Callable[[list[Row]], object]) -> None:
    """Rewrite a table with none of the checks of the store, and record its new digest."""
    kind = TABLES["labels" if "labels/" in file else Path(file).stem]
    table = read_unchecked(root, file, kind)
    rows = table.to_pylist()
    change(rows)
    loose = pa.schema(
        [field.with_nullable(True) for field in kind.schema], metadata={"format_version": str(FORMAT_VERSION)}
    )
    pq.write_table(pa.Table.from_pylist(rows, schema=loose), root / file)
    seal(root)


def set_value(index: int, **values: Any) -> Callable[[list[Row]], object]:
    return lambda rows: rows[index].update(values)


def set_everywhere(**values: Any) -> Callable[[list[Row]], object]:
    return lambda rows: [row.update(values) for row in rows]


def expect(root: Path, file: str, row: str, message: str) -> None:
    """Among the problems, at least one has this file, row and message."""
    problems = verify(root)
    assert any(p.file == file and row in p.row and message in p.message for p in problems), [*map(str, problems)]


def test_a_sound_data_set_has_no_problems(tiny_original: Path) -> None:
    seen: list[tuple[int, int]] = []
    assert verify(tiny_original, on_progress=lambda done, total: seen.append((done, total))) == []
    assert seen[-1] == (20, 20)
    assert verify(tiny_original, hashes=False) == []


def test_equal_content_gives_equal_bytes(tiny_original: Path, tmp_path: Path) -> None:
    again = write_tiny_dataset(tmp_path / "again")
    files = sorted(path.relative_to(again) for path in again.rglob("*") if path.is_file())
    assert files == sorted(path.relative_to(tiny_original) for path in tiny_original.rglob("*") if path.is_file())
    assert all((again / file).read_bytes() == (tiny_original / file).read_bytes() for file in files)


@pytest.mark.slow
def test_a_flipped_bit_in_any_file_is_found_there(tiny: Path) -> None:
    random_source = random.Random(3)
    files = sorted(path for path in tiny.rglob("*") if path.is_file())
    assert len(files) == 20 + 6 + 3
    for path in files:
        data = path.read_bytes()
        for position in (random_source.randrange(len(data)), random_source.choice([0, len(data) - 1])):
            damaged = bytearray(data)
            damaged[position] ^= 1 << random_source.randrange(8)
            path.write_bytes(damaged)
            problems = verify(tiny)
            found = [problem for problem in problems if problem.file == path.relative_to(tiny).as_posix()]
            assert found, f"byte {position} of {path}"
            path.write_bytes(data)
    assert verify(tiny) == []


def test_every_bit_of_the_description_counts(tiny: Path) -> None:
    # Without tables the rest of `verify` is quick, so that every byte can have its turn.
    shutil.rmtree(tiny / "manifests")
    path = tiny / "dataset.json"
    digest = read_description(tiny)["manifests"]["DATASET.md"]
    write_description(tiny, {"name": "x", "scenarios": {"a/b": {"scale": 1}}, "manifests": {"DATASET.md": digest}})
    data = path.read_bytes()
    assert not [problem for problem in verify(tiny) if problem.file == "dataset.json"]
    for position in range(len(data)):
        for bit in (0, 5):
            damaged = bytearray(data)
            damaged[position] ^= 1 << bit
            path.write_bytes(damaged)
            assert [problem for problem in verify(tiny) if problem.file == "dataset.json"], (position, bit)


def test_a_data_set_without_a_seal_is_not_sound(tiny: Path) -> None:
    description = read_description(tiny)
    for digests in ({}, {"manifests": {}}):
        write_description(tiny, {**{name: description[name] for name in ("name", "recipe")}, **digests})
        expect(tiny, "dataset.json", "", "nobody can tell")
    write_description(tiny, {**description, "unfinished": True})
    expect(tiny, "dataset.json", "", "interrupted")


@pytest.mark.slow
def test_damage_to_tables_that_nobody_hashed_never_raises(tiny: Path) -> None:
    description = read_description(tiny)
    write_description(tiny, {name: value for name, value in description.items() if name != "manifests"})
    random_source = random.Random(5)
    for path in sorted((tiny / "manifests").rglob("*.parquet")):
        data = path.read_bytes()
        for _ in range(4):
            damaged = bytearray(data)
            damaged[random_source.randrange(len(data))] ^= 1 << random_source.randrange(8)
            path.write_bytes(damaged)
            assert all(isinstance(problem, Problem) for problem in verify(tiny, hashes=False))
        for damage in (b"", data[: len(data) // 2], data[:-8]):
            path.write_bytes(damage)
            assert verify(tiny, hashes=False)
        path.write_bytes(data)


# --------------------------------------------------------------------------------------------------------- dataset.json


def test_no_data_set_at_all(tmp_path: Path) -> None:
    assert any("not a data set" in problem.message for problem in verify(tmp_path))
    assert verify(tmp_path / "absent")


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", "[" * 100_000, f'{{"format_version": {FORMAT_VERSION}}}', '{"format_version": 1e999}']
)
def test_a_damaged_description(tiny: Path, text: str) -> None:
    (tiny / "dataset.json").write_text(text)
    expect(tiny, "dataset.json", "", "")


def test_another_format_version(tiny: Path) -> None:
    (tiny / "dataset.json").write_text(f'{{"format_version": {FORMAT_VERSION + 1}}}')
    expect(tiny, "dataset.json", "", "pip install --upgrade buiqa-toolkit")


def test_a_changed_value_in_the_description(tiny: Path) -> None:
    text = (tiny / "dataset.json").read_text()
    (tiny / "dataset.json").write_text(text.replace('"bursts": 5', '"bursts": 6'))
    expect(tiny, "dataset.json", "", "checksum")


def test_digests_in_the_description_are_checked(tiny: Path) -> None:
    digests = dict(read_description(tiny)["manifests"])
    for value in (["x"], "x"):
        write_description(tiny, {"manifests": value})
        expect(tiny, "dataset.json", "", "expected a mapping")
    write_description(tiny, {"manifests": {**digests, "../secret": "0", "gone.txt": "0", "/etc/passwd": "0"}})
    expect(tiny, "dataset.json", "../secret", "inside")
    expect(tiny, "dataset.json", "/etc/passwd", "inside")
    expect(tiny, "gone.txt", "", "no such file")
    del digests[NLM]
    write_description(tiny, {"manifests": digests})
    expect(tiny, NLM, "", "does not list this file")


def test_a_document_that_was_edited(tiny: Path) -> None:
    (tiny / "DATASET.md").write_text("better")
    expect(tiny, "DATASET.md", "", "SHA-256")
    assert verify(tiny, hashes=False) == []


# --------------------------------------------------------------------------------------------------------------- tables


@pytest.mark.parametrize("file", [BURSTS, FRAMES, SPLITS, FAILURES])
def test_a_missing_table(tiny: Path, file: str) -> None:
    (tiny / file).unlink()
    seal(tiny)
    expect(tiny, file, "", "no such table")


@pytest.mark.parametrize("file", [BURSTS, FRAMES, SPLITS, FAILURES, MEAN])
def test_a_missing_column_a_wrong_type_and_another_version(tiny: Path, file: str) -> None:
    table = pq.read_table(tiny / file)
    pq.write_table(table.drop_columns("burst_id"), tiny / file)
    expect(tiny, file, "", "'burst_id' is missing")
    wrong = table.set_column(table.schema.get_field_index("burst_id"), "burst_id", pa.array(range(len(table))))
    pq.write_table(wrong, tiny / file)
    expect(tiny, file, "", "expected string, got int64")
    pq.write_table(table.replace_schema_metadata({"format_version": "99"}), tiny / file)
    expect(tiny, file, "", "newer")


@pytest.mark.parametrize("file", [BURSTS, FRAMES, SPLITS, MEAN])
def test_rows_out_of_order_and_repeated(tiny: Path, file: str) -> None:
    change_rows(tiny, file, lambda rows: rows.reverse())
    expect(tiny, file, "", "expected rows sorted by burst_id")
    change_rows(tiny, file, lambda rows: rows.append(rows[0]))
    expect(tiny, file, "burst_id=", "expected one row for each burst_id")


WRONG_ROWS = [
    (BURSTS, set_value(1, burst_id="Tiny 0"), "burst_id=Tiny 0", "at most 32 characters"),
    (BURSTS, set_value(1, burst_id="x" * 33), "burst_id=xxx", "at most 32 characters"),
    (BURSTS, set_value(1, burst_key="ABC"), "burst_id=tiny-0", "burst_key: expected a SHA-256"),
    (BURSTS, set_value(1, domain="raw"), "burst_id=tiny-0", "one of raw_bayer, linear_rgb, srgb"),
    (BURSTS, set_value(1, domain="srgb"), "burst_id=tiny-0", "cfa: expected null"),
    (BURSTS, set_value(1, cfa=None), "burst_id=tiny-0", "cfa: expected a value"),
    (BURSTS, set_value(1, cfa="RGBG"), "burst_id=tiny-0", "cfa: expected one of"),
    (BURSTS, set_value(1, height=15), "burst_id=tiny-0", "an even number"),
    (BURSTS, set_value(1, height=0), "burst_id=tiny-0", "height: expected 1..100,000"),
    (BURSTS, set_value(1, width=18), "frame_index=0", "image header"),
    (BURSTS, set_value(1, scale=2), "burst_id=tiny-0", "image header"),
    (BURSTS, set_value(1, num_frames=3), "burst_id=tiny-0", "expected 0..2"),
    (BURSTS, set_value(1, num_frames=-1), "burst_id=tiny-0", "num_frames: expected 1..100,000"),
    (BURSTS, set_value(1, reference_index=2), "burst_id=tiny-0", "a frame of the burst"),
    (BURSTS, set_value(1, reference_index=1), "burst_id=tiny-0", "is_reference: expected one frame"),
    (BURSTS, set_value(1, black_level=65535.0), "burst_id=tiny-0", "less than white_level"),
    (BURSTS, set_value(1, white_level=math.nan), "burst_id=tiny-0", "white_level: expected a finite number"),
    (
        BURSTS,
        set_value(1, white_balance=[1.0, math.inf, 1.0]),
        "burst_id=tiny-0",
        "white_balance: expected each a positive number",
    ),
    (BURSTS, set_value(1, license=None), "burst_id=tiny-0", "license: expected a value, which may not be missing"),
    (BURSTS, set_value(1, domain=None), "burst_id=tiny-0", "domain: expected a value, which may not be missing"),
    (BURSTS, set_value(1, ground_truth_kind="some"), "burst_id=tiny-0", "one of exact, reference_capture, none"),
    (BURSTS, set_value(1, ground_truth_kind="none"), "burst_id=tiny-0", "ground_truth_path: expected null"),
    (BURSTS, set_value(1, ground_truth_path=None), "burst_id=tiny-0", "ground_truth_path: expected a value"),
    (BURSTS, set_value(1, scene_id="other"), "burst_id=tiny-0", "the scene that bursts states"),
    (BURSTS, lambda rows: rows.pop(1), "burst_id=tiny-0", "a burst of the table bursts"),
    (FRAMES, set_value(3, burst_id="nobody"), "burst_id=nobody", "a burst of the table bursts"),
    (FRAMES, lambda rows: rows.pop(3), "burst_id=tiny-0", "expected 0..1, got 1 of them"),
    (FRAMES, lambda rows: [rows.pop(3), rows.pop(3)], "burst_id=tiny-0", "expected 0..1, got none"),
    (FRAMES, set_value(4, frame_index=2), "burst_id=tiny-0", "expected 0..1, got 2 of them in 0..2"),
    (FRAMES, set_value(3, is_reference=False), "burst_id=tiny-0", "is_reference: expected one frame"),
    (FRAMES, set_value(4, is_reference=True), "burst_id=tiny-0", "is_reference: expected one frame"),
    (FRAMES, set_value(3, sha256="x"), "burst_id=tiny-0, frame_index=0", "sha256: expected a SHA-256"),
    (FRAMES, set_value(3, sha256="0" * 64), "burst_id=tiny-0, frame_index=0", "SHA-256: expected 0000"),
    (FRAMES, set_value(3, orientation=9), "burst_id=tiny-0, frame_index=0", "expected 1..8, got 9"),
    (FRAMES, set_value(1, orientation=1), "burst_id=phone-0, frame_index=1", "image header"),
    (FRAMES, set_value(3, occlusion=1.5), "burst_id=tiny-0, frame_index=0", "occlusion: expected 0..1"),
    (FRAMES, set_value(3, shot_noise=-1.0), "burst_id=tiny-0, frame_index=0", "shot_noise: expected at least 0"),
    (FRAMES, set_value(3, exposure_ratio=0.0), "burst_id=tiny-0, frame_index=0", "a positive number"),
    (FRAMES, set_value(3, read_noise=math.nan), "burst_id=tiny-0, frame_index=0", "read_noise: expected at least 0"),
    (
        FRAMES,
        set_value(3, homography=[math.nan] * 9),
        "burst_id=tiny-0, frame_index=0",
        "homography: expected nine finite numbers",
    ),
    (
        FRAMES,
        set_value(3, trajectory=[0.0, None]),
        "burst_id=tiny-0, frame_index=0",
        "trajectory: expected each a finite number",
    ),
    (FRAMES, set_value(3, path="/etc/passwd"), "burst_id=tiny-0, frame_index=0", "inside"),
    (FRAMES, set_value(3, path="../x.png"), "burst_id=tiny-0, frame_index=0", "inside"),
    (FRAMES, set_value(3, path="frames\\x.png"), "burst_id=tiny-0, frame_index=0", "inside"),
    (FRAMES, set_value(3, path="frames/\0"), "burst_id=tiny-0, frame_index=0", "inside"),
    (FRAMES, set_value(3, path=""), "burst_id=tiny-0, frame_index=0", "path"),
    (FRAMES, set_value(3, path="frames/x.png"), "burst_id=tiny-0, frame_index=0", "no such file"),
    (FRAMES, set_value(3, path="x" * 5000), "burst_id=tiny-0, frame_index=0", "path"),
    (
        FRAMES,
        set_value(3, path="frames//tiny/tiny-0/00.png"),
        "burst_id=tiny-0",
        "path: expected a relative POSIX path",
    ),
    (FRAMES, set_value(3, path="frames/tiny/tiny-0/01.png"), "burst_id=tiny-0, frame_index=1", "a file of its own"),
    (SPLITS, set_value(1, burst_id="nobody"), "burst_id=nobody", "a burst of the table bursts"),
    (SPLITS, lambda rows: rows.pop(1), "burst_id=tiny-0", "expected a row for this burst"),
    (SPLITS, set_value(1, split="dev"), "burst_id=tiny-0", "one of train, val, test"),
    (SPLITS, set_value(1, split="val"), "scene_id=scene-a", "expected one split, got train and val"),
    (SPLITS, set_value(1, split="val", scene_id="new"), "scene_id=scene-a", "expected one split"),
    (SPLITS, set_value(1, fold=-1), "burst_id=tiny-0", "fold: expected at least 0"),
    (SPLITS, set_value(1, fold=1), "scene_id=scene-a", "expected one fold"),
    (BURSTS, set_value(1, perceptual_hash="12"), "burst_id=tiny-0", "perceptual_hash: expected 16 hex digits"),
    (FAILURES, set_value(0, stage="audit"), "burst_id=broken", "one of bursts, labels"),
    (FAILURES, set_value(0, attempts=0), "burst_id=broken", "attempts: expected at least 1"),
    (MEAN, set_value(1, burst_id="nobody"), "burst_id=nobody", "a burst of the table bursts"),
    (
        MEAN,
        set_everywhere(scenario="denoise/other"),
        "denoise/other",
        "in the file manifests/labels/denoise--other.parquet",
    ),
    (MEAN, set_value(1, scenario="a/b"), "scenario=a/b", "in the file manifests/labels/a--b.parquet"),
    (MEAN, lambda rows: rows.pop(1), "burst_id=tiny-0, estimator=add_one", "each of 2 frames, got 1"),
    (MEAN, set_value(1, frame_index=2), "frame_index=2", "a frame of the burst"),
    (MEAN, set_value(0, score=1.0, rank=1, score_norm=0.5, std_error=0.0), "frame_index=0", "null for the reference"),
    (MEAN, set_value(1, score=None), "burst_id=tiny-0", "rank: expected null"),
    (MEAN, set_value(1, rank=None), "burst_id=tiny-0", "rank: expected a value"),
    (MEAN, set_value(1, std_error=None), "burst_id=tiny-0", "std_error: expected a value"),
    (MEAN, set_value(1, std_error=-0.1), "burst_id=tiny-0", "std_error: expected at least 0"),
    (MEAN, set_value(1, score=math.nan), "burst_id=tiny-0", "score: expected a finite number"),
    (MEAN, set_value(1, score=math.inf), "burst_id=tiny-0", "score: expected a finite number"),
    (MEAN, set_value(1, rank=2), "burst_id=tiny-0", "rank: expected its place"),
    (MEAN, set_value(1, score_norm=0.4), "burst_id=tiny-0", "score_norm: expected (score"),
    (MEAN, set_value(1, score_norm=1.4), "burst_id=tiny-0", "score_norm: expected 0..1"),
    (MEAN, set_value(1, unit="1"), "metric=psnr", "unit: expected one unit"),
    (MEAN, set_value(1, num_evaluations=-1), "burst_id=tiny-0", "num_evaluations"),
    (MEAN, set_value(1, label_key="?"), "burst_id=tiny-0", "label_key: expected a SHA-256"),
    (NLM, set_value(0, restorer_fingerprint=""), "burst_id=tiny-0", "restorer_fingerprint: expected a SHA-256"),
]


@pytest.mark.parametrize(("file", "change", "row", "message"), WRONG_ROWS)
def test_a_wrong_row(tiny: Path, file: str, change: Callable[[list[Row]], object], row: str, message: str) -> None:
    change_rows(tiny, file, change)
    problems = verify(tiny)
    assert any(row in problem.row and message in problem.message for problem in problems), [*map(str, problems)]


def test_ranks_follow_scores_with_ties(tiny: Path) -> None:
    def tie(rows: list[Row]) -> None:
        burst = [row for row in rows if row["burst_id"] == "tiny-2" and row["estimator"] == "add_one"][1:]
        for row, score, rank, norm in zip(burst, (3.0, 1.0, 3.0), (1, 3, 1), (1.0, 0.0, 1.0), strict=True):
            row.update(score=score, rank=rank, score_norm=norm)

    change_rows(tiny, MEAN, tie)
    assert verify(tiny) == []
    change_rows(tiny, MEAN, lambda rows: [row.update(rank=2) for row in rows if row["rank"] == 1])
    expect(tiny, MEAN, "burst_id=tiny-2, estimator=add_one", "rank: expected its place")


def test_scores_that_differ_by_rounding_share_a_rank(tiny: Path) -> None:
    def set_ranks(*ranks: int) -> Callable[[list[Row]], None]:
        def edit(rows: list[Row]) -> None:
            burst = [row for row in rows if row["burst_id"] == "tiny-2" and row["estimator"] == "add_one"][1:]
            for place, (row, rank) in enumerate(zip(burst, ranks, strict=True)):
                row.update(score=1 + 3e-7 * place, rank=rank, score_norm=0.5)

        return edit

    change_rows(tiny, MEAN, set_ranks(1, 1, 1))
    assert verify(tiny) == []
    change_rows(tiny, MEAN, set_ranks(3, 2, 1))
    expect(tiny, MEAN, "burst_id=tiny-2, estimator=add_one", "rank: expected its place")


def test_a_reason_stands_where_no_score_does(tiny: Path) -> None:
    change_rows(tiny, MEAN, lambda rows: rows[1].update(reason="Error: why"))
    expect(tiny, MEAN, "burst_id=tiny-0", "reason: expected null where there is a score")
    nothing = dict.fromkeys(("score", "std_error", "rank", "score_norm"))
    change_rows(tiny, MEAN, lambda rows: rows[1].update(nothing))
    assert verify(tiny) == []
    change_rows(tiny, MEAN, lambda rows: rows[1].update(noise_error=0.1))
    expect(tiny, MEAN, "burst_id=tiny-0", "noise_error: expected null where score is null")


def test_text_that_is_no_text(tiny: Path) -> None:
    table = read_table(tiny, SPLITS, TABLES["splits"])
    broken = pa.array([b"\xff"] * len(table), pa.binary()).view(pa.string())
    table = table.set_column(2, table.schema.field("split"), broken).replace_schema_metadata(
        {"format_version": str(FORMAT_VERSION)}
    )
    pq.write_table(table, tiny / SPLITS)
    expect(tiny, SPLITS, "", "")


# --------------------------------------------------------------------------------------------------------------- images


def replace_image(root: Path, path: str, data: bytes) -> None:
    """Put other bytes into a frame's file, and their digest into the table."""
    (root / path).write_bytes(data)
    digest = hash_plain(root / path)
    change_rows(root, FRAMES, lambda rows: [row.update(sha256=digest) for row in rows if row["path"] == path])
    change_rows(
        root,
        BURSTS,
        lambda rows: [row.update(ground_truth_sha256=digest) for row in rows if row["ground_truth_path"] == path],
    )


FRAME, TRUTH = "frames/tiny/tiny-0/00.png", "frames/tiny/tiny-0/ground_truth.png"


@pytest.mark.parametrize(
    ("path", "data"),
    [
        (FRAME, encode_png(np.zeros((16, 16), np.uint8))),
        (FRAME, encode_png(np.zeros((16, 18), np.uint16))),
        (FRAME, encode_png(np.zeros((16, 16, 3), np.uint16))),
        (TRUTH, encode_png(np.zeros((16, 16, 3), np.uint8))),
        (TRUTH, encode_png(np.zeros((32, 32, 3), np.uint16))),
        (TRUTH, encode_png(np.zeros((16, 16), np.uint16))),
        ("frames/phone/phone-0/00.png", encode_png(np.zeros((12, 20), np.uint8))),
    ],
)
def test_an_image_that_is_not_what_its_row_says(tiny: Path, path: str, data: bytes) -> None:
    replace_image(tiny, path, data)
    problems = verify(tiny, hashes=False)
    assert [problem.file for problem in problems] == [path]
    assert "image header: expected" in problems[0].message


@pytest.mark.parametrize("data", [b"", b"not an image", encode_png(np.zeros((16, 16), np.uint16))[:20]])
def test_a_file_that_is_no_image(tiny: Path, data: bytes) -> None:
    replace_image(tiny, FRAME, data)
    expect(tiny, FRAME, "burst_id=tiny-0, frame_index=0", "is not an image")


def test_a_missing_image_and_a_left_over_one(tiny: Path) -> None:
    (tiny / FRAME).rename(tiny / "frames/tiny/tiny-0/spare.png")
    expect(tiny, FRAMES, "burst_id=tiny-0, frame_index=0", "no such file")
    expect(tiny, "frames/tiny/tiny-0/spare.png", "", "no row names this file")
    shutil.rmtree(tiny / "frames")
    assert len(verify(tiny)) == 20


@pytest.mark.parametrize("path", ["notes.txt", "audit/old.html", "manifests/old.parquet", "manifests/.bursts.tmp"])
def test_a_left_over_document(tiny: Path, path: str) -> None:
    (tiny / path).parent.mkdir(exist_ok=True)
    (tiny / path).write_text("x")
    assert [(problem.file, problem.row) for problem in verify(tiny)] == [(path, "")]
    seal(tiny)
    assert (verify(tiny) == []) == ("/." not in path)


def test_the_work_folder_is_no_part_of_the_data_set(tiny: Path) -> None:
    (tiny / ".work").mkdir()
    (tiny / ".work" / "lock").touch()
    assert verify(tiny) == []


def test_links(tiny: Path) -> None:
    outside = tiny.parent / "outside.png"
    outside.write_bytes((tiny / FRAME).read_bytes())
    (tiny / FRAME).unlink()
    (tiny / FRAME).symlink_to(outside)
    expect(tiny, FRAMES, "burst_id=tiny-0, frame_index=0", "is a link")
    (tiny / FRAME).unlink()
    (tiny / "store").mkdir()
    outside.rename(tiny / "store/x.png")
    (tiny / FRAME).symlink_to("../../../store/x.png")
    seal(tiny)
    expect(tiny, FRAMES, "burst_id=tiny-0, frame_index=0", "is a link")
    (tiny / FRAME).unlink()
    (tiny / FRAME).symlink_to("00.png")  # a link to itself
    assert any(problem.row == "burst_id=tiny-0, frame_index=0" for problem in verify(tiny))
    (tiny / FRAME).unlink()
    (tiny / FRAME).mkdir()
    expect(tiny, FRAMES, "burst_id=tiny-0, frame_index=0", "got a folder")


def test_a_large_file_is_hashed_whole(tiny: Path) -> None:
    side = 1024
    noise = np.random.default_rng(0).integers(0, 65536, (side, side), np.uint16)
    data = write_png(tiny, FRAME, noise)
    assert len(data) > 1 << 20
    change_rows(tiny, FRAMES, set_value(3, sha256=hash_plain(tiny / FRAME)))
    assert [problem.message for problem in verify(tiny) if problem.file == FRAME] == [
        f"image header: expected 16x16, 1 channels of 16 bit, got {side}x{side}, 1 channels of 16 bit; restore the file"
    ]
    (tiny / FRAME).write_bytes(data[:-1] + b"\0")
    expect(tiny, FRAME, "frame_index=0", "SHA-256")


def test_problems_read_as_one_line() -> None:
    assert str(Problem("a.png", "burst_id=x", "gone")) == "a.png: burst_id=x: gone"
    assert str(Problem("a.png", "", "gone")) == "a.png: gone"


def read_header_of(path: Path) -> ImageHeader:
    with path.open("rb") as stream:
        found = parse_png_header(stream.read(HEADER_BYTES))
        stream.seek(0)
        return found or read_header(stream, str(path))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_headers_agree_with_opencv(tmp_path: Path, dtype: Any, channels: int) -> None:
    shape = (6, 10) if channels == 1 else (6, 10, channels)
    path = tmp_path / "x.png"
    path.write_bytes(cv2.imencode(".png", np.zeros(shape, dtype))[1].tobytes())
    pixels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert read_header_of(path) == ImageHeader(*pixels.shape[:2], channels, 8 * pixels.itemsize)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB"])
@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_headers_say_what_reading_gives(tmp_path: Path, mode: str, suffix: str) -> None:
    if suffix == ".jpg" and mode == "P":
        mode = "RGB"
    path = tmp_path / f"x{suffix}"
    Image.new(mode, (10, 6)).save(path)
    pixels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    assert read_header_of(path) == ImageHeader(6, 10, channels, 8)


def test_the_digest_in_the_description_is_plain_json(tiny_original: Path) -> None:
    description = json.loads((tiny_original / "dataset.json").read_text())
    assert description["manifests"][BURSTS] == hash_plain(tiny_original / BURSTS)
