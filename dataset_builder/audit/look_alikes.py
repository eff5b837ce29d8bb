"""Which bursts of different splits look alike; their pictures are read by workers."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from dataset_builder.audit.tables import Tables
from dataset_builder.records.references import ReferenceReader
from dataset_builder.work.local import Workers
from manifests.verification.duplicates import NearDuplicate, find_near_duplicates

_COLUMNS = ["burst_id", "other_burst_id", "split", "other_split", "distance", "correlation"]


def list_look_alikes(
    root: Path, tables: Tables, *, workers: Workers, results: Path | None = None
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Pairs as `find_near_duplicates` finds them.

    Args:
        root: the data set.
        tables: its manifests.
        workers: who reads the pictures; the result does not depend on it.
        results: what `do_pieces` takes.

    Returns:
        burst_id, other_burst_id, split, other_split, distance, correlation; and what could not be compared and why, in a line if anything.
    """
    if tables.splits.empty or "perceptual_hash" not in tables.bursts:
        return pd.DataFrame(columns=_COLUMNS), ()
    read = ReferenceReader(root, workers, results=results)
    found = find_near_duplicates(tables.bursts, [tables.frames], tables.splits, read=read)
    table = pd.DataFrame(found, columns=[*NearDuplicate._fields])
    return table.rename(columns={"first": "burst_id", "second": "other_burst_id"})[_COLUMNS], tuple(read.remarks)
