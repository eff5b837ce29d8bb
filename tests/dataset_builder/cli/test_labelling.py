"""A labeller's day: models in files, names of one's own, labels again after data came, labels taken away, the recipe of it all."""

import shutil
import sys
import tomllib
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from torch import nn

from dataset_builder.audit.restorations import read_restorations
from dataset_builder.cli.main import main
from dataset_builder.recipe import read_recipe
from manifests.description import read_description
from manifests.errors import SelectionError
from manifests.images.pixels import write_png
from manifests.queries import list_labelled, select_labels
from manifests.store import labels_path, list_label_files, read_dataset_table, read_labels
from manifests.verification.verify import verify
from tests.photographs import make_photograph, write_photographs

SMALL = ("--height", "32", "--width", "32", "--bursts", "1", "--frames", "6")
FAST = ("--metric", "psnr", "--estimator", "leave_one_out")

pytestmark = pytest.mark.slow


class Blend(nn.Module):
    """Of three frames."""

    def forward(self, burst: torch.Tensor) -> torch.Tensor:
        return 0.5 * burst[:, 1] + 0.25 * burst[:, 0] + 0.25 * burst[:, 2]


def buiqa(*arguments, status=0):
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == status, result.output
    return result.output


def read_row(shown, stage):
    """The counts of a stage, by action, as the summary shows them."""
    lines = (line.strip().split("  ") for line in shown.splitlines())
    cells = ([cell.strip() for cell in line if cell.strip()] for line in lines)
    heads, row = (line for line in cells if line[:1] in (["stage"], [stage]))
    return dict(zip(heads, row, strict=True))


def hash_tables(root):
    return {path: digest for path, digest in read_description(root)["manifests"].items() if "manifests/" in path}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("labelling")
    write_photographs(folder / "photos", 2, height=200, width=200)
    torch.jit.script(Blend()).save(str(folder / "blend.pt"))
    buiqa("synthesize", folder / "photos", "--out", folder / "set", *SMALL, "--seed", "3")
    return folder / "set"


@pytest.fixture
def copy(made, tmp_path):
    return Path(shutil.copytree(made, tmp_path / "copy"))


@pytest.fixture
def model(made):
    return f"torchscript:{made.parent / 'blend.pt'}?domain=linear_rgb&frames=3&position=centre"


def test_a_model_of_fixed_length_labels_longer_bursts_if_it_is_said_how(copy, model):
    assert set(read_dataset_table(copy, "bursts").column("num_frames").to_pylist()) == {6}
    refused = buiqa("label", copy, "--scenario", model, *FAST, status=3)
    assert "takes 3 frames" in refused
    assert "the burst has 6" in refused
    assert "nothing could be labelled" in refused
    assert list_label_files(copy) == []
    buiqa("label", copy, "--scenario", f"{model}&take=nearest", *FAST, "--as", "denoise/blend")
    scores = read_labels(copy, ["denoise/blend"]).to_pandas().set_index(["burst_id", "frame_index"])["score"]
    assert scores.groupby("frame_index").apply(lambda of_frame: (of_frame == 0).all()).tolist() == [
        *(False, False, False),
        *(True, True, True),
    ]
    assert verify(copy) == []


def test_a_name_of_ones_own(copy, model):
    buiqa("label", copy, "--scenario", f"{model}&take=first", *FAST, "--as", "denoise/mynet@first")
    assert list_labelled(copy) == ["denoise/mynet@first"]
    description = read_description(copy)
    assert description["scenarios"]["denoise/mynet@first"]["restorer"] == f"{model}&take=first"
    again = buiqa("label", copy, "--scenario", f"{model}&take=first", *FAST, "--as", "denoise/mynet@first")
    assert "nothing" not in again
    assert read_row(again, "labels")["reused"] == "2"
    other = buiqa("label", copy, "--scenario", "denoise/mean", *FAST, "--as", "denoise/mynet@first", status=1)
    assert "take another name" in other
    taken = buiqa("label", copy, "--scenario", model, "--as", "denoise/mean", status=1)
    assert "is built in or installed" in taken
    assert "expected a name such as" in buiqa("label", copy, "--scenario", model, "--as", "mynet", status=1)
    assert "--as names one scenario" in buiqa("label", copy, "--scenario", model, "--all", "--as", "a/b", status=2)
    (copy / "audit/restorations.parquet").unlink()
    assert "is neither built in nor installed" in buiqa("audit", copy)
    assert not len(read_restorations(copy))
    assert "is neither built in nor installed" not in buiqa("audit", copy, "--scenario", f"{model}&take=first")
    assert set(read_restorations(copy)["scenario"]) == {"denoise/mynet@first"}


def test_all_labels_again_what_the_data_set_knows(copy, model, tmp_path):
    buiqa("label", copy, "--scenario", "denoise/mean", *FAST)
    buiqa("label", copy, "--scenario", "denoise/nlm", "--metric", "psnr")
    buiqa("label", copy, "--scenario", f"{model}&take=first", *FAST, "--as", "denoise/mine")
    write_png(tmp_path / "more", "late.png", make_photograph(200, 200, seed=9))
    buiqa("synthesize", tmp_path / "more", "--out", copy, *SMALL)
    before = {name: len(read_labels(copy, [name])) for name in list_labelled(copy)}
    shown = buiqa("label", copy, "--all")
    assert f"left out: denoise/mine is made by code or a file; name it, too: --scenario {model}" in shown
    after = {name: len(read_labels(copy, [name])) for name in list_labelled(copy)}
    assert {name: after[name] - before[name] for name in after} == {
        "denoise/mean": 6,
        "denoise/nlm": 6,
        "denoise/mine": 0,
    }
    buiqa("label", copy, "--all", "--scenario", f"{model}&take=first")
    assert len(read_labels(copy, ["denoise/mine"])) == 18
    assert "labels as DIR was labelled" in buiqa("label", copy, "--all", "--metric", "ssim", status=2)
    assert verify(copy) == []


def test_all_needs_something_that_is_known(copy):
    assert "was labelled for nothing" in buiqa("label", copy, "--all", status=2)
    assert "name a --scenario" in buiqa("label", copy, status=2)


def test_another_estimator_extends_labels(copy):
    command = ("label", copy, "--scenario", "denoise/mean", "--metric", "psnr", "--estimator")
    buiqa(*command, "leave_one_out")
    shown = buiqa(*command, "add_one")
    row = read_row(shown, "labels")
    assert (row["extended"], row["rebuilt"]) == ("2", "0")
    assert read_dataset_table(copy, "failures").num_rows == 0


def test_labels_are_taken_away(copy):
    before = hash_tables(copy)
    buiqa("label", copy, "--scenario", "denoise/mean", *FAST)
    buiqa("label", copy, "--scenario", "denoise/robust_mean", *FAST)
    assert "did you mean denoise/mean" in buiqa("unlabel", copy, "--scenario", "denoise/meen", status=1)
    shown = buiqa("unlabel", copy, "--scenario", "denoise/mean")
    assert "removed" in shown
    assert list_labelled(copy) == ["denoise/robust_mean"]
    assert not (copy / labels_path("denoise/mean")).exists()
    assert [choice["name"] for choice in read_description(copy)["recipe"]["scenarios"]] == ["denoise/robust_mean"]
    buiqa("unlabel", copy, "--scenario", "denoise/robust_mean")
    assert hash_tables(copy) == before
    assert verify(copy) == []
    with pytest.raises(SelectionError, match="there are none"):
        select_labels(copy, "denoise/mean")


def test_the_recipe_of_single_steps_builds_the_same_again(copy, model, tmp_path):
    buiqa("label", copy, "--scenario", "denoise/mean", *FAST)
    buiqa("label", copy, "--scenario", f"{model}&take=spread", *FAST, "--as", "denoise/spread")
    buiqa("split", copy, "--test", "0.5")
    recipe = copy / "recipe.toml"
    content = tomllib.loads(recipe.read_text())
    assert content["seed"] == 3
    assert [scenario["name"] for scenario in content["scenarios"]] == ["denoise/mean", "denoise/spread"]
    assert read_recipe(recipe).sources[0].num_frames == 6
    buiqa("build", recipe, "--out", tmp_path / "again")
    assert hash_tables(tmp_path / "again") == hash_tables(copy)
    # What a file says already keeps its words.
    text = "# mine\n" + recipe.read_text()
    (tmp_path / "mine.toml").write_text(text)
    buiqa("build", tmp_path / "mine.toml", "--out", tmp_path / "again")
    buiqa("label", tmp_path / "again", "--scenario", "denoise/mean", *FAST)
    assert (tmp_path / "again/recipe.toml").read_text() == text
    buiqa("unlabel", tmp_path / "again", "--scenario", "denoise/mean")
    assert "# mine" not in (tmp_path / "again/recipe.toml").read_text()
    assert verify(tmp_path / "again") == []


RESTORER = """
import numpy as np
from restorers import Domain, RestorerInfo


class Mine:
    info = RestorerInfo("denoise", "1", frozenset({Domain.RAW_BAYER}), Domain.RAW_BAYER)

    def restore(self, burst):
        return blend(burst)


class Scaled(Mine):
    def restore(self, burst):
        return np.float32(255) * burst.reference


def blend(burst):
    raise ValueError(f"cannot blend {burst.num_frames} frames")
"""


def test_what_a_restorer_raises_is_told_with_file_and_line(copy, tmp_path, monkeypatch):
    (tmp_path / "traced_mine.py").write_text(RESTORER)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "traced_mine", None)
    del sys.modules["traced_mine"]
    place = "traced_mine.py:19 in blend, called from traced_mine.py:10 in restore"
    shown = buiqa("label", copy, "--scenario", "traced_mine:Mine", *FAST, status=3)
    assert f"ValueError: cannot blend 6 frames (at {place})" in shown
    messages = read_dataset_table(copy, "failures").column("message").to_pylist()
    assert messages == [f"cannot blend 6 frames (at {place})"] * 2
    assert "return blend(burst)" not in shown
    assert "return blend(burst)" in buiqa("--debug", "label", copy, "--scenario", "traced_mine:Mine", *FAST, status=3)
    refused = buiqa("label", copy, "--scenario", "traced_mine:Scaled", *FAST, status=1)
    assert "divide the result by 255" in refused
    assert list_label_files(copy) == []
    buiqa("label", copy, "--scenario", "traced_mine:Scaled", *FAST, "--no-check")
    assert list_labelled(copy) == ["traced_mine:Scaled"]


def test_photographs_that_are_screened_out_are_left_out(tmp_path):
    write_photographs(tmp_path / "photos", 1, height=200, width=200)
    shutil.copy(tmp_path / "photos/photo_0.png", tmp_path / "photos/twin.png")
    write_png(tmp_path / "photos", "flat.png", make_photograph(200, 200, seed=4) // 255 * 0 + 90)
    out = tmp_path / "out"
    shown = buiqa("synthesize", tmp_path / "photos", "--out", out, *SMALL)
    assert read_row(shown, "bursts") == {
        **dict.fromkeys(("reused", "rebuilt", "removed", "skipped", "failed"), "0"),
        "stage": "bursts",
        "created": "1",
        "left out": "2",
    }
    assert "left out flat.png: blur effect" in shown
    assert read_dataset_table(out, "failures").num_rows == 0
    assert set(read_description(out)["left_out"]["photos"]) == {"flat.png", "twin.png"}
    buiqa("synthesize", tmp_path / "photos", "--out", out, *SMALL, "--max-blur", "1")
    assert set(read_description(out)["left_out"]["photos"]) == {"twin.png"}
    assert read_dataset_table(out, "bursts").num_rows == 2
    assert verify(out) == []


def test_what_is_not_there_makes_nothing(tmp_path):
    for command in (
        ("synthesize", tmp_path / "nope"),
        ("ingest", "folder", tmp_path / "nope"),
        ("ingest", "zurich", tmp_path / "nope"),
    ):
        shown = buiqa(*command, "--out", tmp_path / "out", status=2)
        assert "does not exist" in shown
        assert not (tmp_path / "out").exists()
    (tmp_path / "empty").mkdir()
    assert "no JPEG" in buiqa("synthesize", tmp_path / "empty", "--out", tmp_path / "out", status=1)
    assert not (tmp_path / "out").exists()
