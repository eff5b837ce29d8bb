"""Arrays in one memory-mapped Arrow file, so that any number of processes hold them once."""

from __future__ import annotations

import os
import tempfile
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, NamedTuple, TypeAlias

import pyarrow as pa
from numpy.typing import NDArray

from manifests.errors import MissingManifestError

Column: TypeAlias = NDArray[Any] | pa.StringArray
_DESCRIPTORS = Path("/proc/self/fd")


class _Place(NamedTuple):
    """Where an open file is found by other processes of this machine, and which it must be."""

    path: str
    device: int
    inode: int


class SharedArrays:
    """Named flat arrays in a temporary file, which lasts as long as this object does in the process that made it.

    The file has no name, so nothing is left of it when that process is killed. Pickled, it is the place of the file among those that its
    owner has open: whoever unpickles it maps the same memory.

    Args:
        columns: numpy arrays of one dimension, or pyarrow text, none of it null.
    """

    def __init__(self, columns: Mapping[str, Column]) -> None:
        # One row, whose cells are whole arrays: columns of a table would have to be of equal length.
        batch = pa.record_batch({name: _to_cell(column) for name, column in columns.items()})
        file = _open_temporary()
        weakref.finalize(self, file.close)
        with pa.ipc.new_file(file, batch.schema) as writer:
            writer.write_batch(batch)
        file.flush()
        self._place = _locate(file)
        self._columns = _map_columns(self._place)

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


def _locate(file: IO[bytes]) -> _Place:
    number = file.fileno()
    path = f"/proc/{os.getpid()}/fd/{number}" if _DESCRIPTORS.is_dir() else str(file.name)
    status = os.fstat(number)
    return _Place(path, status.st_dev, status.st_ino)


def _to_cell(column: Column) -> pa.Array:
    values = column if isinstance(column, pa.Array) else pa.array(column)
    return pa.LargeListArray.from_arrays(pa.array([0, len(values)], pa.int64()), values)


def _map_columns(place: _Place) -> dict[str, Column]:
    gone = f"{place.path}: is gone with the process that made it; make the dataset anew"
    try:
        found = Path(place.path).stat()
        batch = pa.ipc.open_file(pa.memory_map(place.path)).get_batch(0)
    except (OSError, pa.ArrowException) as error:
        raise MissingManifestError(gone) from error
    if (found.st_dev, found.st_ino) != (place.device, place.inode):  # another process has its number now
        raise MissingManifestError(gone)
    values = {name: batch.column(name).values for name in batch.schema.names}
    return {
        name: column if pa.types.is_string(column.type) else column.to_numpy(zero_copy_only=True)
        for name, column in values.items()
    }
