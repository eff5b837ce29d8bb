"""Noise errors of labels: the estimate on known answers, and the column against bursts that were built with other noise."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner

from dataset_builder.bursts import Plan, build_bursts
from dataset_builder.cli.main import main
from dataset_builder.labeling.engine import build_labels
from dataset_builder.labeling.noise import NOISE_REDRAWS, PRIOR_DRAWS, estimate_noise, measure_label_noise
from dataset_builder.labeling.redraws import RedrawnBurst
from dataset_builder.labeling.scenarios import ScenarioChoice, resolve_scenarios
from dataset_builder.labeling.units import read_bursts
from dataset_builder.records.loading import load_burst
from dataset_builder.work.report import StageReport, no_progress
from manifests.store import labels_path, read_footer, read_labels
from manifests.verification.verify import verify
from tests.noisy_dataset import Here, build_noisy_dataset
from tests.photographs import write_photographs

SCENARIOS = resolve_scenarios([ScenarioChoice(name="denoise/mean")])
MEAN = labels_path("denoise/mean")


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    return build_noisy_dataset(tmp_path_factory.mktemp("noise"), SCENARIOS)


@pytest.fixture
def copy(built, tmp_path):
    return shutil.copytree(built[0], tmp_path / "set"), built[1]


def measure(root, makers, redraws, scenarios=SCENARIOS):
    workers, report = Here(), StageReport("labels")
    measure_label_noise(root, scenarios, makers, redraws, workers=workers, progress=no_progress, report=report)
    return workers.done, report


def read(root):
    return read_labels(root).to_pandas().sort_values(["scenario", "estimator", "burst_id", "frame_index"])


def test_the_variance_is_right_on_average_and_drawn_towards_the_burst():
    random = np.random.default_rng(0)
    found = np.array([estimate_noise(random.normal(3, 0.2, (3, 6))) for _ in range(3000)])
    assert np.mean(found**2) == pytest.approx(0.04, rel=0.03)
    raw = np.array([np.var(random.normal(3, 0.2, (3, 6)), axis=0, ddof=1) for _ in range(3000)])
    assert np.std(found**2) < 0.6 * np.std(raw)
    draws = np.array([[1.0, 2.0, np.nan], [1.0, 4.0, np.nan], [1.0, 3.0, np.nan]])
    first, second, third = estimate_noise(draws) ** 2
    assert (first, second) == pytest.approx(
        (PRIOR_DRAWS * 0.5 / (2 + PRIOR_DRAWS), (2 * 1 + PRIOR_DRAWS * 0.5) / (2 + PRIOR_DRAWS))
    )
    assert np.isnan(third)


def test_a_burst_redrawn_in_memory_is_that_which_is_built(built, tmp_path):
    root, makers = built
    (name, *_), redraw = sorted(makers), 2
    plan = Plan([replace(makers[name], redraw=redraw)])
    build_bursts(tmp_path / "replica", {"photos": plan}, workers=Here(), progress=no_progress)
    rows, other = read_bursts(root)[name], read_bursts(tmp_path / "replica")[name]
    redrawn = RedrawnBurst(root, rows, makers[name], redraw).burst
    expected = load_burst(tmp_path / "replica", other.burst, other.frames)
    assert np.array_equal(redrawn.frames, expected.frames)
    original = load_burst(root, rows.burst, rows.frames)
    assert not np.array_equal(redrawn.frames, original.frames)
    # The same light: what differs averages out.
    assert np.abs(np.mean(redrawn.frames - original.frames, axis=(1, 2))).max() < 0.01


def test_errors_are_those_of_labels_of_bursts_built_with_other_noise(copy, tmp_path):
    root, makers = copy
    done, report = measure(root, makers, 2)
    assert (done, report.failures) == (2, [])
    labels = read(root)
    draws = [labels["score"].to_numpy()]
    for redraw in (1, 2):
        replica = tmp_path / str(redraw)
        plan = Plan([replace(maker, redraw=redraw) for maker in makers.values()])
        build_bursts(replica, {"photos": plan}, workers=Here(), progress=no_progress)
        build_labels(replica, SCENARIOS, workers=Here(), progress=no_progress)
        draws.append(read(replica)["score"].to_numpy())
    labels["variance"] = np.var(draws, axis=0, ddof=1)
    for _, rows in labels.groupby(["scenario", "estimator", "metric", "burst_id"]):
        pooled = rows["variance"].mean()
        expected = np.sqrt((2 * rows["variance"] + PRIOR_DRAWS * pooled) / (2 + PRIOR_DRAWS))
        np.testing.assert_allclose(rows["noise_error"], expected, rtol=1e-9)
    assert labels["noise_error"].notna().equals(labels["score"].notna())
    assert (labels["noise_error"].dropna() > 0).all()


def test_what_is_measured_is_kept_until_the_redraws_change(copy):
    root, makers = copy
    assert measure(root, makers, 1)[0] == 2
    assert read_footer(root, MEAN)[NOISE_REDRAWS] == "1"
    once = (root / MEAN).read_bytes()
    assert measure(root, makers, 1)[0] == 0
    assert (root / MEAN).read_bytes() == once
    # Other labels of the scenario come to be, and those that are there keep their errors.
    more = resolve_scenarios([ScenarioChoice(name="denoise/mean", estimators=("leave_one_out", "add_one", "shapley"))])
    build_labels(root, more, workers=Here(), progress=no_progress)
    labels = read_labels(root, ["denoise/mean"]).to_pandas().dropna(subset="score")
    assert labels["noise_error"].notna().equals(labels["estimator"] != "shapley")
    assert measure(root, makers, 1, more)[0] == 2
    assert read_labels(root, ["denoise/mean"]).to_pandas().dropna(subset="score")["noise_error"].notna().all()
    before = read(root)["noise_error"]
    assert measure(root, makers, 2, more)[0] == 2
    assert not read(root)["noise_error"].equals(before)
    assert measure(root, makers, 0)[0] == 0
    assert read(root)["noise_error"].isna().all()
    assert NOISE_REDRAWS not in read_footer(root, MEAN)


def test_bursts_that_nothing_renders_again_have_no_noise_error(copy):
    root, makers = copy
    one, other = sorted(makers)
    assert measure(root, {one: makers[one], other: replace(makers[other], seed="0" * 64)}, 1)[0] == 1
    labels = read(root).dropna(subset="score")
    assert labels["noise_error"].notna().equals(labels["burst_id"] == one)


def test_a_burst_that_fails_costs_its_own_errors(copy):
    root, makers = copy
    one, other = sorted(makers)
    subject = replace(makers[other].subject, path=root / "nowhere")
    lost = replace(makers[other], subject=subject)
    _, report = measure(root, {one: makers[one], other: lost}, 1)
    assert [(row["burst_id"], row["scenario"]) for row in report.failures] == [(other, "denoise/mean")]
    labels = read_labels(root, ["denoise/mean"]).to_pandas().dropna(subset="score")
    assert labels["noise_error"].notna().equals(labels["burst_id"] == one)


RECIPE = """
name = "noisy"
seed = 1
noise_redraws = 1

[[sources]]
kind = "photographs"
name = "photos"
root = "photos"
bursts_per_photograph = 2
frame_height = 32
frame_width = 32

[[scenarios]]
name = "denoise/mean"
"""


@pytest.mark.slow
def test_a_build_measures_what_its_recipe_says_whoever_works(tmp_path):
    write_photographs(tmp_path / "photos", 1, height=200, width=200)
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(RECIPE)
    files = {}
    for jobs in (1, 2):
        root = tmp_path / f"set{jobs}"
        assert "2 of (burst, scenario) labelled again with 1 other" in build(recipe, root, "--jobs", jobs)
        files[jobs] = (root / MEAN).read_bytes()
        assert read(root).dropna(subset="score")["noise_error"].notna().all()
        assert verify(root) == []
    assert files[1] == files[2]
    assert "labelled again" not in build(recipe, tmp_path / "set1")
    recipe.write_text(RECIPE.replace("noise_redraws = 1", "noise_redraws = 2"))
    assert "labelled again with 2 other" in build(recipe, tmp_path / "set1")
    assert (tmp_path / "set1" / MEAN).read_bytes() != files[1]
    # A label command keeps to what the data set has; without the photographs it says what is missing.
    shutil.move(tmp_path / "photos", tmp_path / "elsewhere")
    command = ["label", str(tmp_path / "set1"), "--scenario", "denoise/hdrplus", "--base", str(tmp_path)]
    result = CliRunner().invoke(main, command)
    assert (result.exit_code, "the noise of the labels was not measured" in result.output) == (0, True)
    result = CliRunner().invoke(main, [*command, "--noise-redraws", "1"])
    assert (result.exit_code, "root: no folder" in result.output) == (1, True)
    assert read_labels(tmp_path / "set1", ["denoise/mean"]).to_pandas()["noise_error"].notna().any()


def build(recipe, root, *options):
    result = CliRunner().invoke(main, [str(each) for each in ("build", recipe, "--out", root, *options)])
    assert result.exit_code == 0, result.output
    return result.output
