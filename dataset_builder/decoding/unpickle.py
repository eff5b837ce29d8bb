"""Pickles that others wrote, read without trust: exact types on a list, nothing else is ever looked up or called."""

from __future__ import annotations

import io
import math
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np

from dataset_builder.errors import HostileFileError, MissingSourceError, UnreadableImageError

MAX_PICKLE_BYTES = 64_000_000


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

    # Pickles may make one without calling the initialiser.
    numerator: Any = 0
    denominator: Any = 1

    def __init__(self, numerator: Any = 0, denominator: Any = 1) -> None:
        if isinstance(numerator, str):  # a fraction pickles as its text
            numerator, _, denominator = numerator[:64].partition("/")
        self.numerator, self.denominator = numerator, denominator or 1

    def __setstate__(self, state: Any) -> None:
        """Take numerator and denominator, by any of the names that exifread's versions give them."""
        values = next((part for part in state if isinstance(part, dict)), {}) if isinstance(state, tuple) else state
        if not isinstance(values, dict):
            raise HostileFileError(f"the state of an EXIF ratio: expected a dict, got {type(values).__name__}")
        self.numerator = values.get("_numerator", values.get("num", self.numerator))
        self.denominator = values.get("_denominator", values.get("den", self.denominator))

    def __float__(self) -> float:
        """The value; NaN where it makes none."""
        try:
            return float(self.numerator) / float(self.denominator)
        except (TypeError, ValueError, ZeroDivisionError, OverflowError):
            return float("nan")


class _NumberType:
    """Stands in for `numpy.dtype`, so that no state from outside reaches NumPy."""

    def __init__(self, name: Any, *_: Any) -> None:
        kind = np.dtype(name) if isinstance(name, str) and len(name) < 16 else np.dtype(object)
        if kind.kind not in "biufSU":
            raise HostileFileError(f"an array of type {name!r}")
        self.kind = kind

    def __setstate__(self, state: Any) -> None:
        """Take the byte order."""
        order = state[1] if isinstance(state, tuple) and len(state) > 4 and state[2:5] == (None, None, None) else None
        if order not in ("<", ">", "|", "="):
            raise HostileFileError("an array of structured type")
        self.kind = self.kind.newbyteorder(order)


class _PlainArray(np.ndarray[Any, Any]):
    """An array that checks the state it is given before NumPy looks at it."""

    def __setstate__(self, state: Any) -> None:
        _, shape, kind, fortran, data = state
        if not (isinstance(kind, _NumberType) and isinstance(data, bytes) and isinstance(shape, tuple)):
            raise HostileFileError("an array of objects")
        size = math.prod(int(side) for side in shape) * kind.kind.itemsize
        if any(int(side) < 0 for side in shape) or len(shape) > 8 or size != len(data):
            raise HostileFileError(f"an array of shape {list(shape)} in {len(data):,} bytes")
        plain: Any = (1, tuple(int(side) for side in shape), kind.kind, bool(fortran), data)
        super().__setstate__(plain)


def _reconstruct(kind: Any, shape: Any, code: Any) -> Any:
    """`numpy.core.multiarray._reconstruct`: arrays begin empty."""
    if kind is not np.ndarray or shape != (0,) or code != b"b":
        raise HostileFileError("an array that does not begin empty")
    return _PlainArray(shape, np.int8)


def _make_scalar(kind: Any, data: Any = b"") -> Any:
    """`numpy.core.multiarray.scalar`, for plain types."""
    if not (isinstance(kind, _NumberType) and isinstance(data, bytes) and len(data) == kind.kind.itemsize > 0):
        raise HostileFileError("a scalar that is no plain number")
    return np.frombuffer(data, kind.kind)[0]


def _encode(text: Any, codec: Any = "latin1") -> bytes:
    """`_codecs.encode`, as old protocols write bytes."""
    if not isinstance(text, str) or codec != "latin1":
        raise HostileFileError(f"text in the coding {codec!r}")
    return text.encode("latin1")


_NUMPY = {"_reconstruct": _reconstruct, "scalar": _make_scalar}
_ALLOWED: Mapping[tuple[str, str], Any] = MappingProxyType(
    {
        **{(f"numpy.{core}.multiarray", name): made for core in ("core", "_core") for name, made in _NUMPY.items()},
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): _NumberType,
        ("_codecs", "encode"): _encode,
        ("collections", "OrderedDict"): dict,
        ("exifread.classes", "IfdTag"): ExifTag,
        ("exifread.utils", "Ratio"): ExifRatio,
        ("fractions", "Fraction"): ExifRatio,
    }
)
_STATEFUL = (ExifTag, ExifRatio, _NumberType, _PlainArray)


# The implementation in Python: that in C fills memory up to any index that a file names for its memo.
class _Unpickler(pickle._Unpickler):  # noqa: SLF001
    stack: list[Any]
    dispatch: ClassVar[dict[int, Any]] = dict(pickle._Unpickler.dispatch)  # noqa: SLF001

    def find_class(self, module: str, name: str) -> Any:
        try:
            return _ALLOWED[module, name]
        except KeyError:
            raise HostileFileError(f"it asks for {module}.{name}") from None

    def persistent_load(self, pid: Any) -> Any:
        raise HostileFileError(f"it refers to an object {pid!r} outside itself")

    def load_build(self) -> None:
        state, thing = self.stack.pop(), self.stack[-1]
        # Without this, a file could write attributes of the functions above.
        if not isinstance(thing, _STATEFUL):
            raise HostileFileError(f"it sets the state of a {type(thing).__name__}")
        thing.__setstate__(state)

    dispatch[pickle.BUILD[0]] = load_build


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
        return _Unpickler(io.BytesIO(path.read_bytes())).load()
    except HostileFileError as error:
        raise HostileFileError(
            f"{path}: expected plain values, NumPy arrays and EXIF in this pickle, but {error}; nothing was run; remove the file"
        ) from None
    except Exception as error:  # damaged pickles raise anything
        raise UnreadableImageError(
            f"{path}: cannot be read as a pickle ({type(error).__name__}); copy it again"
        ) from error
