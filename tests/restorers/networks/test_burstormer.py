"""Burstormer against published numbers, and what it refuses."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from restorers.errors import InvalidRestorerError, UnsupportedBurstError
from restorers.networks.burstormer import Burstormer, Variant, build
from tests.restorers.networks.parity import FLOAT32, Fixture
from tests.restorers.networks.published import load_network, make_shapes
from tests.restorers.networks.seams import record

pytestmark = pytest.mark.slow

VARIANTS: dict[str, Variant] = {
    "burstormer_syn": "synthetic",
    "burstormer_real": "real",
    "burstormer_denoise": "denoise",
}
PARTS = {
    "conv1": "conv1",
    "first_attention_block": "align.encoder_level1.0",
    "encoder_level1": "align.encoder_level1",
    "encoder_level2": "align.encoder_level2",
    "alignment2_offset_raw": "align.alignment2.offset_conv",
    "alignment2_features": "align.alignment2.back_projection",
    "alignment2_offset_features": "align.alignment2.bottleneck",
    "alignment1_features": "align.alignment1.back_projection",
    "alignment0_features": "align.alignment0.back_projection",
    "aligned": "align",
    "back_projection1": "back_projection1",
    "back_projection2": "back_projection2",
}
ENDS = {
    "synthetic": {"pooled_to_8": "pool", "up1": "up1", "up2": "up2", "up3": "up3"},
    "real": {"pooled_to_8": "pool", "up1": "up1", "up2": "up2", "up3": "up3"},
    "denoise": {"rec_conv1": "rec_conv1", "rec_conv2": "rec_conv2"},
}


def make_network(variant: Variant) -> Burstormer:
    torch.manual_seed(1)
    return Burstormer(variant=variant, channels=1 if variant == "denoise" else 4)


def restore(network: Burstormer, fixture: Fixture, dtype: torch.dtype) -> Tensor:
    if network.variant != "denoise":
        return network(fixture.read("burst", dtype)[0])[None]
    frames, noise = fixture.read("input", dtype)[0].chunk(2, 1)
    return network(frames, noise=noise)[None]


@pytest.mark.parametrize("tag", list(VARIANTS))
@torch.no_grad()
def test_every_seam_has_the_published_values(tag):
    network, fixture = load_network(build, tag, torch.float64), Fixture(tag)
    with record(network, PARTS | ENDS[VARIANTS[tag]]) as seams:
        restored = restore(network, fixture, torch.float64)
    seams["output"] = restored

    assert set(seams) == set(fixture.seams)
    for name in fixture.seams:
        fixture.check(name, seams[name])


@pytest.mark.parametrize("tag", VARIANTS)
@torch.no_grad()
def test_single_precision_is_close_to_the_published_values(tag):
    fixture = Fixture(tag)
    output = restore(load_network(build, tag, torch.float32), fixture, torch.float32)

    assert output.dtype == torch.float32
    fixture.check("output", output, tolerance=FLOAT32)


@pytest.mark.parametrize("variant", ["synthetic", "real"])
@torch.no_grad()
def test_subsets_share_the_encoding_of_a_burst(variant):
    network = make_network(variant).double()
    burst = torch.rand(5, 4, 8, 12, dtype=torch.float64)
    encoded = network.encode(burst[[0, 1, 2, 3, 4, 0]])

    torch.testing.assert_close(network.merge(encoded[[0, 3, 4]]), network(burst[[0, 3, 4]]))
    torch.testing.assert_close(encoded[[0, 3, 5]], network.encode(burst[[0, 3, 0]]))
    assert not torch.allclose(encoded[0], encoded[5])


@pytest.mark.parametrize("length", [1, 5, 14, 20])
def test_any_length_is_pooled_to_the_reference_and_means_of_neighbouring_channels(length):
    features = torch.rand(length, 48, 2, 3)
    channels, pooled = features.flatten(0, 1), make_network("real").pool(features)

    torch.testing.assert_close(pooled[0], features[0])
    bounds = [(item * len(channels) // 336, -(-(item + 1) * len(channels) // 336)) for item in range(336)]
    expected = torch.stack([channels[first:end].mean(0) for first, end in bounds])
    torch.testing.assert_close(pooled[1:].flatten(0, 1), expected)


@pytest.mark.parametrize("variant", VARIANTS.values())
def test_gradients_reach_every_parameter(variant):
    network = make_network(variant)
    frames = torch.rand(8, network.channels, 16, 16)
    network(frames, noise=frames / 10 if variant == "denoise" else None).square().sum().backward()

    assert [name for name, value in network.named_parameters() if value.grad is None or not value.grad.any()] == []


@pytest.mark.parametrize("tag", VARIANTS)
def test_a_state_that_lacks_a_key_is_refused_by_its_name(tag):
    state = make_shapes(tag)
    del state["align.up2.bias"]

    with pytest.raises(InvalidRestorerError, match=r"Burstormer: .* it lacks align\.up2\.bias$"):
        build(state)


def test_a_mixture_of_variants_is_refused():
    mixed = make_shapes("burstormer_real") | make_shapes("burstormer_syn")

    with pytest.raises(InvalidRestorerError, match=r"it adds back_projection1\.feat_fusion\.0\.weight"):
        build(mixed)


@pytest.mark.parametrize("shape", [(3, 4, 8, 10), (3, 3, 8, 8), (0, 4, 8, 8), (4, 8, 8)])
def test_frames_that_it_does_not_take_are_refused(shape):
    with pytest.raises(
        UnsupportedBurstError, match=r"Burstormer: expected frames \[T, 4, H, W\] .* in multiples of 4, got"
    ):
        make_network("synthetic")(torch.zeros(shape))


def test_denoising_takes_eight_frames_with_their_noise_maps():
    network, frames = make_network("denoise"), torch.rand(8, 1, 8, 12)

    assert network(frames, noise=frames).shape == (1, 8, 12)
    with pytest.raises(UnsupportedBurstError, match="Burstormer: its weights merge 8 frames, got 7"):
        network(frames[:7], noise=frames[:7])
    with pytest.raises(
        UnsupportedBurstError, match=r"Burstormer: expected the standard deviation of the noise .*, got none"
    ):
        network(frames)
