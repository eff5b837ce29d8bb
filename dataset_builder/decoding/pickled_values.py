"""What a pickle of others may make: arrays of numbers and what exifread reads, each by a function that checks what it is given.

A name in a pickle is a word here and no object: where Python would have a class or a function, there is a `Name`, which cannot be called.
Arrays get their numbers from bytes of the file; they have no strides, no offsets and no buffers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from dataset_builder.errors import HostileFileError

_MAX_NUMBERS = 2**27
_NUMBERS = frozenset({"b1", *(f"{kind}{size}" for kind in "iu" for size in (1, 2, 4, 8)), "f2", "f4", "f8"})


@dataclass(frozen=True)
class Name:
    """A module and what is in it, in words."""

    words: str


@dataclass
class ExifTag:
    """Stands in for `exifread.classes.IfdTag`: a value read from EXIF.

    Attributes:
        printable: the value as text.
        values: the value itself: numbers, ratios or text.
    """

    printable: str = ""
    values: Any = None
    tag: int = 0
    field_type: int = 0

    def __setstate__(self, state: Any) -> None:
        """Keep what is known by name; nothing is called."""
        if not isinstance(state, dict):
            raise HostileFileError(f"the state of an EXIF tag: expected a dict, got {type(state).__name__}")
        for name in ("printable", "values", "tag", "field_type"):
            setattr(self, name, state.get(name, getattr(self, name, None)))


class ExifRatio:
    """Stands in for `exifread.utils.Ratio` and `fractions.Fraction`."""

    def __init__(self, numerator: Any = 0, denominator: Any = 1) -> None:
        if isinstance(numerator, str):  # a fraction pickles as its text
            numerator, _, denominator = numerator[:64].partition("/")
        self._set(numerator, denominator or 1)

    def __setstate__(self, state: Any) -> None:
        """Take numerator and denominator, by any of the names that exifread's versions give them."""
        values = next((part for part in state if isinstance(part, dict)), {}) if isinstance(state, tuple) else state
        if not isinstance(values, dict):
            raise HostileFileError(f"the state of an EXIF ratio: expected a dict, got {type(values).__name__}")
        self._set(
            values.get("_numerator", values.get("num", self.numerator)),
            values.get("_denominator", values.get("den", self.denominator)),
        )

    def _set(self, numerator: Any, denominator: Any) -> None:
        # A ratio of ratios may hold itself.
        if not all(isinstance(part, int | float | str | np.number) for part in (numerator, denominator)):
            raise HostileFileError("it holds an EXIF ratio of things that are no numbers")
        self.numerator, self.denominator = numerator, denominator

    def __float__(self) -> float:
        """The value; NaN where it makes none."""
        try:
            return float(self.numerator) / float(self.denominator)
        except (TypeError, ValueError, ZeroDivisionError, OverflowError):
            return float("nan")


class _NumberType:
    """Stands in for `numpy.dtype`: a kind of numbers and their byte order."""

    def __init__(self, name: Any, *_: Any) -> None:
        if type(name) is not str or name not in _NUMBERS:
            raise HostileFileError("it holds an array of something else than numbers")
        self.kind = np.dtype(name)

    def __setstate__(self, state: Any) -> None:
        """Take the byte order."""
        plain = type(state) is tuple and len(state) > 4 and all(part is None for part in state[2:5])
        order: Any = state[1] if plain and type(state[1]) is str else None
        if order not in ("<", ">", "|", "="):
            raise HostileFileError("it holds an array of structured type")
        self.kind = self.kind.newbyteorder(order)


class _NumberArray(np.ndarray[Any, Any]):
    """An array that checks the state it is given before NumPy looks at it."""

    def __setstate__(self, state: Any) -> None:
        if self.shape != (0,) or type(state) is not tuple or len(state) != 5:
            raise HostileFileError("it gives an array another state than its shape, type, order and bytes")
        _, shape, kind, fortran, data = state
        if not (type(kind) is _NumberType and type(data) is bytes and type(shape) is tuple):
            raise HostileFileError("it holds an array of objects")
        if len(shape) > 8 or not all(type(side) is int and 0 <= side <= _MAX_NUMBERS for side in shape):
            raise HostileFileError("it holds an array of impossible shape")
        # NumPy multiplies the sides that are not zero, too.
        size = math.prod(shape) * kind.kind.itemsize
        if size != len(data) or math.prod(side or 1 for side in shape) > _MAX_NUMBERS:
            raise HostileFileError(f"it holds an array of shape {list(shape)} in {len(data):,} bytes")
        plain: Any = (1, shape, kind.kind, bool(fortran), data)
        super().__setstate__(plain)


def make(name: Any, arguments: Iterable[Any]) -> Any:
    """What a name makes of its arguments.

    Raises:
        HostileFileError: if it is none of those that make something, or does not get what it should.
    """
    if type(name) is not Name or name not in _MAKERS:
        raise HostileFileError(f"it calls {name.words if type(name) is Name else f'a {type(name).__name__}'}")
    return _MAKERS[name](*arguments)


def set_state(thing: Any, state: Any) -> None:
    """Give a made thing its state.

    Raises:
        HostileFileError: if it is of a kind that has none, or this is none.
    """
    # Without this, a file could write attributes of anything.
    if not isinstance(thing, ExifTag | ExifRatio | _NumberType | _NumberArray):
        raise HostileFileError(f"it sets the state of a {type(thing).__name__}")
    thing.__setstate__(state)


def find_name(module: Any, name: Any) -> Name:
    """The word for what a module has.

    Raises:
        HostileFileError: if it is none that a pickle of plain values needs.
    """
    words = f"{module}.{name}" if type(module) is str and type(name) is str else "something without a name"
    if (found := Name(words)) != _ARRAY and found not in _MAKERS:
        raise HostileFileError(f"it asks for {(words if words.isprintable() else ascii(words))[:80]}")
    return found


def make_dict(pairs: Iterable[Any] = ()) -> dict[Any, Any]:
    """A dict of pairs of keys and values."""
    return {require_key(key): value for key, value in pairs}


def require_key(key: Any) -> Any:
    """Return numbers, text and flat tuples of them.

    Raises:
        HostileFileError: if it is anything else: the hash of tuples in tuples in tuples ends the process.
    """
    parts = key if type(key) is tuple else (key,)
    if not all(part is None or isinstance(part, str | bytes | int | float | np.generic) for part in parts):
        raise HostileFileError(f"it looks up a {type(key).__name__} of things that are no numbers or text")
    return key


def _make_array(kind: Any, shape: Any, code: Any) -> Any:
    """`numpy.core.multiarray._reconstruct`: arrays begin empty."""
    if kind != _ARRAY or type(shape) is not tuple or shape != (0,) or code != b"b":
        raise HostileFileError("it holds an array that does not begin empty")
    return _NumberArray((0,), np.int8)


def _make_scalar(kind: Any, data: Any = b"") -> Any:
    """`numpy.core.multiarray.scalar`."""
    if not (type(kind) is _NumberType and type(data) is bytes and len(data) == kind.kind.itemsize):
        raise HostileFileError("it holds a scalar that is no plain number")
    return np.frombuffer(data, kind.kind)[0]


def _encode(text: Any, codec: Any = "latin1") -> bytes:
    """`_codecs.encode`, as old protocols write bytes."""
    if type(text) is not str or codec != "latin1":
        raise HostileFileError("it holds text in a coding other than latin1")
    return text.encode("latin1")


_ARRAY = Name("numpy.ndarray")
_MAKERS: Mapping[Name, Callable[..., Any]] = MappingProxyType(
    {
        **{Name(f"numpy.{core}.multiarray._reconstruct"): _make_array for core in ("core", "_core")},
        **{Name(f"numpy.{core}.multiarray.scalar"): _make_scalar for core in ("core", "_core")},
        Name("numpy.dtype"): _NumberType,
        Name("_codecs.encode"): _encode,
        Name("collections.OrderedDict"): make_dict,
        Name("exifread.classes.IfdTag"): ExifTag,
        Name("exifread.utils.Ratio"): ExifRatio,
        Name("fractions.Fraction"): ExifRatio,
    }
)
