"""Checkpoints are told apart by their keys and shapes, and those of no network say what they lack."""

from __future__ import annotations

import pytest
import torch

from restorers.errors import InvalidRestorerError
from restorers.networks.catalogue import NETWORKS, find_network
from tests.restorers.networks.published import TAGS, make_shapes, measure_shapes

NAMES = {
    **dict.fromkeys(("bipnet_sr", "bipnet_denoise"), "BIPNet"),
    **dict.fromkeys(("bpn_gray", "bpn_color"), "BPN"),
    **dict.fromkeys(("bsrt_small", "bsrt_large"), "BSRT"),
    **dict.fromkeys(("burstormer_syn", "burstormer_real", "burstormer_denoise"), "Burstormer"),
    "dbd": "DBD",
    "dbsr": "DBSR",
    "ebsr": "EBSR",
    "kokkinos": "Kokkinos",
    "kpn": "KPN",
    "kpn_google": "KPN (Google)",
}


@pytest.mark.parametrize("tag", TAGS)
def test_every_published_checkpoint_is_of_one_network(tag):
    state = make_shapes(tag)

    assert [known.name for known in NETWORKS if known.matches(state)] == [NAMES[tag]]
    network = find_network(state).build(state)
    assert measure_shapes(network.state_dict()) == measure_shapes(state)
    assert not network.training
    assert {value.device.type for value in network.state_dict().values()} == {"cpu"}


def test_the_published_forms_are_those_of_the_key_lists():
    lists = [measure_shapes(make_shapes(tag)) for tag in TAGS]
    for known in NETWORKS:
        for make in known.published:
            with torch.device("meta"):
                lists.remove(measure_shapes(make().state_dict()))
    assert lists == []


def test_a_checkpoint_of_another_form_of_a_network_says_what_differs():
    state = make_shapes("dbsr")
    del state["decoder.predictor.0.weight"]
    with pytest.raises(
        InvalidRestorerError,
        match=r"the nearest is DBSR: expected a tensor decoder\.predictor\.0\.weight .*, found none",
    ):
        find_network(state)
    state = make_shapes("burstormer_real")
    del state["align.up2.bias"]
    with pytest.raises(InvalidRestorerError, match=r"the nearest is Burstormer: .* it lacks align\.up2\.bias$"):
        find_network(state)


def test_a_checkpoint_of_another_kind_says_what_it_holds():
    state = {f"body.{layer}.weight": torch.zeros(1) for layer in range(9)}
    with pytest.raises(
        InvalidRestorerError,
        match=r"expected the tensors of BIPNet, BPN, .*, found 9, such as body\.0\.weight, body\.1\.weight, body\.2\.weight",
    ):
        find_network(state)
