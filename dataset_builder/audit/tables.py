"""The manifests of a data set in memory, as the audit and the contact sheet read them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from dataset_builder.audit.drawing import MOST_BURSTS, draw_bursts, keep_bursts, read_rows_of
from manifests.batches import count_rows
from manifests.errors import ManifestError
from manifests.matching import BurstTables, read_burst_tables, read_label_file, require_bursts
from manifests.schema import BURSTS, FAILURES, LABEL_SET, LABELS, RELIABILITY, SPLITS, TableSchema
from manifests.schema.ranks import merge_ties
from manifests.store import list_label_files, read_or_empty, table_path

_LABEL_COLUMNS = ("burst_id", "frame_index", *LABEL_SET, "unit", "score", "std_error", "noise_error")
_CATEGORIES = ["burst_id", *LABEL_SET, "unit"]
_EMPTY_LABELS = LABELS.schema.empty_table().select(_LABEL_COLUMNS)


@dataclass(frozen=True, eq=False)
class Labels:
    """Labels in parts, each of whole label sets. A part is read whenever it is asked for, so that one is in memory at a time.

    Attributes:
        parts: each gives rows with the columns that statistics need; `score` NaN where null.
        sets: what `find_label_sets` gives of all parts.
    """

    parts: tuple[Callable[[], pd.DataFrame], ...]
    sets: pd.DataFrame

    def __iter__(self) -> Iterator[pd.DataFrame]:
        for read in self.parts:
            yield read()

    def select(self, burst_ids: Iterable[str]) -> pd.DataFrame:
        """The rows of some bursts."""
        wanted = list(burst_ids)
        found = [as_plain(part[part["burst_id"].isin(wanted)].astype({"burst_id": object})) for part in self]
        return pd.concat(found, ignore_index=True)


@dataclass(frozen=True, eq=False)
class Tables:
    """Manifests of one data set: labels to be read one scenario at a time, all else as pandas frames.

    Attributes:
        bursts: the table.
        frames: the table.
        labels: those whose files can be read.
        splits: the table.
        failures: the table.
        reliability: the table; empty where labels were not made again.
        problems: one line for each table that cannot be read and was taken for empty.
        total: bursts of the data set, of which `bursts` may be a part; 0 stands for those that are there.
    """

    bursts: pd.DataFrame
    frames: pd.DataFrame
    labels: Labels
    splits: pd.DataFrame
    failures: pd.DataFrame
    reliability: pd.DataFrame = field(default_factory=lambda: RELIABILITY.schema.empty_table().to_pandas())
    problems: tuple[str, ...] = ()
    total: int = 0


@dataclass(frozen=True, eq=False)
class ScoreMatrix:
    """Scores of S label sets side by side, for all F frames of a data set.

    Attributes:
        sets: S rows with scenario, estimator, metric, unit.
        frames: F rows: `burst` (position in `burst_ids`), `frame_index`, `reference_distance`, and all columns of `frames`; sorted
            by burst and index.
        burst_ids: B names, sorted.
        scenes: int64 [B], a number for the scene of each burst.
        values: float64 [S, F]; NaN where there is no score; those that differ by rounding only are equal.
        std_errors: float64 [S, F]; NaN where there is no score.
        noise_errors: float64 [S, F]; NaN where it was not measured.
    """

    sets: pd.DataFrame
    frames: pd.DataFrame
    burst_ids: NDArray[Any]
    scenes: NDArray[np.int64]
    values: NDArray[np.float64]
    std_errors: NDArray[np.float64]
    noise_errors: NDArray[np.float64]

    @cached_property
    def bursts(self) -> NDArray[np.int64]:
        """int64 [F]: the burst of each frame."""
        return self.frames["burst"].to_numpy(np.int64)

    def select(self, sets: pd.DataFrame) -> ScoreMatrix:
        """The same frames under fewer label sets, in the order given."""
        places = {key: place for place, key in enumerate(self.sets[LABEL_SET].itertuples(index=False, name=None))}
        rows = [places[key] for key in sets[LABEL_SET].itertuples(index=False, name=None)]
        chosen = self.sets.iloc[rows].reset_index(drop=True)
        return replace(
            self,
            sets=chosen,
            values=self.values[rows],
            std_errors=self.std_errors[rows],
            noise_errors=self.noise_errors[rows],
        )


def read_tables(root: Path, *, most: int = MOST_BURSTS) -> Tables:
    """Read the manifests of a data set; labels, splits and failures may be absent or damaged.

    Args:
        root: the data set.
        most: of more bursts whole scenes are drawn, about so many bursts, and with them their frames, labels and splits.

    Raises:
        ManifestError: if the table of bursts or of frames is missing or damaged, or the two do not fit each other.
    """
    total = count_rows(root, table_path(BURSTS.name), BURSTS)
    known = read_burst_tables(root) if total <= most else draw_bursts(root, most)
    problems: list[str] = []

    def attempt(read: Callable[[], pd.DataFrame]) -> pd.DataFrame | None:
        try:
            return read()
        except ManifestError as error:
            problems.append(str(error).replace(f"{root}/", ""))
            return None

    def read_optional(kind: TableSchema) -> pd.DataFrame:
        path = table_path(kind.name)

        def read() -> pd.DataFrame:
            table = read_or_empty(root, path, kind)
            if kind is SPLITS and total <= most:
                require_bursts(table, known, root / path)
            elif kind is SPLITS:
                table = keep_bursts(table, known.bursts.column("burst_id"))
            found: pd.DataFrame = table.to_pandas()
            return found

        found = attempt(read)
        return kind.schema.empty_table().to_pandas() if found is None else found

    parts: list[Callable[[], pd.DataFrame]] = []
    sets: list[pd.DataFrame] = []
    names = known._replace(bursts=known.bursts.select(["burst_id"]), frames=known.frames.select([]))
    for path in list_label_files(root):
        part = partial(_read_labels if total <= most else _read_some_labels, root, path, names)
        if (labels := attempt(part)) is not None:
            parts.append(part)
            sets.append(find_label_sets(labels))
    if not parts:
        parts, sets = [_read_no_labels], [find_label_sets(_read_no_labels())]
    return Tables(
        bursts=known.bursts.to_pandas(),
        frames=known.frames.to_pandas(),
        labels=Labels(tuple(parts), pd.concat(sets).sort_values(LABEL_SET, ignore_index=True)),
        splits=read_optional(SPLITS),
        failures=read_optional(FAILURES),
        reliability=read_optional(RELIABILITY),
        problems=tuple(problems),
        total=total,
    )


def find_label_sets(labels: pd.DataFrame) -> pd.DataFrame:
    """Columns scenario, estimator, metric, unit: the label sets that have a score, sorted."""
    scored = labels.loc[labels["score"].notna(), [*LABEL_SET, "unit"]]
    return as_plain(scored.drop_duplicates()).sort_values(LABEL_SET, ignore_index=True)


def build_score_matrix(tables: Tables, sets: pd.DataFrame | None = None) -> ScoreMatrix:
    """Put the scores of label sets beside the frames they belong to; rows that belong to no frame are left out.

    Args:
        tables: the manifests.
        sets: scenario, estimator, metric, unit of the label sets wanted; None for all that have a score, sorted.
    """
    sets = tables.labels.sets if sets is None else sets.reset_index(drop=True)
    bursts = tables.bursts.drop_duplicates("burst_id").sort_values("burst_id")
    burst_ids = bursts["burst_id"].to_numpy(object)
    place_of = pd.Series(np.arange(len(burst_ids)), index=burst_ids, dtype="int64")
    frames = tables.frames.assign(burst=tables.frames["burst_id"].map(place_of)).dropna(subset="burst")
    frames = frames.astype({"burst": "int64"}).sort_values(["burst", "frame_index"], ignore_index=True)
    references = frames["burst"].map(pd.Series(bursts["reference_index"].to_numpy()))
    frames["reference_distance"] = (frames["frame_index"] - references).abs()
    keys = frames["burst"].to_numpy(np.int64) << 32 | frames["frame_index"].to_numpy(np.int64)
    shape = (len(sets), len(frames))
    values, errors, noise = (np.full(shape, np.nan) for _ in range(3))
    rows: dict[Any, int] = {key: row for row, key in enumerate(sets[LABEL_SET].itertuples(index=False, name=None))}
    for part in tables.labels if len(keys) else ():
        owners = part["burst_id"].map(place_of).astype("float64").fillna(-1).to_numpy().astype(np.int64)
        owners = owners << 32 | part["frame_index"].to_numpy(np.int64)
        places = np.searchsorted(keys, owners).clip(0, len(keys) - 1)
        known = keys[places] == owners
        for key, mine in part.groupby(LABEL_SET, observed=True, sort=False).indices.items():
            if (row := rows.get(key)) is not None:
                found = mine[known[mine]]
                values[row, places[found]] = part["score"].to_numpy(np.float64)[found]
                errors[row, places[found]] = part["std_error"].to_numpy(np.float64)[found]
                noise[row, places[found]] = part["noise_error"].to_numpy(np.float64)[found]
    errors[np.isnan(values)] = np.nan
    for row, unit in enumerate(sets["unit"]):
        values[row] = merge_ties(values[row], unit, frames["burst"].to_numpy(np.int64))  # rounding is no order
    scenes = pd.factorize(bursts["scene_id"], sort=True)[0].astype(np.int64)
    return ScoreMatrix(sets, frames, burst_ids, scenes, values, errors, noise)


def to_rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as mappings from column to value."""
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]


def find_extreme(table: pd.DataFrame, column: str, *, lowest: bool = False) -> dict[str, Any]:
    """The first row with the highest (or lowest) value of a column; at least one value must be known."""
    values = table[column].to_numpy(np.float64)
    return to_rows(table.iloc[[int(np.nanargmin(values) if lowest else np.nanargmax(values))]])[0]


def as_plain(table: pd.DataFrame) -> pd.DataFrame:
    """Categories back to text: sorted, comparable and free of unused values."""
    return table.astype({name: object for name in (*LABEL_SET, "unit") if name in table})


def _read_labels(root: Path, path: str, known: BurstTables) -> pd.DataFrame:
    table = read_label_file(root, path, known, columns=list(_LABEL_COLUMNS))
    labels: pd.DataFrame = _encode_text(table).to_pandas()
    return labels


def _read_some_labels(root: Path, path: str, known: BurstTables) -> pd.DataFrame:
    """Those of bursts that were drawn, and nothing is said of others."""
    rows = read_rows_of(root, path, LABELS, known.bursts.column("burst_id"), columns=_LABEL_COLUMNS)
    labels: pd.DataFrame = _encode_text(rows).to_pandas()
    return labels


def _read_no_labels() -> pd.DataFrame:
    labels: pd.DataFrame = _encode_text(_EMPTY_LABELS).to_pandas()
    return labels


def _encode_text(table: pa.Table) -> pa.Table:
    """Store repeated text once: a million labels then take tens of megabytes."""
    for name in _CATEGORIES:
        place = table.schema.get_field_index(name)
        table = table.set_column(place, name, table.column(name).dictionary_encode())
    return table
