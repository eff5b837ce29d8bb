"""What the layers of a network return while it runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn


@contextmanager
def record(network: nn.Module, layers: Mapping[str, str | tuple[str, int]]) -> Iterator[dict[str, Tensor]]:
    """Collect the outputs of layers; a layer that runs several times gives them one after the other along the first axis.

    Args:
        network: runs inside the context.
        layers: for each name in the result the path of a layer, and which of its outputs if it has several.

    Yields:
        A mapping that is filled when the context ends.
    """
    outputs: dict[str, list[Tensor]] = {name: [] for name in layers}
    seams: dict[str, Tensor] = {}

    def listen(name: str, index: int | None):
        return lambda _layer, _inputs, output: outputs[name].append(output if index is None else output[index])

    hooks = []
    for name, layer in layers.items():
        path, index = (layer, None) if isinstance(layer, str) else layer
        hooks.append(network.get_submodule(path).register_forward_hook(listen(name, index)))
    try:
        yield seams
    finally:
        for hook in hooks:
            hook.remove()
    seams.update({name: torch.cat(values) for name, values in outputs.items()})
