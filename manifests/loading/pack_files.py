"""Reading the packed form: stored values straight out of memory-mapped shards."""

from __future__ import annotations

import hashlib
import mmap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from manifests.confined.reading import open_file
from manifests.errors import ImageFileError, ManifestError, SchemaError
from manifests.loading.index import BurstIndex, load_burst_index
from manifests.problem import Problem, Progress
from manifests.schema import PACKS
from manifests.store import read_table, table_path

_DTYPES = ("uint8", "uint16")


class PackFiles:
    """The shards of a pack as memory maps, which are opened when they are first needed and not pickled."""

    def __init__(self, root: Path, index: BurstIndex) -> None:
        self._root = root
        path = root / table_path("packs")
        table = read_table(root, table_path("packs"), PACKS)
        if not table.column("burst_id").combine_chunks().equals(index.burst_ids):
            raise SchemaError(f"{path}: expected a row for each burst of the table bursts; run `buiqa verify`")
        shards = table.column("shard").combine_chunks().dictionary_encode()
        self._names: list[str] = shards.dictionary.to_pylist()
        self._shard = shards.indices.to_numpy()
        self._offset = table.column("offset").to_numpy()
        self._dtype = [np.dtype(name) for name in _DTYPES]
        self._wide = np.array([name == "uint16" for name in table.column("dtype").to_pylist()])
        self._maps: dict[int, mmap.mmap] = {}

    def __getstate__(self) -> dict[str, Any]:
        """All but the open maps."""
        return {**self.__dict__, "_maps": {}}

    def read_codes(self, index: BurstIndex, burst: int) -> NDArray[np.uint8] | NDArray[np.uint16]:
        """Stored values of a burst, [T, C, H, W], without a copy: a view of the shard, whose file no writing reaches.

        Raises:
            ManifestError: if the shard is missing or too short.
        """
        shape = (
            int(index.starts[burst + 1] - index.starts[burst]),
            int(index.channels[burst]),
            int(index.height[burst]),
            int(index.width[burst]),
        )
        shard, offset, dtype = int(self._shard[burst]), int(self._offset[burst]), self._dtype[int(self._wide[burst])]
        try:
            data = self._maps.get(shard) or self._open(shard)
            codes: NDArray[Any] = np.frombuffer(data, dtype, np.prod(shape, dtype=int), offset)
        except (OSError, ValueError) as error:
            raise ImageFileError(
                f"{self._root / self._names[shard]}: cannot be read at {offset} ({error}); restore it or pack again"
            ) from error
        return codes.reshape(shape)

    def _open(self, shard: int) -> mmap.mmap:
        with open_file(self._root, self._names[shard]) as stream:
            self._maps[shard] = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_COPY)
        return self._maps[shard]


def check_packs(root: Path, *, hashes: bool, on_progress: Progress | None = None) -> Iterator[Problem]:
    """Check that the shards hold what `packs` says: place, size and SHA-256 of every burst.

    Raises:
        ManifestError: if a table cannot be read.
    """
    index = load_burst_index(root)
    files = PackFiles(root, index)
    table = read_table(root, table_path("packs"), PACKS).to_pylist()
    for burst, row in enumerate(table):
        try:
            codes = files.read_codes(index, burst)
            if codes.nbytes != row["length"]:
                message = f"length: expected {codes.nbytes} by the table bursts, got {row['length']}"
                yield Problem("manifests/packs.parquet", f"burst_id={row['burst_id']}", message)
            elif hashes and hashlib.sha256(codes.data.cast("B")).hexdigest() != row["sha256"]:
                yield Problem(row["shard"], f"burst_id={row['burst_id']}", "SHA-256: differs from packs; pack again")
        except ManifestError as error:
            yield Problem(row["shard"], f"burst_id={row['burst_id']}", str(error))
        if on_progress is not None:
            on_progress(burst + 1, len(table))
