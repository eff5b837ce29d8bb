"""What labels will cost, against what they do cost."""

from dataclasses import dataclass, field

import numpy as np
import pytest

from dataset_builder.labeling.estimators import find_estimator
from dataset_builder.labeling.expectation import (
    WORTH_TIMING,
    Expectation,
    Timing,
    count_evaluations,
    expect_work,
    time_restorers,
)
from dataset_builder.labeling.game import FidelityGame, LabelingTask
from dataset_builder.labeling.scenarios import Definition, ResolvedScenario
from dataset_builder.labeling.units import BurstRows, LabelUnit, read_bursts
from dataset_builder.work.unit import run_unit
from restorers import CFA, Burst, Domain, RestorerInfo
from restorers.fidelity import METRICS
from tests.tiny_dataset import write_tiny_dataset

INFO = RestorerInfo("denoise", "1", frozenset({Domain.RAW_BAYER}), Domain.RAW_BAYER)


@dataclass(eq=False)
class Counting:
    """Averages frames, and counts how often."""

    info = INFO
    restored: int = field(default=0)

    def restore(self, burst):
        self.restored += 1
        return burst.frames.mean(axis=0)


def make_unit(*estimators, frames=10, side=64, metrics=("psnr",), linear=False, name="a/a"):
    burst = {"burst_id": "x", "num_frames": frames, "height": side, "width": side, "domain": "raw_bayer"}
    definitions = tuple(Definition(estimator, metric) for metric in metrics for estimator in estimators)
    return LabelUnit(BurstRows(burst, ()), ResolvedScenario(name, definitions, "0" * 64, INFO, linear), definitions)


@pytest.mark.parametrize(
    "estimators",
    [
        ("leave_one_out",),
        ("leave_one_out", "add_one"),
        ("solo", "as_reference"),
        ("shapley(evaluations(1))",),
        ("shapley(evaluations(60))",),
    ],
)
def test_what_is_expected_is_what_is_restored(estimators):
    frames = np.random.default_rng(0).random((10, 48, 48), np.float32)
    still = np.tile(np.eye(3), (10, 1, 1))
    task = LabelingTask(Burst(frames, 0, cfa=CFA.RGGB), np.full((48, 48, 3), 0.5, np.float32), 1, still)
    restorer = Counting()
    game = FidelityGame(restorer, task, METRICS["psnr"])
    for name in estimators:
        find_estimator(name).function(game, np.random.default_rng(0))
    usual, most = count_evaluations(make_unit(*estimators))
    assert usual <= restorer.restored <= most
    if "shapley(evaluations(60))" not in estimators:
        assert restorer.restored == usual == most


def test_metrics_are_restored_for_one_by_one_and_linear_merges_once():
    assert count_evaluations(make_unit("leave_one_out", metrics=("psnr", "ssim"))) == (20, 20)
    assert count_evaluations(make_unit("leave_one_out", "shapley", linear=True)) == (1, 1)
    # By SSIM, a linear merge is averaged for every subset.
    assert count_evaluations(make_unit("leave_one_out", metrics=("ssim",), linear=True)) == (10, 10)
    assert count_evaluations(make_unit("leave_one_out", "shapley", frames=5)) == (16, 16)


def test_the_seconds_follow_from_the_timing_and_the_size_of_bursts():
    units = [
        make_unit("leave_one_out", name=name, side=side) for name, side in (("b/b", 64), ("a/a", 64), ("a/a", 128))
    ]
    timing = Timing(prepare=5.0, evaluate=1.0, samples=10 * 64 * 64)
    first, second = expect_work([(unit, 1) for unit in units], {"a/a": timing})
    assert (first.scenario, first.bursts, first.usual) == ("a/a", 2, 20)
    assert first.seconds == pytest.approx((1 + 4) * (5 + 10 * 1))
    assert (second.scenario, second.seconds) == ("b/b", None)


class InThisProcess:
    """Runs units at once."""

    device = "cpu"

    def run(self, units, root):
        for unit in units:
            yield unit, run_unit(unit, root)


def test_restorers_are_timed_where_there_is_much_to_do(tmp_path):
    root = write_tiny_dataset(tmp_path / "set")
    rows = read_bursts(root)["tiny-2"]
    shapley = (Definition("marginal(1)", "psnr_srgb"),)
    units = []
    for name in ("denoise/nlm", "denoise/mean", "denoise/robust_mean", "denoise/absent"):
        info = RestorerInfo("denoise", "1", frozenset({Domain.RAW_BAYER}), Domain.RAW_BAYER)
        # What is known of the burst is that it is short; that there are many of them makes much of little.
        count = 1 if name == "denoise/mean" else WORTH_TIMING
        units.append((LabelUnit(rows, ResolvedScenario(name, shapley, "0" * 64, info), shapley), count))
    timings = time_restorers(units, root, InThisProcess())
    # One of them takes single frames, one is not there, and of one there is little to do.
    assert set(timings) == {"denoise/nlm", "denoise/robust_mean"}
    assert {timing.samples for timing in timings.values()} == {4 * 16 * 16}
    assert not list((root / ".work").rglob("*.json"))


def test_it_is_said_in_a_line():
    assert str(Expectation("a/a", 12, 552, 24_000, 1800.0)) == (
        "a/a: 12 bursts, about 552 evaluations, at most 24,000; about 30 minutes of one worker"
    )
    assert str(Expectation("a/a", 12, 120, 120)) == "a/a: 12 bursts, about 120 evaluations"
    assert str(Expectation("a/a", 1, 1, 1, 40.0)).endswith("about 40 s of one worker")
    assert str(Expectation("a/a", 1, 1, 1, 9000.0)).endswith("about 2.5 hours of one worker")
