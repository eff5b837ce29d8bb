"""Stored frames read by workers, under their limits: a file that takes a worker down costs what its own burst would show."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dataset_builder.work.local import Workers
from dataset_builder.work.pieces import PieceFunction, Result, do_pieces
from dataset_builder.work.unit import Failure

_PIXELS_AT_ONCE = 1_000_000
"""Of the bursts of a unit; they take about as long as it takes to hand out a few units."""
_BURST_COLUMNS = (
    "burst_id", "num_frames", "height", "width", "domain", "cfa", "black_level", "white_level", "white_balance", "color_matrix",
)  # fmt: skip
_FRAME_COLUMNS = ("path", "orientation")


@dataclass(frozen=True)
class FramesToRead:
    """Frames of a burst, with what it takes to read them.

    Attributes:
        burst: of its row of `bursts`; plain data.
        frames: of their rows of `frames`; plain data.
    """

    burst: Mapping[str, Any]
    frames: tuple[Mapping[str, Any], ...]

    @property
    def cost(self) -> int:
        """Pixels."""
        return len(self.frames) * int(self.burst["height"]) * int(self.burst["width"])


def pick_frames(burst: Mapping[str, Any], frames: Sequence[Mapping[str, Any]]) -> FramesToRead:
    """What reading takes of a row of `bursts` and some rows of `frames`, which may come from pandas."""
    return FramesToRead(_select(burst, _BURST_COLUMNS), tuple(_select(frame, _FRAME_COLUMNS) for frame in frames))


def read_frames(
    function: PieceFunction,
    wanted: Sequence[FramesToRead],
    root: Path,
    workers: Workers,
    *,
    purpose: str,
    results: Path | None = None,
) -> tuple[list[Result | None], tuple[str, ...]]:
    """What a function makes of frames, burst by burst.

    Args:
        function: of a module, given the data set and a `FramesToRead`; gives plain data.
        wanted: the frames of each burst.
        root: the data set.
        workers: who reads them; the result does not depend on it.
        purpose: what they are not, if they cannot be read, such as "measured for the report".
        results: what `do_pieces` takes.

    Returns:
        A result for each burst, None where it failed; and why, in a line if any did.
    """
    outcomes = do_pieces(function, wanted, root, workers, cost=_PIXELS_AT_ONCE, results=results)
    found = [None if isinstance(outcome, Failure) else outcome for outcome in outcomes]
    failed = [
        f"{piece.burst['burst_id']}: {outcome.error_type}: {outcome.message}"
        for piece, outcome in zip(wanted, outcomes, strict=True)
        if isinstance(outcome, Failure)
    ]
    return found, (f"not {purpose}: {len(failed)} of {len(wanted)} bursts, as {min(failed)}",) if failed else ()


def _select(row: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {name: _to_plain(row[name]) for name in names if name in row}


def _to_plain(value: Any) -> Any:
    plain = value.tolist() if isinstance(value, np.ndarray | np.generic) else value
    return None if isinstance(plain, float) and math.isnan(plain) else plain  # pandas's null
