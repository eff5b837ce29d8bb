"""Official checkpoints of burst networks: what they hold beside weights, and how they store them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zipfile import ZIP_STORED, ZipFile

import torch
from torch import Tensor

from restorers.errors import InvalidRestorerError, UnsafeWeightsError
from restorers.networks.unpickling import Foreign, Storage, StoredTensor, unpickle

_PLACES = ("net", "state_dict", "model_state_dict", "params")
"""Under which key of a checkpoint its weights may be: of DBSR, Lightning and many others, Burstormer, BasicSR."""
_MOST_PICKLED = 8 * 2**20
"""Bytes of an archive without its tensors: about a hundred for each of them. Python may make eighty times as much of them."""
_OLD_PICKLE = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
_NORMALISED = re.compile(r"(|.*\.)(weight_[gv]|parametrizations\.weight\.original[01])")
"""A part of a normalised weight, as PyTorch before 2.0 and after calls it."""
_NEW_PARTS = ("parametrizations.weight.original0", "parametrizations.weight.original1")


def read_checkpoint(path: Path) -> Mapping[str, Tensor]:
    """Read the weights of a checkpoint that `torch.save` wrote in its zip format, on the CPU, without running anything that it holds.

    Whatever else is in the file (optimisers, settings, objects of classes that are not installed) is neither built nor loaded; memory is
    taken for the weights alone, and for no more than the file holds.

    Args:
        path: a file whose top is a mapping of weights, or has one under `net`, `state_dict`, `model_state_dict` or `params`, or is a list
            that begins with one.

    Returns:
        Tensors by name; a leading `module.` is stripped if every name has it.

    Raises:
        UnsafeWeightsError: if the file is missing, damaged, of another format, or says what cannot be true.
    """
    try:
        return _read(path)
    except UnsafeWeightsError as error:
        raise UnsafeWeightsError(f"{path}: {error}; nothing of it was run") from None
    except FileNotFoundError:
        raise UnsafeWeightsError(
            f"{path}: no such file; models are read from this machine, none is downloaded"
        ) from None
    except Exception as error:  # damaged archives and pickles raise anything
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise UnsafeWeightsError(f"{path}: damaged or cut short ({reason[:200]}); copy it again") from error


def _read(path: Path) -> dict[str, Tensor]:
    with path.open("rb") as file:
        _check_format(file.read(512))
        size = file.seek(0, 2)
        with ZipFile(file) as archive:
            entries = archive.infolist()
            # Entries may not grow when they are read, by compression or by sharing their bytes.
            if any(entry.compress_type != ZIP_STORED or entry.file_size != entry.compress_size for entry in entries):
                raise UnsafeWeightsError("expected entries as torch.save writes them, got compressed ones")
            if sum(entry.file_size for entry in entries) > size:
                raise UnsafeWeightsError(f"its entries claim more than its {size:,} bytes")
            return _read_archive(archive)


def _check_format(beginning: bytes) -> None:
    if beginning.startswith(b"PK\3\4"):
        return
    if beginning.startswith(_OLD_PICKLE):
        raise UnsafeWeightsError(
            "expected the zip format of torch.save, got the row of pickles that PyTorch wrote before 1.6; write it anew: "
            "torch.save(torch.load(FILE, weights_only=True), NEW)"
        )
    if beginning[257:262] == b"ustar":
        raise UnsafeWeightsError(
            "expected the zip format of torch.save, got the tar archive of the first PyTorch versions; ask its makers for another"
        )
    raise UnsafeWeightsError("expected a checkpoint in the zip format of torch.save, got another kind of file")


def _read_archive(archive: ZipFile) -> dict[str, Tensor]:
    names = [name for name in archive.namelist() if re.fullmatch(r"[^/]+/data\.pkl", name)]
    if len(names) != 1 or archive.getinfo(names[0]).file_size > _MOST_PICKLED:
        raise UnsafeWeightsError(f"expected one data.pkl of at most {_MOST_PICKLED:,} bytes in the archive")
    root = names[0].removesuffix("data.pkl")
    if root + "byteorder" in archive.namelist() and archive.read(root + "byteorder") != b"little":
        raise UnsafeWeightsError("its numbers are not little-endian; write it anew on another machine")
    state = _find_state(unpickle(archive.read(names[0])))
    storages: dict[str, Storage] = {}
    for stored in state.values():
        if storages.setdefault(stored.storage.key, stored.storage) != stored.storage:
            raise UnsafeWeightsError(f"it describes the storage {stored.storage.key} in two ways")
    present = sum(archive.getinfo(f"{root}data/{key}").file_size for key in storages)
    claimed = sum(math.prod(stored.shape) * stored.storage.dtype.itemsize for stored in state.values())
    if claimed > present:
        raise UnsafeWeightsError(f"its weights claim {claimed:,} bytes, their storages hold {present:,}")
    buffers = {key: _read_numbers(archive, f"{root}data/{key}", storage) for key, storage in storages.items()}
    return {
        name: torch.as_strided(buffers[stored.storage.key], stored.shape, stored.strides, stored.offset)
        for name, stored in state.items()
    }


def _read_numbers(archive: ZipFile, entry: str, storage: Storage) -> Tensor:
    size, expected = archive.getinfo(entry).file_size, storage.count * storage.dtype.itemsize
    if size != expected:
        raise UnsafeWeightsError(f"the storage {storage.key} is said to hold {expected:,} bytes, it holds {size:,}")
    if not size:
        return torch.empty(0, dtype=storage.dtype)
    return torch.frombuffer(bytearray(archive.read(entry)), dtype=storage.dtype)


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


def _name_type(value: Any) -> str:
    return value.name if isinstance(value, Foreign) else type(value).__name__


def fold_weight_norm(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Replace the two parts of every normalised weight by the weight itself (Salimans & Kingma, NIPS 2016).

    The weight is g·v / ‖v‖ with a norm over all dimensions but the first: one for each output of a convolution, and for each input of a
    transposed one.

    Args:
        state: tensors by name; magnitudes g of shape [n, 1, …], directions v of shape [n, …].

    Returns:
        The same in the same order, each weight in the place of its first part and of the type of v; without normalised weights a copy.

    Raises:
        InvalidRestorerError: if one part is there without the other, or their shapes do not belong together.
    """
    folded: dict[str, Tensor] = {}
    for key, value in state.items():
        part = _NORMALISED.fullmatch(key)
        if part is None:
            folded[key] = value
        elif part[1] + "weight" not in folded:
            names = ("weight_g", "weight_v") if part[2].startswith("weight") else _NEW_PARTS
            folded[part[1] + "weight"] = _fold(state, *(part[1] + name for name in names))
    return folded


def _fold(state: Mapping[str, Tensor], magnitude: str, direction: str) -> Tensor:
    try:
        g, v = state[magnitude], state[direction]
    except KeyError as error:
        raise InvalidRestorerError(
            f"a weight is stored normalised: expected {magnitude} and {direction}, found no {error}; take a complete file"
        ) from None
    if v.dim() < 2 or g.shape != (len(v), *[1] * (v.dim() - 1)):
        raise InvalidRestorerError(
            f"{magnitude}: expected shape [{len(v) if v.dim() else 'n'}, 1, …] beside {direction} of shape {list(v.shape)}, "
            f"got {list(g.shape)}; normalise weights along their first dimension"
        )
    norm: Tensor = torch.linalg.vector_norm(v.double(), dim=tuple(range(1, v.dim())), keepdim=True)
    return (g.double() * v.double() / norm).to(v.dtype)
