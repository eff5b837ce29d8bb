"""Frames that take more than a worker may: they cost the audit what their own burst would show."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from dataset_builder.audit.stage import write_audit
from dataset_builder.work.local import LocalWorkers
from dataset_builder.work.unit import Limits
from tests.dataset_builder.audit.test_audit import read_page
from tests.tiny_dataset import write_tiny_dataset

WRITTEN = ("index.html", "features.parquet", "statistics.parquet", "findings.json")
LITTLE = Limits(memory_gib=0.25)
"""Enough for small frames; one of 36 megapixels takes 0.2 GiB beside what a worker takes anyway."""


@pytest.fixture(scope="module")
def greedy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set in which a frame of `tiny-0` unpacks to 72 MB."""
    root = write_tiny_dataset(tmp_path_factory.mktemp("limits") / "tiny")
    data = cv2.imencode(".png", np.zeros((6000, 6000), np.uint16))[1].tobytes()
    (root / "frames" / "tiny" / "tiny-0" / "00.png").write_bytes(data)
    return root


@pytest.mark.slow
def test_a_frame_that_takes_too_much_memory_costs_its_own_burst(greedy: Path, tmp_path: Path) -> None:
    written = []
    for jobs in (1, 2):
        root = shutil.copytree(greedy, tmp_path / str(jobs) / "tiny")
        audit = write_audit(root, workers=LocalWorkers(jobs, LITTLE))
        assert [remark.partition(":")[0] for remark in audit.remarks] == [
            "not measured for the report",
            "not shown in the report",
        ]
        assert all("1 of 5 bursts, as tiny-0: MemoryError" in remark for remark in audit.remarks)
        known = audit.tables.frames.groupby("burst_id")["brightness"].agg(lambda values: values.notna().all())
        assert known[~known].index.tolist() == ["tiny-0"]
        assert [found.bursts for found in audit.findings if found.rule == "unreadable_frames"] == [("tiny-0",)]
        gaps = {burst["id"] for burst in read_page(root).bursts if None in burst["pictures"]}
        assert gaps == {"tiny-0"}
        written.append([(root / "audit" / name).read_bytes() for name in WRITTEN])
    assert written[0] == written[1]
