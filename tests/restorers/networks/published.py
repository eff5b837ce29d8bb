"""Published networks: their keys and shapes, and the networks filled with parameters that follow from them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

import torch
from torch import Tensor, nn

from restorers.networks.weight_norm import fold_weight_norm
from tests.restorers.networks.parameters import list_keys, make_state
from tests.restorers.networks.parity import FIXTURES

Network = TypeVar("Network", bound=nn.Module)
TAGS = sorted(path.name.removesuffix(".keys.txt") for path in FIXTURES.glob("*.keys.txt"))


def make_shapes(tag: str) -> dict[str, Tensor]:
    """Tensors without memory, of the names and shapes of a published checkpoint with weight normalisation folded."""
    return fold_weight_norm({key: torch.empty(shape, device="meta") for key, shape in list_keys(tag)})


def load_network(build: Callable[[Mapping[str, Tensor]], Network], tag: str, dtype: torch.dtype) -> Network:
    """The network that its module builds for a published checkpoint; weight normalisation is folded in its type."""
    state = fold_weight_norm(
        {key: value.to(dtype) if value.is_floating_point() else value for key, value in make_state(tag).items()}
    )
    network = build(state).to(dtype)
    network.load_state_dict(state)
    return network.requires_grad_(False)


def measure_shapes(state: Mapping[str, Tensor]) -> dict[str, list[int]]:
    """Shapes by name."""
    return {key: list(value.shape) for key, value in state.items()}
