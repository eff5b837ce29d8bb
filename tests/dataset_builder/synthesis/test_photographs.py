"""Which photographs become bursts: odd files are read, useless ones are left out with their reason."""

import cv2
import numpy as np
import pytest
from PIL import Image

from dataset_builder.build import add_source
from dataset_builder.camera.color import UINT16_MAX, decode_srgb_codes, encode_srgb
from dataset_builder.recipe import parse_source
from dataset_builder.synthesis.photographs import list_photographs, read_photograph
from dataset_builder.synthesis.screening import describe_photograph, find_look_alikes
from manifests.description import read_description
from manifests.images.pixels import write_png
from manifests.store import read_dataset_table
from manifests.verification.verify import verify
from tests.photographs import make_photograph
from tests.places import SHARED_DATA

SIDE = 200


def synthesize(root, out, **values):
    source = parse_source(
        name="photos",
        kind="photographs",
        root=str(root),
        bursts_per_photograph=2,
        frame_height=32,
        frame_width=32,
        preset="burst_sr",
        scale=2,
        **values,
    )
    report = add_source(out, source)[0]
    failures = read_dataset_table(out, "failures").to_pandas()
    return report.counts, dict(zip(failures.burst_id.str[:-9], failures.error_type, strict=True)), failures


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """Good photographs of many kinds, and one of every kind that is left out."""
    root = tmp_path_factory.mktemp("tree")
    pictures = [make_photograph(SIDE, SIDE + 20, seed=seed) for seed in range(8)]
    write_png(root, "a/plain.png", pictures[0])
    write_png(root, "a/deep.png", make_photograph(SIDE, SIDE, seed=21, bits=16))
    Image.fromarray(pictures[1]).convert("L").save(root / "grey.png")
    Image.fromarray(np.dstack([pictures[2], np.full(pictures[2].shape[:2], 99, np.uint8)])).save(root / "alpha.png")
    Image.fromarray(pictures[3]).convert("CMYK").save(root / "print.jpg", quality=95)
    Image.fromarray(pictures[4]).save(root / "b.tif")

    write_png(root, "blurred.png", cv2.GaussianBlur(pictures[5], (0, 0), 4))
    burnt = make_photograph(SIDE, SIDE, seed=31).astype(int) + 120
    write_png(root, "burnt.png", burnt.clip(0, 255).astype(np.uint8))
    smaller = cv2.resize(pictures[0], (200, 182), interpolation=cv2.INTER_AREA)
    Image.fromarray(smaller).save(root / "copy.jpg", quality=80)
    write_png(root, "small.png", make_photograph(50, 60, seed=6))
    write_png(root, "dot.png", np.full((1, 1, 3), 9, np.uint8))
    write_png(root, "flat.png", np.full((SIDE, SIDE, 3), 90, np.uint8))
    frames = [Image.fromarray(picture) for picture in pictures[:3]]
    frames[0].save(root / "moving.png", save_all=True, append_images=frames[1:])
    (root / "broken.jpg").write_bytes(b"\xff\xd8\xff nothing")
    write_png(root, ".hidden/no.png", pictures[7])
    return root


@pytest.mark.slow
def test_good_ones_become_bursts_and_the_others_are_left_out_or_failures(tree, tmp_path):
    counts, errors, failures = synthesize(tree, tmp_path / "out")
    assert errors == {
        "small": "PhotographTooSmallError",
        "dot": "PhotographTooSmallError",
        "moving": "UnreadableImageError",
        "broken": "UnreadableImageError",
    }
    assert counts["created"] == 12
    assert counts["left out"] == 4
    assert set(failures.stage) == {"bursts"}
    left_out = read_description(tmp_path / "out")["left_out"]["photos"]
    expected = {
        "blurred.png": "blur effect 0",
        "burnt.png": "of the pixels are saturated",
        "copy.jpg": "shows what a/plain.png shows",
        "flat.png": "blur effect 1.00",
    }
    assert left_out.keys() == expected.keys()
    assert all(left_out[path].startswith(path) and words in left_out[path] for path, words in expected.items())
    bursts = read_dataset_table(tmp_path / "out", "bursts").to_pandas()
    assert bursts.groupby("scene_id").size().tolist() == [2] * 6
    assert verify(tmp_path / "out") == []


@pytest.mark.slow
def test_what_is_left_out_can_be_asked_for(tree, tmp_path):
    counts, errors, _ = synthesize(tree, tmp_path / "out", near_duplicates="keep", max_blur=1.0, max_clipped=1.0)
    assert set(errors) == {"small", "dot", "moving", "broken"}
    assert counts["created"] == 20


@pytest.mark.slow
def test_photographs_are_measured_once(tree, tmp_path):
    out = tmp_path / "out"
    synthesize(tree, out)
    parts = {path: path.stat().st_mtime_ns for path in (out / ".work/photographs").rglob("*.json")}
    assert len(parts) == 12
    counts, _, _ = synthesize(tree, out)
    assert counts["created"] == 0
    assert {path: path.stat().st_mtime_ns for path in (out / ".work/photographs").rglob("*.json")} == parts


def test_of_look_alikes_the_first_is_kept():
    photograph = decode_srgb_codes(make_photograph(300, 320, seed=3))
    darker = (photograph * 0.7).astype(np.uint16)
    cropped = photograph[1:, 1:]
    other = decode_srgb_codes(make_photograph(300, 320, seed=4))
    facts = [describe_photograph(each) for each in (other, photograph, darker, cropped, photograph[:, ::-1])]
    found = find_look_alikes(facts)
    assert found.get(1, ()) == ()
    assert set(found[2]) == {1}
    assert set(found[3]) == {1, 2}
    assert found.get(4, ()) == ()


@pytest.mark.parametrize("sigma", [0.0, 4.0])
def test_blur_is_seen(sigma):
    photograph = make_photograph(300, 320, seed=3)
    facts = describe_photograph(decode_srgb_codes(cv2.GaussianBlur(photograph, (0, 0), sigma) if sigma else photograph))
    assert (facts.blur > 0.6) == (sigma > 0)
    assert facts.clipped == 0


def test_of_zurich_only_photographs_are_taken(tmp_path):
    for name in ("train/canon/2.jpg", "train/canon/10.jpg", "test/canon/0.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(make_photograph(20, 20)).save(tmp_path / name)
    for name in ("train/huawei_raw/2.png", "test/huawei_raw/0.png"):
        write_png(tmp_path, name, np.zeros((10, 10), np.uint16))
    assert list_photographs(tmp_path) == ["test/canon/0.jpg", "train/canon/2.jpg", "train/canon/10.jpg"]


def test_grey_stays_grey_and_alpha_is_dropped(tree):
    grey = read_photograph(tree / "grey.png", shorter_side=None)
    assert (grey == grey[..., :1]).all()
    expected = decode_srgb_codes(make_photograph(SIDE, SIDE + 20, seed=2))
    np.testing.assert_array_equal(read_photograph(tree / "alpha.png", shorter_side=None), expected)


def test_deep_photographs_keep_their_precision(tree):
    deep = make_photograph(SIDE, SIDE, seed=21, bits=16)
    linear = read_photograph(tree / "a/deep.png", shorter_side=None)
    bright = deep > 20000
    assert np.abs(encode_srgb(linear / UINT16_MAX)[bright] * 65535 - deep[bright]).max() < 2


@pytest.mark.slow
@pytest.mark.skipif(not SHARED_DATA.is_dir(), reason="shared/data is absent")
def test_a_real_raw_file_looks_as_libraw_develops_it():
    rawpy = pytest.importorskip("rawpy")
    path = SHARED_DATA / "raw_bracket_hdrmerge" / "sample2.dng"
    ours = read_photograph(path, shorter_side=None) / UINT16_MAX
    with rawpy.imread(str(path)) as raw:
        theirs = raw.postprocess(
            half_size=True, gamma=(1, 1), no_auto_bright=True, use_camera_wb=True, output_bps=16, user_flip=0
        )
    height, width = min(ours.shape[0], theirs.shape[0]), min(ours.shape[1], theirs.shape[1])
    first, second = (
        cv2.resize(image[:height, :width].astype(np.float64), (48, 32), interpolation=cv2.INTER_AREA)
        for image in (ours, theirs / 65535)
    )
    dark = (first < 0.7).all(axis=-1) & (second < 0.7).all(axis=-1)
    assert dark.mean() > 0.5
    for channel in range(3):
        slope = (first[dark, channel] @ second[dark, channel]) / (second[dark, channel] @ second[dark, channel])
        assert slope == pytest.approx(1, abs=0.1)
        assert np.corrcoef(first[dark, channel], second[dark, channel])[0, 1] > 0.98


@pytest.mark.skipif(not SHARED_DATA.is_dir(), reason="shared/data is absent")
def test_frames_of_a_real_burst_are_one_photograph(tmp_path):
    folder = SHARED_DATA / "burst_phone_night"
    facts = [
        describe_photograph(read_photograph(folder / f"IMG_20160402_210944_BURST{index}.jpg", shorter_side=400))
        for index in (1, 2, 20)
    ]
    assert set(find_look_alikes(facts)) == {1, 2}
