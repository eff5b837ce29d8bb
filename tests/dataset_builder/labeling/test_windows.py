"""All frames of a burst are judged on their own grids over the same part of the scene."""

import dataclasses

import numpy as np
import pytest

from dataset_builder.labeling.estimators import as_reference, solo
from dataset_builder.labeling.game import FidelityGame
from dataset_builder.labeling.truth import find_support
from dataset_builder.labeling.windows import MIN_PIXELS, enlarge, find_windows
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
    return homographies, find_windows(homographies, **shapes, **settings)


def sizes(windows):
    return {(rows.stop - rows.start, columns.stop - columns.start) for rows, columns in windows}


def centre_in_reference(window, homography):
    rows, columns = window
    middle = np.array([(columns.start + columns.stop - 1) / 2, (rows.start + rows.stop - 1) / 2, 1])
    return (np.linalg.inv(homography) @ middle)[:2]


def test_windows_are_of_one_size_and_around_one_point():
    homographies, windows = find(POSES)
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
    _, windows = find(poses)
    for (x, y, _), (rows, columns) in zip(poses, windows, strict=True):
        assert (rows.start - windows[0][0].start, columns.start - windows[0][1].start) == (y, x)


def test_what_moves_in_any_frame_is_in_no_window():
    clear = np.ones((len(POSES), SIDE, SIDE), bool)
    clear[0, 30:38, 4:20] = clear[2, 12:20, 40:48] = False
    homographies, windows = find(POSES, clear)
    assert len(sizes(windows)) == 1
    rows, columns = np.mgrid[:SIDE, :SIDE]
    scene = np.stack([columns, rows, np.ones_like(rows)], -1).astype(float)
    for moving in (0, 2):
        # Where the object of one frame is in the scene, no frame looks.
        spots = np.linalg.inv(homographies[moving]) @ scene[~clear[moving]].T
        for window, homography in zip(windows, homographies, strict=True):
            x, y, _ = homography @ spots
            hit = (y > window[0].start) & (y < window[0].stop - 1) & (x > window[1].start) & (x < window[1].stop - 1)
            assert not hit.any()


def test_an_outlier_makes_the_window_of_others_no_smaller():
    _, expected = find(POSES)
    _, windows = find((*POSES, (50, 0, 0)))
    assert windows == (*expected, None)


def test_frames_that_share_least_go_first_where_nothing_is_common_to_all():
    poses = ((0, 0, 0), (9, 9, 0), (-9, -9, 0), (-10, -10, 0), (2, 1, 0))
    _, windows = find(poses, side=40)
    assert [window is None for window in windows] == [False, False, True, True, False]
    ((height, width),) = sizes(window for window in windows if window)
    assert height * width >= MIN_PIXELS


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
