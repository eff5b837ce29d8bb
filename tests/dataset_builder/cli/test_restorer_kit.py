"""The author's kit: the example of the documentation, the checks, and the command that shows a restoration."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass, replace
from itertools import count

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from dataset_builder.cli.main import main
from manifests.store import read_dataset_table
from restorers import Domain, RestorerInfo
from restorers.classical.mean import MeanMerge
from restorers.conformance import check_restorer, try_restorer
from restorers.imaging.color import decode_srgb
from restorers.learned import realesrgan
from restorers.registry import BUILT_IN
from tests.photographs import write_photographs
from tests.places import ROOT

PAGE = ROOT / "docs" / "restorers.md"
INFO = RestorerInfo("denoise", "1", frozenset({Domain.RAW_BAYER}), Domain.RAW_BAYER, paper="none")
FAST = [spec.scenario for spec in BUILT_IN if ".learned." not in spec.target]


def invoke(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kit")
    write_photographs(folder / "photos", 1, height=240, width=240)
    settings = ["--height", 48, "--width", 48, "--bursts", 1, "--scale", 2]
    assert invoke("synthesize", folder / "photos", "--out", folder / "set", *settings).exit_code == 0
    return folder / "set"


@pytest.mark.slow
def test_the_example_passes_its_check_and_labels(data, tmp_path, monkeypatch):
    example = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)[0]
    assert len([line for line in example.splitlines() if line.strip()]) <= 20
    (tmp_path / "mymodule.py").write_text(example)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    result = invoke("restorer", "check", "mymodule:TrimmedMean")
    assert result.exit_code == 0, result.output
    assert "checks passed" in result.output
    command = [
        sys.executable,
        "-m",
        "dataset_builder.cli.main",
        "label",
        str(data),
        "--scenario",
        "mymodule:TrimmedMean",
    ]
    labelled = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert labelled.returncode == 0, labelled.stdout + labelled.stderr


def test_every_scenario_is_documented():
    page = PAGE.read_text()
    for spec in BUILT_IN:
        name, _, setting = spec.scenario.partition("@")
        assert f"`{name}" in page
        assert not setting or f"@{setting}`" in page


@pytest.mark.parametrize("scenario", FAST)
def test_what_is_built_in_passes(scenario):
    findings = check_restorer(scenario, side=48)
    assert [finding for finding in findings if finding.outcome == "fail"] == []
    assert {finding.check for finding in findings} >= {"facts", "dtype", "range", "determinism", "lengths", "memory"}


class Base:
    info = INFO

    def restore(self, burst):
        return (burst.reference / burst.exposure_ratio[burst.reference_index]).astype(np.float32)


class Double(Base):
    def restore(self, burst):
        return super().restore(burst).astype(np.float64)


class Bytes(Base):
    def restore(self, burst):
        return 255 * super().restore(burst)


class Random(Base):
    draw = count()

    def restore(self, burst):
        return super().restore(burst) + np.float32(1e-3 * next(self.draw))


class Forgetful(MeanMerge):
    def contributions(self, burst):
        return super().contributions(burst) * np.linspace(0.5, 1, burst.num_frames, dtype=np.float32)[:, None, None]


class PairsOnly(Base):
    def restore(self, burst):
        return super().restore(burst) + 0 * burst.frames[1]


class Ordered(Base):
    def restore(self, burst):
        return (0.9 * super().restore(burst) + 0.1 * burst.frames[-1] / burst.exposure_ratio[-1]).astype(np.float32)


class Absolute(Base):
    def restore(self, burst):
        return burst.reference.copy()


class Hoarder(Base):
    kept: list = []  # noqa: RUF012  # that is what is wrong with it

    def restore(self, burst):
        self.kept.append(np.ones(2**23, np.uint8))
        return super().restore(burst)


@dataclass
class Restless(Base):
    seed: float = 0

    def __post_init__(self):
        self.seed = next(Random.draw)


class Cropping(Base):
    def restore(self, burst):
        return super().restore(burst)[1:]


class Mixing(Base):
    def restore_many(self, bursts):
        return [self.restore(burst) for burst in reversed(bursts)]


class Secretive(Base):
    info = replace(INFO, task="", version="")


@pytest.mark.parametrize(
    ("name", "check", "advice"),
    [
        ("Double", "dtype", "expected float32, got float64"),
        ("Bytes", "range", "1 must be white, not 255"),
        ("Random", "determinism", "set info.deterministic = False"),
        ("Forgetful", "subsets", "differs from restore"),
        ("PairsOnly", "lengths", "info.min_frames"),
        ("Ordered", "order", "so will its labels"),
        ("Absolute", "exposure", "divide frames by burst.exposure_ratio"),
        ("Hoarder", "memory", "something keeps the images"),
        ("Restless", "facts", "different fingerprints"),
        ("Mixing", "batches", "restore_many differs from restore"),
        ("Cropping", "restores", "expected shape"),
        ("Secretive", "facts", "lacks task, version"),
    ],
)
def test_every_fault_is_found(name, check, advice):
    findings = [each for each in check_restorer(f"{__name__}:{name}", side=48) if each.check == check]
    assert any(advice in each.detail for each in findings), findings
    assert any(each.outcome == ("note" if name == "Ordered" else "fail") for each in findings)


class Developed:
    """Display frames to linear light, as bright as they are times a gain."""

    info = RestorerInfo("denoise", "1", frozenset({Domain.SRGB}), Domain.LINEAR_RGB)

    def __init__(self, gain=1.0):
        self.gain = gain

    def restore(self, burst):
        return (self.gain * decode_srgb(burst.reference)).astype(np.float32)


@pytest.mark.parametrize(
    ("gain", "outcome", "advice"),
    [
        (1.0, "pass", "mean"),
        (0.25, "note", "brightness"),
        (0.01, "fail", "brightness"),
        (255.0, "fail", "divide the result by 255"),
    ],
)
def test_light_is_compared_with_light(gain, outcome, advice):
    findings = {each.check: each for each in try_restorer(Developed(gain), Domain.SRGB, num_frames=3, side=32)}
    assert findings["range"].outcome == outcome
    assert advice in findings["range"].detail


def test_the_check_says_so_by_its_exit_status():
    result = invoke("restorer", "check", f"{__name__}:Bytes")
    assert result.exit_code == 1
    assert "1 must be white" in result.output


@pytest.mark.slow
@pytest.mark.parametrize(
    ("scenario", "scale"), [("sr/handheld@x2", 2), ("denoise/hdrplus", 1), ("denoise/nlm", 1), ("hdr/fusion", 1)]
)
def test_restore_shows_result_reference_and_truth(data, tmp_path, scenario, scale):
    burst_id = read_dataset_table(data, "bursts").column("burst_id")[0].as_py()
    result = invoke("restore", data, burst_id, "--scenario", scenario, "--out", tmp_path / "a.png")
    assert result.exit_code == 0, result.output
    assert "| reference alone | truth" in result.output
    assert (" dB" in result.output) == (scenario != "hdr/fusion")
    image = cv2.imread(str(tmp_path / "a.png"))
    side, caption = 3 * 96, 28  # small pictures are enlarged
    assert image.shape == (side + caption, 3 * side + 16, 3)
    starts = (place * (side + 8) for place in range(3))
    restored, reference, truth = (image[caption:, start : start + side].astype(float) for start in starts)
    assert np.abs(reference - truth).mean() > 2
    if scenario != "hdr/fusion":
        assert np.abs(restored - truth).mean() < np.abs(reference - truth).mean()
    else:
        assert scale == 1


@pytest.mark.slow
def test_restore_answers_wrong_names(data, tmp_path):
    burst_id = read_dataset_table(data, "bursts").column("burst_id")[0].as_py()
    result = invoke("restore", data, f"{burst_id[:-1]}x", "--scenario", "denoise/mean", "--out", tmp_path / "a.png")
    assert result.exit_code == 1
    assert f"did you mean {burst_id}" in result.output
    assert "is unknown" in invoke("restore", data, burst_id, "--scenario", "denoise/meen").output


def test_scenarios_measures_costs_and_names_what_is_missing(monkeypatch):
    realesrgan._make.cache_clear()
    monkeypatch.setattr(realesrgan, "_PACKAGE", "no_such_package_at_all")
    listed = invoke("scenarios", "--no-cost").output
    assert "deblur/fourier" in listed
    assert "not installed: sr/realesrgan@x4: weights of Real-ESRGAN: needs the package" in listed
