"""The kernel prediction network as a deep U-Net gives the published numbers."""

from __future__ import annotations

import pytest
import torch

from restorers.errors import InvalidRestorerError, UnsupportedBurstError
from restorers.networks.kpn import KernelPredictionNetwork, build
from tests.restorers.networks.parity import FLOAT32, Fixture
from tests.restorers.networks.published import load_network, make_shapes
from tests.restorers.networks.seams import record


@pytest.fixture(scope="module")
def network():
    return load_network(build, "kpn", torch.float32)


def read_burst(dtype):
    channels = Fixture("kpn").read("input", dtype)[0]
    return channels[:8, None], channels[8:]


def test_float32_is_close_to_the_published_output(network):
    fixture, (frames, noise) = Fixture("kpn"), read_burst(torch.float32)
    network.float()
    image = network(frames, noise=noise) / fixture.read("white_level", torch.float32)
    fixture.check("output", image, tolerance=FLOAT32)


def test_published_numbers_at_every_seam(network):
    fixture, (frames, noise) = Fixture("kpn"), read_burst(torch.float64)
    network.double()
    with record(network, {name: name for name in ("conv1", "conv5", "conv6", "conv8")}) as seams:
        kernels = network.predict_kernels(frames, noise=noise)
    for name, value in seams.items():
        fixture.check(name, value)
    fixture.check("kernels", kernels.reshape(1, 200, *kernels.shape[-2:]))
    white_level = fixture.read("white_level")
    fixture.check("per_frame", network.filter_frames(frames, kernels)[None, :, 0] / white_level)
    fixture.check("output", network(frames, noise=noise) / white_level)


def test_other_sizes_are_read_from_the_checkpoint():
    state = KernelPredictionNetwork(frames=3, kernel_size=7, widths=(4, 5, 6, 7, 8)).state_dict()
    network = build(state)
    network.load_state_dict(state)
    assert network(torch.rand(3, 1, 16, 32), noise=torch.ones(1, 16, 32)).shape == (1, 16, 32)


def test_foreign_checkpoints_are_refused():
    state = make_shapes("kpn")
    with pytest.raises(InvalidRestorerError, match=r"expected a tensor conv1\.conv1\.0\.weight"):
        build(make_shapes("dbd"))
    with pytest.raises(InvalidRestorerError, match=r"outc\.weight \[200, 200, 1, 1\] \(found \[200, 100, 1, 1\]\)"):
        build(state | {"outc.weight": torch.empty(200, 100, 1, 1)})
    with pytest.raises(InvalidRestorerError, match="got 200 numbers for 0 frames"):
        build(state | {"conv1.conv1.0.weight": torch.empty(64, 1, 3, 3)})


@pytest.mark.parametrize(
    ("frames", "noise", "reason"),
    [
        ((7, 1, 16, 16), (1, 16, 16), r"expected frames \[8, 1, H, W\].*got \[7, 1, 16, 16\]"),
        ((8, 3, 16, 16), (1, 16, 16), "expected frames"),
        ((8, 1, 16, 24), (1, 16, 24), "multiples of 16"),
        ((8, 1, 16, 16), (8, 16, 16), r"noise: expected shape \[1, 16, 16\], got \[8, 16, 16\]"),
    ],
)
def test_sizes_that_it_does_not_take_are_refused(network, frames, noise, reason):
    with pytest.raises(UnsupportedBurstError, match=reason):
        network(torch.zeros(frames), noise=torch.zeros(noise))
