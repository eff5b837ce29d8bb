"""What a table of a data set is: columns with their meaning and their rules, and the order of its rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from manifests.schema.rules import RowRule, Rule

TEXT_TYPE, INTEGER, LONG, REAL, BOOLEAN = pa.string(), pa.int32(), pa.int64(), pa.float64(), pa.bool_()


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        name: name of the column.
        kind: kind of its values.
        doc: what they mean; goes into the metadata of the field, and from there into the documentation.
        rule: what they must be.
        nullable: whether they may be missing.
    """

    name: str
    kind: pa.DataType
    doc: str
    rule: Rule | None = None
    nullable: bool = False

    @cached_property
    def field(self) -> pa.Field:
        """As Arrow calls it."""
        return pa.field(self.name, self.kind, nullable=self.nullable, metadata={"doc": self.doc})


class Violation(NamedTuple):
    """A rule that some rows of a table break.

    Attributes:
        column: at fault.
        expected: what its values must be.
        rows: int64, positions of these rows; at least one.
    """

    column: str
    expected: str
    rows: NDArray[np.int64]


@dataclass(frozen=True)
class TableSchema:
    """One table.

    Attributes:
        name: name of the table.
        columns: the columns in their order on disk.
        sort_by: columns that its rows are sorted by.
        unique: whether these also identify a row.
        rules: what holds between columns.
    """

    name: str
    columns: tuple[Column, ...]
    sort_by: tuple[str, ...]
    unique: bool = True
    rules: tuple[RowRule, ...] = ()

    @cached_property
    def schema(self) -> pa.Schema:
        """As Arrow calls it."""
        return pa.schema([column.field for column in self.columns])

    def find_violations(self, table: pa.Table) -> Iterator[Violation]:
        """All rules that a table breaks, as far as it has the columns that they are about.

        Args:
            table: columns of the types that the schema states; text may be coded by a dictionary.
        """
        there = {column.name: table.column(column.name) for column in self.columns if column.name in table.column_names}
        arrays = {name: _join(values) for name, values in there.items()}
        for column in self.columns:
            if column.name not in arrays:
                continue
            values = arrays[column.name]
            if not column.nullable and values.null_count:
                yield Violation(column.name, "a value, which may not be missing", _find(pc.is_null(values)))
            if column.rule is not None:
                yield from _report(column.name, column.rule.expected, column.rule.holds(values))
        yield from self._find_disorder(arrays)
        yield from self.ask([rule for rule in self.rules if arrays.keys() >= set(rule.columns)], table)

    def ask(self, rules: Iterable[RowRule], table: pa.Table, *, skip: int = 0) -> Iterator[Violation]:
        """Those of some rules that a table breaks, which has their columns; of the first `skip` rows nothing is said."""
        for rule in rules:
            columns = [_decode(_join(table.column(name))) for name in rule.columns]
            yield from _report(rule.columns[0], rule.expected, rule.holds(*columns).slice(skip))

    def blame_order(self, row: int) -> Violation:
        """A row comes too early."""
        return Violation(self.sort_by[0], f"rows sorted by {', '.join(self.sort_by)}", np.array([row], np.int64))

    def blame_repetition(self, row: int) -> Violation:
        """A row repeats the key of another."""
        return Violation(self.sort_by[0], f"one row for each {', '.join(self.sort_by)}", np.array([row], np.int64))

    def _find_disorder(self, arrays: Mapping[str, pa.Array]) -> Iterator[Violation]:
        """The first row that comes too early, and the first that repeats the key of another; none unless all of the key is there."""
        if not arrays.keys() >= set(self.sort_by):
            return
        keys = pa.table({name: arrays[name] for name in self.sort_by})
        repeats, early = compare_neighbours(keys)
        if early.any():
            yield self.blame_order(int(np.flatnonzero(early)[0]) + 1)
            order = pc.sort_indices(keys, sort_keys=[(name, "ascending") for name in self.sort_by])
            repeats, _ = compare_neighbours(keys.take(order))
            order = order.to_numpy().astype(np.int64)
        else:
            order = np.arange(len(keys))
        if self.unique and repeats.any():
            yield self.blame_repetition(int(order[np.flatnonzero(repeats)[0] + 1]))


def compare_neighbours(keys: pa.Table) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Whether each row but the first equals the one before it, and whether it should stand before it."""
    equal = np.ones(max(len(keys) - 1, 0), bool)
    early = np.zeros_like(equal)
    for column in keys.columns:
        values = _to_comparable(_join(column))
        before, after = values[:-1], values[1:]
        early |= equal & _to_numpy(pc.greater(before, after))
        equal &= _to_numpy(pc.equal(before, after)) | _to_numpy(pc.and_(pc.is_null(before), pc.is_null(after)))
    return equal, early


def _to_comparable(values: pa.Array) -> pa.Array:
    """Of text that is coded by a dictionary, the places of its values among all of them."""
    if not pa.types.is_dictionary(values.type):
        return values
    order = pc.sort_indices(values.dictionary).to_numpy()
    places = np.empty(len(order), np.int64)
    places[order] = np.arange(len(order))
    return pa.array(places).take(values.indices)


def _decode(values: pa.Array) -> pa.Array:
    return values.dictionary_decode() if pa.types.is_dictionary(values.type) else values


def _report(column: str, expected: str, holds: pa.Array) -> Iterator[Violation]:
    wrong = _find(pc.invert(holds))
    if len(wrong):
        yield Violation(column, expected, wrong)


def _find(wrong: pa.Array) -> NDArray[np.int64]:
    return np.flatnonzero(_to_numpy(wrong)).astype(np.int64)


def _to_numpy(flags: pa.Array) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = pc.fill_null(flags, fill_value=False).to_numpy(zero_copy_only=False)
    return found


def _join(values: pa.ChunkedArray) -> pa.Array:
    return (
        values.chunk(0)
        if values.num_chunks == 1
        else pa.concat_arrays(values.chunks)
        if values.num_chunks
        else pa.array([], values.type)
    )
