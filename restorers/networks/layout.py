"""Networks laid out after the tensors of a checkpoint: names and shapes are compared before any memory is taken."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import count
from typing import TypeVar

import torch
from torch import Tensor, nn

from restorers.errors import InvalidRestorerError

Network = TypeVar("Network", bound=nn.Module)


def read_shape(state: Mapping[str, Tensor], key: str, dimensions: int) -> tuple[int, ...]:
    """The shape of one tensor, from which sizes of a network follow.

    Raises:
        InvalidRestorerError: if the tensor is missing, empty, or has another number of dimensions.
    """
    if key not in state:
        raise InvalidRestorerError(f"expected a tensor {key} among the {len(state)} of the checkpoint, found none")
    shape = tuple(state[key].shape)
    if len(shape) != dimensions or 0 in shape:
        raise InvalidRestorerError(f"{key}: expected {dimensions} dimensions, none of them 0, got {list(shape)}")
    return shape


def count_layers(state: Mapping[str, Tensor], key: str) -> int:
    """How many layers of a row a checkpoint holds: the first number, from 0 on, that does not make one of its keys in place of `{}`."""
    return next(number for number in count() if key.format(number) not in state)


def lay_out(make: Callable[[], Network], state: Mapping[str, Tensor]) -> Network:
    """Build a network without memory for its parameters, and compare their names and shapes with a checkpoint's.

    Args:
        make: builds the network from sizes that were read from the checkpoint.
        state: tensors by name, weight normalisation folded.

    Returns:
        The network on the device `meta`; its `to_empty` takes the memory.

    Raises:
        InvalidRestorerError: at the first tensor that is missing, of another shape, or too much.
    """
    with torch.device("meta"):
        network = make()
    name, expected = type(network).__name__, network.state_dict()
    for key, value in expected.items():
        if key not in state:
            raise InvalidRestorerError(f"{name}: expected a tensor {key} of shape {list(value.shape)}, found none")
        if state[key].shape != value.shape:
            raise InvalidRestorerError(
                f"{name}: {key}: expected shape {list(value.shape)}, got {list(state[key].shape)}"
            )
    surplus = state.keys() - expected.keys()
    if surplus:
        raise InvalidRestorerError(
            f"{name}: expected {len(expected)} tensors, got {len(surplus)} more, among them {min(surplus)}"
        )
    return network


def fits(make: Callable[[Mapping[str, Tensor]], nn.Module], state: Mapping[str, Tensor]) -> bool:
    """Whether a network can be laid out after a checkpoint."""
    try:
        make(state)
    except InvalidRestorerError:
        return False
    return True
