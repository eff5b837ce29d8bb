"""The basis prediction network gives the published numbers, in grey and in colour."""

from __future__ import annotations

import pytest
import torch

from restorers.errors import InvalidRestorerError, UnsupportedBurstError
from restorers.networks.bpn import BasisPredictionNetwork, build
from tests.restorers.networks.parity import FLOAT32, Fixture
from tests.restorers.networks.published import load_network, make_shapes
from tests.restorers.networks.seams import record

LAYERS = (
    *("down1_2", "down5_2", "bottleneck2", "coeff_up1_1", "coeff_up5_3", "coeff_end2"),
    *("basis_up1_1", "basis_up4_3", "basis_end2"),
)


@pytest.fixture(scope="module", params=["bpn_gray", "bpn_color"])
def tag(request):
    return request.param


@pytest.fixture(scope="module")
def network(tag):
    return load_network(build, tag, torch.float32)


def read_burst(tag, dtype):
    channels = Fixture(tag).read("input", dtype)[0]
    return channels.unflatten(0, (2, 8, -1)).unbind()


@pytest.mark.slow
def test_float32_is_close_to_the_published_output(tag, network):
    frames, noise = read_burst(tag, torch.float32)
    Fixture(tag).check("output", network.float()(frames, noise=noise)[None], tolerance=FLOAT32)


@pytest.mark.slow
def test_published_numbers_at_every_seam(tag, network):
    fixture, (frames, noise) = Fixture(tag), read_burst(tag, torch.float64)
    network.double()
    with record(network, {name: name for name in LAYERS}) as seams:
        features, skips = network.encode(frames, noise=noise)
        coefficients, basis = network.predict_coefficients(features, skips), network.predict_basis(features, skips)
    for name, value in seams.items():
        fixture.check(name, value.relu())
    fixture.check("coefficients", coefficients[None])
    fixture.check("basis", basis.permute(2, 3, 4, 0, 1).reshape(1, len(coefficients), -1))
    fixture.check("per_frame_times_8", 8 * network.filter_frames(frames, coefficients, basis)[None])
    fixture.check("output", network(frames, noise=noise)[None])


@pytest.fixture(scope="module")
def small():
    torch.manual_seed(0)
    state = BasisPredictionNetwork(
        frames=2,
        colours=3,
        basis=5,
        widths=(4, 5, 6, 7, 8),
        coefficient_widths=(9, 8, 7, 6, 5),
        basis_widths=(4, 3, 5, 6),
    ).state_dict()
    network = build(state)
    network.load_state_dict(state)
    return network.requires_grad_(False)


def test_other_sizes_are_read_from_the_checkpoint(small):
    frames = torch.full((2, 3, 32, 64), 0.5)
    # Kernels weigh 1 together, so what is the same everywhere stays.
    torch.testing.assert_close(small(frames, noise=torch.rand(2, 3, 32, 64)), frames[0])


def test_foreign_checkpoints_are_refused():
    state = make_shapes("bpn_gray")
    with pytest.raises(InvalidRestorerError, match=r"expected a tensor inp\.weight"):
        build(make_shapes("kpn"))
    with pytest.raises(
        InvalidRestorerError, match=r"basis_end3\.weight \[720, 128, 3, 3\] \(found \[2160, 128, 3, 3\]\)"
    ):
        build(state | {"basis_end3.weight": torch.empty(2160, 128, 3, 3)})
    with pytest.raises(
        InvalidRestorerError, match=r"basis_end1\.weight \[128, 128, 2, 2\] \(found \[128, 128, 3, 3\]\)"
    ):
        build(state | {"basis_end1.weight": torch.empty(128, 128, 3, 3)})


@pytest.mark.parametrize(
    ("frames", "noise", "reason"),
    [
        ((3, 3, 32, 32), (3, 3, 32, 32), r"expected frames \[2, 3, H, W\]"),
        ((2, 1, 32, 32), (2, 1, 32, 32), r"expected frames \[2, 3, H, W\]"),
        ((2, 3, 32, 48), (2, 3, 32, 48), "multiples of 32"),
        ((2, 3, 32, 32), (1, 3, 32, 32), r"noise: expected shape \[2, 3, 32, 32\], got \[1, 3, 32, 32\]"),
    ],
)
def test_sizes_that_it_does_not_take_are_refused(small, frames, noise, reason):
    with pytest.raises(UnsupportedBurstError, match=reason):
        small(torch.zeros(frames), noise=torch.zeros(noise))
