"""Near-duplicates are found by what they show, whatever was done to the file; different pictures are left alone."""

from __future__ import annotations

from pathlib import Path

import cv2
import imagehash
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from manifests.confined.plain import hash_plain
from manifests.images.appearance import (
    MAX_DISTANCE,
    MIN_CORRELATION,
    correlate_thumbnails,
    find_near_pairs,
    find_nearest_pair,
    hash_reference,
    hash_thumbnail,
    make_thumbnail,
)
from manifests.images.pixels import write_png
from manifests.schema import BURSTS, FRAMES, SPLITS
from manifests.store import read_dataset_table, table_path, write_table
from manifests.verification.verify import verify
from tests.tiny_dataset import BLACK, WHITE, finish_description

hashes = st.lists(st.one_of(st.none(), st.binary(min_size=8, max_size=8).map(bytes.hex)), max_size=12)


def make_scene(seed: int, side: int = 96) -> np.ndarray:
    """Smooth shapes: float32 [side, side, 3] in [0, 1]."""
    coarse = np.random.default_rng(seed).uniform(0, 1, (7, 7, 3)).astype(np.float32)
    return cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC).clip(0, 1)


def compare(one: np.ndarray, other: np.ndarray) -> tuple[int, float]:
    thumbnails = [make_thumbnail(np.ascontiguousarray(image, np.float32), "srgb") for image in (one, other)]
    first, second = (int(hash_thumbnail(thumbnail) or "", 16) for thumbnail in thumbnails)
    return (first ^ second).bit_count(), correlate_thumbnails(*thumbnails)


@pytest.mark.parametrize("seed", range(5))
def test_the_hash_is_that_of_imagehash(seed: int) -> None:
    # Grey and already of the size that is hashed, so that only the transform and the comparison are at work.
    codes = (make_scene(seed, 32)[..., 0] * 255).astype(np.uint8)
    ours = hash_thumbnail(make_thumbnail(np.repeat(codes[..., None], 3, 2).astype(np.float32) / 255, "srgb"))
    assert ours == str(imagehash.phash(Image.fromarray(codes), hash_size=8, highfreq_factor=4))


@pytest.mark.parametrize("seed", range(8))
def test_a_changed_copy_is_near(seed: int) -> None:
    scene = make_scene(seed)
    noise = np.random.default_rng(seed).normal(0, 0.05, scene.shape)
    encoded = cv2.imencode(".jpg", (scene * 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 40])[1]
    copies = {
        "noise": (scene + noise).clip(0, 1),
        "dark": scene * 0.6,
        "gamma": scene**1.2,
        "small": cv2.resize(scene, (48, 48), interpolation=cv2.INTER_AREA),
        "jpeg": cv2.imdecode(encoded, cv2.IMREAD_COLOR).astype(np.float32) / 255,
    }
    for name, copy in copies.items():
        distance, correlation = compare(scene, copy)
        assert distance <= MAX_DISTANCE, name
        assert correlation >= MIN_CORRELATION, name


def test_other_scenes_are_far() -> None:
    pairs = [compare(make_scene(seed), make_scene(seed + 100)) for seed in range(40)]
    assert not [pair for pair in pairs if pair[0] <= MAX_DISTANCE and pair[1] >= MIN_CORRELATION]


def test_skies_are_not_taken_for_one() -> None:
    ramp = np.linspace(0.2, 0.8, 96, dtype=np.float32)
    skies = [np.broadcast_to(ramp[:, None, None], (96, 96, 3)), np.broadcast_to(0.9 * ramp[:, None, None], (96, 96, 3))]
    assert all(hash_thumbnail(make_thumbnail(np.ascontiguousarray(sky), "srgb")) is None for sky in skies)


@pytest.mark.parametrize("shape", [(96, 96), (96, 96, 3), (31, 45, 3)])
@pytest.mark.parametrize("level", [0.0, 0.3, 1.0])
def test_nothing_to_see_has_no_hash(shape: tuple[int, ...], level: float) -> None:
    assert hash_thumbnail(make_thumbnail(np.full(shape, level, np.float32), "srgb")) is None


def test_raw_and_rendered_versions_of_a_scene_are_near() -> None:
    scene = make_scene(3).mean(2)
    mosaic, rgb = scene**2.2, np.repeat(scene[..., None], 3, 2)
    hashes = hash_thumbnail(make_thumbnail(mosaic, "raw_bayer")), hash_thumbnail(make_thumbnail(rgb, "srgb"))
    assert len(find_near_pairs(hashes, ["a", "b"])) == 1


@given(hashes, st.integers(0, 64), st.randoms(use_true_random=False))
def test_pairs_against_brute_force(texts: list[str | None], limit: int, random) -> None:
    groups = [random.choice("ab") for _ in texts]
    expected = sorted(
        ((int(one, 16) ^ int(other, 16)).bit_count(), i, j)
        for i, one in enumerate(texts)
        for j, other in enumerate(texts)
        if i < j and groups[i] != groups[j] and one is not None and other is not None
    )
    found = find_near_pairs(texts, groups, max_distance=limit)
    assert [(pair.distance, pair.first, pair.second) for pair in found] == [x for x in expected if x[0] <= limit]
    nearest = find_nearest_pair(texts, groups)
    assert (nearest is None) == (not expected)
    assert nearest is None or nearest.distance == expected[0][0]


# ----------------------------------------------------------------------------------------------------- in a data set


def show(root: Path, burst_id: str, picture: np.ndarray) -> None:
    """Let a RAW burst of the tiny data set show a picture, in all its frames."""
    bursts, frames = (read_dataset_table(root, name).to_pylist() for name in ("bursts", "frames"))
    own = [row for row in frames if row["burst_id"] == burst_id]
    for row in own:
        write_png(root, row["path"], (BLACK + picture * (WHITE - BLACK)).astype(np.uint16))
        row["sha256"] = hash_plain(root / row["path"])
    for row in bursts:
        if row["burst_id"] == burst_id:
            row["perceptual_hash"] = hash_reference(root, row, own)
    write_table(root, table_path("bursts"), BURSTS, bursts)
    write_table(root, table_path("frames"), FRAMES, frames)
    finish_description(root)


def test_verify_reports_a_near_duplicate_across_splits(tiny: Path) -> None:
    scene = make_scene(1, 16).mean(2)
    show(tiny, "tiny-2", scene)
    assert verify(tiny) == []
    show(tiny, "tiny-3", (0.8 * scene).astype(np.float32))
    (problem,) = verify(tiny)
    assert (problem.file, problem.row) == ("manifests/splits.parquet", "burst_id=tiny-2")
    assert "looks like tiny-3" in problem.message
    # Within one split it is no leak.
    rows = read_dataset_table(tiny, "splits").to_pylist()
    write_table(tiny, table_path("splits"), SPLITS, [{**row, "split": "train"} for row in rows])
    finish_description(tiny)
    assert verify(tiny) == []


def test_a_likeness_of_hashes_alone_is_no_problem(tiny: Path) -> None:
    rows = read_dataset_table(tiny, "bursts").to_pylist()
    write_table(tiny, table_path("bursts"), BURSTS, [{**row, "perceptual_hash": "0f" * 8} for row in rows])
    finish_description(tiny)
    assert verify(tiny) == []
