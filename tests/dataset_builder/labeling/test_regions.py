"""All frames of a burst are judged on their own grids over one part of the scene."""

import dataclasses

import numpy as np
import pytest

from dataset_builder.labeling.estimators import as_reference, solo
from dataset_builder.labeling.game import FidelityGame
from dataset_builder.labeling.regions import MIN_PIXELS, enlarge, find_regions
from dataset_builder.labeling.truth import find_support
from dataset_builder.synthesis.motion import pose_to_homography
from restorers.errors import UnsupportedBurstError
from restorers.fidelity import METRICS, PSNR
from tests.dataset_builder.labeling.test_game import Averager, First, make_task

SIDE, BORDER = 64, 4
POSES = ((0, 0, 0), (6, -3, 0.01), (-5, 2, -0.02), (0.5, 7.25, 0.005))


def find(poses, clear=None, reference=0, side=SIDE):
    homographies = np.stack([pose_to_homography(pose, side, side) for pose in poses])
    settings = {"scale": 2, "reference_index": reference, "border": BORDER, "clear": clear}
    shapes = {"shape": (side, side), "truth_shape": (2 * side, 2 * side)}
    return homographies, find_regions(homographies, **shapes, **settings)


def find_windows(*arguments, **settings):
    homographies, regions = find(*arguments, **settings)
    return homographies, tuple(region and region.window for region in regions)


def sizes(windows):
    return {(rows.stop - rows.start, columns.stop - columns.start) for rows, columns in windows}


def centre_in_reference(window, homography):
    rows, columns = window
    middle = np.array([(columns.start + columns.stop - 1) / 2, (rows.start + rows.stop - 1) / 2, 1])
    return (np.linalg.inv(homography) @ middle)[:2]


def test_windows_are_of_one_size_and_around_one_point():
    homographies, windows = find_windows(POSES)
    ((height, width),) = sizes(windows)
    assert height % 2 == width % 2 == 0
    assert height * width > SIDE**2 / 3
    centres = [centre_in_reference(*pair) for pair in zip(windows, homographies, strict=True)]
    assert np.ptp(centres, axis=0).max() < 1.5
    for window, homography in zip(windows, homographies, strict=True):
        assert find_support((2 * SIDE, 2 * SIDE), homography, scale=2, shape=(SIDE, SIDE))[window].all()
        rows, columns = window
        assert min(rows.start, columns.start) >= BORDER
        assert max(rows.stop, columns.stop) <= SIDE - BORDER


def test_translated_windows_show_the_same_pixels():
    poses = ((0, 0, 0), (6, -4, 0), (-5, 2, 0))
    _, windows = find_windows(poses)
    for (x, y, _), (rows, columns) in zip(poses, windows, strict=True):
        assert (rows.start - windows[0][0].start, columns.start - windows[0][1].start) == (y, x)


def test_regions_show_the_same_part_of_the_scene():
    clear = np.ones((len(POSES), SIDE, SIDE), bool)
    clear[1, 20:30, 30:50] = False
    homographies, regions = find(POSES, clear)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    grid = np.stack([columns, rows, np.ones_like(rows)], -1).astype(float)
    common = regions[0].pixels
    for region, homography in zip(regions, homographies, strict=True):
        # Each pixel of a region lies in that of the reference, by the nearest pixel there.
        x, y, _ = np.linalg.inv(homography) @ grid[region.pixels].T
        assert common[y.round().astype(int), x.round().astype(int)].all()
        assert region.pixels.sum() > 0.85 * common.sum()
        rows, columns = region.window
        assert region.pixels[rows, columns].all()
    assert common.sum() > 1.5 * regions[0].pixels[regions[0].window].sum()


def test_what_moves_in_any_frame_is_in_no_region():
    clear = np.ones((len(POSES), SIDE, SIDE), bool)
    clear[0, 30:38, 4:20] = clear[2, 12:20, 40:48] = False
    homographies, regions = find(POSES, clear)
    assert len(sizes(region.window for region in regions)) == 1
    rows, columns = np.mgrid[:SIDE, :SIDE]
    scene = np.stack([columns, rows, np.ones_like(rows)], -1).astype(float)
    for moving in (0, 2):
        # Where the object of one frame is in the scene, no frame looks.
        spots = np.linalg.inv(homographies[moving]) @ scene[~clear[moving]].T
        for region, homography in zip(regions, homographies, strict=True):
            x, y, _ = homography @ spots
            seen = (x > 0) & (y > 0) & (x < SIDE - 1) & (y < SIDE - 1)
            assert not region.pixels[y[seen].round().astype(int), x[seen].round().astype(int)].any()
            assert region.pixels[region.window].all()


def test_an_outlier_makes_the_region_of_others_no_smaller():
    _, expected = find(POSES)
    _, regions = find((*POSES, (50, 0, 0)))
    assert regions[-1] is None
    for found, known in zip(regions, expected, strict=False):
        np.testing.assert_array_equal(found.pixels, known.pixels)
        assert found.window == known.window


def test_frames_that_share_least_go_first_where_nothing_is_common_to_all():
    poses = ((0, 0, 0), (8, 5, 0), (-8, -5, 0), (2, 1, 0))
    _, regions = find(poses, side=32)
    assert [region is None for region in regions] == [False, False, True, False]
    ((height, width),) = sizes(region.window for region in regions if region)
    assert height * width >= MIN_PIXELS


def test_windows_may_be_fewer_than_regions():
    """Where what moves leaves pixels enough, but no rectangle."""
    clear = np.ones((3, SIDE, SIDE), bool)
    clear[1, ::13] = False
    _, regions = find(((0, 0, 0), (6, 0, 0), (1, 0, 0)), clear)
    assert [region.window is None for region in regions] == [False, True, False]
    assert min(region.pixels.sum() for region in regions) > 3 * MIN_PIXELS


def test_nothing_is_judged_where_even_the_reference_shows_too_little():
    assert find(POSES, side=16)[1] == (None,) * len(POSES)


def test_windows_in_images_of_other_scales():
    assert enlarge((slice(3, 9), slice(4, 20)), 2) == (slice(6, 18), slice(8, 40))
    assert enlarge((slice(3, 9), slice(4, 20)), 0.5) == (slice(2, 4), slice(2, 10))


@pytest.mark.parametrize("estimator", [solo, as_reference])
@pytest.mark.parametrize("metric", [PSNR, METRICS["ssim"]])
def test_what_only_one_frame_shows_does_not_count(estimator, metric):
    task = make_task(shot=4e-4, read=1e-5, poses=((0, 0, 0), (12, 0, 0), (0, 1, 0), (-1, 0, 0)))
    frames = task.burst.frames.copy()
    frames[1, :, :15] = 0.9  # left of what the reference shows
    frames[2, :, -10:] = 0.9  # what frame 1 does not show
    spoilt = dataclasses.replace(task, burst=dataclasses.replace(task.burst, frames=frames))
    expected, found = (estimator(FidelityGame(First(), each, metric)).score for each in (task, spoilt))
    np.testing.assert_array_equal(found, expected)


def test_the_mask_holds_for_the_reference_as_for_its_rivals():
    task = make_task(shot=4e-4, read=1e-5)
    frames, clear = task.burst.frames.copy(), np.ones(task.burst.frames.shape, bool)
    frames[0, 24:32, 20:30] = 0.9
    clear[0, 24:32, 20:30] = False
    moving = dataclasses.replace(task.burst, frames=frames)
    unmasked, masked, still = (
        solo(FidelityGame(First(), dataclasses.replace(task, burst=burst, clear=mask), PSNR)).score
        for burst, mask in ((moving, None), (moving, clear), (task.burst, clear))
    )
    assert unmasked[0] < still[0] - 10
    np.testing.assert_array_equal(masked, still)
    assert np.ptp(still) < 1.5


def test_one_outlier_costs_its_own_score_only():
    task = make_task()
    away = task.homographies.copy()
    away[3] = pose_to_homography((55.0, 0.0, 0.0), SIDE, SIDE)
    game = FidelityGame(Averager(), dataclasses.replace(task, homographies=away), PSNR)
    for estimator in (solo, as_reference):
        estimate = estimator(game)
        assert np.flatnonzero(np.isnan(estimate.score)).tolist() == [3]
        assert list(estimate.failures) == [3]
        assert isinstance(estimate.failures[3], UnsupportedBurstError)
        assert str(estimate.failures[3]).startswith("frame 3: shows too little of what the others show")
        assert estimate.num_evaluations.tolist() == [1, 1, 1, 0, 1]
