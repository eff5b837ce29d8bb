"""Bursts of a data set as labels see them: a few columns of all, in memory, and the rows of those that are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dataset_builder.labeling.contents import hash_contents
from dataset_builder.labeling.known_limits import SHORTER
from dataset_builder.labeling.units import BurstRows, list_label_columns
from manifests.matching import BurstTables, iterate_burst_tables

_NAME = np.dtype("S32")
"""Identifiers are no longer."""
_CASE = ("source", "preset", "domain", "num_frames", "height", "width", "scale", "ground_truth_kind")
"""Columns of `bursts` by which it is decided what labels a burst gets."""


@dataclass(frozen=True, eq=False)
class BurstCatalogue:
    """B bursts, sorted by id: of each about 100 bytes.

    Attributes:
        names: bytes [B], ASCII.
        contents: bytes [B], SHA-256 (hex) of what its labels depend on.
        lengths: int32 [B], number of its frames.
        cases: int32 [B], place in `examples` of a burst that gets the same labels.
        examples: rows of a burst of each case.
        fetch: rows of bursts by their places, which rise, in order.
    """

    names: NDArray[np.bytes_]
    contents: NDArray[np.bytes_]
    lengths: NDArray[np.int32]
    cases: NDArray[np.int32]
    examples: Sequence[BurstRows]
    fetch: Callable[[NDArray[np.int64]], Iterator[BurstRows]] = field(repr=False)

    def locate(self, names: pa.Array) -> NDArray[np.int64]:
        """Places of bursts by their ids; −1 for those that are not there."""
        wanted = np.array(names.to_pylist(), dtype=_NAME)
        if not len(self.names):
            return np.full(len(wanted), -1, np.int64)
        places = np.searchsorted(self.names, wanted).clip(0, len(self.names) - 1).astype(np.int64)
        return np.where(self.names[places] == wanted, places, -1)

    def sketch(self, place: int) -> BurstRows:
        """A burst by its place, with its id, its source and its content, but without its frames."""
        source = self.examples[self.cases[place]].burst["source"]
        burst = {"burst_id": self.names[place].decode(), "source": source}
        return BurstRows(burst, (), self.contents[place].decode())


def read_catalogue(root: Path) -> BurstCatalogue:
    """The bursts of a data set.

    Raises:
        ManifestError: if a table cannot be read, or the two do not fit each other.
    """
    collected = _Collection()
    for tables in _iterate_tables(root):
        collected.add(tables)

    def fetch(places: NDArray[np.int64]) -> Iterator[BurstRows]:
        start = 0
        for tables in _iterate_tables(root) if len(places) else ():
            stop = start + tables.bursts.num_rows
            own = places[(places >= start) & (places < stop)]
            for place, rows in zip(own.tolist(), _make_rows(tables, own - start), strict=True):
                yield BurstRows(rows.burst, rows.frames, catalogue.contents[place].decode())
            start = stop
            if start > places[-1]:
                return

    catalogue = collected.finish(fetch)
    return catalogue


def arrange(bursts: Mapping[str, BurstRows]) -> BurstCatalogue:
    """The same of bursts whose rows are at hand, by id."""
    names = sorted(bursts)
    collected = _Cases()
    cases = [collected.find(_describe_case(bursts[name]), partial(bursts.__getitem__, name)) for name in names]
    return BurstCatalogue(
        np.array(names, _NAME),
        np.array([bursts[name].content for name in names], "S64"),
        np.array([len(bursts[name].frames) for name in names], np.int32),
        np.array(cases, np.int32),
        collected.examples,
        lambda places: (bursts[names[place]] for place in places.tolist()),
    )


def _iterate_tables(root: Path) -> Iterator[BurstTables]:
    return iterate_burst_tables(root, frame_columns=list_label_columns())


def _make_rows(tables: BurstTables, places: NDArray[np.int64]) -> Iterator[BurstRows]:
    bursts = tables.bursts.take(pa.array(places)).to_pylist()
    for place, burst in zip(places.tolist(), bursts, strict=True):
        start, stop = int(tables.starts[place]), int(tables.starts[place + 1])
        yield BurstRows(burst, tuple(tables.frames.slice(start, stop - start).to_pylist()))


def _make_row(tables: BurstTables, place: int) -> BurstRows:
    return next(_make_rows(tables, np.array([place])))


class _Cases:
    """Kinds of bursts, each with an example."""

    def __init__(self) -> None:
        self.examples: list[BurstRows] = []
        self._places: dict[tuple[Any, ...], int] = {}

    def find(self, case: tuple[Any, ...], make: Callable[[], BurstRows]) -> int:
        """Place of a case; the first of its kind is the example."""
        if case not in self._places:
            self._places[case] = len(self.examples)
            self.examples.append(make())
        return self._places[case]


class _Collection:
    """Columns of a catalogue as they come in."""

    def __init__(self) -> None:
        self._cases = _Cases()
        self._columns: list[tuple[NDArray[Any], ...]] = []

    def add(self, tables: BurstTables) -> None:
        """Take the next bursts."""
        bursts = tables.bursts
        facts = [bursts.column(name).to_pylist() for name in (*_CASE, "ground_truth_white")]
        ratios = tables.frames.column("exposure_ratio").to_numpy()
        least = np.fmin.reduceat(ratios, tables.starts[:-1])
        cases = [
            self._cases.find(
                (*case, (white or 1) > 1, shorter),
                partial(_make_row, tables, place),
            )
            for place, (*case, white, shorter) in enumerate(zip(*facts, (least < SHORTER).tolist(), strict=True))
        ]
        self._columns.append(
            (
                np.array(bursts.column("burst_id").to_pylist(), _NAME),
                np.array(hash_contents(tables), "S64"),
                np.diff(tables.starts).astype(np.int32),
                np.array(cases, np.int32),
            )
        )

    def finish(self, fetch: Callable[[NDArray[np.int64]], Iterator[BurstRows]]) -> BurstCatalogue:
        """The catalogue of all that came."""
        empty = np.zeros(0, _NAME), np.zeros(0, "S64"), np.zeros(0, np.int32), np.zeros(0, np.int32)
        names, contents, lengths, cases = (np.concatenate(parts) for parts in zip(empty, *self._columns, strict=True))
        return BurstCatalogue(names, contents, lengths, cases, self._cases.examples, fetch)


def _describe_case(rows: BurstRows) -> tuple[Any, ...]:
    burst = rows.burst
    ratios = [frame["exposure_ratio"] for frame in rows.frames if frame["exposure_ratio"] is not None]
    white = (burst["ground_truth_white"] or 1) > 1
    return (*(burst.get(name) for name in _CASE), white, bool(ratios) and min(ratios) < SHORTER)
