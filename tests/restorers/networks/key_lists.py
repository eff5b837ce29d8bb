"""The published key lists of all networks, and which of them a network takes for its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from restorers.networks.checkpoint import fold_weight_norm
from tests.restorers.networks.parameters import list_keys
from tests.restorers.networks.parity import FIXTURES


def make_shapes(tag: str) -> dict[str, Tensor]:
    """Tensors without memory, of the names and shapes of a published checkpoint with weight normalisation folded."""
    return fold_weight_norm({key: torch.empty(shape, device="meta") for key, shape in list_keys(tag)})


def list_matches(matches: Callable[[Mapping[str, Tensor]], bool]) -> list[str]:
    """Tags of the checkpoints that a network takes for its own."""
    tags = sorted(path.name.removesuffix(".keys.txt") for path in FIXTURES.glob("*.keys.txt"))
    return [tag for tag in tags if matches(make_shapes(tag))]


def measure_shapes(state: Mapping[str, Tensor]) -> dict[str, list[int]]:
    """Shapes by name."""
    return {key: list(value.shape) for key, value in state.items()}
