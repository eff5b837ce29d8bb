"""Pipes and devices among the files of a source cost their own bursts, with a message, and hang nobody."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.stand_ins.burstsr import write_burstsr
from benchmarks.stand_ins.hdrplus import write_hdrplus
from benchmarks.stand_ins.photo_triage import write_photo_triage
from benchmarks.stand_ins.spaq import write_spaq
from dataset_builder.build import add_source
from dataset_builder.recipe import parse_source
from manifests.images.pixels import write_png
from manifests.store import read_dataset_table
from manifests.verification.verify import verify
from tests.data.kpn import write_kpn
from tests.data.synthetic_burst import write_synthetic_burst
from tests.dataset_builder.decoding.test_images import save
from tests.photographs import make_photograph

pytestmark = pytest.mark.timeout(120)


def write_folders(root: Path) -> None:
    for burst in "ab":
        for index in range(3):
            write_png(root, f"{burst}/{index}.png", make_photograph(40, 50, seed=ord(burst) + index))


def write_stacks(root: Path) -> None:
    import numpy as np
    import tifffile

    root.mkdir(parents=True)
    for name in "ab":
        pages = np.stack([make_photograph(40, 50, seed=ord(name) + index) for index in range(3)])
        tifffile.imwrite(root / f"{name}.tiff", pages, photometric="rgb")


def write_photographs(root: Path) -> None:
    root.mkdir()
    for name in "ab":
        save((root / f"{name}.png"), make_photograph(90, 100, seed=ord(name)))


Write = Callable[[Path], object]
CASES: list[tuple[str, Write, str]] = [
    ("folders", write_folders, "a/1.png"),
    ("stacks", write_stacks, "a.tiff"),
    ("burstsr", write_burstsr, "train/*/samsung_01/im_raw.png"),
    ("burstsr", write_burstsr, "train/*/samsung_01/meta_info.pkl"),
    ("burstsr", write_burstsr, "train/*/canon/im_raw.png"),
    ("synthetic_burst", write_synthetic_burst, "bursts/0000/im_raw_01.png"),
    ("synthetic_burst", write_synthetic_burst, "gt/0000/im_rgb.png"),
    ("synthetic_burst", write_synthetic_burst, "gt/0000/meta_info.pkl"),
    ("hdrplus", write_hdrplus, "bursts/*/payload_N001.dng"),
    ("kpn", write_kpn, "*.npz"),
    ("spaq", write_spaq, "TestImage/*"),
    ("photo_triage", write_photo_triage, "train_val_imgs/*"),
]


@pytest.mark.slow
@pytest.mark.parametrize("plant", [os.mkfifo, lambda place: place.symlink_to("/dev/zero")], ids=["pipe", "device"])
@pytest.mark.parametrize(("kind", "write", "pattern"), CASES, ids=[f"{kind}-{pattern}" for kind, _, pattern in CASES])
def test_it_costs_its_own_burst(
    tmp_path: Path, kind: str, write: Write, pattern: str, plant: Callable[[Path], None]
) -> None:
    root, out = tmp_path / "in", tmp_path / "out"
    write(root)
    place = sorted(root.glob(pattern))[0]
    shutil.rmtree(place) if place.is_dir() else place.unlink()
    plant(place)
    (report, *_) = add_source(out, parse_source(name="set", kind=kind, root=str(root)))
    failures = read_dataset_table(out, "failures").to_pylist()
    assert any("plain file" in row["message"] or "inside" in row["message"] for row in failures), failures
    assert report.counts["created"] > 0
    assert verify(out) == []


def test_grouping_by_time_looks_into_no_pipe(tmp_path: Path) -> None:
    write_folders(tmp_path / "in")
    os.mkfifo(tmp_path / "in/a/9.png")
    (report, *_) = add_source(
        tmp_path / "out", parse_source(name="set", kind="folders", root=str(tmp_path / "in"), group="gap")
    )
    assert report.counts["failed"] == 7


def test_a_photograph_that_is_a_pipe(tmp_path: Path) -> None:
    write_photographs(tmp_path / "in")
    os.mkfifo(tmp_path / "in/c.png")
    source = parse_source(
        name="set", kind="photographs", root=str(tmp_path / "in"), frame_height=32, frame_width=32,
        bursts_per_photograph=1, max_blur=1.0, near_duplicates="keep",
    )  # fmt: skip
    (report, *_) = add_source(tmp_path / "out", source)
    assert (report.counts["created"], report.counts["failed"]) == (2, 1)
    assert "expected a plain file, got a pipe" in report.failures[0]["message"]
