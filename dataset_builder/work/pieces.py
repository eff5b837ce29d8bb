"""Many small pieces of work, several to a unit, so that a piece costs little more than what it does."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import Field, asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Protocol

from dataset_builder.work.local import Workers
from dataset_builder.work.unit import Desk, Failure, hash_facts, read_part, remove_part


class Piece(Protocol):
    """A frozen dataclass of plain data that JSON can hold."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    @property
    def cost(self) -> int:
        """What it takes, about; in any unit."""
        ...


Result = Any
"""Plain data that JSON can hold."""
PieceFunction = Callable[[Path, Any], Result]
"""A function of a module, given the data set and a piece."""


@dataclass(frozen=True)
class PiecesUnit:
    """Some pieces that are done one after the other.

    Attributes:
        function: what is done with each.
        root: the data set.
        place: place of the first among all; equal pieces so have results of their own.
        pieces: what it is done with.
    """

    function: PieceFunction
    root: Path
    place: int
    pieces: tuple[Piece, ...]

    @cached_property
    def key(self) -> str:
        """SHA-256 of the function's name and the pieces."""
        name = f"{self.function.__module__}.{self.function.__qualname__}"
        return hash_facts([name, self.place, [asdict(piece) for piece in self.pieces]])

    @property
    def subject(self) -> str:
        """Its own."""
        return self.part

    @property
    def part(self) -> str:
        """Where its results wait for who asked."""
        return f"pieces/{self.key[:32]}"

    def run(self, root: Path, desk: Desk) -> Mapping[str, Any]:  # noqa: ARG002  # results may wait elsewhere
        """Do all; an exception costs its own piece."""
        return {"outcomes": [self._try(piece) for piece in self.pieces]}

    def _try(self, piece: Piece) -> tuple[Result, list[str] | None]:
        try:
            return self.function(self.root, piece), None
        except Exception as error:  # noqa: BLE001  # decoders raise anything on hostile files
            failure = Failure.from_exception(error)
            return None, [failure.error_type, failure.message]


def do_pieces(
    function: PieceFunction,
    pieces: Sequence[Piece],
    root: Path,
    workers: Workers,
    *,
    cost: int,
    results: Path | None = None,
) -> list[Result | Failure]:
    """What a function makes of each piece, in order, or why there is nothing.

    Pieces of a unit that fails as a whole, as one that takes its worker down, are done once more in a unit each, so that it costs its own
    result only. Nothing is kept: who asks again has the work done again.

    Args:
        function: of a module, so that workers find it.
        pieces: frozen dataclasses of plain data.
        root: the data set.
        workers: who does the work; the results do not depend on it.
        cost: of the pieces of a unit together, unless one alone costs more.
        results: folder below which results wait; None for the data set, which may be one that nobody can write to.
    """
    waiting = root if results is None else results
    outcomes: dict[int, Result | Failure] = {}
    together = [PiecesUnit(function, root.absolute(), place, group) for place, group in _group(pieces, cost)]
    failed = _run(together, waiting, workers, outcomes)
    alone = [
        PiecesUnit(function, unit.root, unit.place + offset, (piece,))
        for unit, _ in failed
        if len(unit.pieces) > 1
        for offset, piece in enumerate(unit.pieces)
    ]
    for unit, failure in [*failed, *_run(alone, waiting, workers, outcomes)]:
        if len(unit.pieces) == 1:
            outcomes[unit.place] = failure
    return [outcomes[place] for place in range(len(pieces))]


def do_pieces_aside(
    function: PieceFunction, pieces: Sequence[Piece], root: Path, workers: Workers, *, cost: int
) -> list[Result | Failure]:
    """As `do_pieces`, for who only reads the data set: nothing is written there."""
    with tempfile.TemporaryDirectory(prefix="buiqa-") as scratch:
        return do_pieces(function, pieces, root, workers, cost=cost, results=Path(scratch))


def _run(
    units: Iterable[PiecesUnit], root: Path, workers: Workers, outcomes: dict[int, Result | Failure]
) -> list[tuple[PiecesUnit, Failure]]:
    """Enter what comes of pieces by their places; the units that failed as a whole, and why."""
    failed = []
    for unit, failure in workers.run(units, root):
        part = read_part(root, unit) if failure is None else None
        remove_part(root, unit)
        if part is None:
            failed.append((unit, failure or Failure("OSError", "the result was removed")))
            continue
        for offset, (result, error) in enumerate(part["outcomes"]):
            outcomes[unit.place + offset] = result if error is None else Failure(*error)
    return failed


def _group(pieces: Sequence[Piece], cost: int) -> Iterator[tuple[int, tuple[Piece, ...]]]:
    """Pieces that follow each other, and the place of the first."""
    group: list[Piece] = []
    total = 0
    for place, piece in enumerate(pieces):
        if group and total + piece.cost > cost:
            yield place - len(group), tuple(group)
            group, total = [], 0
        group.append(piece)
        total += piece.cost
    if group:
        yield len(pieces) - len(group), tuple(group)
