"""The kernel prediction network as a deep U-Net gives the published numbers."""

from __future__ import annotations

import pytest
import torch

from restorers.errors import InvalidRestorerError, UnsupportedBurstError
from restorers.networks.kpn import KernelPredictionNetwork, build, matches
from tests.restorers.networks.key_lists import list_matches, make_shapes, measure_shapes
from tests.restorers.networks.parameters import make_state
from tests.restorers.networks.parity import FLOAT32, Fixture


@pytest.fixture(scope="module")
def network():
    state = make_state("kpn")
    network = build(state)
    network.load_state_dict(state)
    return network.eval().requires_grad_(False)


def read_burst(dtype):
    channels = Fixture("kpn").read("input", dtype)[0]
    return channels[:8, None], channels[8:]


def test_tensors_are_those_of_the_official_file_and_of_no_other(network):
    assert measure_shapes(network.state_dict()) == measure_shapes(make_shapes("kpn"))
    assert list_matches(matches) == ["kpn"]


def test_float32_is_close_to_the_published_output(network):
    fixture, (frames, noise) = Fixture("kpn"), read_burst(torch.float32)
    network.float()
    image = network(frames, noise=noise) / fixture.read("white_level", torch.float32)
    fixture.check("output", image, tolerance=FLOAT32)


def test_published_numbers_at_every_seam(network):
    fixture, (frames, noise) = Fixture("kpn"), read_burst(torch.float64)
    network.double()
    seen = {}
    hooks = [
        getattr(network, name).register_forward_hook(lambda _, __, output, name=name: seen.update({name: output}))
        for name in ("conv1", "conv5", "conv6", "conv8")
    ]
    kernels = network.predict_kernels(frames, noise=noise)
    for hook in hooks:
        hook.remove()
    for name, value in seen.items():
        fixture.check(name, value)
    assert len(seen) == 4
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
    with pytest.raises(InvalidRestorerError, match=r"outc\.weight: expected shape \[200, 200, 1, 1\]"):
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
