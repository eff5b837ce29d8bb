"""A frame that was processed otherwise than the rest, such as a phone's own merge among its captures."""

import cv2
import numpy as np
import pytest

from dataset_builder.build import add_source
from dataset_builder.recipe import parse_source
from manifests.store import read_dataset_table

SIDE = 96


def write_burst(folder, *, merged=None, gains=(1.0,) * 7, seed=0):
    """Noisy captures of one scene; `merged` is their mean, sharpened so that it is the sharpest of all."""
    rng = np.random.default_rng(seed)
    scene = 90 + 60 * cv2.GaussianBlur(rng.normal(0, 4, (SIDE, SIDE, 3)), (0, 0), 2)
    frames = [np.clip(gain * scene + rng.normal(0, 6, scene.shape), 0, 255) for gain in gains]
    if merged is not None:
        mean = np.mean(frames, axis=0)
        frames[merged] = np.clip(mean + 2 * (mean - cv2.GaussianBlur(mean, (0, 0), 3)), 0, 255)
    folder.mkdir(parents=True)
    for index, frame in enumerate(frames):
        cv2.imwrite(str(folder / f"{index}.png"), np.rint(frame).astype(np.uint8))


def take_in(tmp_path):
    source = parse_source(name=None, kind="folders", root=str(tmp_path / "in"), reference_rule="sharpest")
    (report,) = add_source(tmp_path / "out", source)
    return read_dataset_table(tmp_path / "out", "bursts").to_pylist()[0]["reference_index"], report.remarks


@pytest.mark.parametrize("merged", [0, 4])
def test_a_merge_among_captures_is_named_and_no_reference(tmp_path, merged):
    write_burst(tmp_path / "in" / "night", merged=merged)
    reference, remarks = take_in(tmp_path)
    assert reference != merged
    (said,) = [remark for remark in remarks if "grain" in remark]
    assert f"{merged}.png has 0." in said


def test_captures_alike_are_left_alone(tmp_path):
    write_burst(tmp_path / "in" / "night")
    _, remarks = take_in(tmp_path)
    assert not any("grain" in remark for remark in remarks)


def test_exposures_are_not_compared_with_each_other(tmp_path):
    write_burst(tmp_path / "in" / "bracket", gains=(0.25, 0.5, 1.0, 1.5, 0.25))
    _, remarks = take_in(tmp_path)
    assert not any("grain" in remark for remark in remarks)
