"""Names become assessors, and what is none is said so."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from assessors import Assessor, AssessorError, create_assessor, list_assessors, predict
from assessors.base import AssessorInfo
from assessors.errors import InvalidAssessorError, UnknownAssessorError
from tests.places import ROOT


def test_all_that_are_listed_can_be_made() -> None:
    for name in list_assessors():
        assessor = create_assessor(name)
        assert isinstance(assessor, Assessor)
        assert assessor.info.name == name
        assert assessor.info.summary


def test_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_assessor.py").write_text(
        "from assessors import AssessorInfo\n"
        "import numpy as np\n"
        "class Mine:\n"
        "    info = AssessorInfo('mine', 'zeros')\n"
        "    def score(self, inputs, scenario):\n"
        "        return np.zeros(inputs.num_frames)\n"
        "made = Mine()\n"
        "class Broken:\n"
        "    def __init__(self):\n"
        "        raise RuntimeError('no luck')\n"
        "class Other:\n"
        "    info = 'x'\n"
    )
    monkeypatch.chdir(tmp_path)
    assert create_assessor("my_assessor:Mine").info == create_assessor("my_assessor:made").info
    for name, message in (
        ("my_assessor:Broken", "cannot be built .RuntimeError: no luck"),
        ("my_assessor:Other", "expected `info: AssessorInfo` and `score"),
    ):
        with pytest.raises(InvalidAssessorError, match=message):
            create_assessor(name)
    for name in ("my_assessor:Gone", "no_such_module:Mine", "nothing"):
        with pytest.raises(UnknownAssessorError):
            create_assessor(name)


class Wrong:
    info = AssessorInfo("wrong", "too few scores")

    def __init__(self, scores: list[float]) -> None:
        self.scores = scores

    def score(self, inputs: object, scenario: str) -> np.ndarray:
        return np.array(self.scores)


class Provider:
    burst_ids = ("b",)

    def __len__(self) -> int:
        return 1

    def __getitem__(self, position: int) -> object:
        return type("Inputs", (), {"num_frames": 2})()


@pytest.mark.parametrize("scores", [[1.0], [1.0, np.nan], [1.0, np.inf], [1.0, 2.0, 3.0]])
def test_scores_that_are_none(scores: list[float]) -> None:
    with pytest.raises(AssessorError, match="assessor wrong: burst b, a/b: expected 2 finite scores"):
        predict([Wrong(scores)], Provider(), ["a/b"])


def test_the_code_of_the_guide_runs(tiny_original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "DATASET").symlink_to(tiny_original)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BUIQA_CACHE", str(tmp_path / "cache"))
    (block,) = re.findall(
        r"```python\n(.*?)```", (ROOT / "docs" / "assessors.md").read_text(encoding="utf-8"), re.DOTALL
    )
    names: dict = {}
    exec(compile(block, "assessors.md", "exec"), names)
    assert names["inputs"].difference.shape == (4, 4, 8, 8)
    assert list((tmp_path / "cache" / "inputs").iterdir())
