"""The linear merges: what they gain, what they withstand, and the identity that makes their labels cheap."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from benchmarks.restorers import merge_plainly
from restorers.base import LinearMerge, check_image
from restorers.burst import CFA, Burst, Domain
from restorers.classical.hdrplus import HdrPlusMerge
from restorers.classical.mean import MeanMerge
from restorers.fidelity import psnr
from restorers.registry import create
from tests.synthetic import make_burst, make_colour_burst, texture

MERGES = [MeanMerge(), HdrPlusMerge()]
BORDER = 8


def gain(restorer, sample) -> float:
    """Improvement over the reference alone, in dB."""
    restored = restorer.restore(sample.burst)
    check_image(restorer.info, sample.burst, restored)
    return psnr(restored, sample.truth, border=BORDER) - psnr(sample.burst.reference, sample.truth, border=BORDER)


@pytest.mark.parametrize(("scenario", "least"), [("denoise/mean", 9.0), ("denoise/hdrplus", 7.0)])
@pytest.mark.parametrize("scene", ["astronaut", "coffee", "chelsea"])
@pytest.mark.parametrize(("shot", "read"), [(4e-3, 4e-5), (1e-2, 1e-4)])
def test_fourteen_frames_of_a_static_scene(scenario, least, scene, shot, read):
    sample = make_burst(scene, height=160, width=192, shot=shot, read=read, corner=(20, 10))
    restorer = create(scenario)
    assert isinstance(restorer, LinearMerge)
    assert gain(restorer, sample) >= least


@pytest.mark.parametrize("side", [64, 96])
@pytest.mark.parametrize(("restorer", "least"), [(MERGES[0], 9.0), (MERGES[1], 7.0)])
def test_small_textured_frames(restorer, least, side):
    scene = texture(2 * side + 80, 2 * side + 80, seed=side)
    assert gain(restorer, make_burst(scene, height=side, width=side, corner=(40, 40))) >= least


@pytest.mark.parametrize("cfa", list(CFA))
@pytest.mark.parametrize("restorer", MERGES)
def test_every_colour_filter_order(restorer, cfa):
    assert gain(restorer, make_burst("coffee", height=96, width=128, num_frames=6, cfa=cfa, corner=(60, 60))) >= 4


@pytest.mark.parametrize("restorer", MERGES)
def test_unknown_noise(restorer):
    assert gain(restorer, make_burst("coffee", height=96, width=128, num_frames=6, noise_known=False)) >= 4


@pytest.mark.parametrize("restorer", MERGES)
def test_output_is_the_mean_of_contributions_in_every_subset(restorer):
    sample = make_burst(height=64, width=80, num_frames=6, reference_index=2)
    contributions = restorer.contributions(sample.burst)
    assert contributions.shape == sample.burst.frames.shape
    assert contributions.dtype == np.float32
    for members in [(), (0,), (1, 5), (0, 1, 3, 4, 5)]:
        expected = contributions[[2, *members]].mean(0)
        restored = restorer.restore(sample.burst.subset(members))
        np.testing.assert_allclose(restored, expected, atol=2e-6)
    np.testing.assert_array_equal(contributions[2], sample.burst.reference)


@pytest.mark.parametrize("restorer", MERGES)
def test_gram_matrix_gives_the_error_of_every_subset(restorer):
    sample = make_burst(height=64, width=64, num_frames=5)
    residuals = (restorer.contributions(sample.burst) - sample.truth).reshape(5, -1).astype(np.float64)
    gram = residuals @ residuals.T / residuals.shape[1]
    for size in range(5):
        for members in combinations(range(1, 5), size):
            chosen = [0, *members]
            predicted = gram[np.ix_(chosen, chosen)].sum() / len(chosen) ** 2
            error = restorer.restore(sample.burst.subset(members)) - sample.truth
            assert np.mean(np.square(error)) == pytest.approx(predicted, rel=1e-3)


@pytest.mark.parametrize("restorer", MERGES)
def test_exposure_is_normalised(restorer):
    ratios = (1.0, 2.0, 2.0, 0.5)
    sample = make_burst("coffee", height=96, width=96, num_frames=4, brightness=0.4, exposure_ratio=ratios)
    restored = restorer.restore(sample.burst)
    assert restored.mean() == pytest.approx(sample.truth.mean(), rel=0.01)
    assert gain(restorer, sample) >= 2


@pytest.mark.parametrize("restorer", MERGES)
def test_long_exposure_does_not_darken_highlights(restorer):
    scene = 0.1 + 0.8 * (texture(300, 300, seed=1) > 0.3)
    sample = make_burst(scene, height=96, width=96, num_frames=4, brightness=0.9, exposure_ratio=(1.0, 3.0, 3.0, 3.0))
    clipped = sample.burst.frames[1:].max() >= 1
    assert clipped
    bright = sample.truth > 0.6
    restored = restorer.restore(sample.burst)
    assert (restored[bright] - sample.truth[bright]).mean() == pytest.approx(0, abs=0.01)


@pytest.mark.parametrize("restorer", MERGES)
def test_reference_of_another_exposure_is_normalised_too(restorer):
    sample = make_burst(height=64, width=64, num_frames=3, brightness=0.4)
    doubled = replace(sample.burst, frames=sample.burst.frames * np.float32(0.5), exposure_ratio=np.full(3, 0.5))
    np.testing.assert_allclose(restorer.restore(doubled.single(0)), sample.burst.reference, atol=1e-6)
    assert restorer.restore(doubled).mean() == pytest.approx(sample.truth.mean(), rel=0.02)


@pytest.mark.parametrize("restorer", MERGES)
def test_an_unrelated_frame_is_left_out(restorer):
    sample = make_burst("astronaut", height=96, width=96, num_frames=2)
    frames = sample.burst.frames.copy()
    frames[1] = make_burst("coffee", height=96, width=96, num_frames=1).burst.frames[0]
    burst = replace(sample.burst, frames=frames)
    np.testing.assert_allclose(restorer.restore(burst), burst.reference, atol=1e-6)


def test_hdrplus_equals_its_formula_through_an_fft():
    burst = make_burst(height=90, width=108, num_frames=5, max_degrees=0.2).burst
    np.testing.assert_allclose(HdrPlusMerge().restore(burst), merge_plainly(burst), atol=3e-6)


@pytest.mark.parametrize("num_frames", [2, 8])
def test_hdrplus_leaves_no_ghost_of_a_moving_object(num_frames):
    sample = make_burst("astronaut", height=128, width=128, num_frames=num_frames, corner=(100, 60))
    other = make_burst("coffee", height=128, width=128, num_frames=num_frames, seed=1).burst
    frames, region = sample.burst.frames.copy(), np.s_[40:88, 40:88]
    for index in range(1, num_frames):
        frames[index][region] = other.frames[index][region]
    burst = replace(sample.burst, frames=frames)

    def quality(image):
        return psnr(image[region], sample.truth[region])

    alone = quality(burst.reference)
    assert quality(HdrPlusMerge().restore(burst)) >= alone - 0.5
    assert quality(MeanMerge().restore(burst)) < alone - 3


def test_hdrplus_follows_an_object_that_moves_by_itself():
    sample = make_burst("coffee", height=160, width=160, num_frames=6, max_shift=3)
    thing = make_burst(
        "astronaut", height=160, width=160, num_frames=6, max_shift=7, max_degrees=0, corner=(120, 20), seed=3
    )
    frames, truth, region = sample.burst.frames.copy(), sample.truth.copy(), np.s_[48:112, 48:112]
    for index in range(6):
        frames[index][region] = thing.burst.frames[index][region]
    truth[region] = thing.truth[region]
    burst = replace(sample.burst, frames=frames)
    inner = np.s_[60:100, 60:100]
    restored, alone = (psnr(image[inner], truth[inner]) for image in (HdrPlusMerge().restore(burst), burst.reference))
    assert restored >= alone + 3


def test_hdrplus_trusts_by_the_noise_of_both_frames():
    # Each frame's own noise decides how far it may differ: a noisy frame of the same scene is merged, not rejected.
    sample = make_burst(height=96, width=96, num_frames=2, shot=4e-3, read=4e-5)
    noisy = sample.burst.frames.copy()
    noisy[1] += np.random.default_rng(0).normal(0, 0.08, noisy[1].shape).astype(np.float32)
    frames = np.clip(noisy, -1, 1)
    told = replace(sample.burst, frames=frames, read_noise=np.array([4e-5, 4e-5 + 0.08**2]))
    untold = replace(sample.burst, frames=frames)
    merged = [np.abs(HdrPlusMerge().restore(burst) - burst.reference).mean() for burst in (told, untold)]
    assert merged[0] > 1.3 * merged[1]


def test_tolerance_moves_hdrplus_between_reference_and_mean():
    sample = make_burst(height=96, width=96, num_frames=6)
    strict, usual, lax = (HdrPlusMerge(tolerance=c).restore(sample.burst) for c in (1e-4, 8.0, 1e5))
    reference = sample.burst.reference
    distances = [np.abs(image - reference).mean() for image in (strict, usual, lax)]
    assert distances[0] < 0.05 * distances[1] < distances[1] < distances[2]
    # Interpolation differs (cubic here, Lanczos there), so they agree to a fraction of the noise only.
    assert psnr(lax, MeanMerge().restore(sample.burst), border=16) > 45


@pytest.mark.parametrize("restorer", MERGES)
def test_restoring_is_deterministic_and_leaves_the_burst_alone(restorer):
    sample = make_burst(height=64, width=64, num_frames=4)
    before = sample.burst.frames.copy()
    first, second = restorer.restore(sample.burst), restorer.restore(sample.burst)
    assert np.array_equal(first, second)
    assert np.array_equal(sample.burst.frames, before)
    assert not np.shares_memory(first, sample.burst.frames)


@pytest.mark.parametrize("restorer", MERGES)
def test_the_reference_alone_comes_back(restorer):
    sample = make_burst(height=64, width=64, num_frames=1)
    np.testing.assert_allclose(restorer.restore(sample.burst), sample.burst.reference, atol=1e-7)


@pytest.mark.parametrize("restorer", MERGES)
def test_black_frames(restorer):
    burst = Burst(np.zeros((3, 64, 64), np.float32), cfa=CFA.RGGB, shot_noise=np.zeros(3), read_noise=np.zeros(3))
    assert np.array_equal(restorer.restore(burst), np.zeros((64, 64)))


@pytest.mark.parametrize("restorer", MERGES)
@pytest.mark.parametrize("domain", [Domain.LINEAR_RGB, Domain.SRGB])
def test_colour_frames_merge_alike(restorer, domain):
    sample = make_colour_burst("coffee", height=96, width=112, num_frames=8, corner=(60, 60), domain=domain)
    restored = restorer.restore(sample.burst)
    check_image(restorer.info, sample.burst, restored)
    alone = restorer.restore(sample.burst.subset([]))
    assert psnr(restored, sample.truth, border=BORDER) >= psnr(alone, sample.truth, border=BORDER) + 6
    contributions = restorer.contributions(sample.burst)
    np.testing.assert_allclose(restored, contributions.mean(0), atol=2e-6)
