"""What a network's parts return while it runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import Tensor, nn


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
