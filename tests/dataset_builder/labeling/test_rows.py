"""Rows of labels: what differs by rounding has one rank."""

import dataclasses

import numpy as np
import pytest

from dataset_builder.labeling.estimators import find_estimator
from dataset_builder.labeling.game import FidelityGame
from dataset_builder.labeling.rows import make_label_rows
from dataset_builder.labeling.scenarios import Definition
from restorers import create
from restorers.fidelity import METRICS
from tests.dataset_builder.labeling.test_game import Plain, make_task


def tabulate(score, unit="dB", **more):
    known = np.isfinite(score)
    return make_label_rows(
        "burst",
        "denoise/mean",
        Definition("add_one", "psnr"),
        unit=unit,
        score=score,
        std_error=np.where(known, 0.0, np.nan),
        num_evaluations=known * 2,
        label_key="0" * 64,
        fingerprint="0" * 64,
        **more,
    )


@pytest.mark.parametrize(
    ("scenario", "metric"), [("denoise/hdrplus", "psnr"), ("denoise/hdrplus", "ssim"), ("sr/backprojection@x2", "psnr")]
)
def test_frames_of_the_same_bytes_have_one_rank(scenario, metric):
    """Their order among the others differs, and with it the rounding of every sum."""
    task = make_task(side=32, poses=((0, 0, 0), *[(1.3, -0.7, 0.002)] * 6, (-2, 1, 0)), reference=0)
    frames = task.burst.frames.copy()
    same = [1, 2, 3, 5, 6, 7]
    frames[same] = frames[1]
    task.homographies[same] = task.homographies[1]
    task = dataclasses.replace(task, burst=dataclasses.replace(task.burst, frames=frames))
    restorer = create(scenario)
    game = FidelityGame(Plain(restorer), task, METRICS[metric])
    for name in ("leave_one_out", "add_one", "half_sum"):
        estimate = find_estimator(name).function(game, np.random.default_rng(0))
        rows = tabulate(estimate.score, METRICS[metric].unit)
        assert len({rows[index]["rank"] for index in same}) == 1
        assert len({rows[index]["score_norm"] for index in same}) == 1
        assert rows[0]["rank"] is None
        assert rows[4]["rank"] != rows[1]["rank"]


def test_what_is_not_known_is_null():
    score = np.array([np.nan, 1.0, np.nan, 3.0])
    rows = tabulate(score, noise_error=np.array([0.1, 0.2, 0.3, np.nan]), reasons={2: "Error: why", 1: "not asked"})
    assert [row["score"] for row in rows] == [None, 1.0, None, 3.0]
    assert [row["noise_error"] for row in rows] == [None, 0.2, None, None]
    assert [row["reason"] for row in rows] == [None, None, "Error: why", None]
    assert [row["rank"] for row in rows] == [None, 2, None, 1]
    assert all(row["noise_error"] is None for row in tabulate(score))
