"""The burst of a folder: what is found, followed, cut out and told of it, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from dataset_builder.errors import FrameSizeError, MissingSourceError, SourceError, TooFewFramesError
from dataset_builder.ingest.crops import Window
from dataset_builder.selection.folder import SeenBurst, look_at_folder
from dataset_builder.selection.policies import choose_best, choose_frames
from dataset_builder.selection.windows import SIDE, choose_windows, cut_windows, follow_window
from dataset_builder.viewing.reasons import FrameLook, name_reasons
from dataset_builder.viewing.selection_sheet import Selection, draw_selection
from manifests.images.pixels import write_png
from restorers import Domain
from tests.noisy_dataset import Here
from tests.photographs import make_photograph

HEIGHT, WIDTH = 720, 900
SHIFTS = ((0, 0), (12, -8), (-20, 6), (4, 4), (0, -14))
"""x and y by which what a frame shows moves; by even pixels, so that windows can follow it exactly."""
BLURRED = 3


@pytest.fixture(scope="module")
def scene() -> np.ndarray:
    return make_photograph(HEIGHT + 64, WIDTH + 64, seed=4)


@pytest.fixture(scope="module")
def folder(scene: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("select") / "holiday"
    for index, (x, y) in enumerate(SHIFTS):
        frame = scene[32 - y : 32 - y + HEIGHT, 32 - x : 32 - x + WIDTH]
        write_png(root, f"IMG_{index + 8}.png", cv2.GaussianBlur(frame, (0, 0), 4) if index == BLURRED else frame)
    (root / "IMG_90.jpg").write_bytes(b"\xff\xd8\xff\xe0 torn")
    (root / "notes.txt").write_text("nothing")
    return root


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("scratch")


@pytest.fixture(scope="module")
def burst(folder: Path, scratch: Path) -> SeenBurst:
    return look_at_folder(folder, scratch, Here(), reference=0)


def test_frames_come_in_order_and_what_cannot_be_read_is_named(burst: SeenBurst) -> None:
    assert [frame.name for frame in burst.frames] == [
        "IMG_8.png",
        "IMG_9.png",
        "IMG_10.png",
        "IMG_11.png",
        "IMG_12.png",
    ]
    (remark,) = [one for one in burst.remarks if "IMG_90" in one]
    assert remark.startswith("left out")
    assert burst.frames[0].shape == (HEIGHT, WIDTH)
    assert burst.frames[0].sensor.domain is Domain.SRGB
    assert max(burst.frames[0].thumbnail.shape) == 256


def test_motion_is_that_of_the_files(burst: SeenBurst) -> None:
    for index, shift in enumerate(SHIFTS):
        if index != BLURRED:
            matrix = np.reshape(burst.frames[index].measures["homography"], (3, 3))
            np.testing.assert_allclose(matrix[:2, 2], shift, atol=0.5)


def test_windows_show_the_same_of_the_scene_in_every_frame(burst: SeenBurst, scratch: Path, scene: np.ndarray) -> None:
    windows = choose_windows(burst.grey, (HEIGHT, WIDTH))
    cuts = list(cut_windows(burst, scratch, Here()))
    assert len(cuts) == len(windows) == 6
    for window, cut in zip(windows, cuts, strict=True):
        assert cut.frames.shape == (len(SHIFTS), SIDE, SIDE, 3)
        top, left = 32 + window.y, 32 + window.x
        expected = scene[top : top + SIDE, left : left + SIDE].astype(np.float32) / np.float32(255)
        for index in range(len(SHIFTS)):
            inside = follow_window(window, burst.frames[index].measures.get("homography"), (HEIGHT, WIDTH))
            x, y = inside.x - window.x, inside.y - window.y
            if index != BLURRED and (x, y) == SHIFTS[index]:  # where it reached the edge it shows something else
                np.testing.assert_allclose(cut.frames[index], expected, atol=1e-6)
        assert (cut.reference_index, cut.domain) == (0, Domain.SRGB)
    followed = [follow_window(window, burst.frames[2].measures["homography"], (HEIGHT, WIDTH)) for window in windows]
    assert any((one.x - own.x, one.y - own.y) == SHIFTS[2] for one, own in zip(followed, windows, strict=True))


@pytest.mark.parametrize("shape", [(720, 900), (900, 720), (3000, 4000), (900, 461)])
def test_windows_are_one_of_each_cell_where_most_is_to_be_seen(shape: tuple[int, int]) -> None:
    grey = np.zeros((shape[0] // 2, shape[1] // 2), np.float32)
    rng = np.random.default_rng(0)
    down, across = (2, 3) if shape[1] >= shape[0] else (3, 2)
    for row, column in np.ndindex(down, across):
        y, x = (row * grey.shape[0]) // down + 20, (column * grey.shape[1]) // across + 20
        grey[y : y + 40, x : x + 40] = rng.uniform(size=(40, 40))
    windows = choose_windows(grey, shape)
    assert len(windows) == 6
    for number, window in enumerate(windows):
        row, column = divmod(number, across)
        y, x = 2 * ((row * grey.shape[0]) // down + 40), 2 * ((column * grey.shape[1]) // across + 40)
        assert window.y <= y <= window.y + window.height
        assert window.x <= x <= window.x + window.width
        assert all(value % 2 == 0 for value in window)
        assert window.x + window.width <= shape[1]
        assert window.y + window.height <= shape[0]


def test_small_frames_are_seen_as_a_whole() -> None:
    assert choose_windows(np.zeros((99, 101), np.float32), (99, 101)) == [Window(0, 0, 100, 98)]


def test_windows_stay_inside_the_frame() -> None:
    far = [1, 0, 5000, 0, 1, -5000, 0, 0, 1]
    assert follow_window(Window(10, 20, 64, 64), far, (200, 301)) == Window(236, 0, 64, 64)
    assert follow_window(Window(10, 20, 64, 64), None, (200, 301)) == Window(10, 20, 64, 64)


# ------------------------------------------------------------------------------------------------------------- refused


def test_what_is_no_burst(tmp_path: Path, scratch: Path) -> None:
    with pytest.raises(MissingSourceError, match="no such folder"):
        look_at_folder(tmp_path / "gone", scratch, Here())
    (tmp_path / "below").mkdir()
    with pytest.raises(MissingSourceError, match=r"found none; name one of its folders \(below\)"):
        look_at_folder(tmp_path, scratch, Here())
    write_png(tmp_path, "a.png", make_photograph(64, 64))
    with pytest.raises(TooFewFramesError, match="at least 2 frames, found 1"):
        look_at_folder(tmp_path, scratch, Here())
    (tmp_path / "b.png").write_bytes(b"\x89PNG\r\n\x1a\n torn")
    with pytest.raises(SourceError, match=r"1 of 2 files can be read, as .*b\.png"):
        look_at_folder(tmp_path, scratch, Here())
    write_png(tmp_path, "b.png", make_photograph(64, 80))
    with pytest.raises(FrameSizeError, match=r"b\.png is 80 x 64 px of 8 bit, srgb, but a\.png is 64 x 64 px"):
        look_at_folder(tmp_path, scratch, Here())
    write_png(tmp_path, "b.png", make_photograph(64, 64, seed=2))
    with pytest.raises(SourceError, match="reference 2, but there are 2 frames"):
        look_at_folder(tmp_path, scratch, Here(), reference=2)


# ------------------------------------------------------------------------------------------------------- what is chosen


def test_the_best_are_those_of_a_sort() -> None:
    rng = np.random.default_rng(1)
    for _ in range(50):
        scores = np.round(rng.standard_normal(8), 1)
        scores[rng.integers(0, 8)] = np.nan
        others = [index for index in range(8) if index != 3]
        kept = int(rng.integers(0, 8))
        known = sorted(others, key=lambda index: (np.isnan(scores[index]), -np.nan_to_num(scores[index]), index))
        assert choose_best(scores, others, kept) == frozenset(known[:kept])
        assert choose_frames(scores, others, "best_half") == frozenset(known[:4])


@pytest.mark.parametrize(
    ("look", "reasons"),
    [
        (FrameLook(), ()),
        (FrameLook(detail=0.97, mismatched=0.01, noise=1.1, exposure_ratio=1.1, displacement=0.02), ()),
        (FrameLook(detail=0.4), ("blurred: 40\u00a0% of the detail",)),
        (FrameLook(found=0.0, detail=0.4), ("cannot be aligned",)),
        (FrameLook(mismatched=0.3, occlusion=0.5), ("50\u00a0% differs",)),
        (FrameLook(exposure_ratio=0.5), ("darker by 1.0 EV",)),
        (FrameLook(exposure_ratio=2.0, saturated=0.2), ("brighter by 1.0 EV", "20\u00a0% saturated")),
        (FrameLook(noise=1.5, displacement=0.2), ("noise ×1.5", "moved by 20\u00a0% of the frame")),
    ],
)
def test_what_is_wrong_is_said(look: FrameLook, reasons: tuple[str, ...]) -> None:
    assert name_reasons(look) == reasons


def test_the_sheet_shows_what_was_left_out(burst: SeenBurst) -> None:
    count = len(burst.frames)
    selection = Selection(
        "model", "denoise/mean", (0.0, 1.0, 0.5, -2.0, 0.2), frozenset({0, 1, 2, 4}), (FrameLook(),) * count,
        ((), (), (), ("blurred: 40 % of the detail",), ()), signed=True,
    )  # fmt: skip
    sheet = draw_selection(burst, selection)
    assert sheet.dtype == np.uint8
    whole = draw_selection(burst, replace(selection, kept=frozenset(range(count))))
    # Pale pictures are lighter, and the word for them is in the colour of what is worst.
    assert sheet.astype(int).sum() > whole.astype(int).sum()
    worst = (sheet == (213, 94, 0)).all(-1).sum()
    assert worst > (whole == (213, 94, 0)).all(-1).sum() > 0
