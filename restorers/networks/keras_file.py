"""Weights as TensorFlow and Keras store and name them."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from restorers.errors import MissingExtraError, UnsafeWeightsError

BEGINNING = b"\x89HDF\r\n\x1a\n"
"""Of an HDF5 file."""
_DEEPEST, _MOST_ENTRIES = 8, 20_000
_VARIABLE = re.compile(r"(?:.*/)?([^/]+)/(kernel|bias)(?::0)?")


def read_keras_file(data: bytes) -> dict[str, Tensor]:
    """Read the weights of an HDF5 file that Keras wrote.

    No link to another file is followed, and nothing is read that grows: every array must lie in the file as it is.

    Args:
        data: the whole file.

    Returns:
        Arrays of floating-point numbers by path, without those of an optimiser.

    Raises:
        UnsafeWeightsError: if the file refers outside itself, or arrays claim more than it holds.
        MissingExtraError: if h5py is not installed.
        Exception: Exception of any kind, if it is damaged.
    """
    try:
        import h5py
    except ImportError as error:
        raise MissingExtraError("Keras files", "h5py", "keras") from error
    state: dict[str, Tensor] = {}
    total = 0
    with h5py.File(io.BytesIO(data), "r") as file:
        for path, array in _list_arrays(h5py, file):
            total += array.nbytes
            if (
                array.chunks is not None
                or array.external
                or array.is_virtual
                or array.id.get_storage_size() != array.nbytes
            ):
                raise UnsafeWeightsError(f"{path[:80]!r}: expected numbers that lie in the file as they are")
            if total > len(data):
                raise UnsafeWeightsError(f"its arrays claim more than its {len(data):,} bytes")
            if array.dtype.kind == "f":
                state[path] = torch.from_numpy(np.asarray(array[()]).astype(array.dtype.newbyteorder("=")))
    if not state:
        raise UnsafeWeightsError("expected arrays of weights in an HDF5 file, found none")
    return state


def _list_arrays(h5py: Any, file: Any) -> Iterator[tuple[str, Any]]:
    entries, seen = [("", file, 0)], 0
    while entries:
        path, group, depth = entries.pop()
        for name in group:
            seen += 1
            if depth > _DEEPEST or seen > _MOST_ENTRIES:
                raise UnsafeWeightsError("expected groups of layers with their arrays, got deeper or more ones")
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise UnsafeWeightsError(f"{name[:80]!r}: expected an array or group of the file, got a link")
            inner, entry = f"{path}/{name}".removeprefix("/"), group[name]
            if isinstance(entry, h5py.Group):
                if inner != "optimizer_weights":
                    entries.append((inner, entry, depth + 1))
            elif isinstance(entry, h5py.Dataset):
                yield inner, entry


def rename_variables(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Give weights of TensorFlow the names and order of axes that PyTorch has for them.

    `LAYER/kernel` below any scopes, with or without `:0`, becomes `LAYER.weight`, and its axes, height, width, inputs, outputs, become
    outputs, inputs, height, width; `LAYER/bias` becomes `LAYER.bias`.

    Args:
        state: tensors by name; other names stay.

    Raises:
        UnsafeWeightsError: if two become one.
    """
    renamed: dict[str, Tensor] = {}
    for name, value in state.items():
        variable = _VARIABLE.fullmatch(name)
        new = name if variable is None else f"{variable[1]}.{'weight' if variable[2] == 'kernel' else 'bias'}"
        if new in renamed:
            raise UnsafeWeightsError(f"expected each layer once, got {name[:80]!r} twice")
        renamed[new] = value.permute(3, 2, 0, 1) if variable is not None and value.ndim == 4 else value
    return renamed
