"""What every scenario claims: its protocol, its domains, its shape, and that equal input gives equal bits."""

from __future__ import annotations

import tracemalloc
from dataclasses import fields, is_dataclass, replace
from itertools import combinations

import numpy as np
import pytest
from torch import Tensor

from benchmarks.restorers import STATE
from restorers import Domain, create, list_scenarios
from restorers.base import LinearMerge, SubsetRestorer, check_accepts, check_image
from restorers.burst import Burst
from restorers.errors import MissingExtraError, UnsupportedBurstError
from restorers.registry import BUILT_IN
from tests.synthetic import make_burst, make_colour_burst, texture


def built_in():
    """Name and restorer of every scenario whose packages are installed."""
    for spec in BUILT_IN:
        try:
            yield spec.scenario, create(spec.scenario)
        except MissingExtraError:
            continue


RESTORERS = dict(built_in())
MULTI_FRAME = {name: each for name, each in RESTORERS.items() if not each.info.single_frame}
CLASSICAL = [name for name, each in RESTORERS.items() if each.info.weights_sha256 is None]


@pytest.fixture(scope="module")
def burst() -> Burst:
    ratios = (1.0, 0.7, 1.0, 1.4, 1.0)
    return make_burst("coffee", height=64, width=72, num_frames=5, reference_index=2, exposure_ratio=ratios).burst


def test_enough_scenarios_run_on_a_cpu_without_extras():
    assert len(CLASSICAL) >= 12
    tasks = {RESTORERS[name].info.task for name in CLASSICAL}
    assert tasks >= {"denoise", "sr", "deblur", "hdr", "focus", "demosaic"}
    assert all(name.startswith(f"{each.info.task}/") for name, each in RESTORERS.items())
    assert all(each.info.summary and each.info.license for each in RESTORERS.values())
    assert all(each.info.paper for name, each in RESTORERS.items() if name != "denoise/mean")


@pytest.mark.parametrize("name", [name for name, each in MULTI_FRAME.items() if isinstance(each, SubsetRestorer)])
def test_fusing_a_subset_equals_restoring_it(name, burst):
    restorer = RESTORERS[name]
    prepared = restorer.prepare(burst)
    subsets = [*combinations(burst.others, 0), *combinations(burst.others, 1), (0, 3), (1, 3, 4), burst.others]
    for members in subsets:
        fused = restorer.fuse(prepared, members)
        np.testing.assert_allclose(fused, restorer.restore(burst.subset(members)), atol=1e-6, err_msg=str(members))
    np.testing.assert_array_equal(restorer.fuse(prepared, (3, 0, 0, 2)), restorer.fuse(prepared, (0, 3)))


@pytest.mark.parametrize("name", [name for name, each in MULTI_FRAME.items() if isinstance(each, LinearMerge)])
def test_gram_matrix_of_contributions_gives_every_error(name, burst):
    restorer, truth = RESTORERS[name], make_burst("coffee", height=64, width=72, num_frames=1).truth
    residuals = (restorer.contributions(burst) - truth).reshape(burst.num_frames, -1).astype(np.float64)
    gram = residuals @ residuals.T / residuals.shape[1]
    for size in range(burst.num_frames):
        for members in combinations(burst.others, size):
            chosen = sorted([burst.reference_index, *members])
            predicted = gram[np.ix_(chosen, chosen)].sum() / len(chosen) ** 2
            error = restorer.restore(burst.subset(members)) - truth
            assert np.mean(np.square(error)) == pytest.approx(predicted, rel=1e-3)


def held_bytes(value, burst: Burst) -> int:
    """Bytes of the arrays in a prepared state, without those of the burst that it refers to."""
    if isinstance(value, np.ndarray):
        return 0 if np.shares_memory(value, burst.frames) else value.nbytes
    if isinstance(value, Tensor):
        return value.nbytes
    if is_dataclass(value):
        return sum(held_bytes(getattr(value, each.name), burst) for each in fields(value))
    if isinstance(value, dict):
        return sum(held_bytes(each, burst) for each in value.values())
    return sum(held_bytes(each, burst) for each in value) if isinstance(value, tuple | list) else 0


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(MULTI_FRAME))
def test_the_state_is_as_large_as_documented(name):
    # At four times the resolution a small frame will do; where mirrored edges count, it must not be too small.
    side = 64 if name.endswith("@x4") else 320
    burst = make_burst(height=side, width=side, num_frames=6, motions=np.zeros((6, 3))).burst
    restorer = RESTORERS[name]
    state = restorer.contributions(burst) if isinstance(restorer, LinearMerge) else restorer.prepare(burst)
    assert held_bytes(state, burst) / burst.frames.nbytes == pytest.approx(STATE[name], rel=0.15)


@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("deblur/fourier", 0.5),
        ("denoise/handheld", 0.5),
        ("denoise/hdrplus", 0.5),
        ("denoise/mean", 0.5),
        ("denoise/robust_mean", 0.5),
        ("demosaic/burst", 4),
        ("focus/stack", 0.5),
        ("sr/backprojection@x2", 4),
        ("sr/handheld@x2", 0.5),
    ],
)
def test_restoring_holds_no_state_of_all_frames(name, most):
    peaks = []
    for number in (4, 12):
        burst = make_burst(texture(560, 120), height=480, width=48, num_frames=number, motions=np.zeros((number, 3)))
        RESTORERS[name].restore(burst.burst)
        tracemalloc.start()
        RESTORERS[name].restore(burst.burst)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # Eight frames more cost masks and weights; of back-projection, which needs all at once, what a band of rows takes of them.
    assert peaks[1] - peaks[0] < 8 * most * 480 * 48 * 4


def test_every_claim_is_one_of_the_two():
    for name, restorer in MULTI_FRAME.items():
        assert isinstance(restorer, SubsetRestorer) != isinstance(restorer, LinearMerge), name


@pytest.mark.parametrize("name", CLASSICAL)
def test_domains_shapes_and_determinism(name):
    restorer, info = RESTORERS[name], RESTORERS[name].info
    number = 1 if info.single_frame else 3
    for domain in Domain:
        if domain is Domain.RAW_BAYER:
            burst = make_burst(height=48, width=56, num_frames=number).burst
        else:
            burst = make_colour_burst(height=48, width=56, num_frames=number, domain=domain).burst
        if domain not in info.input_domains:
            with pytest.raises(UnsupportedBurstError, match="domain: expected raw_bayer"):
                restorer.restore(burst)
            continue
        check_accepts(info, burst)
        before = burst.frames.copy()
        image = restorer.restore(burst)
        check_image(info, burst, image)
        assert image.dtype == np.float32
        assert not np.shares_memory(image, burst.frames)
        assert np.array_equal(image, restorer.restore(burst))
        assert np.array_equal(burst.frames, before)
        assert image.mean() > 0.02


@pytest.mark.parametrize("name", [name for name in CLASSICAL if not RESTORERS[name].info.single_frame])
def test_frames_may_come_in_any_order(name, burst):
    order = [4, 0, 2, 1, 3]
    shuffled = replace(
        burst,
        frames=burst.frames[order],
        shot_noise=burst.shot_noise[order],
        read_noise=burst.read_noise[order],
        exposure_ratio=burst.exposure_ratio[order],
    )
    assert order[shuffled.reference_index] == burst.reference_index
    np.testing.assert_allclose(RESTORERS[name].restore(shuffled), RESTORERS[name].restore(burst), atol=2e-5)


@pytest.mark.parametrize("name", CLASSICAL)
def test_black_frames_and_frames_without_noise(name):
    number = 1 if RESTORERS[name].info.single_frame else 3
    for value in (0.0, 0.25):
        frames = np.full((number, 64, 64), value, np.float32)
        burst = replace(make_burst(height=64, width=64, num_frames=number, shot=0, read=0).burst, frames=frames)
        image = RESTORERS[name].restore(burst)
        assert np.isfinite(image).all()
        if RESTORERS[name].info.output_domain is not Domain.SRGB:
            np.testing.assert_allclose(image, value, atol=1e-4)


@pytest.mark.parametrize("name", sorted(MULTI_FRAME))
def test_an_unrelated_frame_does_not_matter(name):
    sample = make_burst("astronaut", height=96, width=96, num_frames=3)
    frames = sample.burst.frames.copy()
    frames[2] = make_burst("coffee", height=96, width=96, num_frames=1).burst.frames[0]
    burst = replace(sample.burst, frames=frames)
    restorer = RESTORERS[name]
    if isinstance(restorer, LinearMerge):
        contributions = restorer.contributions(burst)
        np.testing.assert_allclose(contributions[2], contributions[0], atol=1e-6)
    else:
        np.testing.assert_allclose(restorer.restore(burst), restorer.restore(burst.subset([1])), atol=1e-6)


def test_scenarios_are_listed_in_order():
    assert list(list_scenarios())[: len(BUILT_IN)] == sorted(spec.scenario for spec in BUILT_IN)
