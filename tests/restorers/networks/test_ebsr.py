from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from restorers.errors import InvalidRestorerError, UnsupportedBurstError
from restorers.networks.ebsr import EBSR, build
from tests.restorers.networks.parity import FLOAT32, Fixture
from tests.restorers.networks.published import load_network
from tests.restorers.networks.seams import record

pytestmark = pytest.mark.slow


def make_small(**sizes: int) -> EBSR:
    torch.manual_seed(0)
    network = EBSR(
        **{"width": 8, "frames": 3, "feature_blocks": 1, "groups": 2, "group_blocks": 2, "last_width": 4, **sizes}
    )
    for layer in (name for name in network.state_dict() if "conv_offset_mask" in name):
        torch.nn.init.normal_(network.get_parameter(layer), std=0.1)
    return network.eval()


@torch.inference_mode()
def test_every_seam_equals_the_published_network():
    network, fixture = load_network(build, "ebsr", torch.float64), Fixture("ebsr")
    layers = {
        "skip2_before_shuffle": "skipup2",
        "features_L1": "feature_extraction",
        "features_L3_before_relu": "fea_L3_conv1",
        "fpn_L2": "smooth1",
        "fpn_L1": "smooth2",
        "L3_offset_raw_frame0": "pcd_align.L3_dcnpack.conv_offset_mask",
        "L3_dcn_frame0": "pcd_align.L3_dcnpack",
        "L1_fea_frame0": "pcd_align.L1_fea_conv",
        "non_local_T_frame1": "fusion.non_local_T.1",
        "non_local_F_frame1": "fusion.non_local_F.1",
        "fused_before_relu": "fusion.fea_fusion",
        "trunk_group0_out": "recon_trunk.0.0",
        "trunk_out": "recon_trunk",
        "HRconv_before_relu": "HRconv",
    }
    frames = fixture.read("mosaic")[0]
    with record(network, layers) as seams:
        features = network.encode(frames)
        restored = network.merge(features, frames[0])
    seams |= {name: value[:1] for name, value in seams.items() if name.endswith("frame0")}
    seams |= {"aligned_frame1": features[1:2], "output": restored[None]}

    assert set(seams) == set(fixture.seams)
    for name, value in seams.items():
        fixture.check(name, value)


@torch.inference_mode()
def test_float32_output_equals_the_published_network():
    network, fixture = load_network(build, "ebsr", torch.float32), Fixture("ebsr")

    restored = network(fixture.read("mosaic", torch.float32)[0])

    fixture.check("output", restored[None], tolerance=FLOAT32)


@torch.inference_mode()
def test_what_frames_encode_to_does_not_depend_on_the_other_frames():
    network, frames = make_small().double(), torch.rand(4, 1, 8, 12, dtype=torch.float64)
    subset = [0, 3, 3]

    expected = network(frames[subset])

    assert expected.shape == (3, 32, 48)
    torch.testing.assert_close(network.merge(network.encode(frames)[subset], frames[0]), expected)


@torch.inference_mode()
def test_non_local_attention_is_that_of_every_pair_of_pixels():
    block = make_small().fusion.non_local_T[0]
    frame, query = torch.rand(2, 1, 8, 8, 12)
    keys, values = (functional.max_pool2d(layer(frame), 4).flatten(2) for layer in (block.phi[0], block.g[0]))
    attention = block.theta(query).flatten(2).mT @ keys / keys.shape[-1]

    attended = (attention @ values.mT).mT.reshape(1, 4, 8, 12)

    torch.testing.assert_close(block(frame, query), block.W(attended) + frame)


def test_is_differentiable_in_frames_and_parameters():
    network, frames = make_small(), torch.rand(3, 1, 8, 8, requires_grad=True)

    network(frames).square().mean().backward()

    assert frames.grad is not None
    assert frames.grad.flatten(1).any(1).all()
    assert all(parameter.grad is not None for parameter in network.parameters())


@pytest.mark.parametrize("sizes", [{"frames": 2, "groups": 0}, {"width": 16, "group_blocks": 0, "last_width": 3}])
def test_build_reads_all_sizes(sizes):
    network = make_small(**sizes)
    frames = torch.rand(sizes.get("frames", 3), 1, 8, 8)

    again = build(network.state_dict()).eval()
    again.load_state_dict(network.state_dict(), strict=True)

    assert torch.equal(again(frames), network(frames))


@pytest.mark.parametrize(
    "key", ["conv_last.bias", "fusion.non_local_F.1.theta.weight", "recon_trunk.0.1.head.0.weight"]
)
def test_build_refuses_a_state_with_a_key_less(key):
    state = make_small().state_dict()
    del state[key]

    with pytest.raises(InvalidRestorerError, match="expected"):
        build(state)


def test_build_refuses_a_state_without_frames():
    state = {key: value for key, value in make_small().state_dict().items() if "non_local" not in key}

    with pytest.raises(InvalidRestorerError, match=r"it lacks fusion\.non_local_T\.0"):
        build(state)


def test_build_refuses_a_width_that_groups_of_offsets_cannot_share():
    state = make_small().state_dict()
    state["conv_first.weight"] = torch.zeros(12, 1, 3, 3)

    with pytest.raises(InvalidRestorerError, match="got 12"):
        build(state)


@pytest.mark.parametrize("shape", [(3, 4, 8, 8), (3, 1, 8, 10), (1, 8, 8), (0, 1, 8, 8)])
def test_refuses_frames_of_other_shapes(shape):
    with pytest.raises(UnsupportedBurstError, match="multiples of 4"):
        make_small()(torch.zeros(shape))


def test_refuses_more_or_fewer_frames_than_its_weights_merge():
    with pytest.raises(UnsupportedBurstError, match="merge 3 frames, got 2"):
        make_small()(torch.zeros(2, 1, 8, 8))
