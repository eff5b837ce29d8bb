"""Files of weights: nothing that is damaged, foreign or hostile becomes a network."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import save_file

from restorers.errors import InvalidRestorerError, UnsafeWeightsError
from restorers.learned import trained
from restorers.learned.trained import TrainedRestorer, load_trained
from restorers.learned.weights import build_network, read_weights
from tests.restorers.learned.networks import SMALL, make_card, write_network

KIND = "kernel_merge"


def test_weights_come_back_as_they_were_written(tmp_path):
    first = write_network(tmp_path / "a.safetensors", KIND)
    again = write_network(tmp_path / "b.safetensors", KIND)
    assert first.read_bytes() == again.read_bytes()
    weights = read_weights(first)
    assert weights.card == make_card(KIND)
    assert not any(parameter.requires_grad for parameter in weights.network.parameters())
    state = weights.network.state_dict()
    fresh = build_network(KIND, SMALL[KIND]).state_dict()
    assert state.keys() == fresh.keys()
    assert all(value.dtype == torch.float32 for value in state.values())


def test_damaged_files(tmp_path):
    path = write_network(tmp_path / "a.safetensors", KIND)
    data = path.read_bytes()
    for broken in (data[:-3], data[:40], b"", b"PK\x03\x04 a zip", data[:9] + b"\xff" * 40 + data[49:]):
        path.write_bytes(broken)
        with pytest.raises(UnsafeWeightsError, match="damaged or foreign"):
            read_weights(path)
    with pytest.raises(UnsafeWeightsError, match=r"none.safetensors: cannot be read \(No such file"):
        read_weights(tmp_path / "none.safetensors")


def test_pickles_are_not_read(tmp_path):
    path = tmp_path / "a.safetensors"
    torch.save({"card": 1}, path)
    with pytest.raises(UnsafeWeightsError, match="damaged or foreign"):
        read_weights(path)


def test_numbers_that_are_none(tmp_path):
    def spoil(network):
        network.encoder2.bias[2] = float("nan")

    path = write_network(tmp_path / "a.safetensors", KIND, spoil=spoil)
    with pytest.raises(UnsafeWeightsError, match=r"encoder2.bias: expected finite numbers, got NaN"):
        read_weights(path)


def test_a_layer_of_40_gigabytes(tmp_path):
    path = tmp_path / "a.safetensors"
    header = json.dumps(
        {"encoder1.weight": {"dtype": "F16", "shape": [100_000, 200_000], "data_offsets": [0, 40_000_000_000]}}
    ).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(64))
    with pytest.raises(UnsafeWeightsError, match="damaged or foreign"):
        read_weights(path)
    # The card alone asks for as much: shapes are compared before anything is allocated.
    card = make_card(KIND) | {"sizes": {"width": 100_000, "features": 4, "hidden": [100_000, 100_000, 100_000]}}
    with pytest.raises(InvalidRestorerError, match=r"KernelMerge: expected its \d+ tensors.*other shapes"):
        read_weights(write_network(path, KIND, card=card))


def test_files_that_are_too_large(tmp_path, monkeypatch):
    path = write_network(tmp_path / "a.safetensors", KIND)
    monkeypatch.setattr("restorers.learned.weights._LARGEST_FILE", 1000)
    with pytest.raises(UnsafeWeightsError, match="expected at most 1000 bytes, got"):
        read_weights(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"network": "transformer"}, "expected kernel_merge, .*got 'transformer'"),
        ({"sizes": {"depth": 3}}, "unexpected keyword argument 'depth'"),
        ({"sizes": 3}, "expected a card with network and sizes"),
        ({"network": "recurrent_merge", "sizes": SMALL["recurrent_merge"]}, "it lacks .*it adds"),
    ],
)
def test_cards_that_say_something_else(tmp_path, change, message):
    path = write_network(tmp_path / "a.safetensors", KIND, card=make_card(KIND) | change)
    with pytest.raises(InvalidRestorerError, match=message):
        read_weights(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [({"form": "tiles"}, "got 'tiles' at 1"), ({"scale": 3}, "got 'planes' at 3"), ({}, "expected task, found none")],
)
def test_cards_of_no_scenario(tmp_path, change, message):
    card = make_card(KIND) | change
    if not change:
        del card["task"]
    weights = read_weights(write_network(tmp_path / "a.safetensors", KIND, card=card))
    with pytest.raises(InvalidRestorerError, match=message):
        TrainedRestorer(weights)


def test_files_without_a_card(tmp_path):
    path = tmp_path / "a.safetensors"
    save_file(build_network(KIND, SMALL[KIND]).state_dict(), path)
    with pytest.raises(InvalidRestorerError, match="found none"):
        read_weights(path)


def test_a_package_whose_weights_are_gone(tmp_path, monkeypatch):
    monkeypatch.setattr(trained, "FOLDER", tmp_path)
    with pytest.raises(UnsafeWeightsError, match="install the package anew"):
        load_trained("denoise_kpn")
