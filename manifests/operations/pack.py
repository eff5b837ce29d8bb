"""The packed form: the samples themselves in a few memory-mapped files, one burst one read.

A shard is an uncompressed Arrow IPC file with a record batch for each burst: `burst_id`, `dtype`, `shape` [T, C, H, W] and `pixels`,
the stored values of its upright frames. `manifests/packs.parquet` says where in which shard the pixels of a burst lie, and their SHA-256.
"""

from __future__ import annotations

import hashlib
import mmap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from manifests.confined.reading import hash_file, read_files
from manifests.confined.writing import copy_file, replace_file
from manifests.description import DESCRIPTION, PACKED_FORM, drop_seal, read_description
from manifests.errors import ImageFileError, SchemaError
from manifests.images.listing import require_digest
from manifests.images.pixels import apply_orientation, decode_pixels
from manifests.loading.index import BurstIndex, load_burst_index
from manifests.operations.output import write_new_folder
from manifests.problem import Progress
from manifests.schema import FRAMES, PACKS
from manifests.seal import IMAGE_FOLDER, list_documents, seal_dataset
from manifests.store import (
    read_table,
    table_path,
    write_table,
)

SHARD_BYTES = 256 << 20
"""A shard is closed after the burst that takes it beyond this size."""
_SHARD = pa.schema(
    [
        ("burst_id", pa.string()),
        ("dtype", pa.string()),
        ("shape", pa.list_(pa.int64(), 4)),
        ("pixels", pa.large_binary()),
    ]
)


def pack_dataset(root: Path, out: Path, *, shard_bytes: int = SHARD_BYTES, on_progress: Progress | None = None) -> int:
    """Write the packed form of a data set: its tables and documents as they are, its frames in shards, no ground truth.

    Every frame is checked against its SHA-256 first.

    Args:
        root: the data set.
        out: folder of the pack, new or empty.
        shard_bytes: when to begin another shard.
        on_progress: called with the number of bursts written and of all.

    Returns:
        Number of shards.

    Raises:
        OutputExistsError: if `out` holds something.
        ManifestError: if `root` is no data set of image files, or a frame is missing or damaged.
    """
    description = read_description(root)
    if description.get("form") == PACKED_FORM:
        raise SchemaError(f"{root}: is a pack already; name the data set that it was made from")
    with write_new_folder(out) as folder:
        source = _Source(root, load_burst_index(root), _read_digests(root))
        count = _write_shards(source, folder, shard_bytes, on_progress)
        for path in list_documents(root):
            if path != table_path("packs") and not path.startswith(("audit/", f"{IMAGE_FOLDER}/")):
                copy_file(root, path, folder)
        facts = {"source_sha256": hash_file(root, DESCRIPTION), "form": PACKED_FORM}
        seal_dataset(folder, {**drop_seal(description), **facts})
    return count


@dataclass(frozen=True, eq=False)
class _Source:
    """The data set to pack: its folder, its bursts, and the SHA-256 of each frame."""

    root: Path
    index: BurstIndex
    digests: Sequence[str]


def _write_shards(source: _Source, out: Path, shard_bytes: int, on_progress: Progress | None) -> int:
    """Write all shards and the table that says where what is; return their number."""
    rows: list[dict[str, Any]] = []
    total, count = len(source.index.burst_ids), 0
    while len(rows) < total:
        shard = f"shards/{count:05d}.arrow"
        for row in _write_shard(source, out, shard, first=len(rows), shard_bytes=shard_bytes):
            rows.append(row)
            if on_progress is not None:
                on_progress(len(rows), total)
        count += 1
    write_table(out, table_path("packs"), PACKS, rows)
    return count


def _write_shard(source: _Source, out: Path, shard: str, *, first: int, shard_bytes: int) -> list[dict[str, Any]]:
    """Write bursts, from the first that has none, until the shard is full, and return their rows."""
    rows: list[dict[str, Any]] = []
    written = 0
    with replace_file(out, shard) as stream:
        with pa.ipc.new_file(stream, _SHARD) as writer:
            for burst in range(first, len(source.index.burst_ids)):
                codes = _read_codes(source, burst)
                name = source.index.burst_ids[burst].as_py()
                writer.write_batch(_make_batch(name, codes))
                digest = hashlib.sha256(codes.data.cast("B")).hexdigest()
                facts = {"burst_id": name, "shard": shard, "dtype": codes.dtype.name}
                rows.append({**facts, "length": codes.nbytes, "sha256": digest})
                written += codes.nbytes
                if written >= shard_bytes:
                    break
        for row, offset in zip(rows, _find_offsets(stream), strict=True):
            row["offset"] = offset
    return rows


def _make_batch(burst_id: str, codes: NDArray[Any]) -> pa.RecordBatch:
    pixels = pa.Array.from_buffers(
        pa.large_binary(), 1, [None, pa.py_buffer(np.array([0, codes.nbytes], np.int64)), pa.py_buffer(codes)]
    )
    return pa.record_batch([[burst_id], [codes.dtype.name], [list(codes.shape)], pixels], schema=_SHARD)


def _find_offsets(stream: BinaryIO) -> list[int]:
    """Where in the file the pixels of each batch begin."""
    stream.flush()
    whole = pa.py_buffer(mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ))
    reader = pa.ipc.open_file(whole)
    batches = (reader.get_batch(number) for number in range(reader.num_record_batches))
    return [batch.column("pixels").buffers()[2].address - whole.address for batch in batches]


def _read_codes(source: _Source, burst: int) -> NDArray[Any]:
    root, index = source.root, source.index
    rows = slice(int(index.starts[burst]), int(index.starts[burst + 1]))
    paths = index.paths[rows].to_pylist()
    frames = []
    shape = (int(index.channels[burst]), int(index.height[burst]), int(index.width[burst]))
    for path, data, orientation, digest in zip(
        paths, read_files(root, paths), index.orientation[rows].tolist(), source.digests[rows], strict=True
    ):
        require_digest(data, digest, root / path)
        pixels = apply_orientation(decode_pixels(data, root / path), orientation)
        planes = pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
        if planes.shape != shape:
            raise ImageFileError(f"{root / path}: expected {shape}, got {planes.shape}; run `buiqa verify`")
        frames.append(planes)
    return np.ascontiguousarray(np.stack(frames))


def _read_digests(root: Path) -> list[str]:
    digests: list[str] = read_table(root, table_path("frames"), FRAMES, columns=["sha256"]).column(0).to_pylist()
    return digests
