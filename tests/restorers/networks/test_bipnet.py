"""BIPNet against published numbers, and what it refuses."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from restorers.errors import InvalidRestorerError, UnsupportedBurstError
from restorers.networks.bipnet import BIPNet, build
from tests.restorers.networks.parity import FLOAT32, Fixture
from tests.restorers.networks.published import load_network, make_shapes
from tests.restorers.networks.seams import record

pytestmark = pytest.mark.slow

TAGS = ("bipnet_sr", "bipnet_denoise")
PARTS = {
    "conv1": "conv1",
    "encoded": "encoder",
    "bottleneck": "bottleneck",
    "offset_raw1": "offset_conv1",
    "deform1": "deform1",
    "deform2": "deform2",
    "aligned": "deform4",
    "refined_before_edge_boost": "feat_ext1",
    "pseudo_conv2": "conv2",
    "unet_level1": "UNet.0.feat_ext1",
    "unet_level3": "UNet.0.feat_ext3",
    "unet_out": "UNet",
    "group_up1": "SKFF1",
    "group_up2": "SKFF2",
    "group_up3": "SKFF3",
}


def make_small(task: str = "sr", frames: int = 3) -> BIPNet:
    torch.manual_seed(1)
    return BIPNet(task=task, channels=4 if task == "sr" else 3, frames=frames)


def encode(network: BIPNet, fixture: Fixture, dtype: torch.dtype) -> Tensor:
    noise = fixture.read("noise_map", dtype)[0] if network.task == "denoise" else None
    return network.encode(fixture.read("burst", dtype)[0], noise=noise)


@pytest.mark.parametrize("tag", TAGS)
@torch.no_grad()
def test_every_seam_has_the_published_values(tag):
    network, fixture = load_network(build, tag, torch.float64), Fixture(tag)
    with record(network, PARTS) as seams:
        encoded = encode(network, fixture, torch.float64)
        restored = network.merge(encoded)
    seams |= {"pseudo_input": encoded.transpose(0, 1), "output": restored[None]}

    assert set(seams) == set(fixture.seams)
    for name in fixture.seams:
        fixture.check(name, seams[name])


@pytest.mark.parametrize("tag", TAGS)
@torch.no_grad()
def test_single_precision_is_close_to_the_published_values(tag):
    network, fixture = load_network(build, tag, torch.float32), Fixture(tag)
    output = network.merge(encode(network, fixture, torch.float32))

    assert output.dtype == torch.float32
    fixture.check("output", output[None], tolerance=FLOAT32)


@torch.no_grad()
def test_subsets_share_the_encoding_of_a_burst():
    network = make_small().double()
    burst = torch.rand(5, 4, 4, 8, dtype=torch.float64)
    subset = [0, 3, 0]

    torch.testing.assert_close(network.merge(network.encode(burst)[subset]), network(burst[subset]))


@pytest.mark.parametrize("task", ["sr", "denoise"])
def test_gradients_reach_every_parameter(task):
    network = make_small(task)
    frames = torch.rand(3, network.channels, 8, 8)
    network(frames, noise=None if task == "sr" else frames / 10).square().sum().backward()

    assert [name for name, value in network.named_parameters() if value.grad is None or not value.grad.any()] == []


def test_a_state_that_lacks_keys_is_refused_by_their_names():
    state = make_shapes("bipnet_sr")
    for key in ("deform2.bias", "SKFF3.up.weight", "UNet.0.up1.up.0.weight", "bottleneck.weight"):
        del state[key]

    with pytest.raises(InvalidRestorerError, match=r"expected its 270 .* it lacks bottleneck\.weight, .* and 1 more$"):
        build(state)


def test_a_state_of_other_shapes_is_refused_by_their_sizes():
    state = make_shapes("bipnet_denoise") | {"deform1.bias": torch.zeros(63), "spare": torch.zeros(1)}

    with pytest.raises(InvalidRestorerError, match=r"it adds spare; .* deform1\.bias \[64\] \(found \[63\]\)$"):
        build(state)


def test_a_size_that_a_file_merely_claims_is_not_allocated():
    state = make_shapes("bipnet_sr") | {"conv2.0.weight": torch.zeros(1).expand(64, 10**10, 3, 3)}
    del state["deform1.bias"]

    with pytest.raises(InvalidRestorerError, match=r"it lacks deform1\.bias"):
        build(state)


def test_an_odd_number_of_channels_leaves_no_room_for_noises():
    state = make_shapes("bipnet_denoise") | {"conv1.0.weight": torch.zeros(64, 1, 3, 3)}

    with pytest.raises(InvalidRestorerError, match=r"conv1\.0\.weight \[64, 2, 3, 3\] \(found \[64, 1, 3, 3\]\)"):
        build(state)


@pytest.mark.parametrize("shape", [(3, 4, 8, 10), (3, 3, 8, 8), (0, 4, 8, 8), (4, 8, 8)])
def test_frames_that_it_does_not_take_are_refused(shape):
    with pytest.raises(
        UnsupportedBurstError, match=r"BIPNet: expected frames \[T, 4, H, W\] .* in multiples of 4, got"
    ):
        make_small().encode(torch.zeros(shape))


def test_another_burst_length_is_refused():
    with pytest.raises(UnsupportedBurstError, match="BIPNet: its weights merge 3 frames, got 2"):
        make_small()(torch.zeros(2, 4, 8, 8))


def test_noise_maps_belong_to_denoising():
    frames = torch.zeros(3, 4, 8, 8)
    with pytest.raises(UnsupportedBurstError, match="expected no noise map"):
        make_small("sr")(frames, noise=frames)
    with pytest.raises(UnsupportedBurstError, match="got none"):
        make_small("denoise")(frames[:, :3])
    with pytest.raises(UnsupportedBurstError, match=r"noise: expected shape \[3, 3, 8, 8\], got \[3, 1, 8, 8\]"):
        make_small("denoise")(frames[:, :3], noise=frames[:, :1])
