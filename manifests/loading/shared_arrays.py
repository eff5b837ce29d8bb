"""Arrays in one memory-mapped Arrow file, so that any number of processes hold them once."""

from __future__ import annotations

import os
import tempfile
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow as pa
from numpy.typing import NDArray

from manifests.errors import MissingManifestError

Column: TypeAlias = NDArray[Any] | pa.StringArray


class SharedArrays:
    """Named flat arrays in a temporary file, which lasts as long as this object does in the process that made it.

    Pickled, it is the name of the file: whoever unpickles it maps the same memory.

    Args:
        columns: numpy arrays of one dimension, or pyarrow text, none of it null.
    """

    def __init__(self, columns: Mapping[str, Column]) -> None:
        # One row, whose cells are whole arrays: columns of a table would have to be of equal length.
        batch = pa.record_batch({name: _to_cell(column) for name, column in columns.items()})
        descriptor, name = tempfile.mkstemp(prefix="buiqa-", suffix=".arrow")
        self._path = Path(name)
        weakref.finalize(self, _remove, self._path, os.getpid())
        with os.fdopen(descriptor, "wb") as stream, pa.ipc.new_file(stream, batch.schema) as writer:
            writer.write_batch(batch)
        self._columns = _map_columns(self._path)

    def __getitem__(self, name: str) -> Column:
        """An array, read-only; numbers as numpy, text as pyarrow."""
        return self._columns[name]

    def __getstate__(self) -> Path:
        """Only where the file is."""
        return self._path

    def __setstate__(self, path: Path) -> None:
        """Map the file.

        Raises:
            MissingManifestError: if it is gone with the process that made it.
        """
        self._path = path
        self._columns = _map_columns(path)


def _to_cell(column: Column) -> pa.Array:
    values = column if isinstance(column, pa.Array) else pa.array(column)
    return pa.LargeListArray.from_arrays(pa.array([0, len(values)], pa.int64()), values)


def _map_columns(path: Path) -> dict[str, Column]:
    try:
        batch = pa.ipc.open_file(pa.memory_map(str(path))).get_batch(0)
    except OSError as error:
        raise MissingManifestError(f"{path}: is gone with the process that made it; make the dataset anew") from error
    values = {name: batch.column(name).values for name in batch.schema.names}
    return {
        name: column if pa.types.is_string(column.type) else column.to_numpy(zero_copy_only=True)
        for name, column in values.items()
    }


def _remove(path: Path, owner: int) -> None:
    # A forked worker inherits the object, but not the file.
    if os.getpid() == owner:
        path.unlink(missing_ok=True)
