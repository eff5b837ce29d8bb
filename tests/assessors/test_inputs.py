"""What assessors see is aligned, masked and stabilised, whatever the mosaic, and owes nothing to an oracle."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from assessors import inputs as inputs_module
from assessors.features import measure_frames
from assessors.inputs import BurstInputs, make_inputs
from assessors.motion import EstimateMotion, to_burst
from restorers.burst import CFA, Burst, Domain
from restorers.imaging.mosaic import mosaic
from tests.burst_items import make_burst_item
from tests.synthetic import Sample, make_burst

SIDE = 96
RATIOS = (1.0, 1.0, 2.0, 0.5, 1.0)


@pytest.fixture(scope="module")
def sample() -> Sample:
    return make_burst(
        height=SIDE,
        width=SIDE,
        num_frames=5,
        max_shift=4,
        shot=1e-3,
        read=1e-5,
        exposure_ratio=RATIOS,
        reference_index=1,
    )


@pytest.fixture(scope="module")
def inputs(sample: Sample) -> BurstInputs:
    return make_inputs(sample.burst)


def test_frames_lie_on_the_reference(sample: Sample, inputs: BurstInputs) -> None:
    assert inputs.found.all()
    corners = np.array([[[0, 0], [SIDE, 0], [0, SIDE], [SIDE, SIDE]]], float)
    for measured, true in zip(inputs.homographies, sample.homographies, strict=True):
        moved = cv2.perspectiveTransform(corners, measured) - cv2.perspectiveTransform(corners, true)
        assert np.abs(moved).max() < 0.5
    for index in (0, 2, 3, 4):
        shown = inputs.valid[index]
        assert 0.5 < shown.mean() < 1  # what moved out of the frame is not shown
        difference = inputs.difference[index][:, shown]
        # Misaligned by the true motion, it would be tens of deviations.
        assert difference.std() < 1.5
        own = inputs.planes[index] - inputs.planes[1]
        assert own.std() > 3 * difference.std()
    assert not inputs.difference[1].any()
    assert (inputs.aligned[0][:, ~inputs.valid[0]] == inputs.aligned[1][:, ~inputs.valid[0]]).all()


def test_noise_is_stated_in_its_own_units(sample: Sample, inputs: BurstInputs) -> None:
    clean = np.clip(sample.clean, -1, 1).astype(np.float32)
    still = make_inputs(replace(sample.burst, frames=clean))
    for index in range(5):
        unclipped = sample.burst.frames[index, ::2, ::2] < 0.9
        noise = (inputs.planes[index, 0] - still.planes[index, 0])[unclipped]
        assert noise.std() == pytest.approx(inputs.noise[index], rel=0.15)
    assert inputs.noise[3] > inputs.noise[1] > inputs.noise[2]  # the shorter, the noisier


def test_residuals_are_about_the_mean_of_what_is_shown(inputs: BurstInputs) -> None:
    weighted = inputs.residual * inputs.noise[:, None, None, None]
    np.testing.assert_allclose(weighted.sum(0), 0, atol=2e-3)
    assert not inputs.residual[~np.broadcast_to(inputs.valid[:, None], inputs.residual.shape)].any()


def test_light_comes_back(sample: Sample, inputs: BurstInputs) -> None:
    red = sample.burst.frames[:, ::2, ::2]
    np.testing.assert_allclose(inputs.linear()[:, 0], red, atol=2e-5)
    assert inputs.display().shape == (5, SIDE, SIDE, 3)
    assert 0 <= inputs.display().min() <= inputs.display().max() <= 1


@pytest.mark.parametrize("cfa", list(CFA))
def test_planes_are_red_green_green_blue_of_every_mosaic(cfa: CFA) -> None:
    rng = np.random.default_rng(0)
    colours = np.array([0.05, 0.2, 0.4]) * (1 + 0.1 * rng.standard_normal((32, 32, 1)))
    frames = np.stack([mosaic(colours, cfa)] * 2).astype(np.float32)
    burst = Burst(frames, cfa=cfa, shot_noise=np.full(2, 1e-3), read_noise=np.full(2, 1e-5))
    means = make_inputs(burst).linear().mean((0, 2, 3))
    np.testing.assert_allclose(means, [0.05, 0.2, 0.2, 0.4], rtol=0.1)


def test_rgb_looks_like_a_mosaic_of_half_its_size() -> None:
    rng = np.random.default_rng(0)
    frames = rng.uniform(0.2, 0.6, (3, 33, 40, 3)).astype(np.float32)
    inputs = make_inputs(Burst(frames, domain=Domain.LINEAR_RGB, shot_noise=np.full(3, 1e-3), read_noise=np.zeros(3)))
    assert inputs.planes.shape == (3, 4, 16, 20)
    expected = frames[:, :32].reshape(3, 16, 2, 20, 2, 3).mean((2, 4))
    np.testing.assert_allclose(
        inputs.linear()[:, [0, 1, 2, 3]], expected.transpose(0, 3, 1, 2)[:, [0, 1, 1, 2]], atol=1e-5
    )
    assert inputs.shot_noise == pytest.approx(np.full(3, 1e-3 / 4))  # four pixels were averaged
    assert inputs.display().shape == (3, 16, 20, 3)
    encoded = make_inputs(Burst(frames, domain=Domain.SRGB))
    assert encoded.linear().mean() < inputs.linear().mean()  # light, not display values


@pytest.mark.parametrize("domain", [Domain.RAW_BAYER, Domain.LINEAR_RGB])
def test_large_frames_are_averaged(sample: Sample, monkeypatch: pytest.MonkeyPatch, domain: Domain) -> None:
    burst = sample.burst
    if domain is not Domain.RAW_BAYER:
        colours = np.repeat(burst.frames[..., None], 3, axis=-1)
        burst = replace(burst, frames=colours, domain=domain, cfa=None)
    whole = make_inputs(burst)
    monkeypatch.setattr(inputs_module, "MOST_PIXELS", 48 * 48 // 4)
    small = make_inputs(burst)
    assert (whole.cell, small.cell, small.is_mosaic) == (2, 4, False)
    assert small.planes.shape == (5, 4, 24, 24)
    expected = whole.linear().reshape(5, 4, 24, 2, 24, 2).mean((3, 5))
    np.testing.assert_allclose(small.linear(), expected, atol=1e-4)
    np.testing.assert_allclose(small.shot_noise, whole.shot_noise / 4)
    np.testing.assert_array_equal(small.valid, whole.valid.reshape(5, 24, 2, 24, 2).all((2, 4)))
    np.testing.assert_array_equal(small.homographies, whole.homographies)
    assert small.difference[3].std() < 2  # still in units of its own noise
    (names, first), (_, second) = measure_frames(whole), measure_frames(small)
    place = names.index("displacement")
    np.testing.assert_allclose(first[:, place], second[:, place], atol=1e-5)
    assert small.display().shape == (5, 24, 24, 3)


def test_a_frame_of_something_else_is_not_found(sample: Sample) -> None:
    frames = sample.burst.frames.copy()
    frames[4] = make_burst("chelsea", height=SIDE, width=SIDE, num_frames=1).burst.frames[0]
    inputs = make_inputs(replace(sample.burst, frames=frames))
    assert inputs.found.tolist() == [True, True, True, True, False]
    assert inputs.difference[4].std() > 5


def test_the_smallest_frames() -> None:
    rng = np.random.default_rng(0)
    inputs = make_inputs(Burst(rng.uniform(0, 1, (2, 4, 4)).astype(np.float32), cfa=CFA.BGGR))
    assert inputs.planes.shape == (2, 4, 2, 2)
    assert np.isfinite(inputs.difference).all()
    assert np.isfinite(inputs.noise).all()


def make_item(burst: Burst) -> dict:
    numbers = {
        name: torch.from_numpy(getattr(burst, name).astype(np.float32))
        for name in ("shot_noise", "read_noise", "exposure_ratio")
    }
    scores = torch.zeros(0, burst.num_frames)
    pixels = torch.from_numpy(burst.frames[:, None].copy())
    return make_burst_item(pixels, scores, reference=burst.reference_index, cfa=str(burst.cfa), **numbers)


def test_the_oracle_is_not_asked(sample: Sample) -> None:
    item = make_item(sample.burst)
    item["truth"] = torch.rand(3, SIDE, SIDE)
    misled = {**item, "oracle_homographies": torch.rand(5, 3, 3), "truth": torch.zeros(3, SIDE, SIDE)}
    first, second = (to_burst(one) for one in (item, misled))
    np.testing.assert_array_equal(first.frames, sample.burst.frames)
    assert first.reference_index == second.reference_index == 1
    np.testing.assert_allclose(first.shot_noise, sample.burst.shot_noise, rtol=1e-6)
    both = [EstimateMotion()(one, np.random.default_rng(0))["estimated_homographies"] for one in (item, misled)]
    assert torch.equal(*both)
    np.testing.assert_allclose(both[0], make_inputs(sample.burst).homographies, atol=1e-3)


def test_what_some_frames_lack_is_unknown_for_all(sample: Sample) -> None:
    item = make_item(sample.burst)
    item["read_noise"][2] = torch.nan
    item["exposure_ratio"][0] = torch.nan
    burst = to_burst(item)
    assert burst.shot_noise is None
    assert burst.read_noise is None
    assert (burst.exposure_ratio == 1).all()
