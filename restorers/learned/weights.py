"""Files of weights trained here: safetensors, whose header holds a card in JSON that says what they are and how they came to be."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from restorers.errors import InvalidRestorerError, UnsafeWeightsError
from restorers.learned.kernel_merge import KernelMerge
from restorers.learned.recurrent_merge import RecurrentMerge
from restorers.learned.sample_merge import SampleMerge
from restorers.networks.layout import lay_out

NETWORKS: Mapping[str, Callable[..., nn.Module]] = {
    "kernel_merge": KernelMerge,
    "recurrent_merge": RecurrentMerge,
    "sample_merge": SampleMerge,
}
FOLDER = Path(__file__).parent / "parameters"
_CARD = "card"
_LARGEST_FILE = 2**25


@dataclass(frozen=True, eq=False)
class TrainedWeights:
    """A network with its weights, in evaluation mode, on the CPU; its card; and the SHA-256 (hex) of the file."""

    network: nn.Module
    card: Mapping[str, Any]
    sha256: str


def build_network(kind: str, sizes: Mapping[str, Any]) -> nn.Module:
    """A network by its kind and sizes, as a card or a training recipe states them.

    Raises:
        InvalidRestorerError: if there is no such kind, or it has no such sizes.
    """
    if kind not in NETWORKS:
        raise InvalidRestorerError(f"network: expected {', '.join(NETWORKS)}, got {kind!r}")
    try:
        return NETWORKS[kind](**sizes)
    except TypeError as error:
        raise InvalidRestorerError(f"network {kind}: {error}") from None


def read_weights(path: Path) -> TrainedWeights:
    """Read a file of weights. Nothing in it is run, and nothing is allocated that it does not hold.

    Raises:
        UnsafeWeightsError: if it is missing, damaged, too large, or holds numbers that are not finite.
        InvalidRestorerError: if its card does not say what it is, or its tensors are not those of that network.
    """
    from safetensors import SafetensorError, safe_open

    try:
        size = path.stat().st_size
        if size > _LARGEST_FILE:
            raise UnsafeWeightsError(f"{path}: expected at most {_LARGEST_FILE} bytes, got {size}")
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            state: dict[str, Tensor] = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118  # no mapping
    except OSError as error:
        raise UnsafeWeightsError(
            f"{path}: cannot be read ({error.strerror or error}); install the package anew"
        ) from None
    except SafetensorError as error:
        raise UnsafeWeightsError(
            f"{path}: expected a safetensors file, got one that is damaged or foreign ({error})"
        ) from None
    for key, value in state.items():
        if not value.is_floating_point() or not torch.isfinite(value).all():
            raise UnsafeWeightsError(f"{path}: {key}: expected finite numbers, got NaN, infinity or whole numbers")
    try:
        card = _read_card(metadata)
        # Sizes are compared before anything is allocated.
        network = lay_out(lambda: build_network(card["network"], card["sizes"]), state)
    except InvalidRestorerError as error:
        raise InvalidRestorerError(f"{path}: {error}") from None
    # Assigned, not copied: to make room on the CPU for a network without memory imports SymPy, a second and 40 MB.
    network.load_state_dict({key: value.float() for key, value in state.items()}, assign=True)
    return TrainedWeights(network.eval().requires_grad_(False), card, digest)


def write_weights(path: Path, network: nn.Module, card: Mapping[str, Any]) -> None:
    """Write weights as float16 with their card; equal input gives equal bytes."""
    from safetensors.torch import save_file

    state = {key: value.detach().cpu().half().contiguous() for key, value in network.state_dict().items()}
    save_file(state, path, metadata={_CARD: json.dumps(card, sort_keys=True)})


def _read_card(metadata: Mapping[str, str]) -> dict[str, Any]:
    try:
        card = json.loads(metadata[_CARD])
        sizes = card["sizes"]
        complete = isinstance(card["network"], str) and isinstance(sizes, dict)
    except (KeyError, TypeError, ValueError):
        complete = False
    if not complete:
        raise InvalidRestorerError(f"expected a card with network and sizes in the header under {_CARD!r}, found none")
    return dict(card)
