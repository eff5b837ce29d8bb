"""Networks are laid out by the sizes in a checkpoint, and memory is taken for no others."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from restorers.errors import InvalidRestorerError
from restorers.networks.layout import allocate, count_layers, fits, lay_out, read_shape


def test_reads_a_shape_of_the_dimensions_that_are_asked_for():
    state = {"a.weight": torch.zeros(2, 3), "a.bias": torch.zeros(0)}

    assert read_shape(state, "a.weight", 2) == (2, 3)
    with pytest.raises(InvalidRestorerError, match=r"a\.weight: expected 4 sizes, none of them 0, got \[2, 3\]"):
        read_shape(state, "a.weight", 4)
    with pytest.raises(InvalidRestorerError, match=r"none of them 0, got \[0\]"):
        read_shape(state, "a.bias", 1)
    with pytest.raises(
        InvalidRestorerError, match=r"expected a tensor b\.weight among the 2 of the checkpoint, found none"
    ):
        read_shape(state, "b.weight", 2)


def test_counts_layers_up_to_the_first_gap():
    state = {f"blocks.{index}.weight": torch.zeros(1) for index in (0, 1, 2, 4)}

    assert count_layers(state, "blocks.{}.weight") == 3
    assert count_layers(state, "blocks.{}.weight", start=1) == 2
    assert count_layers(state, "layers.{}.weight") == 0


@pytest.mark.parametrize(
    ("width", "reason"), [(2**20, r"weight \[1048576, 1048576\] \(found \[1, 1\]\)"), (2**40, "that none can have")]
)
def test_sizes_without_numbers_take_no_memory(width, reason):
    state = {"weight": torch.zeros(1, 1), "bias": torch.zeros(1).expand(width)}

    with pytest.raises(InvalidRestorerError, match=reason):
        lay_out(lambda: nn.Linear(width, width), state)


def test_strides_do_not_make_numbers():
    state = {"weight": torch.zeros(1, 1).expand(10**5, 10**5), "bias": torch.zeros(10**5)}

    with pytest.raises(InvalidRestorerError, match=r"Linear: .* it stores less than it claims of weight"):
        lay_out(lambda: nn.Linear(10**5, 10**5), state)
    assert not fits(lambda state: lay_out(lambda: nn.Linear(10**5, 10**5), state), state)


def test_differences_are_named_and_counted():
    state = {f"spare{number}": torch.zeros(1) for number in range(5)} | {"weight": torch.zeros(2, 3)}

    with pytest.raises(
        InvalidRestorerError,
        match=r"Linear: expected its 2 tensors, found 6: it lacks bias; it adds spare0, spare1, spare2 and 2 more; "
        r"it has other shapes than weight \[3, 2\] \(found \[2, 3\]\)",
    ):
        lay_out(lambda: nn.Linear(2, 3), state)


def test_makes_a_network_that_takes_the_state():
    state = nn.Linear(2, 3).state_dict()
    network = allocate(lay_out(lambda: nn.Linear(2, 3), state))

    network.load_state_dict(state, strict=True)

    assert not network.training
    assert torch.equal(network(torch.ones(2)), state["weight"].sum(1) + state["bias"])
