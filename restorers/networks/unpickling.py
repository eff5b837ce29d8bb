"""Pickles that PyTorch saves, read without trust: nothing that they name is imported or called.

Tensors come as descriptions of what they are in the archive; objects of all other types as `Foreign`, which only knows their names.
"""

from __future__ import annotations

import io
import math
import pickle
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar

import torch

from restorers.errors import UnsafeWeightsError

_STORAGE_TYPES: Mapping[str, torch.dtype] = MappingProxyType(
    {
        "DoubleStorage": torch.float64,
        "FloatStorage": torch.float32,
        "HalfStorage": torch.float16,
        "BFloat16Storage": torch.bfloat16,
        "LongStorage": torch.int64,
        "IntStorage": torch.int32,
        "ShortStorage": torch.int16,
        "CharStorage": torch.int8,
        "ByteStorage": torch.uint8,
        "BoolStorage": torch.bool,
    }
)
_OPCODES = (
    *(pickle.PROTO, pickle.FRAME, pickle.STOP, pickle.MARK, pickle.POP, pickle.POP_MARK, pickle.DUP),
    *(pickle.BINPUT, pickle.LONG_BINPUT, pickle.MEMOIZE, pickle.BINGET, pickle.LONG_BINGET),
    *(pickle.NONE, pickle.NEWTRUE, pickle.NEWFALSE, pickle.BINFLOAT),
    *(pickle.BININT, pickle.BININT1, pickle.BININT2, pickle.LONG1, pickle.LONG4),
    *(pickle.BINUNICODE, pickle.SHORT_BINUNICODE, pickle.BINUNICODE8, pickle.BINSTRING, pickle.SHORT_BINSTRING),
    *(pickle.BINBYTES, pickle.SHORT_BINBYTES, pickle.BINBYTES8),
    *(pickle.EMPTY_TUPLE, pickle.TUPLE, pickle.TUPLE1, pickle.TUPLE2, pickle.TUPLE3),
    *(pickle.EMPTY_LIST, pickle.APPEND, pickle.APPENDS, pickle.EMPTY_DICT, pickle.SETITEM, pickle.SETITEMS),
    *(pickle.GLOBAL, pickle.STACK_GLOBAL, pickle.BINPERSID),
    *(pickle.REDUCE, pickle.NEWOBJ, pickle.NEWOBJ_EX, pickle.BUILD),
)
"""What `torch.save` writes. Others take memory by a number in the file, or what the running program has cached."""


class Foreign:
    """Stands in for a class or function that a pickle names, and for all that the pickle makes with it."""

    def __init__(self, name: str) -> None:
        self.name = name

    def append(self, _item: Any) -> None:
        """Forget an item: the pickle believes this to be a list."""

    def extend(self, _items: Iterable[Any]) -> None:
        """Forget items."""


@dataclass(frozen=True)
class Storage:
    """Numbers of one type in a file.

    Attributes:
        key: their name in the file.
        dtype: their type.
        count: how many there are said to be.
    """

    key: str
    dtype: torch.dtype
    count: int


@dataclass(frozen=True)
class StoredTensor:
    """A tensor within a storage: as far as it was checked, it does not reach beyond what the storage is said to hold."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def __post_init__(self) -> None:
        for sizes in (self.shape, self.strides, (self.offset,)):
            if not isinstance(sizes, tuple) or not all(type(size) is int and 0 <= size < 2**63 for size in sizes):
                raise UnsafeWeightsError("a tensor of impossible sizes")
        if len(self.shape) != len(self.strides) or len(self.shape) > 64:
            raise UnsafeWeightsError(f"a tensor of {len(self.shape)} sizes and {len(self.strides)} strides")
        last = sum((size - 1) * stride for size, stride in zip(self.shape, self.strides, strict=True))
        claimed = math.prod(self.shape)
        if claimed and max(claimed, self.offset + last + 1) > self.storage.count:
            raise UnsafeWeightsError(
                f"a tensor of shape {list(self.shape)} in a storage of {self.storage.count:,} numbers"
            )


def unpickle(data: bytes) -> Any:
    """Read a pickle that `torch.save` wrote.

    Returns:
        Plain containers, numbers and text; `StoredTensor` for tensors and parameters; `Foreign` for all else. What an object's own state
        says beyond that is dropped.

    Raises:
        UnsafeWeightsError: if it asks for what no such pickle needs; nothing has run.
        Exception: Exception of any kind, if it is damaged.
    """
    return _Unpickler(io.BytesIO(data), encoding="latin1").load()


def unpickle_row(data: bytes, count: int) -> tuple[list[Any], Mapping[str, Storage], int]:
    """Read several pickles that follow each other.

    Args:
        data: begins with them; what is behind is not read.
        count: how many.

    Returns:
        What `unpickle` returns for each; all storages that they name, by key; the byte behind the last pickle.

    Raises:
        UnsafeWeightsError: as `unpickle`.
        Exception: Exception of any kind, if they are damaged or reach beyond the data.
    """
    stream, contents = io.BytesIO(data), []
    storages: dict[str, Storage] = {}
    for _ in range(count):
        unpickler = _Unpickler(stream, encoding="latin1")
        contents.append(unpickler.load())
        storages |= unpickler.storages
    return contents, storages, stream.tell()


def _rebuild_tensor(storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> StoredTensor | Foreign:
    """`torch._utils._rebuild_tensor` and `_rebuild_tensor_v2`, without gradients and hooks."""
    if isinstance(storage, Foreign):
        return storage
    if not isinstance(storage, Storage):
        raise UnsafeWeightsError(f"a tensor in a {type(storage).__name__}")
    return StoredTensor(storage, offset, shape, strides)


def _rebuild_parameter(data: Any, *_: Any) -> Any:
    """`torch._utils._rebuild_parameter`: parameters count as tensors."""
    return data


def _make_mapping(items: Any = ()) -> dict[Any, Any]:
    """`collections.OrderedDict`."""
    mapping: dict[Any, Any] = {}
    _set_items(mapping, items)
    return mapping


def _set_items(target: Any, items: Iterable[tuple[Any, Any]]) -> None:
    if isinstance(target, Foreign):
        return
    if not isinstance(target, dict):
        raise UnsafeWeightsError(f"it sets items of a {type(target).__name__}")
    for key, value in items:
        # Tuples hash what they hold, however deep, on a stack that has an end.
        if not isinstance(key, str | bytes | int | float | None | Foreign):
            raise UnsafeWeightsError(f"a mapping from a {type(key).__name__}")
        target[key] = value


_ALLOWED: Mapping[str, Any] = MappingProxyType(
    {
        "collections.OrderedDict": _make_mapping,
        "torch._utils._rebuild_tensor": _rebuild_tensor,
        "torch._utils._rebuild_tensor_v2": _rebuild_tensor,
        "torch._utils._rebuild_parameter": _rebuild_parameter,
        **{f"torch.{name}": dtype for name, dtype in _STORAGE_TYPES.items()},
    }
)
_CALLED = (_make_mapping, _rebuild_tensor, _rebuild_parameter)


# The implementation in Python: that in C fills memory up to any index that a file names for its memo.
class _Unpickler(pickle._Unpickler):  # noqa: SLF001
    stack: list[Any]
    dispatch: ClassVar[dict[int, Any]] = {code[0]: pickle._Unpickler.dispatch[code[0]] for code in _OPCODES}  # noqa: SLF001

    def __init__(self, file: io.BytesIO, *, encoding: str) -> None:
        super().__init__(file, encoding=encoding)
        self.storages: dict[str, Storage] = {}

    def find_class(self, module: str, name: str) -> Any:
        return _ALLOWED.get(f"{module}.{name}") or Foreign(f"{module}.{name}")

    def persistent_load(self, pid: Any) -> Storage | Foreign:
        if len(pid) == 4 and pid[0] == "module" and isinstance(pid[1], Foreign):  # with its source, in a row of pickles
            return pid[1]
        # Rows of pickles add whether a storage is a part of another, which it has not been since PyTorch 0.4.
        kind, dtype, key, _, count, *part = pid
        if isinstance(dtype, Foreign):
            return dtype
        is_storage = kind == "storage" and part in ([], [None])
        if not (is_storage and isinstance(dtype, torch.dtype) and isinstance(key, str) and type(count) is int):
            raise UnsafeWeightsError("it refers to an object outside itself")
        storage = self.storages.setdefault(key, Storage(key, dtype, count))
        if storage != Storage(key, dtype, count):
            raise UnsafeWeightsError(f"it describes the storage {key} in two ways")
        return storage

    def load_reduce(self) -> None:
        arguments, function = self.stack.pop(), self.stack.pop()
        if isinstance(function, Foreign):
            self.stack.append(Foreign(function.name))
        elif function in _CALLED and isinstance(arguments, tuple):
            self.stack.append(function(*arguments))
        else:
            raise UnsafeWeightsError(f"it calls a {type(function).__name__}")

    def load_newobj_ex(self) -> None:
        self.stack.pop()
        self.load_reduce()

    def load_build(self) -> None:
        self.stack.pop()

    def load_setitem(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        _set_items(self.stack[-1], [(key, value)])

    def load_setitems(self) -> None:
        items = self.pop_mark()  # type: ignore[attr-defined]  # typeshed does not list it
        _set_items(self.stack[-1], zip(items[::2], items[1::2], strict=True))

    dispatch[pickle.REDUCE[0]] = dispatch[pickle.NEWOBJ[0]] = load_reduce
    dispatch[pickle.NEWOBJ_EX[0]] = load_newobj_ex
    dispatch[pickle.BUILD[0]] = load_build
    dispatch[pickle.SETITEM[0]] = load_setitem
    dispatch[pickle.SETITEMS[0]] = load_setitems
