"""Labels of exposure and focus series without truth, and which metric is taken where there is none."""

import cv2
import numpy as np
import pytest

from dataset_builder.build import add_labels, add_source
from dataset_builder.labeling.estimators import find_estimator
from dataset_builder.labeling.full_stack import StackGame
from dataset_builder.labeling.scenarios import ScenarioChoice
from dataset_builder.labeling.suitability import choose_metrics, explain_metric
from dataset_builder.recipe import parse_source
from manifests.schema import LABELS
from manifests.store import labels_path, read_dataset_table, read_table
from restorers import Burst, Domain, RestorerInfo, create
from restorers.errors import UnsupportedBurstError
from restorers.fidelity import METRICS

SIDE = 64


def draw_scene(seed=0):
    rng = np.random.default_rng(seed)
    scene = cv2.GaussianBlur(rng.uniform(0, 1, (SIDE, SIDE, 3)).astype(np.float32), (0, 0), 1.0)
    return np.asarray((scene - scene.min()) / np.ptp(scene), np.float32)


def make_focus_series():
    """Frames 1 and 2 are sharp in one half each, frame 3 nowhere; the reference, frame 0, is a little blurred."""
    scene = draw_scene()
    soft, softer = (cv2.GaussianBlur(scene, (0, 0), sigma) for sigma in (1.5, 3.0))
    left, right = softer.copy(), softer.copy()
    left[:, : SIDE // 2], right[:, SIDE // 2 :] = scene[:, : SIDE // 2], scene[:, SIDE // 2 :]
    return Burst(np.stack([soft, left, right, softer]), domain=Domain.SRGB)


def make_bracket():
    """Three exposures of a scene that is eight times as bright on its right: only the darkest shows that, only the brightest the rest."""
    scene = 0.02 + 0.12 * draw_scene()
    scene[:, SIDE // 2 :] *= 20
    noise = np.random.default_rng(1).normal(0, 0.004, (4, *scene.shape))
    ratios = np.array([1.0, 0.25, 4.0, 1.0])
    frames = np.clip(ratios[:, None, None, None] * scene + noise, 0, 1).astype(np.float32)
    return Burst(frames, domain=Domain.LINEAR_RGB, exposure_ratio=ratios)


def leave_one_out(scenario, burst):
    game = StackGame(create(scenario), burst, METRICS["mef_ssim"])
    return find_estimator("leave_one_out").function(game, np.random.default_rng(0)).score


def test_frames_that_alone_are_sharp_somewhere_are_worth_most():
    scores = leave_one_out("focus/stack", make_focus_series())
    assert np.isnan(scores[0])
    assert min(scores[1], scores[2]) > 10 * abs(scores[3])
    assert scores[1] < 3 * scores[2]


@pytest.mark.parametrize("scenario", ["hdr/fusion", "hdr/radiance"])
def test_the_exposure_that_alone_shows_the_lights_is_worth_most(scenario):
    """The shortest exposure shows lights that saturate all others; another frame of the reference's own exposure shows nothing new."""
    scores = leave_one_out(scenario, make_bracket())
    assert scores[1] > 2 * abs(scores[3])


def test_all_subsets_are_had_of_short_series_and_scores_add_up():
    game = StackGame(create("hdr/fusion"), make_bracket(), METRICS["mef_ssim"])
    values = game.enumerate_values()
    scores = find_estimator("shapley").function(game, np.random.default_rng(0))
    assert np.nansum(scores.score) == pytest.approx(values[-1] - values[0])
    assert (scores.std_error[1:] == 0).all()
    with pytest.raises(UnsupportedBurstError, match="only estimators that compare subsets"):
        game.value_alone(1)


def test_too_small_a_series_is_refused():
    small = Burst(np.zeros((2, 20, 20, 3), np.float32), domain=Domain.SRGB)
    with pytest.raises(UnsupportedBurstError, match="at least 27 px"):
        StackGame(create("focus/stack"), small, METRICS["mef_ssim"])


@pytest.mark.parametrize(
    ("task", "domain", "num_frames", "expected"),
    [
        ("hdr", "srgb", 3, "mef_ssim"),
        ("focus", "srgb", 7, "mef_ssim"),
        ("denoise", "srgb", 8, "mse_held_out"),
        ("denoise", "raw_bayer", 8, "mse_held_out"),
        ("denoise", "raw_bayer", 3, "mse_unbiased"),
    ],
)
def test_what_is_measured_without_truth(task, domain, num_frames, expected):
    burst = {"ground_truth_kind": "none", "ground_truth_white": None, "domain": domain, "num_frames": num_frames}
    assert choose_metrics(task, burst) == (expected,)


@pytest.mark.parametrize(
    ("metric", "domain", "num_frames", "scale", "reason"),
    [
        ("mse_held_out", "srgb", 3, 1, "too few to hold out"),
        ("mse_held_out", "srgb", 4, 1, None),
        ("mse_held_out", "srgb", 4, 2, "no frames alike"),
        ("mse_held_out", "raw_bayer", 4, 2, None),
        ("mse_unbiased", "srgb", 9, 1, "noise unknown"),
        ("mse_unbiased", "raw_bayer", 2, 1, None),
        ("psnr_raw", "srgb", 9, 1, "no frames alike"),
        ("mef_ssim", "srgb", 2, 1, None),
        ("mef_ssim", "srgb", 2, 2, "no frames alike"),
        ("psnr", "srgb", 2, 2, None),
    ],
)
def test_what_a_burst_cannot_have(metric, domain, num_frames, scale, reason):
    burst = {"domain": domain, "num_frames": num_frames, "height": 64, "width": 64}
    info = RestorerInfo("denoise", "1", frozenset({Domain(domain)}), Domain.LINEAR_RGB, scale=scale)
    assert explain_metric(METRICS[metric], info, burst) == reason


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """A folder of three exposures, as pictures whose files say nothing of them."""
    root = tmp_path_factory.mktemp("pictures")
    (root / "bracket").mkdir()
    for index, frame in enumerate(make_bracket().frames[:3]):
        encoded = np.clip(255 * np.clip(frame, 0, 1) ** (1 / 2.2), 0, 255).astype(np.uint8)
        cv2.imwrite(str(root / "bracket" / f"{index}.png"), encoded[..., ::-1])
    return root


@pytest.mark.slow
def test_a_folder_of_pictures_gets_labels_by_a_metric_that_is_named(pictures, tmp_path):
    root = tmp_path / "mine"
    add_source(root, parse_source(name=None, kind="folders", root=str(pictures)))
    (report,) = add_labels(root, [ScenarioChoice(name="hdr/fusion"), ScenarioChoice(name="denoise/mean")])
    assert report.failures == []
    assert (report.counts["created"], report.counts["skipped"]) == (1, 1)
    labels = read_table(root, labels_path("hdr/fusion"), LABELS).to_pandas()
    assert set(labels["metric"]) == {"mef_ssim"}
    assert labels["score"].notna().sum() == 4  # two frames, two estimators
    said = "\n".join(report.remarks)
    assert "hdr/fusion: bursts without ground truth are labelled by mef_ssim" in said
    assert "mse_held_out needs 4 frames" in said
    assert read_dataset_table(root, "failures").num_rows == 0
