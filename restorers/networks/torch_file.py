"""The two formats in which PyTorch saves: a zip archive since 1.6, before that a row of pickles with the numbers behind it."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from zipfile import ZIP_STORED, ZipFile

import torch
from torch import Tensor

from restorers.errors import UnsafeWeightsError
from restorers.networks.unpickling import Storage, unpickle, unpickle_row

_MOST_PICKLED = 8 * 2**20
"""Bytes of a file without its numbers: about a hundred for each tensor. Python may make eighty times as much of them."""
_MAGIC, _PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
ROW_BEGINNING = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
"""Of a row of pickles: its magic number."""


@dataclass(frozen=True, eq=False)
class SavedContent:
    """What a file holds.

    Attributes:
        content: as `restorers.networks.unpickling` reads it.
        measure: bytes of a storage that the file really holds.
        read: the numbers of a storage, one dimension, a copy.
    """

    content: Any
    measure: Callable[[Storage], int]
    read: Callable[[Storage], Tensor]


def read_archive(data: bytes) -> SavedContent:
    """Read a zip archive.

    Raises:
        UnsafeWeightsError: if it says what cannot be true.
        Exception: Exception of any kind, if it is damaged.
    """
    archive = ZipFile(io.BytesIO(data))
    entries = archive.infolist()
    # Entries may not grow when they are read, by compression or by sharing their bytes.
    if any(entry.compress_type != ZIP_STORED or entry.file_size != entry.compress_size for entry in entries):
        raise UnsafeWeightsError("expected entries as torch.save writes them, got compressed ones")
    if sum(entry.file_size for entry in entries) > len(data):
        raise UnsafeWeightsError(f"its entries claim more than its {len(data):,} bytes")
    names = [name for name in archive.namelist() if re.fullmatch(r"[^/]+/data\.pkl", name)]
    if len(names) != 1 or archive.getinfo(names[0]).file_size > _MOST_PICKLED:
        raise UnsafeWeightsError(f"expected one data.pkl of at most {_MOST_PICKLED:,} bytes in the archive")
    root = names[0].removesuffix("data.pkl")
    if root + "byteorder" in archive.namelist() and archive.read(root + "byteorder") != b"little":
        raise UnsafeWeightsError("its numbers are not little-endian; write it anew on another machine")

    def measure(storage: Storage) -> int:
        return archive.getinfo(f"{root}data/{storage.key}").file_size

    def read(storage: Storage) -> Tensor:
        return _read_numbers(storage, archive.read(f"{root}data/{storage.key}"))

    return SavedContent(unpickle(archive.read(names[0])), measure, read)


def read_row(data: bytes) -> SavedContent:
    """Read a row of pickles: magic number, protocol, machine, content, keys of storages; then count and numbers of each storage.

    Raises:
        UnsafeWeightsError: if it says what cannot be true.
        Exception: Exception of any kind, if it is damaged.
    """
    (magic, protocol, machine, content, keys), storages, end = unpickle_row(data[:_MOST_PICKLED], 5)
    if magic != _MAGIC or protocol != _PROTOCOL:
        raise UnsafeWeightsError(f"expected protocol {_PROTOCOL} of torch.save, got {protocol!r}")
    if not isinstance(machine, dict) or machine.get("little_endian") is not True:
        raise UnsafeWeightsError("its numbers are not little-endian; write it anew on another machine")
    places: dict[str, slice] = {}

    def find(storage: Storage) -> slice:
        if not places:
            places.update(_place_storages(data, keys, storages, end))
        return places[storage.key]

    return SavedContent(
        content,
        lambda storage: len(range(len(data))[find(storage)]),
        lambda storage: _read_numbers(storage, data[find(storage)]),
    )


def _place_storages(data: bytes, keys: Any, storages: Mapping[str, Storage], end: int) -> dict[str, slice]:
    """Where the numbers of each storage lie behind a row of pickles that ends at a byte."""
    if not isinstance(keys, list):
        raise UnsafeWeightsError(f"expected a list of its storages, got a {type(keys).__name__}")
    places: dict[str, slice] = {}
    for key in keys:
        storage = storages.get(key) if isinstance(key, str) else None
        if storage is None or storage.key in places:
            raise UnsafeWeightsError(
                f"expected each storage once and with the type of its numbers, got {str(key)[:80]!r}"
            )
        count, start = int.from_bytes(data[end : end + 8], "little"), end + 8
        end = start + count * storage.dtype.itemsize
        if end > len(data):
            raise UnsafeWeightsError(
                f"the storage {storage.key[:80]} of {count:,} numbers reaches beyond the file; copy it again"
            )
        places[storage.key] = slice(start, end)
    return places


def _read_numbers(storage: Storage, data: bytes) -> Tensor:
    expected = storage.count * storage.dtype.itemsize
    if len(data) != expected:
        raise UnsafeWeightsError(
            f"the storage {storage.key} is said to hold {expected:,} bytes, it holds {len(data):,}"
        )
    return torch.frombuffer(bytearray(data), dtype=storage.dtype) if data else torch.empty(0, dtype=storage.dtype)
