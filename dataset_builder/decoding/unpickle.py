"""Pickles that others wrote, read without trust by a machine for plain values; `pickled_values` says what they may make.

The machine knows those operations of pickles (`pickletools` describes them all) that plain values need, and counts what they take.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from dataset_builder.decoding.pickled_values import (
    ExifRatio,
    ExifTag,
    find_name,
    make,
    make_dict,
    require_key,
    set_state,
)
from dataset_builder.errors import HostileFileError, MissingSourceError, UnreadableImageError

__all__ = ["MAX_DEPTH", "MAX_OPERATIONS", "MAX_PICKLE_BYTES", "ExifRatio", "ExifTag", "read_pickle"]
MAX_PICKLE_BYTES = 64_000_000
MAX_OPERATIONS = 1_000_000
"""An operation of one byte may make an object of two hundred."""
MAX_DEPTH = 64
"""Containers in containers: Python prints, hashes and compares them by recursion."""


def read_pickle(path: Path) -> Any:
    """Read a pickle of plain containers, numbers, text, NumPy arrays and the value types of exifread.

    Args:
        path: the file; nothing in it is trusted.

    Returns:
        The object; values of exifread come as `ExifTag` and `ExifRatio`.

    Raises:
        MissingSourceError: if there is no such file.
        HostileFileError: if it asks for anything else; nothing of it has run.
        UnreadableImageError: if it is damaged or too large.
    """
    if not path.is_file():
        raise MissingSourceError(f"{path}: no such file")
    if path.stat().st_size > MAX_PICKLE_BYTES:
        raise UnreadableImageError(
            f"{path}: {path.stat().st_size:,} bytes is more than {MAX_PICKLE_BYTES:,}; remove it"
        )
    try:
        return _run(path.read_bytes())
    except HostileFileError as error:
        raise HostileFileError(
            f"{path}: expected plain values, NumPy arrays and EXIF in this pickle, but {error}; nothing was run; remove the file"
        ) from None
    except Exception as error:  # damaged pickles raise anything
        raise UnreadableImageError(
            f"{path}: cannot be read as a pickle ({type(error).__name__}); copy it again"
        ) from error


@dataclass
class _Machine:
    """Stack, the stacks below its marks, the memo, and how many bytes may yet be copied."""

    allowance: int
    stack: list[Any] = field(default_factory=list)
    below: list[list[Any]] = field(default_factory=list)
    memo: dict[int, Any] = field(default_factory=dict)

    def push(self, thing: Any) -> None:
        """Put a thing on the stack of the last mark."""
        self.stack.append(thing)

    def pop(self, count: int) -> list[Any]:
        """The topmost things, in the order in which they came."""
        return [self.stack.pop() for _ in range(count)][::-1]

    def pop_mark(self) -> list[Any]:
        """What came since the last mark."""
        items, self.stack = self.stack, self.below.pop()
        return items

    def charge(self, size: int) -> None:
        """Count bytes that were copied: a memo allows to copy the same ones for ever."""
        self.allowance -= size
        if self.allowance < 0:
            raise HostileFileError("it copies the same bytes again and again")


def _run(content: bytes) -> Any:
    # What is written in old protocols is copied twice: as text that becomes bytes, and as bytes that become an array.
    machine = _Machine(allowance=2 * len(content))
    for number, (opcode, argument, _) in enumerate(pickletools.genops(content)):
        if number == MAX_OPERATIONS:
            raise HostileFileError(f"it takes more than {MAX_OPERATIONS:,} operations")
        if opcode.name in _ARGUMENTS:
            machine.push(argument)
        elif opcode.name in _VALUES:
            machine.push(_VALUES[opcode.name]())
        elif opcode.name in _OPERATIONS:
            _OPERATIONS[opcode.name](machine, argument)
        else:
            raise HostileFileError(f"it uses the operation {opcode.name}")
    result = machine.stack.pop()
    _require_shallow(result)
    return result


def _require_shallow(value: Any) -> None:
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        inside = {id(part): part for each in level for part in _list_parts(each)}
        if not (level := list(inside.values())):
            return
    raise HostileFileError(f"it holds containers in containers, more than {MAX_DEPTH} deep")


def _list_parts(value: Any) -> Iterator[Any]:
    """Containers in a container; keys of dicts and members of sets are flat."""
    inside: Iterable[Any] = ()
    if isinstance(value, list | tuple):
        inside = value
    elif isinstance(value, dict):
        inside = value.values()
    elif isinstance(value, ExifTag):
        inside = vars(value).values()
    return (part for part in inside if isinstance(part, list | tuple | dict | ExifTag))


def _pop(machine: _Machine) -> None:
    if machine.stack:
        machine.stack.pop()
    else:
        machine.pop_mark()


def _mark(machine: _Machine) -> None:
    machine.below.append(machine.stack)
    machine.stack = []


def _require_last(machine: _Machine, kind: type) -> Any:
    if type(machine.stack[-1]) is not kind:
        raise HostileFileError(f"it fills a {type(machine.stack[-1]).__name__} as if it were a {kind.__name__}")
    return machine.stack[-1]


def _append(machine: _Machine, items: list[Any]) -> None:
    _require_last(machine, list).extend(items)


def _add(machine: _Machine, items: list[Any]) -> None:
    _require_last(machine, set).update(map(require_key, items))


def _set_items(machine: _Machine, items: list[Any]) -> None:
    _require_last(machine, dict).update(_pair(items))


def _pair(items: list[Any]) -> dict[Any, Any]:
    return make_dict(zip(items[::2], items[1::2], strict=True))


def _call(machine: _Machine, name: Any, arguments: Iterable[Any]) -> None:
    made = make(name, arguments)
    machine.charge(len(made) if isinstance(made, bytes) else 0)
    machine.push(made)


def _call_first(machine: _Machine, things: list[Any]) -> None:
    _call(machine, things[0], things[1:])


def _build(machine: _Machine) -> None:
    thing, state = machine.stack[-2], machine.stack.pop()
    set_state(thing, state)
    machine.charge(thing.nbytes if isinstance(thing, np.ndarray) else 0)


def _remember(machine: _Machine, place: int) -> None:
    machine.memo[place] = machine.stack[-1]


_ARGUMENTS = frozenset(
    {
        *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
        *("STRING", "BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8"),
        *("UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"),
    }
)
"""Operations that put their argument on the stack."""
_VALUES: Mapping[str, Callable[[], Any]] = MappingProxyType(
    {
        "NONE": lambda: None,
        "NEWTRUE": lambda: True,
        "NEWFALSE": lambda: False,
        "EMPTY_TUPLE": tuple,
        "EMPTY_LIST": list,
        "EMPTY_DICT": dict,
        "EMPTY_SET": set,
    }
)
"""Operations that put a value on the stack."""
_OPERATIONS: Mapping[str, Callable[[_Machine, Any], None]] = MappingProxyType(
    {
        **dict.fromkeys(("PROTO", "FRAME", "STOP"), lambda _, __: None),
        **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT"), _remember),
        **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), lambda m, place: m.push(m.memo[place])),
        "MEMOIZE": lambda m, _: _remember(m, len(m.memo)),
        "MARK": lambda m, _: _mark(m),
        "POP": lambda m, _: _pop(m),
        "POP_MARK": lambda m, _: m.pop_mark().clear(),
        "DUP": lambda m, _: m.push(m.stack[-1]),
        "TUPLE": lambda m, _: m.push(tuple(m.pop_mark())),
        "TUPLE1": lambda m, _: m.push(tuple(m.pop(1))),
        "TUPLE2": lambda m, _: m.push(tuple(m.pop(2))),
        "TUPLE3": lambda m, _: m.push(tuple(m.pop(3))),
        "LIST": lambda m, _: m.push(m.pop_mark()),
        "APPEND": lambda m, _: _append(m, m.pop(1)),
        "APPENDS": lambda m, _: _append(m, m.pop_mark()),
        "FROZENSET": lambda m, _: m.push(frozenset(map(require_key, m.pop_mark()))),
        "ADDITEMS": lambda m, _: _add(m, m.pop_mark()),
        "DICT": lambda m, _: m.push(_pair(m.pop_mark())),
        "SETITEM": lambda m, _: _set_items(m, m.pop(2)),
        "SETITEMS": lambda m, _: _set_items(m, m.pop_mark()),
        "GLOBAL": lambda m, words: m.push(find_name(*words.split(" ", 1))),
        "STACK_GLOBAL": lambda m, _: m.push(find_name(*m.pop(2))),
        **dict.fromkeys(("REDUCE", "NEWOBJ"), lambda m, _: _call(m, *m.pop(2))),
        "INST": lambda m, words: _call(m, find_name(*words.split(" ", 1)), m.pop_mark()),
        "OBJ": lambda m, _: _call_first(m, m.pop_mark()),
        "BUILD": lambda m, _: _build(m),
    }
)
