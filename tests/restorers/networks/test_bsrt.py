from __future__ import annotations

import pytest
import torch

from restorers.errors import InvalidRestorerError, UnsupportedBurstError
from restorers.networks.bsrt import BSRT, build
from tests.restorers.networks.parity import FLOAT32, Fixture
from tests.restorers.networks.published import load_network
from tests.restorers.networks.seams import record

pytestmark = pytest.mark.slow


def make_tiny(**sizes) -> BSRT:
    torch.manual_seed(0)
    widths = {"width": 6, "heads": 3, "window": 4, "hidden_width": 5, "feature_width": 8, "last_width": 2}
    network = BSRT(**{**widths, "pre_layers": 2, "depths": (2,), "frames": 3, **sizes})
    for key, parameter in network.named_parameters():
        if "conv_offset_mask" in key or "bias_table" in key:
            torch.nn.init.normal_(parameter, std=0.1)
    return network.eval()


@pytest.mark.parametrize("tag", ["bsrt_small", "bsrt_large"])
@torch.inference_mode()
def test_every_seam_equals_the_published_network(tag):
    network, fixture = load_network(build, tag, torch.float64), Fixture(tag)
    layers = {
        "skip2_before_shuffle": "skipup2",
        "conv_flow": "conv_flow",
        "flow_full": ("spynet", 0),
        "flow_half": ("spynet", 1),
        "flow_quarter": ("spynet", 2),
        "conv_first_before_lrelu": "conv_first",
        "pre_layer0_attention_windows": "pre_layers.0.attn",
        "pre_layer0": "pre_layers.0",
        "pre_layer1_shifted": "pre_layers.1",
        "pre_norm": "pre_norm",
        "fpn_L2": "smooth1",
        "fpn_L1": "smooth2",
        "L3_dcn_frame0": "align.L3_dcnpack",
        "aligned_frame1": "align",
        "fused_before_lrelu": "fusion",
        "rstb0": "layers.0",
        "norm": "norm",
        "conv_after_body_before_lrelu": "conv_after_body",
    }
    frames = fixture.read("burst")[0]
    with record(network, layers) as seams:
        restored = network(frames)
    seams |= {
        name: seams[name].flatten(1, 2) for name in ("pre_layer0", "pre_layer1_shifted", "pre_norm", "rstb0", "norm")
    }
    seams |= {"L3_dcn_frame0": seams["L3_dcn_frame0"][:1], "aligned_frame1": seams["aligned_frame1"][1:2]}
    seams["output"] = restored[None]

    assert set(seams) == set(fixture.seams)
    for name, value in seams.items():
        fixture.check(name, value)


@pytest.mark.parametrize("tag", ["bsrt_small", "bsrt_large"])
@torch.inference_mode()
def test_float32_output_equals_the_published_network(tag):
    network, fixture = load_network(build, tag, torch.float32), Fixture(tag)

    restored = network(fixture.read("burst", torch.float32)[0])

    fixture.check("output", restored[None], tolerance=FLOAT32)


@torch.inference_mode()
def test_what_frames_encode_to_does_not_depend_on_the_other_frames():
    network, frames = make_tiny().double(), torch.rand(4, 4, 8, 12, dtype=torch.float64)
    subset = [0, 3, 3]

    expected = network(frames[subset])

    assert expected.shape == (3, 64, 96)
    torch.testing.assert_close(network.merge(network.encode(frames)[subset], frames[0]), expected)


def test_is_differentiable_in_frames_and_parameters():
    network, frames = make_tiny(), torch.rand(3, 4, 8, 8, requires_grad=True)

    network(frames).square().mean().backward()

    assert frames.grad is not None
    assert frames.grad.flatten(1).any(1).all()
    assert all(parameter.grad is not None for parameter in network.parameters())


@pytest.mark.parametrize(
    "sizes", [{"heads": 2, "depths": (1, 2)}, {"window": 2, "frames": 2, "pre_layers": 1, "depths": ()}]
)
def test_build_reads_all_sizes(sizes):
    network = make_tiny(**sizes)
    frames = torch.rand(sizes.get("frames", 3), 4, 4, 8)

    again = build(network.state_dict()).eval()
    again.load_state_dict(network.state_dict(), strict=True)

    assert torch.equal(again(frames), network(frames))


@pytest.mark.parametrize("key", ["conv_last.bias", "spynet.mean", "layers.0.residual_group.blocks.0.norm1.weight"])
def test_build_refuses_a_state_with_a_key_less(key):
    state = make_tiny().state_dict()
    del state[key]

    with pytest.raises(InvalidRestorerError, match="expected"):
        build(state)


def test_build_refuses_a_fusion_of_less_than_a_frame():
    state = make_tiny().state_dict()
    state["fusion.weight"] = torch.zeros(6, 7, 1, 1)

    with pytest.raises(InvalidRestorerError, match=r"fusion\.weight \[6, 8, 1, 1\] \(found \[6, 7, 1, 1\]\)"):
        build(state)


def test_build_refuses_heads_that_cannot_share_the_channels():
    state = make_tiny().state_dict()
    state["pre_layers.0.attn.relative_position_bias_table"] = torch.zeros(49, 4)

    with pytest.raises(InvalidRestorerError, match="4 heads"):
        build(state)


@pytest.mark.parametrize("shape", [(3, 1, 8, 8), (3, 4, 8, 10), (4, 8, 8), (0, 4, 8, 8)])
def test_refuses_frames_of_other_shapes(shape):
    with pytest.raises(UnsupportedBurstError, match="multiples of 4"):
        make_tiny()(torch.zeros(shape))


def test_refuses_more_or_fewer_frames_than_its_weights_merge():
    with pytest.raises(UnsupportedBurstError, match="merge 3 frames, got 2"):
        make_tiny()(torch.zeros(2, 4, 8, 8))


def test_build_refuses_windows_that_are_numbered_otherwise():
    state = make_tiny().state_dict()
    state["pre_layers.0.attn.relative_position_index"] = torch.full((16, 16), 10**9)

    with pytest.raises(
        InvalidRestorerError, match=r"pre_layers\.0\.attn\.relative_position_index: expected the relative"
    ):
        build(state)
