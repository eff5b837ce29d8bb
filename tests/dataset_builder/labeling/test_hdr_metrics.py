"""Metrics of high dynamic range in the game, sharing of restorations between metrics, and which metrics suit a burst."""

import dataclasses
from dataclasses import dataclass, field

import numpy as np
import pytest

from dataset_builder.labeling.estimators import find_estimator
from dataset_builder.labeling.game import FidelityGame, make_games
from dataset_builder.labeling.scenarios import resolve_scenarios
from dataset_builder.labeling.spaces import to_space
from dataset_builder.labeling.suitability import choose_metrics
from dataset_builder.recipe import parse_scenario
from restorers import Burst, Domain, RestorerInfo, create
from restorers.fidelity import METRICS, PSNR, measure
from tests.dataset_builder.labeling.test_game import POSES, RAW_INFO, Averager, Plain, make_task

RGB_INFO = RestorerInfo("hdr", "1", frozenset({Domain.LINEAR_RGB}), Domain.LINEAR_RGB)
RADIANCE_INFO = RestorerInfo("hdr", "1", frozenset({Domain.RAW_BAYER}), Domain.LINEAR_RGB)
MATRIX = np.array([[1.6, -0.4, -0.2], [-0.3, 1.5, -0.2], [0.1, -0.6, 1.5]])


def make_rgb_burst():
    frames = np.full((2, 4, 4, 3), 0.5, np.float32)
    return Burst(frames, domain=Domain.LINEAR_RGB, white_balance=np.array([2.0, 1.0, 1.5]), color_matrix=MATRIX)


def test_hdr_spaces_are_the_display_of_what_the_camera_saw():
    rng, burst = np.random.default_rng(0), make_rgb_burst()
    image = rng.uniform(0, 8, (5, 6, 3)).astype(np.float32)
    light = np.einsum("ij,hwj->hwi", MATRIX, image * (2.0, 1.0, 1.5)).clip(0, 20)
    expected = np.log(1 + 5000 * light / 20) / np.log(5001)
    np.testing.assert_allclose(to_space(image, "mu_law", info=RGB_INFO, burst=burst), expected, atol=1e-6)
    display = to_space(image, "pu21", info=RGB_INFO, burst=burst)
    grey = np.linalg.solve(MATRIX, np.full(3, 0.5)) / (2.0, 1.0, 1.5)  # shown with 100 cd/m²
    for space in ("pu21", "pu21_luminance"):
        shown = to_space(np.tile(grey, (3, 3, 1)), space, info=RGB_INFO, burst=burst)
        np.testing.assert_allclose(shown, 256.38, atol=0.01)
    assert display.max() > 400  # brighter than white, and not cut there


def test_psnr_of_high_dynamic_range_is_psnr_of_the_encoded_images():
    rng = np.random.default_rng(1)
    truth, image = rng.uniform(0, 1, (2, 40, 40, 3))
    mean = np.mean((image - truth) ** 2)
    assert measure(METRICS["psnr_mu"], image, truth) == pytest.approx(-10 * np.log10(mean))
    assert measure(METRICS["psnr_pu21"], image * 256, truth * 256) == pytest.approx(-10 * np.log10(mean))
    facts = METRICS["psnr_pu21"].describe()
    assert "200 cd/m²" in facts["domain"]
    assert "4000 cd/m²" in facts["domain"]
    assert "20 times" in METRICS["psnr_mu"].describe()["domain"]


def test_what_is_brighter_than_white_counts():
    """PSNR with its peak at 1 is led by a bright corner that an eye hardly tells apart; the μ-law is not, and sees the rest."""
    task = make_task(poses=POSES[:3], side=48)
    truth = task.truth.copy()
    truth[:24] *= 6
    bright = dataclasses.replace(task, truth=truth)
    scores = {}
    for name in ("psnr", "psnr_srgb", "psnr_mu", "psnr_pu21"):
        game = FidelityGame(Averager(), bright, METRICS[name])
        scores[name] = game.value(frozenset({1, 2}))
    assert scores["psnr"] < 15
    assert np.isfinite(list(scores.values())).all()
    exact = FidelityGame(Exact(bright.truth), bright, METRICS["psnr_mu"])
    assert exact.value(frozenset()) > scores["psnr_mu"] + 20


@dataclass
class Exact:
    """Knows the truth."""

    truth: np.ndarray
    info: RestorerInfo = RADIANCE_INFO

    def restore(self, burst):
        height, width = burst.frames.shape[1:3]
        return self.truth.reshape(height, 2, width, 2, 3).mean(axis=(1, 3)).astype(np.float32)


@dataclass
class Counter:
    """Averages, and counts its work."""

    info: RestorerInfo = RAW_INFO
    calls: list = field(default_factory=list)

    def restore(self, burst):
        self.calls.append(burst.num_frames)
        return burst.frames.mean(axis=0)


@pytest.mark.parametrize("estimator", ["leave_one_out", "add_one", "solo", "as_reference", "shapley"])
def test_a_second_metric_costs_no_restoration(estimator):
    task = make_task(poses=POSES[:4], side=48)
    single, double = Counter(), Counter()
    function = find_estimator(estimator).function
    alone = function(FidelityGame(single, task, PSNR), np.random.default_rng(0))
    games = make_games(double, task, [PSNR, METRICS["psnr_srgb"], METRICS["psnr_mu"]])
    shared = [function(game, np.random.default_rng(0)) for game in games]
    assert len(double.calls) == len(single.calls) > 0
    np.testing.assert_array_equal(shared[0].score, alone.score)
    own = function(FidelityGame(Counter(), task, METRICS["psnr_srgb"]), np.random.default_rng(0))
    np.testing.assert_array_equal(shared[1].score, own.score)


def test_the_contributions_of_a_linear_merge_are_made_once():
    @dataclass
    class Merge(Averager):
        calls: list = field(default_factory=list)

        def contributions(self, burst):
            self.calls.append(burst.num_frames)
            return super().contributions(burst)

    task, restorer = make_task(poses=POSES[:4], side=48), Merge()
    games = make_games(restorer, task, [PSNR, METRICS["psnr_srgb"]])
    found = [find_estimator("leave_one_out").function(game, None).score for game in games]
    assert restorer.calls == [4]
    expected = find_estimator("leave_one_out").function(FidelityGame(Plain(Averager()), task, PSNR), None).score
    np.testing.assert_allclose(found[0], expected, atol=1e-4)
    assert not np.allclose(found[0][1:], found[1][1:])


def test_a_metric_that_cannot_be_measured_spoils_no_other():
    task = make_task(poses=POSES[:3], side=16)  # SSIM needs 11 px, and borders leave 8
    games = make_games(Counter(), task, [PSNR, METRICS["ssim"]])
    assert np.isfinite(games[0].value(frozenset({1})))
    with pytest.raises(ValueError, match="SSIM: expected at least"):
        games[1].value(frozenset({1}))


def test_the_metrics_follow_the_truth_of_the_burst_and_the_task():
    plain, bright = {"ground_truth_white": 1.0}, {"ground_truth_white": 7.5}
    assert choose_metrics("denoise", plain) == ("psnr", "psnr_srgb")
    assert choose_metrics("denoise", bright) == choose_metrics("hdr", plain) == ("psnr_mu", "psnr_pu21")

    def list_metrics(burst, name="denoise/mean", **options):
        (scenario,) = resolve_scenarios([parse_scenario(name=name, **options)])
        return [definition.metric for definition in scenario.list_definitions(burst)]

    assert list_metrics(plain, estimators=["add_one"]) == ["psnr", "psnr_srgb"]
    assert list_metrics(bright, estimators=["add_one"]) == ["psnr_mu", "psnr_pu21"]
    assert list_metrics(plain, "hdr/radiance", estimators=["add_one"]) == ["psnr_mu", "psnr_pu21"]
    assert list_metrics(bright, estimators=["add_one"], metrics=["psnr"]) == ["psnr"]
    assert list_metrics(bright, estimators=["add_one"], metrics=["default", "ssim"]) == ["psnr_mu", "psnr_pu21", "ssim"]
    assert list_metrics(plain, estimators=["add_one"], metrics=["psnr_mu", "default"]) == [
        "psnr_mu",
        "psnr",
        "psnr_srgb",
    ]
    assert create("hdr/radiance").info.task == "hdr"
