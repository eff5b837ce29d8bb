"""The kernel prediction network as its authors trained it gives the published numbers."""

from __future__ import annotations

import pytest
import torch

from restorers.errors import InvalidRestorerError, UnsupportedBurstError
from restorers.networks.kpn_google import GoogleKernelPredictionNetwork, build
from tests.restorers.networks.parity import FLOAT32, Fixture
from tests.restorers.networks.published import load_network, make_shapes


@pytest.fixture(scope="module")
def network():
    return load_network(build, "kpn_google", torch.float32)


def read_burst(dtype):
    channels = Fixture("kpn_google").read("input", dtype)[0]
    return channels[:8, None], channels[8:]


def test_float32_is_close_to_the_published_output(network):
    fixture, (frames, noise) = Fixture("kpn_google"), read_burst(torch.float32)
    network.float()
    fixture.check("output", network(frames, noise=noise), tolerance=FLOAT32)


def test_published_numbers_at_every_seam(network):
    fixture, (frames, noise) = Fixture("kpn_google"), read_burst(torch.float64)
    network.double()
    kernels = network.predict_kernels(frames, noise=noise)
    fixture.check("filters", kernels.permute(3, 4, 1, 2, 0)[None])
    fixture.check("per_frame", network.filter_frames(frames, kernels)[None, :, 0])
    fixture.check("output", network(frames, noise=noise))


def test_other_sizes_are_read_from_the_checkpoint():
    state = GoogleKernelPredictionNetwork(frames=3, kernel_size=7, widths=(4, 5, 6)).state_dict()
    network = build(state)
    network.load_state_dict(state)
    assert network(torch.rand(3, 1, 4, 12), noise=torch.ones(1, 4, 12)).shape == (1, 4, 12)


def test_foreign_checkpoints_are_refused():
    state = make_shapes("kpn_google")
    with pytest.raises(InvalidRestorerError, match=r"expected a tensor conv2d\.weight"):
        build(make_shapes("kpn"))
    with pytest.raises(
        InvalidRestorerError, match=r"conv2d_11\.weight \[200, 200, 3, 3\] \(found \[200, 100, 3, 3\]\)"
    ):
        build(state | {"conv2d_11.weight": torch.empty(200, 100, 3, 3)})
    with pytest.raises(InvalidRestorerError, match="got 200 numbers for 0 frames"):
        build(state | {"conv2d.weight": torch.empty(64, 1, 3, 3)})


@pytest.mark.parametrize(
    ("frames", "noise", "reason"),
    [
        ((7, 1, 16, 16), (1, 16, 16), r"expected frames \[8, 1, H, W\].*got \[7, 1, 16, 16\]"),
        ((8, 3, 16, 16), (1, 16, 16), "expected frames"),
        ((8, 1, 16, 22), (1, 16, 22), "multiples of 4"),
        ((8, 1, 16, 16), (8, 16, 16), r"noise: expected shape \[1, 16, 16\], got \[8, 16, 16\]"),
    ],
)
def test_sizes_that_it_does_not_take_are_refused(network, frames, noise, reason):
    with pytest.raises(UnsupportedBurstError, match=reason):
        network(torch.zeros(frames), noise=torch.zeros(noise))
