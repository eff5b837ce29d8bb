"""A data set burst by burst, with its files and labels: what every export is made from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from manifests.confined.members import name_plain
from manifests.confined.reading import read_files
from manifests.description import PACKED_FORM, read_description
from manifests.errors import ImageFileError, SchemaError
from manifests.images.listing import IMAGE_COLUMNS, require_digest
from manifests.images.personal import strip_metadata
from manifests.matching import LabelCursor, iterate_burst_tables, locate
from manifests.schema import LABELS, SPLITS
from manifests.store import list_label_files, read_table, table_path

Row = Mapping[str, Any]
_BURST_KEYS = ["burst_id", "num_frames", "reference_index"]
_FRAME_KEYS = ["burst_id", "frame_index", "is_reference"]


@dataclass(frozen=True)
class Sample:
    """One burst.

    Attributes:
        burst: row of `bursts`.
        frames: rows of `frames`, in order.
        labels: rows of the label files.
        split: `train`, `val` or `test`.
    """

    burst: Row
    frames: Sequence[Row]
    labels: Sequence[Row]
    split: str


def iterate_samples(root: Path) -> Iterator[Sample]:
    """All bursts, split by split, sorted by `burst_id` within.

    Raises:
        ManifestError: if `root` is no data set of image files, or a table is damaged.
    """
    if read_description(root).get("form") == PACKED_FORM:
        raise SchemaError(f"{root}: is a pack, which lacks the files; name the data set that it was made from")
    splits = read_split_names(root)
    for split in ("train", "val", "test"):
        if split in set(splits.values()):
            yield from _iterate_split(root, splits, split)


def read_split_names(root: Path) -> dict[str, str]:
    """Split of each burst; those in none are left out.

    Raises:
        ManifestError: if a table cannot be read, frames do not fit the bursts, or splits name a burst that is not there.
    """
    columns = {"burst_columns": _BURST_KEYS, "frame_columns": _FRAME_KEYS}
    names = [tables.bursts.column("burst_id") for tables in iterate_burst_tables(root, **columns)]
    known = (
        pa.concat_arrays([chunk for column in names for chunk in column.chunks]) if names else pa.array([], pa.string())
    )
    splits = read_table(root, table_path("splits"), SPLITS, columns=["burst_id", "split"])
    locate(splits.column("burst_id"), known, root / table_path("splits"))
    return dict(zip(*(column.to_pylist() for column in splits.columns), strict=True))


def _iterate_split(root: Path, splits: Mapping[str, str], split: str) -> Iterator[Sample]:
    cursors = [LabelCursor(root, path) for path in list_label_files(root)]
    for tables in iterate_burst_tables(root):
        parts = [cursor.take(tables)[0] for cursor in cursors]
        frames, labels = _Groups(tables.frames), _Groups(pa.concat_tables([LABELS.schema.empty_table(), *parts]))
        for burst in tables.bursts.to_pylist():
            name = burst["burst_id"]
            if splits.get(name) == split:
                yield Sample(burst, frames.get(name), labels.get(name), split)
    for cursor in cursors:
        cursor.finish()


def read_sample_files(root: Path, sample: Sample, *, strip: bool) -> Iterator[tuple[str, bytes]]:
    """Path and bytes of the frames, then of the ground truth where there is one, each as its table's SHA-256 says; paths as `name_plainly`.

    Args:
        root: the data set.
        sample: the burst.
        strip: whether to leave out metadata that are not what pixels mean: places, serial numbers, names.

    Raises:
        ManifestError: if a file is missing, damaged or outside the data set.
    """
    files = [(frame["path"], frame["sha256"]) for frame in sample.frames]
    if sample.burst["ground_truth_path"]:
        files.append((sample.burst["ground_truth_path"], sample.burst["ground_truth_sha256"]))
    for path, data in _read_checked(root, files):
        yield path, _strip(root / path, data) if strip else data


def _strip(path: Path, data: bytes) -> bytes:
    try:
        return strip_metadata(data)
    except ValueError as error:
        raise ImageFileError(
            f"{path}: metadata cannot be told from pixels ({error}); export with --keep-metadata"
        ) from error


def read_sample_masks(root: Path, sample: Sample) -> Iterator[tuple[int, bytes]]:
    """Frame index and bytes of the masks of what covers the scene, for the frames that have one.

    Raises:
        ManifestError: as `read_sample_files`.
    """
    masked = [frame for frame in sample.frames if frame["mask_path"]]
    files = [(frame["mask_path"], frame["mask_sha256"]) for frame in masked]
    for frame, (_, data) in zip(masked, _read_checked(root, files), strict=True):
        yield frame["frame_index"], data


def read_truth_mask(root: Path, sample: Sample) -> bytes | None:
    """Bytes of the mask of where ground truth can be trusted; None where that is everywhere.

    Raises:
        ManifestError: as `read_sample_files`.
    """
    if not sample.burst["ground_truth_mask_path"]:
        return None
    files = [(sample.burst["ground_truth_mask_path"], sample.burst["ground_truth_mask_sha256"])]
    return next(data for _, data in _read_checked(root, files))


def name_plainly(row: Row) -> dict[str, Any]:
    """A row with images named as in a data set without packs."""
    return {name: name_plain(value) if value and name in IMAGE_COLUMNS else value for name, value in row.items()}


def _read_checked(root: Path, files: Sequence[tuple[str, str]]) -> Iterator[tuple[str, bytes]]:
    for (path, digest), data in zip(files, read_files(root, [path for path, _ in files]), strict=True):
        require_digest(data, digest, root / path)
        yield name_plain(path), data


class _Groups:
    """Rows of a table by burst, made to Python objects only when asked for."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table.take(pc.sort_indices(table, sort_keys=[("burst_id", "ascending")])).combine_chunks()
        counts = pc.value_counts(self._table.column("burst_id")).to_pylist()
        self._spans: dict[str, tuple[int, int]] = {}
        start = 0
        for entry in counts:
            self._spans[entry["values"]] = start, entry["counts"]
            start += entry["counts"]

    def get(self, burst_id: str) -> list[Row]:
        start, count = self._spans.get(burst_id, (0, 0))
        rows: list[Row] = self._table.slice(start, count).to_pylist()
        return rows
