"""State dicts of shapes alone, to tell networks apart."""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch import Tensor

from tests.restorers.networks.parameters import list_keys
from tests.restorers.networks.parity import FIXTURES


def shape_state(tag: str) -> dict[str, Tensor]:
    """The official keys and shapes of a network, without values."""
    return {key: torch.empty(shape, device="meta") for key, shape in list_keys(tag)}


def list_others(tags: Collection[str]) -> list[str]:
    """All networks whose keys are known, but for these."""
    return sorted({path.name.removesuffix(".keys.txt") for path in FIXTURES.glob("*.keys.txt")} - set(tags))
