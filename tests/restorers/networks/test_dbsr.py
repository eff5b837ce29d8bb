from __future__ import annotations

import pytest
import torch

from restorers.errors import InvalidRestorerError, UnsupportedBurstError
from restorers.networks.dbsr import DBSR, build
from tests.restorers.networks.parity import FLOAT32, Fixture
from tests.restorers.networks.published import load_network
from tests.restorers.networks.seams import record

pytestmark = pytest.mark.slow

PWC = "encoder.alignment_net.net"


def make_small(**sizes: int) -> DBSR:
    torch.manual_seed(0)
    widths = {"encoder_width": 4, "feature_width": 6, "projection_width": 3, "offset_width": 2, "weight_width": 5}
    return DBSR(**{**widths, "decoder_width": 7, "enlarged_width": 2, **sizes}).eval()


@torch.inference_mode()
def test_every_seam_equals_the_published_network():
    network, fixture = load_network(build, "dbsr", torch.float64), Fixture("dbsr")
    frames = fixture.read("burst")[0]
    layers = {
        "pwc_flow6": (f"{PWC}.netSix", 0),
        "pwc_flow4": (f"{PWC}.netFou", 0),
        "pwc_flow2": (f"{PWC}.netTwo", 0),
        "encoder_features": "encoder.out_layer",
        "projection": "merging.feat_project_layer",
        "offset_features": "merging.offset_feat_extractor",
        "weight_logits": "merging.weight_predictor",
        "decoder_pre": "decoder.pre_res_layers",
        "decoder_upsampled_blurred": "decoder.upsample_layer",
        "level6": f"{PWC}.netExtractor.netSix",
        "output": "decoder",
    }
    with record(network, layers) as seams:
        features, flow = network.encode(frames)
        network.merge(features, flow)
    weights = network.weigh(features, flow)
    seams["pwc_level6_first"] = seams.pop("level6")[:1].expand(3, -1, -1, -1)
    seams["flow"], seams["warped_features"] = flow[None, 1:], features[None, 1:]
    seams["frame_weight_mean"] = weights.mean((1, 2, 3))[None]
    seams["fused"] = (weights * features).sum(0, keepdim=True)

    assert set(seams) == set(fixture.seams)
    for name, value in seams.items():
        fixture.check(name, value)


@torch.inference_mode()
def test_float32_output_equals_the_published_network():
    network, fixture = load_network(build, "dbsr", torch.float32), Fixture("dbsr")

    restored = network(fixture.read("burst", torch.float32)[0])

    fixture.check("output", restored[None], tolerance=FLOAT32)


@torch.inference_mode()
def test_what_frames_encode_to_does_not_depend_on_the_other_frames():
    network, frames = make_small().double(), torch.rand(4, 4, 5, 7, dtype=torch.float64)
    features, flow = network.encode(frames)
    subset = [0, 2]

    expected = network(frames[subset])

    assert expected.shape == (3, 40, 56)
    torch.testing.assert_close(network.merge(features[subset], flow[subset]), expected)


@torch.inference_mode()
def test_takes_the_reference_alone():
    network, frame = make_small(), torch.rand(1, 4, 6, 6)

    features, flow = network.encode(frame)

    assert not flow.any()
    torch.testing.assert_close(network.weigh(features, flow), torch.ones_like(features))


def test_is_differentiable_in_frames_and_parameters():
    network, frames = make_small(), torch.rand(2, 4, 4, 6, requires_grad=True)

    network(frames).square().mean().backward()

    assert frames.grad is not None
    assert frames.grad.flatten(1).any(1).all()
    assert all(parameter.grad is not None for parameter in network.parameters())


def test_build_reads_all_sizes():
    counts = {"encoder_blocks": 2, "offset_blocks": 2, "weight_blocks": 1, "decoder_blocks": 3, "enlarged_blocks": 0}
    network = make_small(**counts, scale=4)
    frames = torch.rand(2, 4, 3, 4)

    again = build(network.state_dict()).eval()
    again.load_state_dict(network.state_dict(), strict=True)

    assert torch.equal(again(frames), network(frames))


@pytest.mark.parametrize(
    "key", ["decoder.predictor.0.bias", "encoder.res_layers.3.conv1.0.weight", f"{PWC}.netTwo.netSix.0.weight"]
)
def test_build_refuses_a_state_with_a_key_less(key):
    state = make_small().state_dict()
    del state[key]

    with pytest.raises(InvalidRestorerError, match="expected"):
        build(state)


def test_build_refuses_a_layer_of_another_shape():
    state = make_small().state_dict()
    state["encoder.res_layers.0.conv1.0.weight"] = torch.zeros(4, 4, 5, 5)

    with pytest.raises(InvalidRestorerError, match=r"encoder\.res_layers\.0.* \[4, 4, 3, 3\] \(found \[4, 4, 5, 5\]\)"):
        build(state)


def test_build_refuses_an_enlargement_to_less_than_a_pixel():
    state = make_small().state_dict()
    state["decoder.upsample_layer.conv_layer.0.weight"] = torch.zeros(1, 7, 1, 1)

    with pytest.raises(InvalidRestorerError, match=r"decoder\.upsample_layer.* \(found \[1, 7, 1, 1\]\)"):
        build(state)


@pytest.mark.parametrize("shape", [(2, 3, 8, 8), (4, 8, 8), (0, 4, 8, 8), (2, 4, 0, 8)])
def test_refuses_frames_of_other_shapes(shape):
    with pytest.raises(UnsupportedBurstError, match=r"DBSR: expected frames \[T, 4, H, W\]"):
        make_small()(torch.zeros(shape))
