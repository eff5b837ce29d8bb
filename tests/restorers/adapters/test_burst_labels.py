"""Official files of every burst network get labels by one command."""

from __future__ import annotations

import json

import numpy as np
import pytest
from click.testing import CliRunner

from dataset_builder.cli.main import main
from manifests.description import read_description
from manifests.store import read_labels
from tests.photographs import write_photographs
from tests.restorers.networks.official_files import write_official_file
from tests.restorers.networks.published import TAGS

RECIPE = """
name = "short"
seed = 1

[presets.short]
base = "handheld"
num_frames = {{ distribution = "constant", value = 2 }}

[[sources]]
kind = "photographs"
name = "photographs"
root = "{root}"
license = "CC0-1.0"
preset = "short"
bursts_per_photograph = 1
frame_height = 48
frame_width = 48
scale = 4
"""
QUICK = ["kokkinos", "kpn_google"]
"""A small one of each framework. Of the two forms of BPN, with 80 million parameters each, the others have one."""


def buiqa(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """One burst of two frames, with truth."""
    folder = tmp_path_factory.mktemp("short")
    write_photographs(folder / "photographs", 1, height=300, width=300)
    (folder / "short.toml").write_text(RECIPE.format(root=folder / "photographs"))
    result = buiqa("build", folder / "short.toml", "--out", folder / "dataset")
    assert result.exit_code == 0, result.output
    return folder / "dataset"


@pytest.mark.slow
@pytest.mark.parametrize("tags", [QUICK, [tag for tag in TAGS if tag not in {*QUICK, "bpn_gray"}]])
def test_files_in_the_form_of_their_authors_label_a_data_set(tags, dataset, tmp_path):
    names = [f"burst:{write_official_file(tmp_path / f'{tag}.pth', tag)}" for tag in tags]
    scenarios = [option for name in names for option in ("--scenario", name)]
    result = buiqa("label", dataset, *scenarios, "--estimator", "leave_one_out", "--metric", "psnr")

    assert result.exit_code == 0, result.output
    for name in names:
        labels = read_labels(dataset, scenarios=[name]).to_pandas()
        assert len(labels) == 2
        assert np.isfinite(labels.score.dropna()).sum() == 1
        assert read_description(dataset)["scenarios"][name]["weights_sha256"]


def test_scenarios_tells_the_facts_of_a_file(tmp_path):
    name = f"burst:{write_official_file(tmp_path / 'kokkinos.pth', 'kokkinos')}?task=demosaic"
    facts = json.loads(buiqa("scenarios", name, "--json", "--no-cost").output)

    assert facts.keys() == {name}
    assert facts[name]["protocol"] == "SubsetRestorer"
    assert facts[name]["input_domains"] == ["raw_bayer"]
    assert "reference last" in facts[name]["network_input"]
    text = buiqa("scenarios", name, "--no-cost").output
    assert "255" in text
    assert "denoise/mean" not in text


def test_a_file_that_is_none_costs_one_line(dataset):
    for command in (("scenarios", "burst:none.pth"), ("label", dataset, "--scenario", "burst:none.pth")):
        result = buiqa(*command)
        assert result.exit_code == 1
        assert result.output == "Error: none.pth: no such file; models are read from this machine, none is downloaded\n"
