"""Networks trained here: what they do whatever their weights, and what the shipped weights do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from restorers import CFA, Domain
from restorers.base import SubsetRestorer, check_image
from restorers.errors import UnsupportedBurstError
from restorers.imaging.turning import find_turn
from restorers.learned.kernel_merge import filter_frames
from restorers.learned.parts import Stabiliser
from restorers.learned.recurrent_merge import RecurrentMerge
from restorers.learned.stacks import join_stacks, stack_planes, stack_samples
from restorers.learned.trained import StackForm, TrainedRestorer
from restorers.learned.weights import read_weights
from restorers.trial import make_sample_burst
from tests.pretend_cuda import pretend_cuda
from tests.restorers.learned.networks import SMALL, make_restorer, write_network

KINDS = sorted(SMALL)


@pytest.fixture(scope="module")
def restorers(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    return {kind: make_restorer(folder, kind) for kind in KINDS}


def sample(restorer, **known):
    return make_sample_burst(restorer.info, num_frames=4, side=40, **known)


@pytest.mark.parametrize("kind", KINDS)
def test_subsets_equal_fresh_restorations(restorers, kind):
    restorer = restorers[kind]
    assert isinstance(restorer, SubsetRestorer)
    burst = sample(restorer).with_reference(1)
    prepared = restorer.prepare(burst)
    images = []
    for members in ((), (0,), (2, 3), burst.others):
        image = restorer.restore(burst.subset(members))
        check_image(restorer.info, burst, image)
        np.testing.assert_allclose(restorer.fuse(prepared, members), image, atol=2e-6)
        images.append(image)
    # The reference counts once, named or not; and every subset is another image.
    np.testing.assert_array_equal(restorer.fuse(prepared, (2, 1, 3, 2)), restorer.fuse(prepared, (2, 3)))
    assert min(np.abs(a - b).max() for i, a in enumerate(images) for b in images[:i]) > 1e-4


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("cfa", [CFA.GRBG, CFA.GBRG, CFA.BGGR])
def test_mosaics_of_other_colour_filters_are_flipped(restorers, kind, cfa):
    restorer = restorers[kind]
    burst = sample(restorer)
    rows, columns = find_turn(cfa)
    turned = replace(burst, frames=np.ascontiguousarray(burst.frames[:, rows, columns]), cfa=cfa)
    np.testing.assert_array_equal(restorer.restore(turned)[rows, columns], restorer.restore(burst))


@pytest.mark.parametrize("kind", KINDS)
def test_light_scales_the_result(restorers, kind):
    restorer = restorers[kind]
    burst = sample(restorer)
    dim = replace(
        burst,
        frames=burst.frames / 2,
        shot_noise=burst.shot_noise / 2,
        read_noise=burst.read_noise / 4,
    )
    np.testing.assert_allclose(2 * restorer.restore(dim), restorer.restore(burst), atol=2e-5)
    exposed = replace(dim, exposure_ratio=np.full(burst.num_frames, 0.5))
    np.testing.assert_allclose(restorer.restore(exposed), restorer.restore(burst), atol=2e-5)


def test_order_counts_for_the_recurrent_network_alone(restorers):
    for kind in KINDS:
        burst = sample(restorers[kind])
        shuffled = replace(burst, frames=burst.frames[[0, 3, 2, 1]])
        difference = np.abs(restorers[kind].restore(shuffled) - restorers[kind].restore(burst)).max()
        assert (difference > 1e-5) == (kind == "recurrent_merge")


def test_the_recurrent_network_takes_a_common_beginning_once(restorers, monkeypatch):
    restorer = restorers["recurrent_merge"]
    burst = make_sample_burst(restorer.info, num_frames=7, side=16)
    subsets = [burst.others, *([*burst.others[:place], *burst.others[place + 1 :]] for place in range(6)), (), (3,)]
    fresh = [restorer.fuse(restorer.prepare(burst), members) for members in subsets]
    steps, take_step = [], RecurrentMerge._step
    monkeypatch.setattr(RecurrentMerge, "_step", lambda *given: steps.append(1) or take_step(*given))
    prepared = restorer.prepare(burst)
    for members, image in zip(subsets, fresh, strict=True):
        np.testing.assert_array_equal(restorer.fuse(prepared, members), image)
    # All six, then what follows the frame that is left out: 5 + 4 + … + 0; and one alone.
    assert len(steps) == 6 + 15 + 1


@pytest.mark.parametrize("kind", KINDS)
def test_bursts_of_other_domains_are_refused(restorers, kind):
    burst = sample(restorers[kind])
    colours = replace(burst, frames=np.stack([burst.frames] * 3, -1), domain=Domain.LINEAR_RGB, cfa=None)
    with pytest.raises(UnsupportedBurstError, match="expected raw_bayer, got linear_rgb"):
        restorers[kind].restore(colours)


@pytest.mark.parametrize("kind", KINDS)
def test_extreme_bursts_give_finite_images(restorers, kind):
    restorer = restorers[kind]
    burst = sample(restorer)
    for frames in (np.zeros_like(burst.frames), np.ones_like(burst.frames), np.full_like(burst.frames, -1)):
        assert np.isfinite(restorer.restore(replace(burst, frames=frames))).all()
    without_noise = {"shot_noise": np.zeros(4), "read_noise": np.zeros(4)}
    assert np.isfinite(restorer.restore(replace(burst, **without_noise))).all()
    assert np.isfinite(restorer.restore(replace(burst, shot_noise=None, read_noise=None))).all()
    tiny = replace(burst, frames=burst.frames[:, :2, :4])
    assert np.isfinite(restorer.restore(tiny)).all()


@pytest.mark.parametrize("form", [StackForm("planes"), StackForm("samples", 2)])
def test_layouts_are_undone(restorers, form):
    burst = replace(sample(restorers["kernel_merge"]), cfa=CFA.GBRG)
    image = np.random.default_rng(0).random((40, 40) if form.form == "planes" else (80, 80, 3), np.float32)
    np.testing.assert_array_equal(form.restore_layout(form.lay_out(image, burst), burst), image)


def test_several_bursts_at_once(restorers):
    bursts = [sample(restorers["kernel_merge"], seed=seed) for seed in range(2)]
    for kind in KINDS:
        network = restorers[kind]._network
        form = restorers[kind].form
        stacks = [form.stack(burst) for burst in bursts]
        joined = join_stacks(stacks)
        assert joined.owners == [0] * 4 + [1] * 4
        with torch.inference_mode():
            together = network.merge(network.encode(joined), [[0, 1, 2, 3], [4, 6]])
            alone = [
                network.merge(network.encode(stacks[0]), [[0, 1, 2, 3]]),
                network.merge(network.encode(stacks[1]), [[0, 2]]),
            ]
        np.testing.assert_allclose(together, torch.cat(alone), atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_everything_goes_to_the_device(tmp_path, restorers, kind, monkeypatch):
    weights = read_weights(write_network(tmp_path / "a.safetensors", kind))
    burst = sample(restorers[kind])
    with pretend_cuda(monkeypatch):
        there = TrainedRestorer(weights, "cuda")
        image = there.restore(burst)
    assert there.info.device == "cuda"
    np.testing.assert_allclose(image, restorers[kind].restore(burst), atol=1e-6)
    # What computes on the CPU keeps its own copy of the weights.
    np.testing.assert_array_equal(TrainedRestorer(weights).restore(burst), restorers[kind].restore(burst))


@pytest.mark.parametrize("kind", KINDS)
def test_frames_are_encoded_in_parts(restorers, kind, monkeypatch):
    burst = sample(restorers[kind])
    whole = restorers[kind].restore(burst)
    monkeypatch.setattr("restorers.learned.stacks.PART_PIXELS", 2 * 20 * 20 + 1)
    np.testing.assert_allclose(restorers[kind].restore(burst), whole, atol=1e-6)


def test_stacks_hold_frames_on_the_grid_of_the_reference(restorers):
    burst = sample(restorers["kernel_merge"]).with_reference(2)
    stack = stack_planes(burst)
    assert stack.indices == (2, 0, 1, 3)
    level = 4 * burst.reference.mean()
    np.testing.assert_allclose(stack.values[0, 1] * level, burst.reference[::2, 1::2], rtol=1e-5)
    np.testing.assert_allclose(stack.noise[1], [burst.shot_noise[0] / level, burst.read_noise[0] / level**2], rtol=1e-5)
    inner = (slice(None), slice(None), slice(4, -4), slice(4, -4))
    apart = burst.frames[[2, 0, 1, 3]] - burst.reference
    assert (stack.values[inner] - stack.values[:1][inner]).abs().mean() * level < np.abs(apart[1:]).mean()
    samples = stack_samples(burst, scale=2)
    assert samples.values.shape == (4, 48, 20, 20)
    # Colour 1 of the cell's pixel (2, 3) of 4 × 4.
    means = samples.values[0] / samples.weights[0]
    assert abs(float(means[16 + 2 * 4 + 3].mean()) * level - burst.reference.mean()) < 0.1


def test_stabilised_noise_has_the_promised_strength():
    rng = np.random.default_rng(0)
    noise = torch.tensor([[0.01, 1e-4]])
    stabiliser = Stabiliser(noise)
    # A root is no straight line: the promise is of first order, good where noise is small beside the signal.
    for signal, tolerance in ((0.05, 0.15), (0.3, 0.03), (1.0, 0.01)):
        noisy = signal + np.sqrt(0.01 * signal + 1e-4) * rng.standard_normal((1, 1, 300, 300))
        values = torch.from_numpy(noisy.astype(np.float32))
        flat = torch.full((1, 1, 1, 1), signal)
        promised = float(stabiliser.deviation(flat, stabiliser.variance(flat)))
        assert abs(float(stabiliser.apply(values).std()) / promised - 1) < tolerance
        np.testing.assert_allclose(
            stabiliser.invert(stabiliser.apply(values.clamp(min=0))), values.clamp(min=0), atol=1e-5
        )


def test_kernels_filter_as_their_definition_says():
    rng = np.random.default_rng(1)
    values, variance = rng.random((2, 4, 5, 6)), rng.random((2, 4, 5, 6))
    usable, kernels = (rng.random((2, 4, 5, 6)) > 0.3).astype(float), rng.random((2, 9, 5, 6))
    tensors = [torch.from_numpy(each) for each in (values, usable, kernels, variance)]
    sums, weights, squares = (each.numpy() for each in filter_frames(*tensors))
    n, c, y, x = 1, 2, 0, 4
    near = [
        (kernels[n, 3 * i + j, y, x] * usable[n, c, y + i - 1, x + j - 1], values[n, c, y + i - 1, x + j - 1])
        for i in range(3)
        for j in range(3)
        if 0 <= y + i - 1 < 5 and 0 <= x + j - 1 < 6
    ]
    np.testing.assert_allclose(sums[n, c, y, x], sum(weight * value for weight, value in near))
    np.testing.assert_allclose(weights[n, c, y, x], sum(weight for weight, _ in near))
    np.testing.assert_allclose(squares[n, c, y, x], sum(w**2 for w, _ in near) * variance[n, c, y, x])


def test_what_falls_below_black_deviates_no_more_than_what_is_nearly_black():
    stabiliser = Stabiliser(torch.tensor([[0.34, 0.17]]))
    offset = 0.375 * 0.34 + 0.17 / 0.34
    deviation = stabiliser.deviation(torch.tensor([-0.5, -0.627, -3.0]).reshape(1, 3, 1, 1), torch.tensor(0.02))
    expected = [(0.02 / (max(signal + offset, offset / 10) * (1 + offset))) ** 0.5 / 2 for signal in (-0.5, -0.627, -3)]
    np.testing.assert_allclose(deviation.ravel().numpy(), expected, rtol=1e-5)
    assert expected[1] == expected[2] < 0.25
