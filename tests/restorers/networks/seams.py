"""What the layers of a network return while it runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn


@contextmanager
def record(network: nn.Module, layers: Mapping[str, str | tuple[str, int]]) -> Iterator[dict[str, Tensor]]:
    """Collect the outputs of layers; a layer that runs several times gives them one after the other along the first axis.

    Args:
        network: runs inside the context.
        layers: for each name in the result the path of a layer, and which of its outputs if it has several.
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


def record_outputs(network: nn.Module, parts: Mapping[str, str], run: Callable[[], object]) -> dict[str, Tensor]:
    """Outputs of the parts, by the name of the seam that each stands at; `parts` maps those names to submodules."""
    recorded: dict[str, Tensor] = {}

    def record(seam: str) -> Callable[[nn.Module, object, Tensor], None]:
        return lambda _module, _inputs, output: recorded.update({seam: output})

    handles = [network.get_submodule(part).register_forward_hook(record(seam)) for seam, part in parts.items()]
    try:
        run()
    finally:
        for handle in handles:
            handle.remove()
    return recorded
