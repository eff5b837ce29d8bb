"""`buiqa evaluate --gain`: models choose frames, and what is restored from these is compared."""

import json

import numpy as np
import pyarrow as pa
import pytest
from click.testing import CliRunner

from assessors import write_predictions
from dataset_builder.cli.main import main
from dataset_builder.labeling.game import FidelityGame
from dataset_builder.labeling.units import LoadedBurst, read_bursts
from dataset_builder.selection import choose_frames
from manifests.operations.pack import pack_dataset
from manifests.store import read_labels
from restorers import create
from restorers.fidelity import PSNR
from tests.photographs import write_photographs

pytestmark = pytest.mark.slow  # builds and restores


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments], catch_exceptions=False)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("evaluate")
    write_photographs(folder / "photos", 2, height=200, width=200)
    size = ("--height", 32, "--width", 32, "--bursts", 1)
    assert run("synthesize", folder / "photos", "--out", folder / "set", *size).exit_code == 0
    asked = ("--scenario", "denoise/mean", "--estimator", "leave_one_out", "--metric", "psnr")
    assert run("label", folder / "set", *asked).exit_code == 0
    return folder / "set"


def test_gains_are_those_of_the_frames_that_were_chosen(root, tmp_path):
    labels = read_labels(root, ["denoise/mean"]).to_pandas()
    rng = np.random.default_rng(0)
    labels["score"] = rng.standard_normal(len(labels))
    table = pa.Table.from_pandas(labels[["burst_id", "frame_index", "scenario", "score"]], preserve_index=False)
    for name, signed in (("signed", True), ("ranked", False)):
        write_predictions(tmp_path / f"{name}.parquet", table, signed=signed)
    files = [option for name in ("signed", "ranked") for option in ("--predictions", tmp_path / f"{name}.parquet")]
    common = ("--split", "all", "--gain", "--cache", tmp_path / "cache")
    done = run("evaluate", root, *files, "--model", "index", *common, "--json")
    assert done.exit_code == 0, done.output
    gains = {(row["guide"], row["policy"]): row["gain"] for row in json.loads(done.stdout)["gains"]}
    assert ("signed", "drop_harmful") in gains
    assert not {("ranked", "drop_harmful"), ("index", "drop_harmful")} & gains.keys()
    for policy in ("drop_harmful", "best_half"):
        expected = []
        for burst_id, rows in labels.groupby("burst_id"):
            game = FidelityGame(create("denoise/mean"), LoadedBurst(root, read_bursts(root)[burst_id]).task, PSNR)
            kept = choose_frames(rows["score"].to_numpy(), game.others, policy)
            expected.append(game.value(kept) - game.value(frozenset(game.others)))
        assert gains["signed", policy] == pytest.approx(np.mean(expected), abs=1e-9)
    assert gains["ranked", "best_half"] == gains["signed", "best_half"]
    assert all(gains["oracle", policy] >= gains["labels", policy] for policy in ("drop_harmful", "best_half"))
    shown = run("evaluate", root, *files, *common)
    assert "denoise/mean: gain over all frames, dB" in shown.output
    assert "three" in shown.output


def test_what_holds_no_truth(root, tmp_path):
    pack_dataset(root, tmp_path / "pack")
    done = run("evaluate", tmp_path / "pack", "--model", "index", "--split", "all", "--gain", "--cache", tmp_path)
    assert done.exit_code == 2
    assert "--gain: needs the ground truth" in done.output
