from __future__ import annotations

import pytest
import torch
from torch import nn

from restorers.errors import InvalidRestorerError
from restorers.networks.state import count_keys, make_for, read_shape


def test_reads_a_shape_of_the_dimensions_that_are_asked_for():
    state = {"a.weight": torch.zeros(2, 3), "a.bias": torch.zeros(0)}

    assert read_shape(state, "a.weight", 2) == (2, 3)
    with pytest.raises(InvalidRestorerError, match="expected 4 sizes"):
        read_shape(state, "a.weight", 4)
    with pytest.raises(InvalidRestorerError, match="from 1 on"):
        read_shape(state, "a.bias", 1)
    with pytest.raises(InvalidRestorerError, match=r"expected 'b.weight'"):
        read_shape(state, "b.weight", 2)


def test_counts_keys_up_to_the_first_gap():
    state = {f"blocks.{index}.weight": torch.zeros(1) for index in (0, 1, 2, 4)}

    assert count_keys(state, "blocks.{}.weight") == 3
    assert count_keys(state, "blocks.{}.weight", start=1) == 2
    assert count_keys(state, "layers.{}.weight") == 0


@pytest.mark.parametrize("width", [2**20, 2**40])
def test_makes_no_network_that_the_state_has_no_numbers_for(width):
    state = {"weight": torch.zeros(1, 1), "bias": torch.zeros(1).expand(width)}

    with pytest.raises(InvalidRestorerError):
        make_for(state, lambda: nn.Linear(width, width))


def test_makes_a_network_that_takes_the_state():
    state = nn.Linear(2, 3).state_dict()
    network = make_for(state, lambda: nn.Linear(2, 3))

    network.load_state_dict(state, strict=True)

    assert torch.equal(network(torch.ones(2)), state["weight"].sum(1) + state["bias"])
