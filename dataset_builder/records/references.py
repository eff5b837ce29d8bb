"""Thumbnails of reference frames for finding bursts that look alike, read by workers under their limits."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dataset_builder.records.reading import FramesToRead, pick_frames, read_frames
from dataset_builder.work.local import Workers
from manifests.verification.duplicates import Reference, read_or_none


class ReferenceReader:
    """Reads what `find_near_duplicates` asks for.

    Args:
        root: the data set.
        workers: who reads; the result does not depend on it.
        results: what `do_pieces` takes.

    Attributes:
        remarks: what could not be read, and why, in a line if anything.
    """

    def __init__(self, root: Path, workers: Workers, *, results: Path | None = None) -> None:
        self._root, self._workers, self._results = root, workers, results
        self.remarks: list[str] = []

    def __call__(self, references: Sequence[Reference]) -> list[NDArray[np.float32] | None]:
        """A thumbnail for each, None where it cannot be read."""
        pieces = [pick_frames(reference.burst, [reference.frame]) for reference in references]
        found, failed = read_frames(
            read_reference, pieces, self._root, self._workers, purpose="compared", results=self._results
        )
        self.remarks.extend(failed)
        return [None if values is None else np.array(values, np.float32) for values in found]


def read_reference(root: Path, wanted: FramesToRead) -> list[list[float]] | None:
    """Thumbnail of the one frame, by rows, in a worker; None where it cannot be read."""
    thumbnail = read_or_none(root, Reference(wanted.burst, wanted.frames[0]))
    return None if thumbnail is None else thumbnail.tolist()
