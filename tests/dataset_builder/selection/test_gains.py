"""Gains of a small data set: against restoring by hand, and what the command writes."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner

from dataset_builder.audit.gains import read_gains, write_gains
from dataset_builder.audit.wording import format_score
from dataset_builder.bursts import Plan, build_bursts
from dataset_builder.cli.main import main
from dataset_builder.labeling.game import FidelityGame
from dataset_builder.labeling.scenarios import ScenarioChoice, resolve_scenarios
from dataset_builder.labeling.units import LoadedBurst, read_bursts
from dataset_builder.selection import Guide, choose_frames, measure_gains, summarise_gains
from dataset_builder.work.report import no_progress
from manifests.store import read_labels
from manifests.verification.verify import verify
from restorers import create
from restorers.fidelity import PSNR
from tests.noisy_dataset import Here, build_noisy_dataset
from tests.photographs import write_photographs

SCENARIOS = resolve_scenarios([ScenarioChoice(name=name) for name in ("denoise/mean", "denoise/handheld")])
(MEAN, HANDHELD) = SCENARIOS


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    return build_noisy_dataset(tmp_path_factory.mktemp("gain"), SCENARIOS)


def list_guides(root, scenario):
    labels = read_labels(root, [scenario.name]).to_pandas()
    return {
        burst_id: [
            Guide(estimator, tuple(None if np.isnan(score) else score for score in scores["score"]), signed=True)
            for estimator, scores in rows.groupby("estimator")
        ]
        for burst_id, rows in labels.groupby("burst_id")
    }


def play(root, burst_id, scenario):
    return FidelityGame(create(scenario.name), LoadedBurst(root, read_bursts(root)[burst_id]).task, PSNR)


def test_gains_are_those_of_bursts_built_with_other_noise(built, tmp_path):
    root, makers = built
    guides = list_guides(root, MEAN)
    gains, report = measure_gains(root, MEAN, guides, judges=makers, workers=Here())
    assert report.failures == []
    assert set(gains["guide"]) == {"oracle", "random", "first", "sharpest", "add_one", "leave_one_out"}
    assert set(gains["judged"]) == {"other noise"}
    plan = Plan([replace(maker, redraw=1) for maker in makers.values()])
    build_bursts(tmp_path / "replica", {"photos": plan}, workers=Here(), progress=no_progress)
    table = gains.set_index(["burst_id", "guide", "policy"]).sort_index()
    for burst_id in makers:
        there, here = (play(place, burst_id, MEAN) for place in (tmp_path / "replica", root))
        everything = frozenset(there.others)
        for guide in guides[burst_id]:
            for policy in ("drop_harmful", "best_half"):
                kept = choose_frames(guide.array, there.others, policy)
                row = table.loc[burst_id, guide.name, policy]
                assert row["gain"] == pytest.approx(there.value(kept) - there.value(everything), abs=1e-9)
                assert row["same_noise"] == pytest.approx(here.value(kept) - here.value(everything), abs=1e-9)
                assert row["kept"] == pytest.approx(len(kept) / len(there.others))
        values = here.enumerate_values()
        best = table.loc[burst_id, "oracle", "drop_harmful"]["same_noise"]
        assert best == pytest.approx(values.max() - here.value(everything), abs=1e-9)
        # On the noise that is chosen on, nobody beats the oracle.
        same = table.loc[burst_id]["same_noise"].unstack("guide")
        assert (same["oracle"] >= same.drop(columns="oracle").max(axis=1) - 1e-9).all()


def test_predictions_are_judged_as_labels_are(built):
    root, makers = built
    predicted = {
        burst_id: [Guide("model", tuple(-float(index) for index in range(len(rows.frames))))]
        for burst_id, rows in read_bursts(root).items()
    }
    workers = Here()
    gains, _ = measure_gains(root, HANDHELD, predicted, workers=workers)
    assert workers.done == len(makers)
    assert set(gains["judged"]) == {"same noise"}
    table = gains.pivot_table(index=["burst_id", "policy"], columns="guide", values="gain")
    assert table["model"].equals(table["first"].rename("model"))


def test_the_table_is_read_as_it_was_written(built, tmp_path):
    root = shutil.copytree(built[0], tmp_path / "set")
    table = summarise_gains(measure_gains(root, MEAN, list_guides(root, MEAN), workers=Here())[0])
    assert table["bursts"].eq(2).all()
    assert table["low"].isna().all()  # both bursts show one scene
    assert table["guide"].tolist()[:4] == ["oracle"] * 4
    write_gains(root, table)
    assert read_gains(root).equals(table.astype(read_gains(root).dtypes))
    (root / "audit/gain.parquet").write_bytes(b"damaged")
    assert read_gains(root).empty


@pytest.mark.slow
def test_the_command_writes_a_sound_table_that_the_report_shows(tmp_path):
    write_photographs(tmp_path / "photos", 2, height=200, width=200)
    root = tmp_path / "set"
    invoke("synthesize", tmp_path / "photos", "--out", root, "--height", 32, "--width", 32, "--bursts", 2)
    invoke("label", root, "--scenario", "denoise/mean", "--metric", "psnr", "--noise-redraws", 1)
    assert read_labels(root).to_pandas().dropna(subset="score")["noise_error"].notna().all()
    shown = invoke("gain", root)
    (line,) = [line for line in shown.splitlines() if "leave_one_out" in line]
    assert line.split()[:3] == ["denoise/mean", "handheld", "leave_one_out"]
    assert line.count("dB") == 8  # gains and their intervals
    assert "no oracle for" not in shown
    assert verify(root) == []
    rows = json.loads(invoke("gain", root, "--json", "--bursts", 3))
    assert {row["bursts"] for row in rows} == {3}
    gain = {(row["guide"], row["policy"]): row["same_noise"] for row in rows}
    for policy in ("best_quarter", "best_half", "best_three_quarters"):
        assert gain["oracle", policy] >= max(gain[guide, policy] for guide in ("leave_one_out", "add_one", "random"))
    assert gain["add_one", "best_quarter"] > gain["random", "best_quarter"]
    page = " ".join((root / "audit/index.html").read_text().split())
    assert "Chosen on one noise, judged on another" in page
    assert f"<b>{format_score(rows[0]['gain'], 'dB', signed=True)}</b>" in page
    assert "Noise of the labels" in page
    # Gains of labels that are no more are forgotten.
    invoke("label", root, "--scenario", "denoise/hdrplus")
    assert not (root / "audit/gain.parquet").exists()
    assert verify(root) == []
    shutil.move(tmp_path / "photos", tmp_path / "elsewhere")
    assert "judged on the noise that frames were chosen on" in invoke("gain", root)
    assert "expected one of" in invoke("gain", root, "--metric", "mse_held_out", status=2)


@pytest.mark.slow
def test_bursts_of_named_roots_are_judged_on_other_noise(tmp_path):
    write_photographs(tmp_path / "photos", 1, height=200, width=200)
    recipe, root = tmp_path / "recipe.toml", tmp_path / "set"
    size = "frame_height = 32\nframe_width = 32\nbursts_per_photograph = 2"
    recipe.write_text(f'[[sources]]\nkind = "photographs"\nname = "photos"\nroot = "$mine"\n{size}\n')
    given = ("--root", f"mine={tmp_path / 'photos'}")
    invoke("build", recipe, "--out", root, *given)
    invoke("label", root, "--scenario", "denoise/mean", "--metric", "psnr", "--noise-redraws", 1, *given)
    assert read_labels(root).to_pandas().dropna(subset="score")["noise_error"].notna().all()
    invoke("gain", root, *given)
    assert set(read_gains(root)["judged"]) == {"other noise"}
    invoke("gain", root)
    assert set(read_gains(root)["judged"]) == {"same noise"}


def invoke(*arguments, status=0):
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == status, result.output
    return result.output
