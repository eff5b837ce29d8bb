"""The recurrent denoiser gives the published numbers, frame after frame."""

from __future__ import annotations

import pytest
import torch

from restorers.errors import InvalidRestorerError, UnsupportedBurstError
from restorers.networks.dbd import DeepBurstDenoiser, build
from tests.restorers.networks.parity import FLOAT32, Fixture
from tests.restorers.networks.published import load_network, make_shapes
from tests.restorers.networks.seams import record


@pytest.fixture(scope="module")
def network():
    return load_network(build, "dbd", torch.float64)


def test_published_numbers_at_every_seam(network):
    fixture = Fixture("dbd")
    frames = fixture.read("burst")[0]
    with record(network, {"M1": "M1", "M7": "M7"}) as states:
        encoded = network.encode(frames)
        images = network.merge(encoded)
    fixture.check("S1_step0", encoded[0][:1])
    fixture.check("S7_step0", encoded[6][:1])
    for name, values in states.items():
        for step in (0, 1):
            fixture.check(f"{name}_step{step}", values[step, None])
    fixture.check("single_sequence", encoded[7][None])
    fixture.check("multi_sequence", images[None])
    assert torch.equal(network(frames), images[-1])


def test_the_loop_of_the_repository_gives_its_numbers_too(network):
    fixture = Fixture("dbd")
    fed = [fixture.read("burst")[0, :1]]
    while len(fed) < 4:
        fed.append(network.encode(fed[-1])[-1])
    encoded = network.encode(torch.cat(fed))
    fixture.check("single_official_loop", encoded[-1][None])
    fixture.check("multi_official_loop", network.merge(encoded)[None])


def test_float32_is_close_to_the_published_output():
    network, fixture = load_network(build, "dbd", torch.float32), Fixture("dbd")
    images = network.merge(network.encode(fixture.read("burst", torch.float32)[0]))
    fixture.check("multi_sequence", images[None], tolerance=FLOAT32)


def test_frames_encoded_once_serve_every_subset(network):
    frames = Fixture("dbd").read("burst")[0]
    encoded, chosen = network.encode(frames), [1, 3]
    image = network.merge([features[chosen] for features in encoded])[-1]
    torch.testing.assert_close(image, network(frames[chosen]))
    assert (image - network(frames)).abs().max() > 0.01


def test_other_widths_are_read_from_the_checkpoint():
    state = DeepBurstDenoiser(width=5).state_dict()
    network = build(state)
    network.load_state_dict(state)
    assert network(torch.rand(2, 3, 4, 5)).shape == (3, 4, 5)


def test_foreign_checkpoints_are_refused():
    state = make_shapes("dbd")
    with pytest.raises(InvalidRestorerError, match=r"expected a tensor S1\.conv\.weight"):
        build(make_shapes("kokkinos"))
    with pytest.raises(InvalidRestorerError, match=r"M8\.weight \[3, 70, 3, 3\] \(found \[3, 67, 3, 3\]\)"):
        build(state | {"M8.weight": torch.empty(3, 67, 3, 3)})


@pytest.mark.parametrize("shape", [(0, 3, 8, 8), (2, 1, 8, 8), (3, 8, 8), (2, 3, 0, 8)])
def test_sizes_that_it_does_not_take_are_refused(network, shape):
    with pytest.raises(UnsupportedBurstError, match=r"expected frames \[T, 3, H, W\]"):
        network(torch.zeros(shape).double())
