"""Labels without ground truth against those that the hidden truth gives."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from benchmarks.demo_tasks import make_demo_tasks, make_handheld_tasks
from dataset_builder.labeling.estimators import find_estimator
from dataset_builder.labeling.game import FidelityGame
from dataset_builder.labeling.held_out import HeldOutFrames
from dataset_builder.labeling.unbiased_risk import UnbiasedRisk
from dataset_builder.labeling.without_truth import average_parts
from restorers import Burst, Domain, RestorerInfo, create
from restorers.errors import UnsupportedBurstError
from restorers.fidelity import METRICS, PSNR
from tests.dataset_builder.labeling.test_game import Averager, Plain, make_task

RNG = np.random.default_rng


def compare(name, restorer, burst):
    if name == "mse_held_out":
        return HeldOutFrames(restorer, burst, METRICS[name])
    return UnbiasedRisk(restorer, burst, METRICS[name], RNG(0))


def estimate(name, restorer, burst, estimator):
    return average_parts(find_estimator(estimator), compare(name, restorer, burst), lambda: RNG(0))


@pytest.fixture(scope="module")
def tasks(tmp_path_factory):
    """For each metric, bursts on which to judge it."""
    return {
        "mse_unbiased": make_demo_tasks(tmp_path_factory.mktemp("demo"), every=2),
        "mse_held_out": make_handheld_tasks(tmp_path_factory.mktemp("large"), side=144, bursts=3),
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    ("metric", "scenario", "least"),
    [
        # Below the means of docs/building.md, or of these bursts, by twice the standard deviation between redraws, 0.02 to 0.04.
        ("mse_unbiased", "denoise/mean", {"add_one": 0.85, "shapley": 0.78, "leave_one_out": 0.68}),
        ("mse_unbiased", "denoise/hdrplus", {"add_one": 0.76, "shapley": 0.65, "leave_one_out": 0.57}),
        ("mse_held_out", "denoise/mean", {"add_one": 0.9, "shapley": 0.9, "leave_one_out": 0.82}),
        ("mse_held_out", "denoise/hdrplus", {"add_one": 0.9, "shapley": 0.86, "leave_one_out": 0.72}),
    ],
)
def test_they_rank_frames_as_the_hidden_truth_does(tasks, metric, scenario, least):
    restorer, correlations = create(scenario), {estimator: [] for estimator in least}
    for task in tasks[metric]:
        comparison, game = compare(metric, restorer, task.burst), FidelityGame(restorer, task, PSNR)
        for estimator, found_so_far in correlations.items():
            found = average_parts(find_estimator(estimator), comparison, lambda: RNG(0))
            expected = find_estimator(estimator).function(game, RNG(0)).score
            known = np.isfinite(expected)
            assert (np.isfinite(found.score) == known).all()
            assert (found.std_error[known] > 0).all()
            found_so_far.append(spearmanr(found.score[known], expected[known]).statistic)
    for estimator, bar in least.items():
        assert np.mean(correlations[estimator]) >= bar, (estimator, np.mean(correlations[estimator]))


@pytest.mark.parametrize("metric", ["mse_held_out", "mse_unbiased"])
@pytest.mark.parametrize("estimator", ["leave_one_out", "add_one", "shapley", "marginal(1)"])
def test_the_quick_way_of_linear_merges_is_the_definition(metric, estimator):
    burst = make_task(
        poses=((0.0, 0.0, 0.0), (2.3, -1.7, 0.0), (-3.1, 0.6, 0.0), (0.5, 4.2, 0.0), (-1.2, -2.5, 0.0), (1, 1, 0.0))
    ).burst
    quick, slow = (estimate(metric, restorer, burst, estimator) for restorer in (Averager(), Plain(Averager())))
    np.testing.assert_allclose(quick.score, slow.score, rtol=1e-4, atol=1e-10)
    np.testing.assert_allclose(quick.std_error, slow.std_error, rtol=1e-3, atol=1e-10)


def test_unbiased_risk_estimates_the_error_itself():
    """Of a merge without alignment on a still burst: −value − Σσ² is the MSE against the noise-free reference, within its spread."""
    shot, read = 4e-3, 1e-4
    task = make_task(shot=shot, read=read, poses=((0.0, 0.0, 0.0),) * 6)
    comparison = UnbiasedRisk(Averager(), task.burst, METRICS["mse_unbiased"], RNG(0))
    truth = FidelityGame(Averager(), task, METRICS["mse_unbiased"])
    signal = np.maximum(task.burst.reference, 0)
    variance = comparison._divide(shot * signal + read).mean(axis=-1)
    for members in (frozenset(), frozenset({1}), frozenset(range(1, 6))):
        risk = -comparison.compare(members) - variance
        error = risk.std(ddof=1) / np.sqrt(len(risk))
        assert risk.mean() == pytest.approx(-truth.value(members), abs=4 * error)


def test_a_frame_of_something_else_is_worth_least():
    task = make_task(
        poses=((0.0, 0.0, 0.0), (2.3, -1.7, 0.0), (-3.1, 0.6, 0.0), (0.5, 4.2, 0.0), (-1.2, -2.5, 0.0), (1, 1, 0.0))
    )
    frames = task.burst.frames.copy()
    frames[3] = 0.2 + 0.05 * RNG(0).standard_normal(frames[3].shape)
    burst = Burst(frames, cfa=task.burst.cfa, shot_noise=task.burst.shot_noise, read_noise=task.burst.read_noise)
    for metric in ("mse_held_out", "mse_unbiased"):
        scores = estimate(metric, Averager(), burst, "leave_one_out").score
        assert np.nanargmin(scores) == 3


def test_display_bursts_are_compared_with_held_out_frames():
    frames = np.clip(make_task(side=96).burst.frames, 0, 1)
    frames = np.repeat(frames[..., None], 3, axis=-1)

    class Mean:
        info = RestorerInfo("denoise", "1", frozenset({Domain.SRGB}), Domain.SRGB)

        def restore(self, burst):
            return burst.frames.mean(axis=0)

    burst = Burst(frames, domain=Domain.SRGB)
    scores = estimate("mse_held_out", Mean(), burst, "add_one").score
    assert np.isfinite(scores[1:]).all()
    with pytest.raises(UnsupportedBurstError, match="use mse_held_out"):
        estimate("mse_unbiased", Mean(), burst, "add_one")


def test_bursts_that_cannot_be_compared_are_refused():
    task = make_task(poses=((0.0, 0.0, 0.0), (2.3, -1.7, 0.0), (-3.1, 0.6, 0.0)))
    with pytest.raises(UnsupportedBurstError, match="2 of 2 frames can be aligned to the reference, needed are 3"):
        estimate("mse_held_out", Averager(), task.burst, "add_one")
    with pytest.raises(UnsupportedBurstError, match="without ground truth only estimators that compare subsets"):
        estimate("mse_unbiased", Averager(), task.burst, "solo")
    with pytest.raises(
        UnsupportedBurstError, match=r"marginal\(4\): expected at least 6 frames beside what is kept out, got 3"
    ):
        estimate("mse_unbiased", Averager(), task.burst, "marginal(4)")
    with pytest.raises(UnsupportedBurstError, match="too small for 16 blocks"):
        estimate("mse_unbiased", Averager(), make_task(side=16).burst, "add_one")
