"""Which bursts of different splits look alike; their pictures are read by workers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dataset_builder.audit.tables import Tables
from dataset_builder.records.reading import FramesToRead, pick_frames, read_frames
from dataset_builder.work.local import Workers
from manifests.verification.duplicates import NearDuplicate, Reference, find_near_duplicates, read_or_none

_COLUMNS = ["burst_id", "other_burst_id", "split", "other_split", "distance", "correlation"]


def list_look_alikes(
    root: Path, tables: Tables, *, workers: Workers, results: Path | None = None
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Pairs as `find_near_duplicates` finds them.

    Args:
        root: the data set.
        tables: its manifests.
        workers: who reads the pictures; the result does not depend on it.
        results: as `do_pieces` takes it.

    Returns:
        burst_id, other_burst_id, split, other_split, distance, correlation; and what could not be compared and why, in a line if anything.
    """
    if tables.splits.empty or "perceptual_hash" not in tables.bursts:
        return pd.DataFrame(columns=_COLUMNS), ()
    remarks: list[str] = []

    def read(references: Sequence[Reference]) -> list[NDArray[np.float32] | None]:
        pieces = [pick_frames(reference.burst, [reference.frame]) for reference in references]
        found, failed = read_frames(
            read_reference, pieces, root, workers, purpose="compared for the report", results=results
        )
        remarks.extend(failed)
        return [None if values is None else np.array(values, np.float32) for values in found]

    found = find_near_duplicates(tables.bursts, tables.frames, tables.splits, read=read)
    table = pd.DataFrame(found, columns=[*NearDuplicate._fields])
    return table.rename(columns={"first": "burst_id", "second": "other_burst_id"})[_COLUMNS], tuple(remarks)


def read_reference(root: Path, wanted: FramesToRead) -> list[list[float]] | None:
    """Thumbnail of the one frame, by rows, in a worker; None where it cannot be read."""
    thumbnail = read_or_none(root, Reference(wanted.burst, wanted.frames[0]))
    return None if thumbnail is None else thumbnail.tolist()
