"""Label files looked through: which of their rows still follow from the bursts, the restorer and the definitions of today."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from dataset_builder.labeling.catalogue import BurstCatalogue
from dataset_builder.labeling.rows import list_unscored, may_change
from dataset_builder.labeling.scenarios import Definition
from dataset_builder.labeling.units import hash_definition
from manifests.batches import is_null, iterate_table
from manifests.confined.reading import has_file
from manifests.schema import LABELS

_CODED = (
    "burst_id",
    "estimator",
    "metric",
    "scenario",
    "unit",
    "reason",
    "label_key",
    "restorer_fingerprint",
)
_KEYS = ["burst_id", "estimator", "metric", "frame_index", "label_key", "restorer_fingerprint", "reason"]


@dataclass(frozen=True, eq=False)
class LabelRuns:
    """A piece of a label file in R runs of rows, each of one burst, estimator and metric.

    Attributes:
        table: its rows, those of a burst together.
        starts: int64 [R + 1]; run r is the rows `starts[r]` to `starts[r + 1]`.
        bursts: int64 [R], place of the burst in the catalogue; −1 where it is gone.
        definitions: those that occur.
        codes: int64 [R], place of the run's definition among them.
        makers: fingerprint of the restorer of each run [R].
        current: bool [R], whether its key still follows from the burst, its restorer and its definition, and every frame has its row.
        failed: bool [R], whether another attempt may find a score that is missing.
    """

    table: pa.Table
    starts: NDArray[np.int64]
    bursts: NDArray[np.int64]
    definitions: Sequence[Definition]
    codes: NDArray[np.int64]
    makers: Sequence[str]
    current: NDArray[np.bool_]
    failed: NDArray[np.bool_]

    @property
    def kept(self) -> pa.Table:
        """The rows of runs that are current."""
        if self.current.all():
            return self.table
        return self.table.filter(pa.array(np.repeat(self.current, np.diff(self.starts))))

    def list_unscored(self) -> list[dict[str, Any]]:
        """As `rows.list_unscored`."""
        if self.table.column("reason").null_count == self.table.num_rows:
            return []
        names = ["burst_id", "estimator", "metric", "frame_index", "score", "reason"]
        return list_unscored(decode(self.table.select(names)))


def look_through(
    root: Path, path: str, catalogue: BurstCatalogue, fingerprint: str | None, *, whole: bool = False
) -> Iterator[LabelRuns]:
    """Read a label file, which may be absent, piece by piece.

    Args:
        root: the data set.
        path: of the file in it.
        catalogue: its bursts.
        fingerprint: of the restorer of today; None takes every row's own for granted.
        whole: whether to read all columns, and not only those that this takes.

    Raises:
        ManifestError: as `read_table`.
    """
    if not has_file(root, path):
        return
    columns = LABELS.schema.names if whole else [*_KEYS, *([] if is_null(root, path, "reason") else ["score"])]
    for table in iterate_table(root, path, LABELS, columns=columns, coded=_CODED):
        yield _find_runs(table, catalogue, fingerprint)


def decode(table: pa.Table) -> pa.Table:
    """Text that is coded by dictionaries as plain text."""
    return table.cast(pa.schema([LABELS.schema.field(name) for name in table.column_names]))


def _find_runs(table: pa.Table, catalogue: BurstCatalogue, fingerprint: str | None) -> LabelRuns:
    texts = {
        name: _join(table.column(name))
        for name in ("burst_id", "estimator", "metric", "label_key", "restorer_fingerprint")
    }
    codes = {name: array.indices.to_numpy() for name, array in texts.items()}
    changes = np.logical_or.reduce([np.diff(codes[name]) != 0 for name in ("burst_id", "estimator", "metric")])
    starts = np.concatenate([[0], np.flatnonzero(changes) + 1, [table.num_rows]]).astype(np.int64)
    first = starts[:-1]
    # Rows of a run that differ in key or restorer were never made together.
    mixed = ~changes & ((np.diff(codes["label_key"]) != 0) | (np.diff(codes["restorer_fingerprint"]) != 0))
    sound = np.ones(len(first), bool)
    sound[np.searchsorted(starts, np.flatnonzero(mixed), side="right") - 1] = False
    bursts = catalogue.locate(texts["burst_id"].dictionary)[codes["burst_id"][first]]
    pairs, kinds = np.unique(np.stack([codes["estimator"][first], codes["metric"][first]]), axis=1, return_inverse=True)
    names = [texts[name].dictionary.to_pylist() for name in ("estimator", "metric")]
    definitions = [Definition(names[0][one], names[1][other]) for one, other in pairs.T.tolist()]
    makers = texts["restorer_fingerprint"].dictionary.to_pylist()
    owners = codes["restorer_fingerprint"][first]
    sizes = np.diff(starts)
    sound &= bursts >= 0
    sound &= table.column("frame_index").to_numpy()[starts[1:] - 1] + 1 == sizes
    sound[sound] &= catalogue.lengths[bursts[sound]] == sizes[sound]
    if fingerprint is not None:
        sound &= np.array([maker == fingerprint for maker in makers], bool)[owners]
    keys = texts["label_key"].take(pa.array(first)).dictionary_decode()
    kinds = kinds.ravel().astype(np.int64)
    expected = _make_keys(np.where(sound, bursts, -1), kinds, owners, catalogue, definitions=definitions, makers=makers)
    current = sound & pc.equal(keys, expected).to_numpy(zero_copy_only=False)
    failed = np.zeros(len(first), bool)
    failed[np.searchsorted(starts, _find_retries(table), side="right") - 1] = True
    return LabelRuns(
        table, starts, bursts, definitions, kinds, [makers[owner] for owner in owners.tolist()], current, failed
    )


def _make_keys(
    bursts: NDArray[np.int64],
    kinds: NDArray[np.int64],
    owners: NDArray[np.int32],
    catalogue: BurstCatalogue,
    *,
    definitions: Sequence[Definition],
    makers: Sequence[str],
) -> pa.Array:
    """As `make_label_key`, of each run; of those without a burst anything else."""
    keys = np.full(len(bursts), "", object)
    known = bursts >= 0
    for owner, kind in {(int(owner), int(kind)) for owner, kind in zip(owners[known], kinds[known], strict=True)}:
        rest = f":{hash_definition(makers[owner], definitions[kind])}".encode()
        own = np.flatnonzero(known & (owners == owner) & (kinds == kind))
        contents = catalogue.contents[bursts[own]].tolist()
        keys[own] = [hashlib.sha256(content + rest).hexdigest() for content in contents]
    return pa.array(keys, pa.string())


def _find_retries(table: pa.Table) -> NDArray[np.int64]:
    """Rows without a score that another attempt may find."""
    reasons = table.column("reason")
    if reasons.null_count == table.num_rows:
        return np.zeros(0, np.int64)
    rows = np.flatnonzero(reasons.is_valid().to_numpy())
    texts = reasons.take(pa.array(rows)).cast(pa.string()).to_pylist()
    chosen = np.array([may_change(text) for text in texts], bool)
    return np.asarray(rows[chosen], np.int64)


def _join(column: pa.ChunkedArray) -> pa.DictionaryArray:
    return pa.concat_arrays(column.chunks)
