"""Augmentations move all frames alike; motion, mosaic and labels stay true."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from manifests import BurstQualityDataset
from manifests.loading.augment import RandomCrop, RandomFlip, compose
from manifests.loading.items import BurstItem
from manifests.loading.ranking import DrawFrames, DrawPairs, list_pairs
from manifests.schema import CFA_PATTERNS
from tests.burst_items import make_burst_item

HEIGHT, WIDTH = 12, 16
CODES = {"R": 0.2, "G": 0.5, "B": 0.8}
SHIFTS = [(0, 0), (2, -1), (-3, 2)]


def make_generator(seed: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(seed))


def make_item(cfa: str = "", height: int = HEIGHT, width: int = WIDTH) -> BurstItem:
    """Every pixel of frame t holds where its scene point lies in the reference; of a mosaic, which colour it is."""
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    if cfa:
        letters = np.array(list(cfa)).reshape(2, 2)
        codes = np.vectorize(CODES.get)(letters)[rows.astype(int) % 2, columns.astype(int) % 2]
        frames = np.broadcast_to(codes, (len(SHIFTS), 1, height, width))
    else:
        # A shift by (dx, dy) moves the point that the reference shows at (x, y) to (x + dx, y + dy).
        frames = np.stack([np.stack([columns - dx, rows - dy, columns * 0 + 0.5]) for dx, dy in SHIFTS])
    homographies = np.stack([np.array([[1, 0, dx], [0, 1, dy], [0, 0, 1]]) for dx, dy in SHIFTS])
    pixels = torch.from_numpy(np.array(frames, np.float32))
    item = make_burst_item(pixels, torch.tensor([[np.nan, 1.0, 2.0]]), cfa=cfa)
    item["oracle_homographies"] = torch.from_numpy(homographies.astype(np.float32))
    return item


def check_motion(item: BurstItem) -> int:
    """Follow the homographies from the reference: the same scene point is found there. Returns how many were followed."""
    frames, followed = item["frames"].numpy(), 0
    _, _, height, width = frames.shape
    for frame, homography in zip(frames, item["oracle_homographies"].numpy(), strict=True):
        for y in range(height):
            for x in range(width):
                u, v, w = homography @ (x, y, 1)
                u, v = u / w, v / w
                assert abs(u - round(u)) < 1e-4
                if 0 <= round(u) < width and 0 <= round(v) < height:
                    np.testing.assert_allclose(frame[:2, round(v), round(u)], frames[0, :2, y, x], atol=1e-4)
                    followed += 1
    return followed


transforms = st.sampled_from(
    [
        RandomCrop(6, 8),
        RandomFlip(),
        RandomFlip(rows=1, columns=0, transpose=0),
        RandomFlip(rows=0, columns=1, transpose=0),
        RandomFlip(rows=0, columns=0, transpose=1),
        compose(RandomFlip(), RandomCrop(8, 6), RandomFlip()),
    ]
)


@pytest.mark.slow
@given(transforms, st.integers(0, 2**32))
def test_motion_stays_true(transform, seed: int) -> None:
    item = make_item()
    changed = transform(item, make_generator(seed))
    assert check_motion(changed) > changed["frames"][0, 0].numel()
    assert torch.equal(changed["scores"].nan_to_num(), item["scores"].nan_to_num())


@given(
    st.sampled_from(CFA_PATTERNS),
    st.sampled_from([(12, 16), (11, 16), (12, 15), (11, 15)]),
    st.sampled_from([None, *CFA_PATTERNS]),
    st.integers(0, 2**32),
)
def test_the_pattern_says_what_the_mosaic_holds(cfa: str, size: tuple[int, int], wanted: str | None, seed: int) -> None:
    transform = compose(RandomFlip(), RandomCrop(6, 8, cfa=wanted))
    changed = transform(make_item(cfa, *size), make_generator(seed))
    assert changed["frames"].shape == (3, 1, 6, 8)
    if wanted is not None:
        assert changed["cfa"] == wanted
    for y in range(6):
        for x in range(8):
            assert (changed["frames"][:, 0, y, x] == np.float32(CODES[changed["cfa"][2 * (y % 2) + x % 2]])).all()


def test_unknown_motion_stays_unknown() -> None:
    item = make_item()
    item["oracle_homographies"][1] = torch.nan
    changed = compose(RandomFlip(), RandomCrop(6, 8))(item, make_generator(0))
    assert torch.isnan(changed["oracle_homographies"]).all((1, 2)).tolist() == [False, True, False]


@given(transforms, st.integers(0, 2**32))
def test_truth_and_measured_motion_go_along(transform, seed: int) -> None:
    item = make_item()
    item["estimated_homographies"] = item["oracle_homographies"].clone()
    # Truth of twice the size that shows the reference frame.
    item["truth"] = item["frames"][0].repeat_interleave(2, -1).repeat_interleave(2, -2)
    changed = transform(item, make_generator(seed))
    assert torch.equal(changed["truth"][..., ::2, ::2], changed["frames"][0])
    assert torch.equal(changed["estimated_homographies"], changed["oracle_homographies"])


def test_every_place_and_pose_is_drawn() -> None:
    crops, poses = set(), set()
    for seed in range(400):
        crop = RandomCrop(HEIGHT - 2, WIDTH - 3)(make_item(), make_generator(seed))
        crops.add(tuple(crop["frames"][0, :2, 0, 0].tolist()))
        pose = RandomFlip()(make_item(), make_generator(seed))
        poses.add((*pose["frames"].shape, *pose["frames"][0, :2, 0, 0].tolist()))
    assert crops == {(x, y) for x in range(4) for y in range(3)}
    assert len(poses) == 8


@pytest.mark.parametrize(("cfa", "wanted"), [("", None), ("RGGB", None), ("RGGB", "BGGR")])
def test_a_crop_larger_than_the_frame(cfa: str, wanted: str | None) -> None:
    with pytest.raises(ValueError, match="burst b: expected frames of at least"):
        RandomCrop(HEIGHT + 1 - (wanted is not None), WIDTH, cfa=wanted)(make_item(cfa), make_generator(0))
    with pytest.raises(ValueError, match="cfa 'RGB'"):
        RandomCrop(4, 4, cfa="RGB")(make_item("RGGB"), make_generator(0))


# ------------------------------------------------------------------------------------------------------ pairs and lists


@given(st.lists(st.one_of(st.just(np.nan), st.floats(-3, 3, width=32)), max_size=8), st.floats(0, 2), st.booleans())
def test_pairs_against_brute_force(values: list[float], gap: float, higher: bool) -> None:
    scores = np.array(values, np.float32)
    pairs = list_pairs(scores, min_gap=gap, higher_is_better=higher)
    worth = scores if higher else -scores
    expected = [[i, j] for i in range(len(values)) for j in range(len(values)) if worth[i] - worth[j] > gap]
    assert pairs.tolist() == expected


def test_drawn_pairs_are_pairs() -> None:
    item = make_item()
    item["scores"] = torch.tensor([[np.nan, 1.0, 2.0], [3.0, 1.0, 2.0], [1.0, 1.0, np.nan]])
    item["score_errors"] = torch.full_like(item["scores"], torch.nan)
    pairs = DrawPairs(5)(item, make_generator(1))["pairs"]
    assert pairs.shape == (3, 5, 2)
    assert pairs[0].tolist() == [[2, 1]] * 5
    assert {tuple(pair) for pair in pairs[1][:3].tolist()} == {
        (0, 1),
        (0, 2),
        (2, 1),
    }  # without replacement while they last
    assert pairs[2].tolist() == [[-1, -1]] * 5
    assert DrawPairs(1, higher_is_better=False)(item, make_generator(1))["pairs"][0].tolist() == [[1, 2]]
    assert DrawPairs(1, min_gap=1.0)(item, make_generator(1))["pairs"][0].tolist() == [[-1, -1]]


def test_pairs_that_noise_may_swap_are_left_out() -> None:
    """One deviation of the difference apart, the order is right in 84 % of the cases; two apart, in 97.7 %."""
    errors = torch.full((1, 4), 1 / np.sqrt(2), dtype=torch.float32)
    item = make_burst_item(torch.zeros(4, 1, 2, 2), torch.tensor([[0.0, 1.0, 2.0, np.nan]]))
    item["score_errors"] = errors
    sure = {
        least: {
            tuple(pair) for pair in DrawPairs(6, min_probability=least)(item, make_generator(1))["pairs"][0].tolist()
        }
        for least in (0.0, 0.84, 0.85, 0.98)
    }
    assert sure == {
        0.0: {(1, 0), (2, 0), (2, 1)},
        0.84: {(1, 0), (2, 0), (2, 1)},
        0.85: {(2, 0)},
        0.98: {(-1, -1)},
    }
    # Nobody measured how noisy they are: that is no reason to leave them out.
    item["score_errors"] = torch.full((1, 4), torch.nan)
    assert len(list_pairs(item["scores"][0].numpy(), item["score_errors"][0].numpy(), min_probability=0.98)) == 3
    # Of ranks the lower is the better.
    ranks = np.array([3, 2, 1], np.float32)
    assert list_pairs(ranks, np.full(3, 0.5, np.float32), min_probability=0.98, higher_is_better=False).tolist() == [
        [2, 0]
    ]


@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 2**32))
def test_a_drawn_list_keeps_order_reference_and_labels(length: int, count: int, seed: int) -> None:
    reference = seed % length
    numbers = torch.arange(length, dtype=torch.float32)
    item = make_burst_item(numbers[:, None, None, None].expand(length, 1, 2, 2), numbers[None], reference=reference)
    item["score_mask"] = numbers[None] > 0
    item["score_errors"] = numbers[None]
    item["estimated_homographies"] = item["oracle_homographies"] = numbers[:, None, None].expand(length, 3, 3)
    item["shot_noise"] = numbers
    drawn = DrawFrames(count)(item, make_generator(seed))
    kept = drawn["frames"][:, 0, 0, 0].tolist()
    assert len(kept) == min(length, count)
    assert kept == sorted(set(kept))
    assert kept[drawn["reference_index"]] == reference
    assert drawn["scores"][0].tolist() == kept == drawn["oracle_homographies"][:, 1, 1].tolist()
    assert drawn["score_mask"][0].tolist() == [number > 0 for number in kept]
    assert drawn["score_errors"][0].tolist() == kept == drawn["shot_noise"].tolist()
    assert drawn["estimated_homographies"][:, 1, 1].tolist() == kept


def test_a_list_holds_the_reference_at_least() -> None:
    with pytest.raises(ValueError, match="expected at least 1"):
        DrawFrames(0)


def test_the_loader_applies_them(tiny_original: Path) -> None:
    transform = compose(RandomFlip(), RandomCrop(8, 8, cfa="GRBG"), DrawFrames(2), DrawPairs(3))
    dataset = BurstQualityDataset(tiny_original, "all", ["denoise/nlm"], transform=transform)
    item = dataset[dataset.find("tiny-3")]
    assert item["frames"].shape == (2, 1, 8, 8)
    assert item["cfa"] == "GRBG"
    assert item["pairs"].shape == (1, 3, 2)
