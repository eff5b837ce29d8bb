"""Networks made to the sizes of a state dict: nothing is allocated before its keys and shapes were compared with the network's own."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from typing import TypeVar

import torch
from torch import Tensor, nn

from restorers.errors import InvalidRestorerError

Network = TypeVar("Network", bound=nn.Module)


def read_shape(state: Mapping[str, Tensor], key: str, dimensions: int) -> tuple[int, ...]:
    """Shape of one entry.

    Raises:
        InvalidRestorerError: if the key is missing, has another number of dimensions or holds nothing.
    """
    if key not in state:
        raise InvalidRestorerError(
            f"expected {key!r} in the state dict, got {len(state)} other keys: is it of another network?"
        )
    shape = tuple(state[key].shape)
    if len(shape) != dimensions or 0 in shape:
        raise InvalidRestorerError(
            f"expected {dimensions} sizes from 1 on at {key!r}, got {shape}: is it of another network?"
        )
    return shape


def count_keys(state: Mapping[str, Tensor], pattern: str, *, start: int = 0) -> int:
    """How many keys there are of a pattern in which {} counts up from `start` without a gap."""
    return next(index for index in itertools.count(start) if pattern.format(index) not in state) - start


def make_for(state: Mapping[str, Tensor], make: Callable[[], Network]) -> Network:
    """Make a network on the CPU, its numbers not set, to be filled by `load_state_dict(state)`.

    Args:
        state: keys and tensors; only their shapes are read.
        make: constructs the network; all its buffers must be part of its state dict.

    Raises:
        InvalidRestorerError: if the network has other keys or shapes, or is too large for any machine.
    """
    try:
        with torch.device("meta"):
            network = make()
    except RuntimeError as error:  # sizes whose product no tensor can hold
        raise InvalidRestorerError(
            f"the sizes in the state dict are of no network that can be made: {error}"
        ) from error
    expected = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    found = {key: tuple(value.shape) for key, value in state.items()}
    wrong = [key for key in (*expected, *found) if expected.get(key) != found.get(key)]
    if wrong:
        raise InvalidRestorerError(
            f"{type(network).__name__}: expected shape {expected.get(wrong[0])} at {wrong[0]!r}, got {found.get(wrong[0])}"
            f" ({len(set(wrong))} keys differ): is it of another network, or of another version of it?"
        )
    return network.to_empty(device="cpu")


def is_taken_by(build: Callable[[Mapping[str, Tensor]], nn.Module], state: Mapping[str, Tensor]) -> bool:
    """Whether a network's `build` takes a state dict."""
    try:
        build(state)
    except InvalidRestorerError:
        return False
    return True
