"""`buiqa select`: frames named, copied and drawn; what cannot be asked for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from dataset_builder.cli.main import main
from manifests.images.pixels import write_png
from tests.models import TASK, save_trees
from tests.noisy_dataset import Here
from tests.photographs import make_photograph

BLURRED = "b3.png"


@pytest.fixture(autouse=True)
def _work_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dataset_builder.work.local.LocalWorkers", lambda *_: Here())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("select") / "burst"
    scene, rng = make_photograph(136, 168, seed=3), np.random.default_rng(0)
    for index in range(5):
        x, y = rng.integers(0, 8, 2)
        frame = scene[y : y + 128, x : x + 160].astype(np.float64)
        if f"b{index}.png" == BLURRED:
            frame = cv2.GaussianBlur(frame, (0, 0), 3)
        noisy = frame + rng.normal(0, 2, frame.shape)
        write_png(root, f"b{index}.png", np.rint(noisy.clip(0, 255)).astype(np.uint8))
    return root


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_trees(tmp_path_factory.mktemp("model") / "model.safetensors")


def run(*arguments: Any) -> Result:
    return CliRunner().invoke(main, ["select", *map(str, arguments)], catch_exceptions=False)


def test_frames_are_named_copied_and_drawn(folder: Path, tmp_path: Path) -> None:
    common = (
        folder,
        "--model",
        "alignment_difference",
        "--keep",
        3,
        "--reference",
        1,
        "--sheet",
        tmp_path / "sheet.png",
    )
    done = run(*common, "--copy", tmp_path / "kept", "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert (told["reference"], told["task"]) == ("b1.png", "denoise/hdrplus")
    frames = {frame["name"]: frame for frame in told["frames"]}
    assert frames["b1.png"]["kept"]
    assert frames["b1.png"]["score"] is None
    kept = {name for name, frame in frames.items() if frame["kept"]}
    best = sorted((name for name in frames if name != "b1.png"), key=lambda name: -frames[name]["score"])[:2]
    assert kept == {"b1.png", *best}
    assert BLURRED not in kept
    assert any(reason.startswith("blurred") for reason in frames[BLURRED]["reasons"])
    assert [name for name, frame in frames.items() if any("blurred" in one for one in frame["reasons"])] == [BLURRED]
    assert {path.name for path in (tmp_path / "kept").iterdir()} == kept
    assert all((tmp_path / "kept" / name).read_bytes() == (folder / name).read_bytes() for name in kept)
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width > 5 * 256
    again = run(*common, "--copy", tmp_path / "kept")
    assert again.exit_code == 2
    assert "name a new folder" in again.output


def test_what_harms_is_left_out(folder: Path, model: Path, tmp_path: Path) -> None:
    done = run(folder, "--model", model, "--task", TASK, "--drop-harmful", "--json", "--sheet", tmp_path / "sheet.png")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    for frame in told["frames"]:
        assert frame["kept"] == (frame["score"] is None or frame["score"] >= 0)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "say either --keep N or --drop-harmful"),
        (("--keep", 2, "--drop-harmful"), "say either --keep N or --drop-harmful"),
        (("--drop-harmful", "--model", "sharpness"), "only rank frames"),
        (("--keep", 2, "--model", "MODEL", "--task", "sr/other"), "was trained for denoise/mean"),
        (("--keep", 6, "--model", "sharpness"), "holds 5 frames"),
        (("--keep", 2, "--model", "sharpness", "--reference", "best"), "expected a number or one of first"),
        (("--keep", 2, "--model", "sharpness", "--reference", "5"), "choose a smaller one"),
        (("--keep", 2, "--model", "sharpnes"), "did you mean"),
    ],
)
def test_what_cannot_be_asked_for(
    folder: Path, model: Path, tmp_path: Path, arguments: tuple[Any, ...], message: str
) -> None:
    named = [model if one == "MODEL" else one for one in arguments]
    done = run(folder, *named, "--sheet", tmp_path / "sheet.png")
    assert done.exit_code in (1, 2)
    assert message in " ".join(done.output.split())
    assert not (tmp_path / "sheet.png").exists()
