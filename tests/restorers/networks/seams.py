"""What the layers of a network return while it runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn


@contextmanager
def record(network: nn.Module, layers: Mapping[str, str]) -> Iterator[dict[str, Tensor]]:
    """Collect the outputs of layers; a layer that runs several times gives them one after the other along the first axis.

    Args:
        network: runs inside the context.
        layers: the path of a layer for each name in the result.
    """
    outputs: dict[str, list[Tensor]] = {name: [] for name in layers}
    seams: dict[str, Tensor] = {}

    def listen(name: str):
        return lambda _layer, _inputs, output: outputs[name].append(output[0] if isinstance(output, tuple) else output)

    hooks = [network.get_submodule(path).register_forward_hook(listen(name)) for name, path in layers.items()]
    try:
        yield seams
    finally:
        for hook in hooks:
            hook.remove()
    seams.update({name: torch.cat(values) for name, values in outputs.items()})
