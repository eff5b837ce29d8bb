"""Official checkpoints of burst networks: their weights by name, whatever else they hold beside them."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from restorers.errors import MissingExtraError, UnsafeWeightsError
from restorers.networks.keras_file import BEGINNING as HDF5_BEGINNING
from restorers.networks.keras_file import read_keras_file, rename_variables
from restorers.networks.torch_file import ROW_BEGINNING, SavedContent, read_archive, read_row
from restorers.networks.unpickling import Foreign, StoredTensor

_PLACES = ("net", "state_dict", "model_state_dict", "params")
"""Under which key of a checkpoint its weights may be: of DBSR, Lightning and many others, Burstormer, BasicSR."""
_LARGEST_FILE = 4 * 2**30
"""Bytes; the largest published one, with the state of its training, takes a quarter of it."""
_MOST_SHARED = 2**29
"""Bytes that weights may claim where they share storages; the largest published network has 2^28.3."""


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """The weights in a file.

    Attributes:
        state: tensors by name, on the CPU; those of tied weights share memory.
        sha256: hex, of the bytes that they were read from.
    """

    state: Mapping[str, Tensor]
    sha256: str


def read_checkpoint(path: Path) -> Checkpoint:
    """Read the weights of a checkpoint, without running anything that it holds.

    Whatever else is in the file (optimisers, settings, objects of classes that are not installed) is neither built nor loaded. The file
    is read once; memory is taken for it and for its weights.

    Args:
        path: a file of `torch.save`, of either of its formats, whose top is a mapping of weights, or has one under `net`, `state_dict`,
            `model_state_dict` or `params`, or is a list that begins with one; or HDF5 by Keras.

    Returns:
        Weights by name, none of them NaN or infinite; a leading `module.` is stripped if every name has it, and names of TensorFlow's
        variables are replaced as `restorers.networks.keras_file` says.

    Raises:
        UnsafeWeightsError: if the file is missing, too large, damaged, of another format, or says what cannot be true.
        MissingExtraError: if it is HDF5 and h5py is not installed.
    """
    try:
        data = _read_bytes(path)
        state = rename_variables(_read_state(data))
        _check_finite(state)
    except UnsafeWeightsError as error:
        raise UnsafeWeightsError(f"{path}: {error}; nothing of it was run") from None
    except FileNotFoundError:
        raise UnsafeWeightsError(
            f"{path}: no such file; models are read from this machine, none is downloaded"
        ) from None
    except MissingExtraError as error:
        _, *what = error.args
        raise MissingExtraError(str(path), *what) from None
    except Exception as error:  # damaged archives and pickles raise anything
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise UnsafeWeightsError(f"{path}: damaged or cut short ({reason[:200]}); copy it again") from error
    return Checkpoint(state, hashlib.sha256(data).hexdigest())


def _read_bytes(path: Path) -> bytes:
    with path.open("rb") as file:
        data = file.read(_LARGEST_FILE + 1)
    if len(data) > _LARGEST_FILE:
        raise UnsafeWeightsError(f"expected a checkpoint of at most {_LARGEST_FILE:,} bytes, got a larger file")
    return data


def _read_state(data: bytes) -> dict[str, Tensor]:
    if data.startswith(b"PK\3\4"):
        return _read_tensors(read_archive(data))
    if data.startswith(ROW_BEGINNING):
        return _read_tensors(read_row(data))
    if data.startswith(HDF5_BEGINNING):
        return read_keras_file(data)
    if data[257:262] == b"ustar":
        raise UnsafeWeightsError(
            "expected a checkpoint of torch.save, got the tar archive of the first PyTorch versions; ask its makers for another"
        )
    raise UnsafeWeightsError("expected a checkpoint of torch.save or HDF5 by Keras, got another kind of file")


def _read_tensors(saved: SavedContent) -> dict[str, Tensor]:
    state = _find_state(saved.content)
    storages = {stored.storage.key: stored.storage for stored in state.values()}
    present = sum(saved.measure(storage) for storage in storages.values())
    claimed = sum(math.prod(stored.shape) * stored.storage.dtype.itemsize for stored in state.values())
    if claimed > max(present, _MOST_SHARED):
        raise UnsafeWeightsError(f"its weights claim {claimed:,} bytes, their storages hold {present:,}")
    numbers = {key: saved.read(storage) for key, storage in storages.items()}
    return {
        name: torch.as_strided(numbers[stored.storage.key], stored.shape, stored.strides, stored.offset)
        for name, stored in state.items()
    }


def _find_state(content: Any) -> dict[str, StoredTensor]:
    if isinstance(content, list) and content:
        content = content[0]  # Kokkinos: [weights, iterations, depth]
    elif isinstance(content, dict):
        content = next((content[key] for key in _PLACES if isinstance(content.get(key), dict)), content)
    expected = f"expected tensors by name, or these under {', '.join(_PLACES)}"
    if not isinstance(content, dict) or not content:
        raise UnsafeWeightsError(f"{expected}; got {'' if content else 'an empty '}{_name_type(content)}")
    for key, value in content.items():
        if not isinstance(key, str) or not isinstance(value, StoredTensor):
            raise UnsafeWeightsError(f"{expected}; got {str(key)[:80]!r} of {_name_type(value)}")
    is_wrapped = all(key.startswith("module.") for key in content)
    return {key.removeprefix("module.") if is_wrapped else key: value for key, value in content.items()}


def _check_finite(state: Mapping[str, Tensor]) -> None:
    for name, value in state.items():
        if not torch.isfinite(value).all():
            raise UnsafeWeightsError(
                f"expected finite weights, got NaN or infinity in {name[:80]!r}; take another file"
            )


def _name_type(value: Any) -> str:
    return value.name if isinstance(value, Foreign) else type(value).__name__
