"""Tables as Markdown: any table, and the columns of a table of the data set."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa

from manifests.plain_text import escape_controls
from manifests.schema import TableSchema

# Underscores within words mark nothing, and what begins a line only counts there.
_MARKS = re.compile(r"[\\`*\[\]<|&~]")


def render_table(header: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    """A Markdown table; each value is put on one line and cannot end its cell or open a tag."""
    names = list(header)
    lines = [names, ["---"] * len(names), *([escape_cell(value) for value in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def render_columns(kind: TableSchema) -> str:
    """The columns of a table: name (bold where rows are sorted by it), type, whether it may be null, meaning."""
    return render_table(["Column", "Type", "Null", "Meaning"], _list_columns(kind))


def join_lines(value: Any) -> str:
    """A value as text on one line."""
    return " ".join(str(value).split())


class Markdown(str):
    """Text that is Markdown already."""

    __slots__ = ()


def escape_cell(value: Any) -> str:
    """A value as text that marks nothing up, in a cell and elsewhere; the toolkit's own Markdown stays what it is, but in its cell."""
    if isinstance(value, Markdown):
        return value.replace("|", "\\|").replace("<", "\\<")
    return _MARKS.sub(r"\\\g<0>", escape_controls(join_lines(value)))


def quote_code(value: Any) -> str:
    """A value for between two backticks."""
    return escape_controls(join_lines(value)).replace("`", "'")


def _list_columns(kind: TableSchema) -> Iterator[tuple[str, ...]]:
    for field in kind.schema:
        name = f"**`{field.name}`**" if field.name in kind.sort_by else f"`{field.name}`"
        doc = Markdown(join_lines(field.metadata[b"doc"].decode()))
        yield Markdown(name), Markdown(_name_type(field.type)), "yes" if field.nullable else "no", doc


def _name_type(kind: pa.DataType) -> str:
    if pa.types.is_fixed_size_list(kind):
        return f"{kind.value_type}[{kind.list_size}]"
    return f"{kind.value_type}[]" if pa.types.is_list(kind) else str(kind)
