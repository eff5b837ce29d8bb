"""Ground truth that does not show what its burst shows is said to be doubtful."""

import json

import numpy as np
import pytest

from benchmarks.stand_ins.scenes import make_scene
from dataset_builder.build import add_source
from dataset_builder.decoding.exif import CaptureFacts
from dataset_builder.decoding.frame import Frame, SensorFacts
from dataset_builder.ingest.doubts import find_doubt
from dataset_builder.ingest.reader import Truth
from dataset_builder.recipe import parse_source
from manifests.store import read_dataset_table
from manifests.verification.verify import verify
from restorers import Domain
from tests.data.kpn import write_kpn

SCENE = make_scene(96, 128, seed=3)


def make_frame(signal, noise=0.01):
    rng = np.random.default_rng(0)
    codes = np.clip(signal + rng.normal(0, noise, signal.shape), 0, 1) * 65535
    return Frame(codes.astype(np.uint16), CaptureFacts(), SensorFacts(Domain.LINEAR_RGB, white_level=65535.0))


def make_truth(signal, mask=None):
    return Truth(np.rint(np.clip(signal, 0, 1) * 65535).astype(np.uint16), 1, "exact", mask=mask)


@pytest.mark.parametrize("noise", [0.01, 0.1, 0.3])
def test_truth_that_shows_the_same_is_not_doubted(noise):
    assert find_doubt(make_frame(SCENE, noise), make_truth(SCENE)) == ""
    assert find_doubt(make_frame(SCENE, noise), make_truth(0.2 * SCENE)) == ""
    large = np.repeat(np.repeat(SCENE, 2, 0), 2, 1)
    assert find_doubt(make_frame(SCENE, noise), Truth(make_truth(large).pixels, 2, "exact")) == ""


def test_truth_that_shows_nothing_or_something_else_is():
    frame = make_frame(SCENE)
    assert "flat" in find_doubt(frame, make_truth(np.full_like(SCENE, 0.4)))
    assert "flat" in find_doubt(frame, make_truth(np.zeros_like(SCENE)))
    assert "correlation" in find_doubt(frame, make_truth(make_scene(96, 128, seed=8)[::-1, ::-1]))
    assert "correlation" in find_doubt(frame, make_truth(1 - SCENE))
    assert "nowhere" in find_doubt(frame, make_truth(SCENE, np.zeros(SCENE.shape[:2], np.bool_)))


def test_only_trusted_pixels_count():
    truth, mask = SCENE.copy(), np.ones(SCENE.shape[:2], np.bool_)
    truth[:, 64:] = 1 - truth[:, 64:]
    mask[:, 64:] = False
    assert find_doubt(make_frame(SCENE), make_truth(truth, mask)) == ""


def test_doubtful_truth_is_flagged_everywhere(tmp_path):
    root = write_kpn(tmp_path / "in", height=64, width=64)
    with np.load(root / "color_testset/1.npz") as content:
        arrays = dict(content)
    arrays["truth"][1] = 0.3
    np.savez(root / "color_testset/1.npz", **arrays)
    (report,) = add_source(tmp_path / "out", parse_source(name="set", kind="kpn", root=str(root)))
    assert verify(tmp_path / "out") == []
    methods = read_dataset_table(tmp_path / "out", "bursts").column("ground_truth_method").to_pylist()
    assert [method for method in methods if method] == ["doubtful: it is flat, its contrast is 0.0000"]
    assert any("ground truth is doubtful: it is flat" in remark for remark in report.remarks)
    findings = json.loads((tmp_path / "out/audit/findings.json").read_text())["findings"]
    (found,) = [finding for finding in findings if finding["rule"] == "doubtful_truth"]
    assert found["value"] == 1
