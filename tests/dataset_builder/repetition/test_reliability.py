"""Labels made again: the comparison on known answers, and the command on a small data set."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from scipy.stats import spearmanr

from dataset_builder.cli.main import main
from dataset_builder.repetition.reliability import compare_labels
from manifests.store import read_dataset_table
from manifests.verification.verify import verify
from tests.photographs import write_photographs


def make_labels(scores):
    """`scores` [bursts, frames]."""
    bursts, frames = np.indices(scores.shape)
    columns = {"scenario": "denoise/mean", "estimator": "add_one", "metric": "psnr"}
    return pd.DataFrame({"burst_id": bursts.ravel(), "frame_index": frames.ravel(), "score": scores.ravel(), **columns})


def compare(first, again, halves=None):
    empty = make_labels(np.zeros((0, 0)))
    presets = dict.fromkeys(range(len(first)), "night")
    (row,) = compare_labels(
        make_labels(first), make_labels(again), empty if halves is None else make_labels(halves), presets
    )
    return row


def test_known_answers():
    rng = np.random.default_rng(0)
    first = rng.normal(size=(30, 8)) + 100 * rng.normal(size=(30, 1))
    again = first + 0.5 * rng.normal(size=first.shape)
    row = compare(first, again, first[:, :5])
    assert row["spearman"] == pytest.approx(
        np.mean([spearmanr(a, b).statistic for a, b in zip(first, again, strict=True)])
    )
    assert row["stable_best"] == pytest.approx(np.mean(first.argmax(1) == again.argmax(1)))
    assert row["length_spearman"] == pytest.approx(1)
    assert (row["bursts"], row["frames"]) == (30, 240)
    # One measurement differs from the other by noise of 0.5; frames of a burst differ by 1, whatever lies between bursts.
    assert row["noise_error"] == pytest.approx(0.5 / np.sqrt(2), rel=0.1)
    assert row["icc"] == pytest.approx((2.125 - 0.125) / (2.125 + 0.125), abs=0.03)


def test_the_same_labels_agree_and_opposite_ones_do_not():
    scores = np.array([[1.0, 2.0, 4.0], [3.0, 1.0, 2.0]])
    same, opposite = compare(scores, scores), compare(scores, -scores)
    assert (same["spearman"], same["icc"], same["stable_best"], same["noise_error"]) == (1, 1, 1, 0)
    assert opposite["spearman"] == pytest.approx(-1)
    assert opposite["icc"] == pytest.approx(-1)


def test_the_intraclass_correlation_of_noise_is_zero():
    """Three frames a burst, whose labels are noise and nothing else: the mean over 40 data sets of 50 bursts."""
    rng = np.random.default_rng(1)
    found = [compare(rng.normal(size=(50, 3)), rng.normal(size=(50, 3)))["icc"] for _ in range(40)]
    error = np.std(found) / np.sqrt(40)
    assert error < 0.02
    assert abs(np.mean(found)) < 3 * error


def test_the_intraclass_correlation_is_that_of_an_analysis_of_variance():
    """Least squares with a dummy for each frame, and for each draw of each burst, on bursts of unequal length."""
    rng = np.random.default_rng(2)
    lengths = (3, 5, 8)
    worth = [rng.normal(size=length) for length in lengths]
    draws = [[each + rng.normal() + 0.7 * rng.normal(size=len(each)) for each in worth] for _ in range(2)]
    presets = dict.fromkeys(range(3), "night")
    first, again = (
        pd.concat([make_labels(scores[None]).assign(burst_id=burst) for burst, scores in enumerate(draw)])
        for draw in draws
    )
    (row,) = compare_labels(first, again, make_labels(np.zeros((0, 0))), presets)
    y = np.concatenate([np.concatenate(draw) for draw in draws])
    frame = np.tile(np.eye(sum(lengths)), (2, 1))
    burst = np.repeat(np.eye(3), lengths, axis=0)
    level = np.kron(np.eye(2), burst)

    def residual(*columns):
        design = np.hstack(columns)
        return y - design @ np.linalg.lstsq(design, y, rcond=None)[0]

    degrees = sum(lengths) - 3
    within = np.sum(residual(frame, level) ** 2) / degrees
    between = (np.sum(residual(level) ** 2) - np.sum(residual(frame, level) ** 2)) / degrees
    assert row["icc"] == pytest.approx((between - within) / (between + within))


def test_presets_are_compared_apart():
    rng = np.random.default_rng(3)
    first = rng.normal(size=(6, 8))
    again = np.concatenate([first[:3], rng.normal(size=(3, 8))])
    presets = {burst: "night" if burst < 3 else "kpn" for burst in range(6)}
    rows = compare_labels(make_labels(first), make_labels(again), make_labels(np.zeros((0, 0))), presets)
    assert [(row["preset"], row["bursts"]) for row in rows] == [("kpn", 3), ("night", 3)]
    assert rows[1]["spearman"] == 1
    assert abs(rows[0]["spearman"]) < 0.6


def test_what_cannot_be_ranked_has_no_correlation():
    row = compare(np.ones((3, 4)), np.ones((3, 4)))
    assert row["spearman"] is None
    assert row["length_spearman"] is None


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reliability")
    write_photographs(folder / "photos", 2, height=200, width=200)
    invoke("synthesize", folder / "photos", "--out", folder / "set", "--height", 32, "--width", 32, "--bursts", 2)
    invoke("label", folder / "set", "--scenario", "denoise/mean", "--metric", "psnr")
    return folder / "set"


def invoke(*arguments, status=0):
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == status, result.output
    return result.output


@pytest.mark.slow
def test_the_command_writes_a_sound_table(built, tmp_path):
    root = Path(shutil.copytree(built, tmp_path / "set"))
    frames = sorted(path.read_bytes() for path in (root / "frames").rglob("*.png"))
    output = invoke("reliability", root, "--bursts", 3)
    assert "Labels made again" in output
    table = read_dataset_table(root, "reliability").to_pandas()
    assert table.estimator.tolist() == ["add_one", "leave_one_out"]
    assert table.bursts.tolist() == [3, 3]
    assert (table.spearman > 0.3).all()
    assert (table.noise_error > 0).all()
    # add_one looks at no other frame: that leaving some out does not change it is no finding.
    assert table.length_spearman.notna().tolist() == [False, True]
    assert sorted(path.read_bytes() for path in (root / "frames").rglob("*.png")) == frames
    assert not list((root / ".work").rglob("*.png"))
    assert verify(root) == []
    shown = pd.read_parquet(root / "audit/statistics.parquet").query("topic == 'repetition' and name == 'spearman'")
    assert shown.sort_values("estimator").value.tolist() == table.spearman.tolist()
    page = " ".join((root / "audit/index.html").read_text().split())
    assert all(f'<span class="beside">{value:+.2f}</span>' in page for value in table.spearman)
    before = (root / "manifests/reliability.parquet").read_bytes()
    invoke("reliability", root, "--bursts", 3)
    assert (root / "manifests/reliability.parquet").read_bytes() == before

    invoke("label", root, "--scenario", "denoise/hdrplus")
    assert not (root / "manifests/reliability.parquet").exists()
    assert verify(root) == []


@pytest.mark.slow
def test_bursts_that_cannot_be_made_again(built, tmp_path):
    root = Path(shutil.copytree(built, tmp_path / "set"))
    description = json.loads((root / "dataset.json").read_text())
    assert description["recipe"]["sources"][0]["root"].endswith("photos")
    invoke("label", root, "--scenario", "denoise/mean")
    shutil.move(built.parent / "photos", tmp_path / "elsewhere")
    try:
        assert "root: no folder" in invoke("reliability", root, status=1)
    finally:
        shutil.move(tmp_path / "elsewhere", built.parent / "photos")
