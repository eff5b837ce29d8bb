"""The iterative residual network gives the published numbers, from whole bursts and from some of their frames."""

from __future__ import annotations

import pytest
import torch

from restorers.errors import InvalidRestorerError, UnsupportedBurstError
from restorers.networks import kokkinos
from restorers.networks.kokkinos import build, compute_gradient, estimate_noise, make_start
from tests.restorers.networks.parity import Fixture
from tests.restorers.networks.published import load_network, make_shapes

pytestmark = pytest.mark.slow

SYNTHETIC = 2e-4
"""Made-up parameters let ten steps expand what float32 rounds."""


@pytest.fixture(scope="module")
def network():
    return load_network(build, "kokkinos", torch.float64)


def read_burst(name, dtype=torch.float64):
    fixture = Fixture(name)
    frames, affine = fixture.read("burst", dtype)[0], fixture.read("affine", dtype)[0]
    return frames.sum(1, keepdim=True) if name == "kokkinos_demosaick" else frames, affine


def check_steps(network, name, planes):
    """Check every seam of a run; `planes` spreads mosaics over the three colours in which they are published."""
    fixture, (frames, affine) = Fixture(name), read_burst(name)
    calls = []
    hook = network.model.register_forward_hook(lambda _, inputs, output: calls.append((inputs[0], output)))
    burst = network.encode(frames, affine=affine)
    images = list(network.iterate(burst))
    hook.remove()
    fixture.check("x0", make_start(burst)[None])
    fixture.check("sigma", estimate_noise(frames[-1])[None])
    fixture.check("mask_sum", burst.coverage.sum(0)[None])
    fixture.check("warped_frames", (burst.warped * planes)[None])
    fixture.check("grad_iter0", compute_gradient(make_start(burst), burst)[None])
    for step in (0, 1):
        fixture.check(f"resdnet_in_iter{step}", calls[step][0][None])
        fixture.check(f"resdnet_out_iter{step}", calls[step][1][None])
    for step in (1, 2, 5):
        fixture.check(f"x{step}", images[step - 1][None])
    fixture.check("output", network(frames, affine=affine)[None])


def test_denoising_gives_the_published_numbers_at_every_seam(network):
    check_steps(network, "kokkinos", 1)


def test_demosaicking_gives_the_published_numbers_at_every_seam(network):
    check_steps(network, "kokkinos_demosaick", Fixture("kokkinos_demosaick").read("mask")[0])


def test_residuals_are_held_to_the_noise(network):
    fixture = Fixture("kokkinos")
    frame = read_burst("kokkinos")[0][0]
    fixture.check("resdnet_inactive_projection", network.model(frame, 1e4, 0.0)[None])
    fixture.check("resdnet_active_projection", network.model(frame, 5.0, 0.3)[None])


def test_noise_that_is_known_need_not_be_estimated(network):
    frames, affine = read_burst("kokkinos")
    expected = network(frames, affine=affine)
    known = float(estimate_noise(frames[-1]))
    torch.testing.assert_close(network(frames, affine=affine, noise_level=known), expected)
    assert (network(frames, affine=affine, noise_level=1.0) - expected).abs().max() > 1


def test_corners_count_as_the_published_weights_have_learnt_them(network, monkeypatch):
    sample, fixture = kokkinos.functional.grid_sample, Fixture("kokkinos")
    monkeypatch.setattr(
        kokkinos.functional, "grid_sample", lambda *arguments, **_: sample(*arguments, align_corners=False)
    )
    frames, affine = read_burst("kokkinos")
    fixture.check("output_align_false", network(frames, affine=affine)[None])


@pytest.mark.parametrize("name", ["kokkinos", "kokkinos_demosaick"])
def test_float32_is_close_to_the_published_output(name):
    frames, affine = read_burst(name, torch.float32)
    Fixture(name).check(
        "output", load_network(build, "kokkinos", torch.float32)(frames, affine=affine)[None], tolerance=SYNTHETIC
    )


@pytest.mark.parametrize("name", ["kokkinos", "kokkinos_demosaick"])
@pytest.mark.parametrize("chosen", [[4], [1, 4], [0, 2, 3, 4]])
def test_frames_prepared_once_serve_every_subset(network, name, chosen):
    frames, affine = read_burst(name)
    subset = network.encode(frames, affine=affine).select(chosen)
    expected = network(frames[chosen], affine=affine[chosen])
    torch.testing.assert_close(network.merge(subset), expected)
    assert (network(frames, affine=affine) - expected).abs().max() > 1


@pytest.mark.parametrize("name", ["kokkinos", "kokkinos_demosaick"])
def test_a_single_frame_is_not_warped(network, name):
    frames, affine = read_burst(name)
    burst = network.encode(frames[-1:], affine=affine[-1:])
    start = make_start(burst)
    if name == "kokkinos":
        assert not compute_gradient(start, burst).any()
    else:
        gradient = compute_gradient(start, burst)
        torch.testing.assert_close(gradient.sum(0)[1:-1, 1:-1], torch.zeros(28, 28).double(), rtol=0, atol=1e-9)
        assert gradient.count_nonzero() <= gradient.numel() // 3


def test_axes_are_scaled_by_their_own_size(network):
    """A burst of exact shifts of one scene agrees with it wherever both are seen, on a landscape as on a portrait."""
    torch.manual_seed(0)
    x, y = torch.meshgrid(torch.arange(40.0), torch.arange(16.0), indexing="xy")
    ramp = (2 * x + 3 * y).double().expand(1, 3, 16, 40)
    for image in (ramp, ramp.mT.contiguous()):
        height, width = image.shape[-2:]
        shift = torch.eye(3).double()[:2].repeat(2, 1, 1)
        shift[0, 0, 2], shift[0, 1, 2] = 1.0, 2.0
        sampled = network.encode(image.expand(2, -1, -1, -1), affine=shift).warped
        # A shift by q moves what is sampled by q·(size − 1)/size along its axis.
        slope_x, slope_y = image[0, 0, 0, 1] - image[0, 0, 0, 0], image[0, 0, 1, 0] - image[0, 0, 0, 0]
        moved = slope_x * (width - 1) / width + 2 * slope_y * (height - 1) / height
        difference = (sampled[0] - sampled[1])[:, : height - 3, : width - 2]
        torch.testing.assert_close(difference, moved.expand_as(difference))


def test_gradients_reach_all_parameters_but_the_first_momentum():
    network = load_network(build, "kokkinos", torch.float64).requires_grad_()
    frames, affine = read_burst("kokkinos")
    network(frames, affine=affine).sum().backward()
    assert all(value.grad is not None and value.grad.any() for value in network.parameters())
    assert network.w.grad[0] == 0


def test_foreign_checkpoints_are_refused():
    state = make_shapes("kokkinos")
    with pytest.raises(InvalidRestorerError, match="expected a tensor alpha"):
        build(make_shapes("dbd"))
    with pytest.raises(InvalidRestorerError, match=r"conv_out\.bias \[3\] \(found \[4\]\)"):
        build(state | {"model.conv_out.bias": torch.empty(4)})
    with pytest.raises(InvalidRestorerError, match=r"it adds model\.extra"):
        build(state | {"model.extra": torch.empty(4)})
    with pytest.raises(InvalidRestorerError, match=r"it lacks model\.layer1\.3\.conv2\.bias"):
        build({key: value for key, value in state.items() if key != "model.layer1.3.conv2.bias"})


@pytest.mark.parametrize(
    ("shape", "matrices", "reason"),
    [
        ((2, 3, 7, 20), 2, r"sides from 8 in multiples of 1, got \[2, 3, 7, 20\]"),
        ((2, 4, 20, 20), 2, r"expected frames \[T, 3, H, W\]"),
        ((2, 1, 20, 21), 2, r"in multiples of 2, got \[2, 1, 20, 21\]"),
        ((2, 3, 20, 20), 3, r"affine: expected shape \[2, 2, 3\], got \[3, 2, 3\]"),
    ],
)
def test_sizes_that_it_does_not_take_are_refused(network, shape, matrices, reason):
    with pytest.raises(UnsupportedBurstError, match=reason):
        network(torch.zeros(shape).double(), affine=torch.eye(3).double()[:2].repeat(matrices, 1, 1))
