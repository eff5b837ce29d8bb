"""The PyTorch loader gives the pixels and the scores of the manifests, and names what it cannot give."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps
from torch.utils.data import DataLoader

import manifests
from manifests import BurstQualityDataset, collate_bursts
from manifests.errors import (
    DefaultEstimatorWarning,
    FormatVersionError,
    ImageFileError,
    ManifestError,
    MissingManifestError,
    SchemaError,
    SelectionError,
    UnsafePathError,
)
from manifests.images.pixels import write_png
from manifests.loading.items import BurstItem
from manifests.operations.pack import pack_dataset
from manifests.schema import BURSTS, FORMAT_VERSION, FRAMES, LABELS
from manifests.store import labels_path, read_dataset_table, read_labels, table_path, write_table
from tests.burst_items import make_burst_item
from tests.tiny_dataset import (
    BLACK,
    INGESTED,
    INGESTED_ORIENTATIONS,
    LENGTHS,
    REFERENCES,
    SIDE,
    WHITE,
    make_label_rows,
)

Row = dict[str, Any]
MEAN = {"scenarios": ["denoise/mean"], "estimator": "add_one"}


def load(root: Path, split: str | None = "all", **choices: Any) -> BurstQualityDataset:
    return BurstQualityDataset(root, split, **choices)


def get(dataset: BurstQualityDataset, burst_id: str) -> BurstItem:
    return dataset[dataset.find(burst_id)]


def change_rows(root: Path, name: str, change: Callable[[list[Row]], object]) -> None:
    kind = {"bursts": BURSTS, "frames": FRAMES}[name]
    rows = read_dataset_table(root, name).to_pylist()
    change(rows)
    write_table(root, table_path(name), kind, rows)


# --------------------------------------------------------------------------------------------------------------- pixels


def test_a_mosaic_is_scaled_between_its_levels_and_clipped(tiny_original: Path) -> None:
    dataset = load(tiny_original, **MEAN)
    for burst_id, num_frames in LENGTHS.items():
        item = get(dataset, burst_id)
        assert item["burst_id"] == burst_id
        assert item["reference_index"] == REFERENCES[burst_id]
        assert item["frames"].dtype == torch.float32
        assert item["frames"].shape == (num_frames, 1, SIDE, SIDE)
        for index in range(num_frames):
            # Pillow is the independent reader.
            with Image.open(tiny_original / f"frames/tiny/{burst_id}/{index:02d}.png") as picture:
                codes = np.asarray(picture, np.float64)
            assert codes.min() < BLACK  # so that the clipping is put to the test
            expected = np.clip((codes - BLACK) / (WHITE - BLACK), 0, 1)
            np.testing.assert_allclose(item["frames"][index, 0], expected, atol=1e-6)


def test_rgb_is_planar_upright_and_red_first(tiny_original: Path) -> None:
    frames = get(load(tiny_original, **MEAN), INGESTED)["frames"]
    assert frames.shape == (3, 3, 12, 20)
    for index, orientation in enumerate(INGESTED_ORIENTATIONS):
        suffix = "jpg" if orientation >= 5 else "png"
        with Image.open(tiny_original / f"frames/phone/{INGESTED}/{index:02d}.{suffix}") as picture:
            picture.getexif()[0x0112] = orientation
            upright = np.asarray(ImageOps.exif_transpose(picture), np.float64).transpose(2, 0, 1) / 255
        # Two JPEG decoders may round apart; PNG may not.
        np.testing.assert_allclose(frames[index], upright, atol=2.5 / 255 if suffix == "jpg" else 1e-6)


def test_an_item_is_the_callers_own(tiny_original: Path) -> None:
    dataset = load(tiny_original, **MEAN)
    first = get(dataset, "tiny-0")
    first["scores"].fill_(9)
    first["frames"].fill_(9)
    second = get(dataset, "tiny-0")
    assert not (second["scores"] == 9).any()
    assert (second["frames"] <= 1).all()


# --------------------------------------------------------------------------------------------------------------- scores


@pytest.mark.parametrize("column", ["score", "score_norm", "rank"])
def test_scores_are_those_of_the_table(tiny_original: Path, column: Any) -> None:
    dataset = load(
        tiny_original,
        scenarios=["denoise/nlm", "denoise/mean"],
        estimator={"denoise/mean": "leave_one_out"},
        score=column,
    )
    assert dataset.scenarios == ("denoise/nlm", "denoise/mean")
    assert dataset.estimators == ("solo", "leave_one_out")
    rows = read_labels(tiny_original).to_pylist()
    for item in dataset:
        for line, scenario, estimator in zip(item["scores"], dataset.scenarios, dataset.estimators, strict=True):
            expected = np.full(len(item["frames"]), np.nan, np.float32)
            for row in rows:
                if (row["burst_id"], row["scenario"], row["estimator"]) == (item["burst_id"], scenario, estimator):
                    expected[row["frame_index"]] = np.nan if row[column] is None else row[column]
            np.testing.assert_array_equal(line.numpy(), expected)


def test_what_is_undefined_is_nan(tiny_original: Path) -> None:
    dataset = load(tiny_original, scenarios=["denoise/mean", "denoise/nlm"], estimator={"denoise/mean": "add_one"})
    for burst_id in LENGTHS:
        marginal, solo = get(dataset, burst_id)["scores"]
        assert torch.isnan(marginal).nonzero().flatten().tolist() == [REFERENCES[burst_id]]
        assert not torch.isnan(solo).any()
    assert torch.isnan(get(dataset, INGESTED)["scores"]).all()  # a burst that nobody labelled
    assert get(dataset, INGESTED)["scores"].shape == (2, 3)


def test_all_scenarios_that_have_the_estimator(tiny_original: Path) -> None:
    assert load(tiny_original, estimator="solo").scenarios == ("denoise/nlm",)
    assert load(tiny_original, estimator={"denoise/mean": "add_one"}).scenarios == ("denoise/mean", "denoise/nlm")
    assert load(tiny_original, scenarios="denoise/nlm").scenarios == ("denoise/nlm",)


def test_several_estimators_give_a_row_each(tiny_original: Path) -> None:
    both = load(
        tiny_original,
        scenarios=["denoise/mean", "denoise/nlm"],
        estimator={"denoise/mean": ["leave_one_out", "add_one"]},
    )
    assert both.scenarios == ("denoise/mean", "denoise/mean", "denoise/nlm")
    assert both.estimators == ("leave_one_out", "add_one", "solo")
    assert load(tiny_original, estimator=["add_one", "solo"]).estimators == ("add_one", "solo")
    for row, estimator in enumerate(["leave_one_out", "add_one"]):
        alone = load(tiny_original, scenarios=["denoise/mean"], estimator=estimator)
        torch.testing.assert_close(
            get(both, "tiny-2")["scores"][row], get(alone, "tiny-2")["scores"][0], equal_nan=True
        )


def test_without_an_estimator_it_says_which_it_took(tiny_original: Path) -> None:
    with pytest.warns(DefaultEstimatorWarning, match="none was named: leave_one_out is taken; name one by estimator="):
        dataset = load(tiny_original)
    assert dataset.scenarios == ("denoise/mean", "denoise/nlm")
    assert dataset.estimators == ("leave_one_out", "solo")
    assert load(tiny_original, scenarios=["denoise/nlm"]).estimators == ("solo",)  # no choice, no warning


def test_the_labels_own_uncertainty(tiny: Path) -> None:
    rows = make_label_rows("tiny-2", "denoise/nlm", "solo", np.random.default_rng(0))
    for row in rows:
        row["std_error"] = 0.1 * (1 + row["frame_index"])
    write_table(tiny, labels_path("denoise/nlm"), LABELS, rows)
    spread = max(row["score"] for row in rows) - min(row["score"] for row in rows)
    expected = np.array([0.1, 0.2, 0.3, 0.4])
    for column, errors in (("score", expected), ("score_norm", expected / spread), ("rank", expected * np.nan)):
        item = get(load(tiny, scenarios=["denoise/nlm"], score=column), "tiny-2")
        np.testing.assert_allclose(item["score_errors"][0], errors, rtol=1e-6)
    assert torch.isnan(get(load(tiny, scenarios=["denoise/nlm"]), "tiny-1")["score_errors"]).all()


# ------------------------------------------------------------------------------------------------------------- metadata


def test_an_item_knows_what_the_camera_knew(tiny: Path) -> None:
    change_rows(tiny, "frames", lambda rows: rows[4].update(exposure_ratio=2.0, read_noise=None, iso=400.0))
    dataset = load(tiny, scenarios=[])
    item = get(dataset, "tiny-0")
    assert (item["scene_id"], item["preset"], item["domain"], item["cfa"]) == ("scene-a", "test", "raw_bayer", "RGGB")
    assert (item["black_level"], item["white_level"]) == (BLACK, WHITE)
    assert item["white_balance"].tolist() == [2.0, 1.0, 1.5]
    assert torch.equal(item["color_matrix"], torch.eye(3))
    assert item["exposure_ratio"].tolist() == [1, 2]
    assert item["timestamp"].tolist() == pytest.approx([0, 0.1])
    assert item["exposure_time"].tolist() == pytest.approx([0.01, 0.01])
    assert torch.isnan(item["iso"]).tolist() == [True, False]
    assert item["shot_noise"].tolist() == pytest.approx([1e-3, 1e-3])
    assert torch.isnan(item["read_noise"]).tolist() == [False, True]
    phone = get(dataset, INGESTED)
    assert (phone["preset"], phone["domain"], phone["cfa"]) == ("ingested", "srgb", "")
    assert phone["iso"].tolist() == [100, 100, 100]
    for name in ("exposure_ratio", "shot_noise", "timestamp", "white_balance", "color_matrix", "oracle_homographies"):
        assert torch.isnan(phone[name]).all(), name


def test_noise_of_developed_pictures_and_measured_motion_are_not_handed_on(tiny: Path) -> None:
    def estimate(rows: list[Row]) -> None:
        for row in rows[:3]:
            row.update(shot_noise=1e-3, homography=np.eye(3).ravel().tolist())
        rows[1].update(estimated=["shot_noise", "homography"])
        rows[2].update(estimated=["timestamp"])

    change_rows(tiny, "frames", estimate)
    item = get(load(tiny, scenarios=[]), INGESTED)
    assert torch.isnan(item["shot_noise"]).all()
    assert torch.isnan(item["oracle_homographies"]).all((1, 2)).tolist() == [False, True, False]


@pytest.mark.parametrize("packed", [False, True])
def test_what_noise_leaves_below_black_is_kept_on_request(tiny_original: Path, tmp_path: Path, packed: bool) -> None:
    root = tiny_original
    if packed:
        pack_dataset(tiny_original, root := tmp_path / "pack")
    frames = get(load(root, scenarios=[], below_black="keep"), "tiny-2")["frames"]
    for index in range(LENGTHS["tiny-2"]):
        with Image.open(tiny_original / f"frames/tiny/tiny-2/{index:02d}.png") as picture:
            expected = (np.asarray(picture, np.float64) - BLACK) / (WHITE - BLACK)
        assert expected.min() < 0
        np.testing.assert_allclose(frames[index, 0], expected, atol=1e-6)


def test_truth_on_request(tiny_original: Path, tmp_path: Path) -> None:
    dataset = load(tiny_original, scenarios=[], truth=True)
    for burst_id, scale in (("tiny-1", 1), ("tiny-3", 2)):
        with_truth = get(dataset, burst_id)
        picture = cv2.imread(str(tiny_original / f"frames/tiny/{burst_id}/ground_truth.png"), cv2.IMREAD_UNCHANGED)
        np.testing.assert_allclose(with_truth["truth"], picture[..., ::-1].transpose(2, 0, 1) / 65535, atol=1e-6)
        assert with_truth["truth"].shape == (3, scale * SIDE, scale * SIDE)
    assert torch.isnan(get(dataset, INGESTED)["truth"]).all()
    assert "truth" not in get(load(tiny_original, scenarios=[]), "tiny-1")
    pack_dataset(tiny_original, tmp_path / "pack")
    with pytest.raises(SelectionError, match="a pack holds no ground truth"):
        load(tmp_path / "pack", scenarios=[], truth=True)


def test_truth_brighter_than_white_and_of_another_size(tiny: Path) -> None:
    change_rows(tiny, "bursts", lambda rows: rows[1].update(ground_truth_white=4.0))
    assert 3 < float(get(load(tiny, scenarios=[], truth=True), "tiny-0")["truth"].max()) <= 4
    change_rows(tiny, "bursts", lambda rows: rows[1].update(scale=2))
    with pytest.raises(ImageFileError, match=r"ground_truth.png: expected 32 x 32 x 3, got 16 x 16 x 3"):
        get(load(tiny, scenarios=[], truth=True), "tiny-0")


# --------------------------------------------------------------------------------------------------------- no labels


def test_pixels_without_labels(tiny: Path) -> None:
    assert get(load(tiny, scenarios=[]), "tiny-1")["scores"].shape == (0, 3)
    for path in (tiny / "manifests" / "labels").iterdir():
        path.unlink()
    assert load(tiny).scenarios == ()


def test_metrics_are_kept_apart(tiny: Path) -> None:
    rng = np.random.default_rng(0)
    rows = [
        row
        for burst_id in LENGTHS
        for metric, estimator in (("psnr", "solo"), ("ssim", "solo"), ("ssim", "add_one"))
        for row in make_label_rows(burst_id, "denoise/nlm", estimator, rng, metric=metric)
    ]
    write_table(tiny, labels_path("denoise/nlm"), LABELS, rows)
    both = [
        get(load(tiny, scenarios=["denoise/nlm"], estimator="solo", metric=name), "tiny-2") for name in ("psnr", "ssim")
    ]
    assert not torch.equal(both[0]["scores"], both[1]["scores"])
    assert load(tiny, scenarios=["denoise/nlm"]).estimators == ("solo",)  # the only one by the default metric
    assert load(tiny, metric="ssim", estimator=["solo", "add_one"]).scenarios == ("denoise/nlm", "denoise/nlm")


# ------------------------------------------------------------------------------------------------------------ selection


def test_splits_part_the_bursts(tiny_original: Path) -> None:
    train, test, every = (load(tiny_original, split, **MEAN) for split in ("train", "test", None))
    assert train.burst_ids == ["phone-0", "tiny-0", "tiny-1", "tiny-2"]
    assert test.burst_ids == ["tiny-3"]
    assert every.burst_ids == sorted(train.burst_ids + test.burst_ids) == load(tiny_original, "all", **MEAN).burst_ids
    assert [item["burst_id"] for item in train] == train.burst_ids
    assert every.lengths.tolist() == [len(item["frames"]) for item in every]
    assert len(train) == 4
    assert train[-1]["burst_id"] == "tiny-2"
    with pytest.raises(IndexError):
        train[4]


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"split": "val"}, r"split 'val' has no bursts: there are test \(1\), train \(4\)"),
        ({"split": "dev"}, r"split 'dev' has no bursts: there are test \(1\), train \(4\)"),
        ({"scenarios": ["denoise/men"]}, "no labels of scenario 'denoise/men': did you mean denoise/mean"),
        ({"scenarios": ["../../etc/passwd"]}, "no labels of scenario"),
        ({"scenarios": ["denoise/mean"], "estimator": "solo"}, "by estimator 'solo': there are add_one, leave_one_out"),
        ({"scenarios": ["denoise/mean"], "estimator": ["add_one", "solo"]}, "by estimator 'solo'"),
        ({"estimator": ["shapley", "banzhaf"]}, "no scenario has labels by estimator 'shapley' or 'banzhaf'"),
        ({"estimator": "shapley"}, "no scenario has labels by estimator 'shapley'"),
        ({"metric": "ssim"}, "no scenario has labels by metric 'ssim': there are psnr"),
        ({**MEAN, "metric": "ssim"}, "by metric 'ssim': there are psnr"),
        ({**MEAN, "score": "worth"}, "score 'worth' is unknown: expected one of score, score_norm, rank"),
    ],
)
def test_what_is_not_there_is_named_beside_what_is(tiny_original: Path, choices: Any, message: str) -> None:
    with pytest.raises(SelectionError, match=message):
        BurstQualityDataset(tiny_original, **choices)


def test_a_burst_of_another_split_is_not_found(tiny_original: Path) -> None:
    train = load(tiny_original, "train", **MEAN)
    assert train.find("tiny-1") == 2
    with pytest.raises(SelectionError, match="burst 'tiny-3' is not among these 4 bursts, it is in another split"):
        train.find("tiny-3")
    with pytest.raises(SelectionError, match="it is in no split"):
        train.find("nobody")
    with pytest.raises(SelectionError, match=r"it is in no split; did you mean .*tiny-1"):
        train.find("tiny-11")


# --------------------------------------------------------------------------------------------------------------- damage


def test_no_data_set_and_another_version(tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingManifestError, match="not a data set"):
        load(tmp_path)
    (tiny / "dataset.json").write_text(f'{{"format_version": {FORMAT_VERSION + 1}}}')
    with pytest.raises(FormatVersionError, match="pip install --upgrade"):
        load(tiny)


@pytest.mark.parametrize("table", ["bursts", "frames", "splits"])
def test_a_missing_table(tiny: Path, table: str) -> None:
    (tiny / table_path(table)).unlink()
    with pytest.raises(MissingManifestError, match=rf"{table}\.parquet"):
        load(tiny, "train", **MEAN)


def test_tables_that_contradict_each_other(tiny: Path) -> None:
    change_rows(tiny, "frames", lambda rows: rows.pop(3))
    with pytest.raises(SchemaError, match=r"expected frames 0.*of every burst"):
        load(tiny, **MEAN)


def test_frames_of_a_stranger(tiny: Path) -> None:
    change_rows(tiny, "frames", lambda rows: rows[3].update(burst_id="nobody"))
    with pytest.raises(SchemaError, match="burst_id: 'nobody' is not in the table bursts"):
        load(tiny, **MEAN)


def test_levels_that_cannot_be(tiny: Path) -> None:
    change_rows(tiny, "bursts", lambda rows: rows[1].update(black_level=WHITE))
    with pytest.raises(SchemaError, match="tiny-0: black_level: expected less than white_level"):
        load(tiny, **MEAN)


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [("burst_id", "nobody", "not in the table bursts"), ("frame_index", 7, "a frame of the burst")],
)
def test_labels_of_what_is_not_there(tiny: Path, column: str, value: Any, message: str) -> None:
    rows = make_label_rows("tiny-2", "denoise/nlm", "solo", np.random.default_rng(0))
    rows[-1][column] = value
    write_table(tiny, labels_path("denoise/nlm"), LABELS, rows)
    with pytest.raises(SchemaError, match=message):
        load(tiny, scenarios=["denoise/nlm"])


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("frames/link.png", UnsafePathError),
        ("frames/linked/outside.png", UnsafePathError),
        ("frames/gone.png", ImageFileError),
        ("frames", UnsafePathError),
        ("frames/tiny/..x", ImageFileError),
        ("dataset.json", ImageFileError),
        ("frames/tiny/tiny-0/ground_truth.png", ImageFileError),
        ("frames/tiny/tiny-3/ground_truth.png", ImageFileError),
    ],
)
def test_a_frame_that_cannot_be_read(tiny: Path, path: str, error: type[ManifestError]) -> None:
    write_png(tiny.parent, "outside.png", np.zeros((SIDE, SIDE), np.uint16))
    (tiny / "frames" / "link.png").symlink_to(tiny.parent / "outside.png")
    (tiny / "frames" / "linked").symlink_to(tiny.parent)
    # The second of its folder, so that the folder is known already.
    change_rows(tiny, "frames", lambda rows: rows[4].update(path=path))
    dataset = load(tiny, **MEAN)
    with pytest.raises(error):
        get(dataset, "tiny-0")
    assert get(dataset, "tiny-1")["burst_id"] == "tiny-1"


@pytest.mark.parametrize("path", ["../outside.png", "/etc/passwd", "frames/tiny/\0", "", "frames//x.png", "./x.png"])
def test_a_path_that_is_none_of_a_data_set(tiny: Path, path: str) -> None:
    change_rows(tiny, "frames", lambda rows: rows[4].update(path=path))
    with pytest.raises(SchemaError, match="burst_id=tiny-0, frame_index=1: path: expected a relative POSIX path"):
        load(tiny, **MEAN)


def test_a_link_is_not_followed_even_where_it_stays_inside(tiny: Path) -> None:
    frame = tiny / "frames/tiny/tiny-0/01.png"
    frame.rename(tiny / "elsewhere.png")
    frame.symlink_to(tiny / "elsewhere.png")
    with pytest.raises(UnsafePathError, match="is a link"):
        get(load(tiny, **MEAN), "tiny-0")


# ------------------------------------------------------------------------------------------------------ workers, batches


def test_it_travels_to_workers(tiny_original: Path) -> None:
    dataset = load(tiny_original, "train", **MEAN)
    copy = pickle.loads(pickle.dumps(dataset))
    assert copy.burst_ids == dataset.burst_ids
    loader = DataLoader(dataset, batch_size=None, num_workers=2)
    for mine, travelled, loaded in zip(dataset, copy, loader, strict=True):
        for other in (travelled, loaded):
            assert other["burst_id"] == mine["burst_id"]
            torch.testing.assert_close(other["frames"], mine["frames"], rtol=0, atol=0)
            torch.testing.assert_close(other["scores"], mine["scores"], rtol=0, atol=0, equal_nan=True)


def test_batches_of_a_split(tiny_original: Path) -> None:
    dataset = load(tiny_original, "all", **MEAN)
    mosaics = torch.utils.data.Subset(dataset, [dataset.find(burst_id) for burst_id in LENGTHS])
    (batch,) = DataLoader(mosaics, batch_size=4, collate_fn=collate_bursts)
    assert batch["burst_id"] == list(LENGTHS)
    assert batch["frames"].shape == (4, 4, 1, SIDE, SIDE)
    assert batch["mask"].sum(1).tolist() == list(LENGTHS.values())
    assert batch["reference_index"].tolist() == list(REFERENCES.values())


def make_item(length: int, height: int, width: int, *, channels: int = 1, scenarios: int = 2) -> BurstItem:
    torch.manual_seed(length)
    return make_burst_item(
        torch.rand(length, channels, height, width) + 0.1,
        torch.rand(scenarios, length),
        reference=length - 1,
        cfa="RGGB" if channels == 1 else "",
        burst_id=f"{length}x{height}x{width}",
        oracle_homographies=torch.rand(length, 3, 3),
        truth=torch.rand(3, 2 * height, 2 * width),
    )


sizes = st.tuples(st.integers(1, 5), st.integers(1, 6), st.integers(1, 6))


@given(st.lists(sizes, min_size=1, max_size=4))
def test_padding_adds_nothing_and_loses_nothing(shapes: list[tuple[int, int, int]]) -> None:
    items = [make_item(*shape) for shape in shapes]
    batch = collate_bursts(items)
    longest, tallest, widest = (max(side) for side in zip(*shapes, strict=True))
    assert batch["frames"].shape == (len(items), longest, 1, tallest, widest)
    assert batch["scores"].shape == (len(items), 2, longest)
    assert batch["mask"].shape == (len(items), longest)
    assert batch["mask"].dtype == torch.bool
    assert batch["reference_index"].dtype == torch.int64
    for row, (item, (length, height, width)) in enumerate(zip(items, shapes, strict=True)):
        assert torch.equal(batch["frames"][row, :length, :, :height, :width], item["frames"])
        assert torch.equal(batch["scores"][row, :, :length], item["scores"])
        assert torch.equal(batch["oracle_homographies"][row, :length], item["oracle_homographies"])
        assert torch.isnan(batch["oracle_homographies"][row, length:]).all()
        assert torch.equal(batch["score_errors"][row, :, :length], item["score_errors"])
        assert batch["exposure_ratio"][row, :length].tolist() == [1] * length
        assert torch.isnan(batch["exposure_ratio"][row, length:]).all()
        assert torch.equal(batch["truth"][row, :, : 2 * height, : 2 * width], item["truth"])
        assert torch.isnan(batch["truth"][row]).sum() == 3 * (4 * tallest * widest - 4 * height * width)
        assert batch["score_mask"][row].sum() == 2 * length
        assert batch["mask"][row].tolist() == [True] * length + [False] * (longest - length)
        assert torch.isnan(batch["scores"][row, :, length:]).all()
        assert batch["reference_index"][row] == item["reference_index"]
        assert torch.count_nonzero(batch["frames"][row]) == item["frames"].numel()


def test_what_cannot_be_batched() -> None:
    with pytest.raises(ValueError, match="mosaics or RGB, got both"):
        collate_bursts([make_item(2, 4, 4), make_item(2, 4, 4, channels=3)])
    with pytest.raises(ValueError, match="at least one"):
        collate_bursts([])


def test_reading_tables_does_not_import_torch() -> None:
    modules = "manifests, manifests.store, manifests.verification.verify, manifests.documents.card"
    code = f"import sys, {modules}; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = manifests.nothing
