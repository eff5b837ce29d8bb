"""Reading tables that may be wrong, in pieces if they are large."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import pyarrow as pa

from manifests.batches import ROWS_AT_ONCE
from manifests.schema import TableSchema
from manifests.store import open_table, read_unchecked, require_form


def iterate_pieces(
    root: Path, path: str, kind: TableSchema, *, columns: Sequence[str] | None = None
) -> Iterator[pa.Table]:
    """The rows of a table, whatever is wrong with them: as a whole, or in pieces of whole bursts if there are many, sorted by burst.

    Args:
        root: the data set.
        path: path of the Parquet file in it.
        kind: what the table must look like.
        columns: those wanted; None for all.

    Raises:
        ManifestError: as `read_table`, but for values.
        OSError: if the file cannot be read.
    """
    names = list(columns) if columns else kind.schema.names
    with open_table(root, path) as file:
        require_form(file, root / path, kind)
        facts = file.metadata
        sizes = [facts.row_group(group).num_rows for group in range(facts.num_row_groups)]
        place = next(at for at in range(facts.num_columns) if facts.schema.column(at).path == kind.sort_by[0])
        spans = [facts.row_group(group).column(place).statistics for group in range(facts.num_row_groups)]
        if facts.num_rows > ROWS_AT_ONCE and _are_apart(spans):
            number = 0
            while number < len(sizes):
                groups = [number]
                while number + len(groups) < len(sizes) and sum(sizes[at] for at in groups) < ROWS_AT_ONCE:
                    groups.append(number + len(groups))
                number += len(groups)
                table = file.read_row_groups(groups, columns=names).select(names)
                table.validate(full=True)
                yield table
            return
    yield read_unchecked(root, path, kind, columns=names)


def _are_apart(spans: Sequence[object]) -> bool:
    """Whether each row group says that its bursts come after those of the one before."""
    known = [(each.min, each.max) for each in spans if each is not None and each.has_min_max]  # type: ignore[attr-defined]
    return len(known) == len(spans) and all(before < after for (_, before), (after, _) in pairwise(known))
