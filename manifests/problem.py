"""What a check of a data set finds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

Progress = Callable[[int, int], None]
"""Called with how much is done so far, and of how much."""


@dataclass(frozen=True, order=True)
class Problem:
    """One thing that is wrong with a data set.

    Attributes:
        file: the file at fault, relative to the data set, POSIX.
        row: keys of the row at fault, as `burst_id=a, frame_index=3`; empty where the whole file is meant.
        message: what was expected, what came, and the way out.
    """

    file: str
    row: str
    message: str

    def __str__(self) -> str:
        """One line: file, row, message."""
        return ": ".join(part for part in (self.file, self.row, self.message) if part)
