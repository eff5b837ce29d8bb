"""Arrays in one memory-mapped file, so that any number of processes hold them once, and one of them never all at a time."""

from __future__ import annotations

import mmap
import os
import tempfile
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, NamedTuple, Self, TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import DTypeLike, NDArray

from manifests.errors import MissingManifestError

Column: TypeAlias = NDArray[Any] | pa.StringArray | pa.LargeStringArray
_DESCRIPTORS = Path("/proc/self/fd")
_ALIGNMENT = 64


class _Region(NamedTuple):
    """Where an array lies in the file: its first byte, its length and its type; text is bytes, with an array of ends."""

    start: int
    length: int
    dtype: str


class _Place(NamedTuple):
    """Where an open file is found by other processes of this machine, which it must be, and what it holds."""

    path: str
    device: int
    inode: int
    numbers: Mapping[str, _Region]
    texts: Mapping[str, tuple[_Region, _Region]]


class ArrayFile:
    """A temporary file that takes arrays piece by piece.

    It has no name, so nothing is left of it when its process is killed; it is closed when this object goes.
    """

    def __init__(self) -> None:
        self.file = _open_temporary()
        weakref.finalize(self, self.file.close)
        self._end = 0
        self._numbers: dict[str, _Region] = {}
        self._texts: dict[str, tuple[_Region, _Region]] = {}

    @classmethod
    def of(cls, columns: Mapping[str, NDArray[Any] | pa.Array]) -> Self:
        """A file of whole arrays: numpy, or pyarrow text, none of it null."""
        file = cls()
        for name, column in columns.items():
            if isinstance(column, pa.Array):
                file.begin_text(name, len(column))
                file.append_text(name, 0, column)
            else:
                file.allocate(name, len(column), column.dtype)
                file.write(name, 0, column)
        return file

    def allocate(self, name: str, length: int, dtype: DTypeLike) -> None:
        """Make room for an array of zeros."""
        self._numbers[name] = self._reserve(length, np.dtype(dtype))

    def write(self, name: str, start: int, values: NDArray[Any]) -> None:
        """Write a piece of an array for which there is room."""
        region = self._numbers[name]
        kind = np.dtype(region.dtype)
        self._put(region.start + start * kind.itemsize, np.ascontiguousarray(values, kind))

    def begin_text(self, name: str, length: int, *, large: bool = False) -> None:
        """Make room for the ends of so many texts, which `append_text` then takes; nothing else may be allocated meanwhile.

        Args:
            name: of the array.
            length: number of texts.
            large: whether they may take 2 GiB together or more.
        """
        ends = self._reserve(length + 1, np.dtype(np.int64 if large else np.int32))
        self._texts[name] = ends, _Region(self._end, 0, "u1")

    def append_text(self, name: str, start: int, texts: pa.Array) -> None:
        """Take the next texts, none of them null; `start` of them came before."""
        ends, data = self._texts[name]
        plain = texts.cast(pa.large_string())
        _, offsets, content = plain.buffers()
        own = np.frombuffer(offsets, np.int64)[plain.offset : plain.offset + len(plain) + 1]
        if not len(plain):
            return
        self._put(data.start + data.length, np.frombuffer(content or b"", np.uint8)[own[0] : own[-1]])
        kind = np.dtype(ends.dtype)
        self._put(ends.start + kind.itemsize * (start + 1), (own[1:] - own[0] + data.length).astype(kind))
        data = data._replace(length=data.length + int(own[-1] - own[0]))
        self._texts[name] = ends, data
        self._end = data.start + data.length

    def locate(self) -> _Place:
        """Where the file is, and what it holds now."""
        number = self.file.fileno()
        os.ftruncate(number, max(self._end, 1))
        path = f"/proc/{os.getpid()}/fd/{number}" if _DESCRIPTORS.is_dir() else str(self.file.name)
        status = os.fstat(number)
        return _Place(path, status.st_dev, status.st_ino, dict(self._numbers), dict(self._texts))

    def _reserve(self, length: int, dtype: np.dtype[Any]) -> _Region:
        start = -(-self._end // _ALIGNMENT) * _ALIGNMENT
        self._end = start + length * dtype.itemsize
        return _Region(start, length, dtype.str)

    def _put(self, start: int, values: NDArray[Any]) -> None:
        plain: Any = np.ascontiguousarray(values)
        data = memoryview(plain).cast("B") if values.size else memoryview(b"")
        while len(data):
            written = os.pwrite(self.file.fileno(), data, start)
            data, start = data[written:], start + written


class SharedArrays:
    """Named flat arrays in a temporary file, which lasts as long as this object does in the process that made it.

    Pickled, it is the place of the file among those that its owner has open: whoever unpickles it maps the same memory.

    Args:
        file: that is complete.
    """

    def __init__(self, file: ArrayFile) -> None:
        self._file = file  # which closes when it goes
        self.__setstate__(file.locate())

    def __getitem__(self, name: str) -> Column:
        """An array, read-only; numbers as numpy, text as pyarrow."""
        return self._columns[name]

    def __getstate__(self) -> _Place:
        """Only where the file is."""
        return self._place

    def __setstate__(self, place: _Place) -> None:
        """Map the file.

        Raises:
            MissingManifestError: if it is gone with the process that made it.
        """
        self._place = place
        self._columns = _map_columns(place)


def _open_temporary() -> IO[bytes]:
    """A temporary file; where other processes cannot reach a file without a name, it has one until it is closed."""
    return tempfile.TemporaryFile() if _DESCRIPTORS.is_dir() else tempfile.NamedTemporaryFile(prefix="buiqa-")


def _map_columns(place: _Place) -> dict[str, Column]:
    gone = f"{place.path}: is gone with the process that made it; make the dataset anew"
    try:
        with Path(place.path).open("rb") as file:
            found = os.fstat(file.fileno())
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, ValueError) as error:
        raise MissingManifestError(gone) from error
    if (found.st_dev, found.st_ino) != (place.device, place.inode):  # another process has its number now
        raise MissingManifestError(gone)
    columns: dict[str, Column] = {name: _read_numbers(data, region) for name, region in place.numbers.items()}
    for name, (ends, text) in place.texts.items():
        buffers = [pa.py_buffer(_read_numbers(data, region)) for region in (ends, text)]
        kind = pa.LargeStringArray if np.dtype(ends.dtype) == np.int64 else pa.StringArray
        columns[name] = kind.from_buffers(ends.length - 1, *buffers)
    return columns


def _read_numbers(data: mmap.mmap, region: _Region) -> NDArray[Any]:
    kind = np.dtype(region.dtype)
    return np.frombuffer(data, kind, region.length, region.start) if region.length else np.zeros(0, kind)
