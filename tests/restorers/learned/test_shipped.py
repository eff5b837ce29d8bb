"""The weights that come with the package: small, complete, and worth their cost."""

from __future__ import annotations

import numpy as np
import pytest

from restorers import check_restorer, create, list_scenarios
from restorers.fidelity import psnr
from restorers.learned.weights import FOLDER, read_weights
from tests.synthetic import make_burst
from training.restorers.recipes import RECIPES

SHIPPED = [name for name, spec in list_scenarios().items() if spec.target == "restorers.learned.trained:load_trained"]
BORDER = 8


def test_every_file_is_a_scenario():
    files = {path.stem for path in FOLDER.iterdir()}
    assert files == {list_scenarios()[name].arguments["name"] for name in SHIPPED}
    assert SHIPPED


@pytest.mark.parametrize("name", SHIPPED)
def test_files_are_small_and_say_how_they_came_to_be(name):
    path = FOLDER / f"{RECIPES[name].file}.safetensors"
    assert path.stat().st_size <= 2_000_000
    card = read_weights(path).card
    assert card["network"] == RECIPES[name].network
    assert card["recipe"]["presets"] == dict(RECIPES[name].presets)
    assert card["recipe"]["seed"] == RECIPES[name].seed
    assert len({each["file"] for each in card["trained_on"]}) == 22
    assert all(each["license"] for each in card["trained_on"])
    info = create(name).info
    assert info.task == name.partition("/")[0]
    assert info.weights_license == card["license"] == "Apache-2.0"


@pytest.mark.slow
@pytest.mark.parametrize("name", SHIPPED)
def test_they_keep_their_word(name):
    findings = check_restorer(name, side=48)
    assert [finding for finding in findings if finding.outcome == "fail"] == []
    checks = {finding.check: finding for finding in findings}
    assert checks["subsets"].outcome == "pass"
    assert checks["lengths"].outcome == "pass"


@pytest.mark.parametrize(
    ("name", "rival", "least"),
    [
        ("denoise/kpn", "denoise/hdrplus@spatial", 3.0),
        ("denoise/recurrent", "denoise/hdrplus@spatial", 2.0),
        ("deblur/burst_network", "deblur/fourier", 1.5),
        ("demosaic/burst_network", "demosaic/burst", 1.0),
        ("sr/dbsr@x2", "sr/handheld@x2", 0.3),
    ],
)
def test_they_beat_their_rivals_on_a_burst_made_without_the_builder(name, rival, least):
    sample = make_burst("astronaut", height=96, width=96, num_frames=8, shot=8e-3, read=1e-4)
    scores = []
    for each in (name, rival):
        image = create(each).restore(sample.burst)
        truth = sample.truth if image.ndim == 2 else sample.high_resolution
        factor = truth.shape[0] // image.shape[0]
        if factor > 1:
            truth = truth.reshape(image.shape[0], factor, image.shape[1], factor, 3).mean((1, 3))
        scores.append(psnr(image, truth.astype(np.float32), border=BORDER))
    assert scores[0] - scores[1] > least
