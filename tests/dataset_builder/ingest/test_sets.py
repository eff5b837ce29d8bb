import json
import shutil

import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from benchmarks.stand_ins.burstsr import CANON_TO_SAMSUNG, COLOR_MATRIX, write_burstsr, write_crop
from benchmarks.stand_ins.hdrplus import RGB2RGB, SHADING, write_hdrplus
from benchmarks.stand_ins.scenes import encode_planes, make_scene, mosaic_rggb
from benchmarks.stand_ins.spaq import write_spaq
from dataset_builder.build import add_source
from dataset_builder.bursts import plan_source
from dataset_builder.cli.ingest import command as ingest
from dataset_builder.labeling.units import read_bursts
from dataset_builder.recipe import parse_source
from dataset_builder.records.loading import load_burst, load_truth
from dataset_builder.work.local import LocalWorkers
from dataset_builder.work.unit import Limits
from manifests.images.pixels import read_pixels, write_png
from manifests.store import read_dataset_table, read_labels
from manifests.verification.verify import verify
from tests.data.kpn import write_kpn
from tests.data.synthetic_burst import CAM2RGB, META, write_synthetic_burst
from tests.photographs import make_photograph

BORDER = 16


def build(root, kind, folder, **values):
    reports = add_source(root, parse_source(name="set", kind=kind, root=str(folder), **values))
    assert verify(root) == []
    return reports


def tables(root):
    return [read_dataset_table(root, name).to_pandas() for name in ("bursts", "frames", "splits")]


def load(root, index=0):
    rows = list(read_bursts(root).values())[index]
    return load_burst(root, rows.burst, rows.frames), rows


@pytest.fixture(scope="module")
def burstsr(tmp_path_factory):
    folder = tmp_path_factory.mktemp("burstsr")
    reports = build(folder / "out", "burstsr", write_burstsr(folder / "in"))
    assert reports[0].counts["created"] == 4
    return folder / "out"


def test_burstsr_keeps_its_parts_and_sequences(burstsr):
    bursts, frames, splits = tables(burstsr)
    assert sorted(bursts.origin_path) == ["train/0001_0000", "train/0001_0001", "train/0002_0000", "val/0003_0000"]
    by_path = bursts.set_index("origin_path")
    assert by_path.scene_id["train/0001_0000"] == by_path.scene_id["train/0001_0001"]
    assert bursts.scene_id.nunique() == 3
    split = splits.set_index("burst_id").split
    assert {path: split[row.burst_id] for path, row in by_path.iterrows()} == {
        path: path.split("/")[0] for path in by_path.index
    }
    assert (frames.exposure_time.round(6) == 0.02).all()
    np.testing.assert_allclose(frames[["shot_noise", "read_noise"]], [[2e-3, 2e-6]] * len(frames))
    assert (bursts.scale == 4).all()
    assert (bursts.ground_truth_kind == "reference_capture").all()
    assert bursts.ground_truth_method.str.startswith("cross_camera_1: light 2").all()


def test_burstsr_levels_its_channels(burstsr):
    burst, rows = load(burstsr)
    assert (rows.burst["black_level"], rows.burst["cfa"]) == (pytest.approx(62), "RGGB")
    scene = make_scene(192, 192, seed=0)
    assert burst.white_balance.tolist() == pytest.approx([1.9, 1, 1.6])
    np.testing.assert_allclose(burst.color_matrix, COLOR_MATRIX[:, :3])
    clean = mosaic_rggb(np.asarray(scene.reshape(48, 4, 48, 4, 3).mean((1, 3)) @ CANON_TO_SAMSUNG.T))
    assert np.abs(burst.reference - clean).mean() < 0.005


def test_the_other_cameras_photograph_becomes_truth(tmp_path):
    expected = write_crop(tmp_path / "in/test/0009_0000", side=48, offset=(5.0, -3.0))
    build(tmp_path / "out", "burstsr", tmp_path / "in")
    _, rows = load(tmp_path / "out")
    truth = load_truth(tmp_path / "out", rows.burst)
    mask = read_pixels(tmp_path / "out", rows.burst["ground_truth_mask_path"]) > 0
    assert mask.mean() > 0.7
    assert not mask[:4].any()
    inner = mask.copy()
    inner[:BORDER] = inner[-BORDER:] = inner[:, :BORDER] = inner[:, -BORDER:] = False
    error = np.abs(truth - expected)[inner]
    assert error.mean() < 0.006
    assert np.abs(truth - expected).mean() < 0.2 * np.abs(np.roll(expected, 5, 1) - expected).mean() + 0.01


def test_an_object_that_moved_is_masked_out(tmp_path):
    folder = tmp_path / "in/train/0001_0000"
    write_crop(folder, side=48)
    path = folder / "canon/im_raw.png"
    canon = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    canon[150:214, 120:184] = 6000
    cv2.imwrite(str(path), canon)
    build(tmp_path / "out", "burstsr", tmp_path / "in")
    _, rows = load(tmp_path / "out")
    mask = read_pixels(tmp_path / "out", rows.burst["ground_truth_mask_path"]) > 0
    assert not mask[165:200, 135:170].any()
    assert mask.mean() > 0.6


def test_a_photograph_of_something_else_is_refused(tmp_path):
    folder = tmp_path / "in/train/0001_0000"
    write_crop(folder, side=48)
    other = np.random.default_rng(9).uniform(1000, 15000, (384, 384, 3))
    encode_planes(folder / "canon/im_raw.png", other)
    reports = build(tmp_path / "out", "burstsr", tmp_path / "in")
    assert reports[0].failures[0]["error_type"] == "CrossCameraError"


def test_synthetic_burst(tmp_path):
    build(tmp_path / "out", "synthetic_burst", write_synthetic_burst(tmp_path / "in"))
    burst, rows = load(tmp_path / "out")
    truth = load_truth(tmp_path / "out", rows.burst)
    scene = make_scene(96, 96, seed=0)
    np.testing.assert_allclose(truth, scene, atol=1e-4)
    np.testing.assert_allclose(burst.reference, mosaic_rggb(scene.reshape(24, 4, 24, 4, 3).mean((1, 3))), atol=1e-4)
    assert burst.shot_noise.tolist() == [META["shot_noise"]] * 3
    assert burst.white_balance.tolist() == pytest.approx([2.5, 1.25, 2.0])
    np.testing.assert_allclose(burst.color_matrix, CAM2RGB, rtol=1e-6)
    bursts, _, splits = tables(tmp_path / "out")
    assert splits.split.tolist() == ["val", "val"]
    assert bursts[["scale", "ground_truth_kind"]].values.tolist() == [[4, "exact"]] * 2


def test_hdrplus(tmp_path):
    build(tmp_path / "out", "hdrplus", write_hdrplus(tmp_path / "in"))
    bursts, frames, _ = tables(tmp_path / "out")
    assert bursts.reference_index.tolist() == [1, 1]
    assert bursts.reference_rule.tolist() == ["given", "given"]
    assert bursts.black_level.tolist() == [63.75, 63.75]
    np.testing.assert_allclose(np.stack(bursts.color_matrix), [RGB2RGB.ravel()] * 2)
    np.testing.assert_allclose(np.stack(bursts.lens_shading), [SHADING.ravel()] * 2)
    assert [list(size) for size in bursts.lens_shading_size] == [[3, 4], [3, 4]]
    assert frames.exposure_ratio.tolist() == pytest.approx([1, 1, 2] * 2)
    assert bursts.license.tolist() == ["CC-BY-SA-4.0"] * 2
    burst, rows = load(tmp_path / "out")
    truth = load_truth(tmp_path / "out", rows.burst)
    clean = mosaic_rggb(make_scene(32, 48, seed=0))
    np.testing.assert_allclose(mosaic_rggb(truth), clean, atol=1e-4)
    assert np.abs(burst.reference - clean).mean() == pytest.approx(0.01 * np.sqrt(2 / np.pi), rel=0.1)


def test_hdrplus_without_results_has_no_truth(tmp_path):
    write_hdrplus(tmp_path / "in")
    shutil.rmtree(tmp_path / "in/results_20171023")
    build(tmp_path / "out", "hdrplus", tmp_path / "in")
    assert tables(tmp_path / "out")[0].ground_truth_kind.tolist() == ["none", "none"]


def test_kpn(tmp_path):
    build(tmp_path / "out", "kpn", write_kpn(tmp_path / "in"))
    bursts, _, splits = tables(tmp_path / "out")
    assert len(bursts) == 4
    assert set(splits.split) == {"test"}
    colour = bursts.index[bursts.origin_path == "color_testset/1.npz/0001"][0]
    burst, rows = load(tmp_path / "out", colour)
    truth = load_truth(tmp_path / "out", rows.burst)
    scene = make_scene(24, 32, seed=1)
    np.testing.assert_allclose(truth, scene, atol=1e-4)
    residual = burst.reference - scene
    expected = burst.shot_noise[0] * scene + burst.read_noise[0]
    assert (np.square(residual) / expected).mean() == pytest.approx(1, abs=0.1)
    assert burst.shot_noise[0] == pytest.approx(0.08**2 / 0.4)
    grey = bursts.index[bursts.origin_path == "grey.npz/0000"][0]
    pixels = load(tmp_path / "out", grey)[0].reference
    np.testing.assert_array_equal(pixels[..., 0], pixels[..., 2])


def test_spaq_groups_look_alikes_and_keeps_their_scores(tmp_path):
    scores = write_spaq(tmp_path / "in")
    reports = build(tmp_path / "out", "spaq", tmp_path / "in", frame_side=128)
    assert [report.stage for report in reports] == ["bursts", "labels"]
    bursts, frames, _ = tables(tmp_path / "out")
    names = frames.groupby("burst_id").origin_name.apply(list)
    assert sorted(names) == [["00001.jpg", "00002.jpg", "00003.jpg"], ["00005.jpg", "00006.jpg"]]
    assert set(zip(bursts.height, bursts.width, strict=True)) == {(96, 128)}
    labels = (
        read_labels(tmp_path / "out", ["subjective/spaq"]).to_pandas().merge(frames, on=["burst_id", "frame_index"])
    )
    assert {row.origin_name: row.score for row in labels.itertuples()} == {
        name: scores[name] for name in labels.origin_name
    }
    assert set(labels.unit) == {"points"}
    facts = json.loads((tmp_path / "out/dataset.json").read_text())["scenarios"]["subjective/spaq"]
    assert facts["settings"]["max_distance"] == 12
    assert "connected components" in facts["settings"]["grouping"]


def test_a_photograph_of_spaq_that_takes_too_much_memory_costs_itself(tmp_path):
    write_spaq(tmp_path / "in", groups=(3, 2))
    # 6 KB; Pillow needs 5 bytes for each of 64 million pixels.
    Image.new("1", (8000, 8000)).save(tmp_path / "in/TestImage/00002.jpg", "PNG")
    source = parse_source(name="set", kind="spaq", root=str(tmp_path / "in"))
    workers = LocalWorkers(2, Limits(memory_gib=0.3))
    plan = plan_source(source, tmp_path, tmp_path / "out", seed=0, presets={}, workers=workers)
    assert [unit.reader.names for unit in plan.units] == [("00001.jpg", "00003.jpg"), ("00004.jpg", "00005.jpg")]
    ((_, _, failure),) = plan.rejected
    assert failure.error_type == "UnreadableImageError"
    assert "00002.jpg: cannot be decoded" in failure.message


def test_large_groups_of_look_alikes_are_one_scene_in_several_bursts(tmp_path):
    write_spaq(tmp_path / "in", groups=(7, 2))
    build(tmp_path / "out", "spaq", tmp_path / "in", max_frames=3, frame_side=64)
    bursts, _, splits = tables(tmp_path / "out")
    assert sorted(bursts.num_frames) == [2, 3, 3]
    assert bursts.scene_id.nunique() == 2
    assert splits.groupby("scene_id").split.nunique().max() == 1


@pytest.mark.slow
def test_zurich_keeps_train_and_test(tmp_path):
    for index, name in enumerate(("train/canon/0.png", "train/canon/1.png", "test/canon/0.png")):
        write_png(tmp_path / "in", name, make_photograph(200, 220, seed=index))
    write_png(tmp_path, "in/train/huawei_raw/0.png", np.zeros((224, 224), np.uint16))
    result = CliRunner().invoke(
        ingest, ["zurich", str(tmp_path / "in"), "--out", str(tmp_path / "out"), "--size", "32"]
    )
    assert result.exit_code == 0, result.output
    bursts, _, splits = tables(tmp_path / "out")
    split = splits.set_index("burst_id").split
    assert {row.origin_path: split[row.burst_id] for row in bursts.itertuples()} == {
        "test/canon/0.png": "test",
        "train/canon/0.png": "train",
        "train/canon/1.png": "train",
    }
    assert verify(tmp_path / "out") == []


@pytest.mark.parametrize(
    "name",
    [
        "folder",
        "stack",
        "burstsr",
        "synthetic-burst",
        "hdrplus",
        "zurich",
        "kpn",
        "photo-triage",
        "spaq",
        "annotations",
    ],
)
def test_every_kind_has_a_command_that_explains_itself(name):
    result = CliRunner().invoke(ingest, [name, "--help"])
    assert result.exit_code == 0
    assert "ROOT" in result.output or "DIR" in result.output


@pytest.mark.slow
def test_another_source_leaves_bursts_with_masks_alone(tmp_path):
    write_crop(tmp_path / "in/train/0001_0000")
    build(tmp_path / "out", "burstsr", tmp_path / "in")
    other = parse_source(name="other", kind="kpn", root=str(write_kpn(tmp_path / "more")))
    assert add_source(tmp_path / "out", other)[0].counts["removed"] == 0
    again = build(tmp_path / "out", "burstsr", tmp_path / "in")
    assert (again[0].counts["reused"], again[0].counts["rebuilt"]) == (1, 0)
    assert len(tables(tmp_path / "out")[0]) == 5
