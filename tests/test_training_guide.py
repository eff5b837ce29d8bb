"""The code of docs/training.md runs."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest

from manifests.operations.pack import pack_dataset
from tests.photographs import write_photographs
from tests.places import ROOT

GUIDE = ROOT / "docs" / "training.md"


def test_its_code_runs_from_top_to_bottom(tiny_original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pack_dataset(tiny_original, tmp_path / "PACK")
    (tmp_path / "DATASET").symlink_to(tiny_original)
    write_photographs(tmp_path / "PHOTOS", 2)
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 4
    # The tiny data set has frames of 16 pixels, one mosaic and one RGB source, and other labels.
    replacements = {
        "denoise/hdrplus": "denoise/mean",
        "RandomCrop(64, 64": "RandomCrop(8, 8",
        "batch_size=8, shuffle=True, num_workers=4": "batch_size=1",
        "num_workers=4": "num_workers=1",
        "stop=100_000": "stop=2",
        "range(first_epoch, 100)": "range(first_epoch, 2)",
    }
    code = "\n".join(blocks)
    for old, new in replacements.items():
        assert old in code
        code = code.replace(old, new)
    names = {"rank": 0, "world_size": 2, "first_epoch": 0, "checkpoint": {}}
    exec(compile(code, str(GUIDE), "exec"), names)
    assert names["checkpoint"]["sampler"] == {"epoch": 1, "first_batch": 2}
    assert list(itertools.islice(names["sampler"], 1))
    assert names["rendered"].burst.frames.shape[1:] == (64, 64)
