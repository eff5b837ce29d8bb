"""On the demo's own bursts, merging frames must pay: labels of restorers that do not restore would mean nothing."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
import pytest

from benchmarks.demo_tasks import make_demo_tasks
from dataset_builder.labeling.game import FidelityGame, LabelingTask
from restorers import create
from restorers.fidelity import PSNR, psnr
from restorers.imaging.mosaic import demosaic


class Gains(NamedTuple):
    """In dB, one number per burst, over what the reference alone gives."""

    mean: np.ndarray
    hdrplus: np.ndarray
    enlargement: np.ndarray
    """Back-projection of all frames over that of the reference."""
    enlargement_over_cubic: np.ndarray
    """The same over the reference, demosaicked and enlarged by cubic interpolation."""


pytestmark = pytest.mark.slow  # renders and restores the demo


@pytest.fixture(scope="module")
def tasks(tmp_path_factory: pytest.TempPathFactory) -> list[LabelingTask]:
    return make_demo_tasks(tmp_path_factory.mktemp("demo"))


@pytest.fixture(scope="module")
def gains(tasks: list[LabelingTask]) -> Gains:
    return Gains(*np.transpose([measure_gains(task) for task in tasks]))


def measure_gains(task: LabelingTask) -> tuple[float, float, float, float]:
    everyone, nobody = frozenset(task.burst.others), frozenset()
    games = [
        FidelityGame(create(name), task, PSNR) for name in ("denoise/mean", "denoise/hdrplus", "sr/backprojection@x2")
    ]
    mean, hdrplus, enlarged = (game.value(everyone) - game.value(nobody) for game in games)
    colours = demosaic(task.burst.reference, task.burst.cfa)
    cubic = cv2.resize(colours, task.truth.shape[1::-1], interpolation=cv2.INTER_CUBIC)
    over_cubic = games[-1].value(everyone) - psnr(cubic, task.truth, border=PSNR.border)
    return mean, hdrplus, enlarged, over_cubic


def test_the_demo_holds_what_it_promises(tasks):
    assert len(tasks) >= 24
    lengths = {task.burst.num_frames for task in tasks}
    assert min(lengths) >= 8
    assert max(lengths) <= 14
    assert len(lengths) > 1
    assert {task.burst.frames.shape[1:] for task in tasks} == {(96, 96)}
    assert {task.scale for task in tasks} == {2}


def test_the_reference_alone_is_what_comes_back_without_other_frames(tasks):
    task = tasks[0]
    for name in ("denoise/mean", "denoise/hdrplus"):
        np.testing.assert_allclose(create(name).restore(task.burst.single(0)), task.burst.frames[0], atol=1e-6)


@pytest.mark.slow
def test_denoisers_gain_three_decibels_and_more(gains):
    assert gains.mean.mean() >= 3
    assert gains.hdrplus.mean() >= 3


def test_the_robust_merge_does_no_harm_where_the_average_does(gains):
    # Where all other frames are blurred or hardly noisier than they differ, averaging hurts; the Wiener merge must not. Stars on black
    # under blurred frames are beyond it, too: they differ by less than the noise allows to tell.
    assert np.quantile(gains.hdrplus, 0.05) >= -0.1
    assert gains.hdrplus.min() >= -1
    assert gains.hdrplus.min() > gains.mean.min()


def test_more_frames_enlarge_better_than_one(gains):
    assert gains.enlargement.mean() >= 2.5
    assert gains.enlargement_over_cubic.mean() >= 2.5
    assert np.quantile(gains.enlargement, 0.05) >= 0
