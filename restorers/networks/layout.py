"""Networks laid out in the sizes of a checkpoint's tensors, and in those of no other checkpoint.

Names and shapes are compared on PyTorch's meta device, which holds no values: whatever sizes a file claims, no memory is taken before
every tensor has turned out to be there, of the network's shape, and backed by as many numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import count
from typing import TypeVar

import torch
from torch import Tensor, nn

from restorers.errors import InvalidRestorerError

Network = TypeVar("Network", bound=nn.Module)
_NAMED = 3
"""Tensors that a message names before it counts the others."""


def read_shape(state: Mapping[str, Tensor], key: str, dimensions: int) -> tuple[int, ...]:
    """The shape of one tensor, from which sizes of a network follow.

    Raises:
        InvalidRestorerError: if the tensor is missing, empty, or has another number of dimensions.
    """
    if key not in state:
        raise InvalidRestorerError(f"expected a tensor {key} among the {len(state)} of the checkpoint, found none")
    shape = tuple(state[key].shape)
    if len(shape) != dimensions or 0 in shape:
        raise InvalidRestorerError(f"{key}: expected {dimensions} sizes, none of them 0, got {list(shape)}")
    return shape


def count_layers(state: Mapping[str, Tensor], key: str, *, start: int = 0) -> int:
    """How many layers of a row a checkpoint holds: those that count up from `start` without a gap in place of the {} of their key."""
    return next(number for number in count(start) if key.format(number) not in state) - start


def lay_out(make: Callable[[], Network], state: Mapping[str, Tensor]) -> Network:
    """Make a network without memory for its parameters, and compare their names and shapes with a checkpoint's.

    Args:
        make: makes the network from sizes that were read from the checkpoint; its buffers are part of its state dict.
        state: tensors by name, weight normalisation folded; their values are not read.

    Returns:
        The network on the meta device, for `allocate`.

    Raises:
        InvalidRestorerError: if names or shapes differ, or a tensor claims more numbers than are stored; the message names the first ones.
    """
    try:
        with torch.device("meta"):
            network = make()
    except RuntimeError as error:  # sizes whose product no tensor can hold
        raise InvalidRestorerError(f"expected the sizes of a network, got some that none can have: {error}") from error
    expected = {key: list(value.shape) for key, value in network.state_dict().items()}
    found = {key: list(value.shape) for key, value in state.items()}
    differences = {
        "it lacks": [key for key in expected if key not in found],
        "it adds": [key for key in found if key not in expected],
        "it has other shapes than": [
            f"{key} {shape} (found {found[key]})" for key, shape in expected.items() if found.get(key, shape) != shape
        ],
        "it stores less than it claims of": [key for key, value in state.items() if _claims_too_much(value)],
    }
    reasons = [f"{what} {_list_first(keys)}" for what, keys in differences.items() if keys]
    if reasons:
        raise InvalidRestorerError(
            f"{type(network).__name__}: expected its {len(expected)} tensors, found {len(found)}: {'; '.join(reasons)}"
        )
    return network


def allocate(network: Network) -> Network:
    """Take memory on the CPU for what `lay_out` returned, to be filled by `load_state_dict`; in evaluation mode."""
    return network.to_empty(device="cpu").eval()


def fits(make: Callable[[Mapping[str, Tensor]], nn.Module], state: Mapping[str, Tensor]) -> bool:
    """Whether a network can be laid out in the sizes of a checkpoint."""
    try:
        make(state)
    except InvalidRestorerError:
        return False
    return True


def _claims_too_much(value: Tensor) -> bool:
    """Whether strides make a tensor of more numbers than there are."""
    return value.numel() * value.element_size() > value.untyped_storage().nbytes()


def _list_first(keys: list[str]) -> str:
    rest = len(keys) - _NAMED
    return ", ".join(keys[:_NAMED]) + (f" and {rest} more" if rest > 0 else "")
