"""Small networks with parameters made up by a seed, in files as the trained ones are."""

from __future__ import annotations

from pathlib import Path

import torch

from restorers.learned.trained import TrainedRestorer
from restorers.learned.weights import build_network, read_weights, write_weights

SMALL = {
    "kernel_merge": {"width": 6, "features": 4, "hidden": [6, 8, 8]},
    "recurrent_merge": {"width": 6, "hidden": [6, 8, 8]},
    "sample_merge": {"scale": 2, "width": 6, "features": 4, "hidden": [6, 8, 8]},
}


def make_card(kind: str) -> dict:
    samples = kind == "sample_merge"
    return {
        "network": kind,
        "sizes": SMALL[kind],
        "form": "samples" if samples else "planes",
        "scale": 2 if samples else 1,
        "task": "sr" if samples else "denoise",
        "summary": "made up",
        "paper": "none",
        "license": "Apache-2.0",
    }


def write_network(path: Path, kind: str, *, card: dict | None = None, spoil=None) -> Path:
    """A file of a network that does something everywhere; `spoil` changes its tensors first."""
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(7)
        network = build_network(kind, SMALL[kind])
        for parameter in network.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape))
        if spoil is not None:
            spoil(network)
    write_weights(path, network, make_card(kind) if card is None else card)
    return path


def make_restorer(folder: Path, kind: str) -> TrainedRestorer:
    return TrainedRestorer(read_weights(write_network(folder / f"{kind}.safetensors", kind)))
