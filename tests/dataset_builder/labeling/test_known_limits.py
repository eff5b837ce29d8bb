"""Labels without truth are refused where they mislead, unless somebody insists, and weak ones are called so."""

import pytest
from click.testing import CliRunner

from dataset_builder.cli.main import main
from dataset_builder.labeling.catalogue import arrange
from dataset_builder.labeling.engine import summarise_plan
from dataset_builder.labeling.known_limits import MEASURED, WEAK, describe_limits, is_misleading
from dataset_builder.labeling.plan import plan_labels
from dataset_builder.labeling.scenarios import resolve_scenarios
from dataset_builder.labeling.units import BurstRows
from dataset_builder.recipe import parse_recipe, parse_scenario
from restorers.fidelity import METRICS

WITHOUT = ("mse_held_out", "mse_unbiased")


def make_rows(*ratios, **facts):
    burst = {
        "burst_id": "one", "reference_index": 0, "domain": "raw_bayer", "cfa": "RGGB", "black_level": 0.0, "white_level": 1.0,
        "white_balance": None, "color_matrix": None, "scale": 1, "ground_truth_sha256": None, "ground_truth_white": 1.0,
        "ground_truth_kind": "exact", "num_frames": len(ratios), "height": 64, "width": 64, "preset": "bracket",
    }  # fmt: skip
    names = ("sha256", "orientation", "shot_noise", "read_noise", "timestamp", "homography", "mask_sha256", "outlier")
    frames = tuple(
        {**dict.fromkeys(names), "frame_index": i, "exposure_ratio": ratio} for i, ratio in enumerate(ratios)
    )
    return BurstRows({**burst, **facts}, frames)


@pytest.mark.parametrize("name", WITHOUT)
@pytest.mark.parametrize(
    ("ratios", "misleads"),
    [((1.0, 2.0, 4.0), False), ((0.5, 1.0, 2.0), True), ((1.0, 0.9, 0.75), False), ((1.0, None, 0.25), True)],
)
def test_frames_shorter_than_the_reference_mislead(name, ratios, misleads):
    frames = [{"exposure_ratio": ratio} for ratio in ratios]
    assert is_misleading(METRICS[name], frames) == misleads
    assert not is_misleading(METRICS["psnr"], frames)
    assert not is_misleading(METRICS[name], [{"exposure_ratio": None}] * 3)


def test_what_misleads_is_skipped_with_the_way_out(tmp_path):
    options = {"name": "hdr/radiance", "metrics": list(WITHOUT), "estimators": ["add_one"]}
    bursts = {"one": make_rows(0.25, 0.5, 1.0, 2.0, 4.0), "two": make_rows(1.0, 1.0, 4.0, 4.0, burst_id="two")}
    plan = plan_labels(tmp_path, resolve_scenarios([parse_scenario(**options)]), arrange(bursts))
    assert [unit.rows.burst["burst_id"] for unit in plan.units] == ["two"]
    assert "label them all the same by --insist" in summarise_plan(plan).remarks[0]
    plan = plan_labels(tmp_path, resolve_scenarios([parse_scenario(**options, insist=True)]), arrange(bursts))
    assert [unit.rows.burst["burst_id"] for unit in plan.units] == ["one", "two"]
    recipe = parse_recipe({"scenarios": [{**options, "insist": True}]}, "x")
    assert recipe.scenarios[0].insist


def test_weak_metrics_are_named_with_what_was_measured():
    weak = [(name, preset) for name in MEASURED for preset, value in MEASURED[name].items() if value < WEAK]
    assert ("mse_held_out", "kpn") in weak
    lines = describe_limits(
        [(METRICS["mse_held_out"], "kpn")] * 3 + [(METRICS["psnr"], "kpn"), (METRICS["mse_held_out"], None)]
    )
    assert len(lines) == 1
    assert (
        f"mse_held_out ranks frames of kpn as the truth does by {MEASURED['mse_held_out']['kpn']:.2f} only" in lines[0]
    )
    assert describe_limits([(METRICS["mse_unbiased"], "action")]) == []
    assert all(-1 <= value <= 1 for table in MEASURED.values() for value in table.values())


def test_the_option_is_there():
    done = CliRunner().invoke(main, ["label", "--help"])
    assert "--insist" in done.output
