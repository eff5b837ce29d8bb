"""Networks in the sizes that a state dict has, and no other state dicts.

Networks are compared on PyTorch's meta device, which holds shapes and no values: whatever sizes a file claims, nothing of them is
allocated before all of its tensors have turned out to have the shapes of the network.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

import torch
from torch import Tensor, nn

from restorers.errors import InvalidRestorerError

Network = TypeVar("Network", bound=nn.Module)
_NAMED = 3
"""Keys that a message names before it counts the others."""


def read_kernel_shape(name: str, state: Mapping[str, Tensor], key: str) -> tuple[int, int]:
    """Output and input channels of a convolution's weight, as the first two sizes of its shape.

    Raises:
        InvalidRestorerError: if the network `name` cannot have such a weight, because it is missing, not of 4 dimensions or empty.
    """
    shape = tuple(state[key].shape) if key in state else ()
    if len(shape) != 4 or 0 in shape:
        found = f"shape {list(shape)}" if key in state else "no such key"
        raise InvalidRestorerError(
            f"not a state of {name}: expected {key!r} with 4 sizes above 0, found {found}; load a file of this network"
        )
    return shape[0], shape[1]


def fit_network(name: str, state: Mapping[str, Tensor], make: Callable[[], Network]) -> Network:
    """The network that `make` returns, on the meta device, if its keys and shapes are exactly those of the state.

    Raises:
        InvalidRestorerError: if any key or shape differs; the message names the first ones.
    """
    with torch.device("meta"):
        network = make()
    expected = {key: list(value.shape) for key, value in network.state_dict().items()}
    found = {key: list(value.shape) for key, value in state.items()}
    differences = [
        ("it lacks", [key for key in expected if key not in found]),
        ("it adds", [key for key in found if key not in expected]),
        (
            "it has other shapes than",
            [
                f"{key} {shape} (found {found[key]})"
                for key, shape in expected.items()
                if key in found and found[key] != shape
            ],
        ),
    ]
    reasons = [f"{what} {_list_first(names)}" for what, names in differences if names]
    if reasons:
        raise InvalidRestorerError(
            f"not a state of {name}: expected its {len(expected)} keys and shapes, found {len(found)}; {'; '.join(reasons)}; "
            "load a file of this network"
        )
    return network


def _list_first(names: list[str]) -> str:
    rest = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {rest} more" if rest > 0 else "")
