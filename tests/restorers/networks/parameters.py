"""Parameters of a network that follow from its name, keys and shapes alone, so that full-size models are tested without weight files.

The raw stream of NumPy's Philox generator is stable across releases (its distributions are not): equal everywhere.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping

import numpy as np
import torch
from torch import Tensor

from tests.restorers.networks.parity import FIXTURES

_GAINS = {
    "kokkinos": 1.0,
    "dbd": 1.4,
    "kpn": 1.45,
    "kpn_google": 1.45,
    "bpn_gray": 1.4,
    "bpn_color": 1.4,
    "dbsr": 1.0,
    "ebsr": 1.0,
    "bsrt_small": 1.0,
    "bsrt_large": 1.0,
    "bipnet_sr": 0.8,
    "bipnet_denoise": 0.8,
    "burstormer_syn": 1.2,
    "burstormer_real": 1.2,
    "burstormer_denoise": 1.2,
}
_LOWEST_NORM = {"kokkinos": 0.6, "ebsr": 0.9}
_OFFSETS, _BLENDED = (("offset_conv", 0.3),), (("_end3.weight", 3.0),)
_SPYNET = (("basic_module.8.weight", 0.35), ("spynet.", 1.45))
_FACTORS: Mapping[str, tuple[tuple[str, float], ...]] = {
    "dbsr": (
        ("alignment_net.net.netRefiner.netMain.12.", 0.5),
        ("alignment_net.net.netTwo.netSix.", 0.4),
        ("netSix.0.weight", 1.0),
        ("netUpfeat.weight", 0.5),
        ("netUpflow.weight", 1.5),
        ("alignment_net.", 1.45),
    ),
    **dict.fromkeys(("bipnet_sr", "bipnet_denoise"), (("offset_conv", 2.5), ("deform", 2.0))),
    **dict.fromkeys(("burstormer_syn", "burstormer_real", "burstormer_denoise"), _OFFSETS),
    **dict.fromkeys(("bpn_gray", "bpn_color"), _BLENDED),
    **dict.fromkeys(("bsrt_small", "bsrt_large"), _SPYNET),
}
"""By how much a layer's parameters differ from its network's gain: the first text that its key holds counts."""


def make_state(tag: str) -> dict[str, Tensor]:
    """The official state dict of a network, in its order, filled by the rule; float32, integer buffers int64."""
    return {key: torch.from_numpy(make_parameter(tag, key, shape)) for key, shape in list_keys(tag)}


def list_keys(tag: str) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Keys and shapes of the official state dict."""
    for line in (FIXTURES / f"{tag}.keys.txt").read_text(encoding="utf-8").splitlines():
        if line.strip() and not line.startswith("#"):
            key, shape, _ = (part.strip() for part in line.split("|"))
            yield key, tuple(int(size) for size in shape.strip("()").split(",") if size.strip())


def make_parameter(tag: str, key: str, shape: tuple[int, ...]) -> np.ndarray:
    """One array: of mean 0 and a spread by its number of inputs, or what its kind of layer needs instead."""
    name, is_vector = key.rpartition(".")[2], len(shape) == 1
    if name == "num_batches_tracked":
        return np.zeros(shape, np.int64)
    if name == "relative_position_index":
        return _index_positions(math.isqrt(shape[0]))
    if key in ("spynet.mean", "spynet.std"):
        values = (0.485, 0.456, 0.406) if key.endswith("mean") else (0.229, 0.224, 0.225)
        return np.array(values, np.float32).reshape(shape)
    seed = int.from_bytes(hashlib.sha256(f"{tag}/{key}".encode()).digest()[:16], "little")
    raw = np.random.Philox(key=seed).random_raw(math.prod(shape))
    uniform = ((raw >> np.uint64(11)).astype(np.float64) * 2.0**-53).reshape(shape)
    spread = math.sqrt(3) * (2 * uniform - 1)
    by_name = {
        "running_mean": 0.1 * spread,
        "running_var": 0.75 + 0.5 * uniform,
        "weight_g": _LOWEST_NORM.get(tag, 0) + 0.4 * uniform,
        "temperature": 2 + 4 * uniform,
        "relative_position_bias_table": 0.5 * spread,
        "bias": 0.05 * spread,
    }
    if key in ("alpha", "w"):
        value = 0.7 * uniform if key == "alpha" else -0.2 - 1.4 * uniform
    elif is_vector and key.endswith(("relu1.weight", "relu2.weight")):
        value = 0.05 + 0.2 * uniform
    elif name in by_name:
        value = by_name[name]
    elif is_vector and name == "weight":
        value = 1 + 0.1 * spread
    else:
        factor = next((factor for text, factor in _FACTORS.get(tag, ()) if text in key), 1.0)
        value = spread * (factor * _GAINS[tag] / math.sqrt(math.prod(shape[1:])))
    return value.astype(np.float32)


def digest_state(state: Mapping[str, Tensor]) -> str:
    """SHA-256 (hex) of all values in their order; the first line of a key list states it."""
    digest = hashlib.sha256()
    for value in state.values():
        digest.update(value.numpy().astype("<f4" if value.is_floating_point() else "<i8").tobytes())
    return digest.hexdigest()


def _index_positions(window: int) -> np.ndarray:
    row, column = np.divmod(np.arange(window * window), window)
    width = 2 * window - 1
    return (row[:, None] - row + window - 1) * width + (column[:, None] - column + window - 1)
