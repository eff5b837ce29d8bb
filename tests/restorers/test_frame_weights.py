"""What restorers say of how far they trust each frame where."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from restorers import CFA, WeighingRestorer, create
from restorers.classical.mean import MeanMerge
from restorers.classical.robust_mean import RobustMean
from tests.synthetic import make_burst, texture

WEIGHING = ("denoise/hdrplus", "denoise/hdrplus@spatial", "denoise/robust_mean", "denoise/handheld", "sr/handheld@x2")
LEARNED = [pytest.param(name, marks=pytest.mark.slow) for name in ("denoise/kpn", "sr/dbsr@x2")]
PASTED, FOREIGN = 2, 4


@pytest.fixture(scope="module")
def burst():
    """Frame 2 shows something else in its upper left, frame 4 everywhere."""
    made = make_burst(height=80, width=80, num_frames=5, max_shift=2).burst
    frames = made.frames.copy()
    other = texture(80, 80, seed=9)[..., 1].astype(np.float32)
    frames[PASTED, :24, :24] = other[:24, :24]
    frames[FOREIGN] = texture(80, 80, seed=5)[..., 1]
    return replace(made, frames=frames)


@pytest.mark.parametrize("name", [*WEIGHING, *LEARNED])
def test_what_agrees_is_trusted_and_what_does_not_is_not(name, burst) -> None:
    restorer = create(name)
    assert isinstance(restorer, WeighingRestorer)
    weights = restorer.frame_weights(burst)
    assert weights.dtype == np.float32
    assert weights.shape == (5, 40, 40)
    assert weights.min() >= 0
    assert weights.max() <= 1
    np.testing.assert_array_equal(weights[burst.reference_index], 1)
    upper, lower = weights[PASTED, 2:9, 2:9].mean(), weights[PASTED, 20:36, 20:36].mean()
    # HDR+ trusts what agrees in no more than its noise, too: the fine structure that neither frame has.
    assert upper < (0.8 if name.startswith("denoise/hdrplus") else 0.5) * lower
    assert weights[FOREIGN, 4:36, 4:36].mean() < 0.5 * weights[1, 4:36, 4:36].mean()


def test_weights_of_the_robust_mean_are_those_it_merges_by(burst) -> None:
    weights = RobustMean().frame_weights(burst).repeat(2, 1).repeat(2, 2)
    reference = burst.reference / burst.exposure_ratio[burst.reference_index]
    aligned, merged = MeanMerge().contributions(burst), RobustMean().contributions(burst)
    np.testing.assert_allclose(merged, reference + weights * (aligned - reference), atol=1e-5)


@pytest.mark.parametrize("name", ["denoise/hdrplus", "denoise/handheld", LEARNED[0]])
def test_weights_lie_as_the_mosaic_does(name, burst) -> None:
    flipped = replace(burst, frames=np.ascontiguousarray(burst.frames[:, :, ::-1]), cfa=CFA.GRBG)
    weights, other = (create(name).frame_weights(each) for each in (burst, flipped))
    assert np.abs(weights - other[..., ::-1]).mean() < 0.1 * np.abs(weights - other).mean()


@pytest.mark.parametrize("name", ["denoise/mean", "denoise/nlm", "denoise/recurrent"])
def test_others_say_nothing(name) -> None:
    assert not isinstance(create(name), WeighingRestorer)
