"""Pieces of work: results in order whatever the workers, and each pays for itself only."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dataset_builder.work.local import LocalWorkers
from dataset_builder.work.pieces import do_pieces, do_pieces_aside
from dataset_builder.work.unit import WORK_FOLDER, Failure, run_unit


@dataclass(frozen=True)
class Number:
    value: int
    cost: int = 1


def halve(root: Path, piece: Number) -> dict[str, Any]:
    """In a worker."""
    if piece.value == 13:
        os.kill(os.getpid(), signal.SIGKILL)
    if piece.value % 2:
        raise ValueError(f"{piece.value} is odd")
    with (root / "done").open("a") as done:
        done.write(f"{piece.value}\n")
    return {"half": piece.value / 2, "again": [piece.value, None]}


class Here:
    """Work in this process; keeps count of the units."""

    device = "cpu"

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def run(self, units: Any, root: Path) -> Any:
        for unit in reversed(list(units)):
            self.sizes.append(len(unit.pieces))
            yield unit, run_unit(unit, root)


def expect(value: int) -> Any:
    place = f"at tests/dataset_builder/work/test_pieces.py:{halve.__code__.co_firstlineno + 5} in halve"
    odd = Failure("ValueError", f"{value} is odd ({place})")
    return odd if value % 2 else {"half": value / 2, "again": [value, None]}


def look(root: Path, piece: Number) -> list[str]:
    """In a worker."""
    return [root.name, *sorted(path.name for path in root.iterdir())]


def test_whoever_only_reads_leaves_nothing_in_the_data_set(tmp_path: Path) -> None:
    root = tmp_path / "dataset"
    root.mkdir(mode=0o555)
    (tmp_path / "scratch").mkdir()
    pieces = [Number(1), Number(1)]
    assert do_pieces(look, pieces, root, Here(), cost=1, results=tmp_path / "scratch") == [["dataset"]] * 2
    assert do_pieces_aside(look, pieces, root, Here(), cost=1) == [["dataset"]] * 2
    assert [path for path in (tmp_path / "scratch").rglob("*") if path.is_file()] == []


def test_results_are_in_order_and_an_error_costs_its_own(tmp_path: Path) -> None:
    values = [4, 4, 7, 0, 4, 9, 2]
    workers = Here()
    assert do_pieces(halve, [Number(value) for value in values], tmp_path, workers, cost=3) == list(map(expect, values))
    assert workers.sizes == [1, 3, 3]
    assert [path for path in (tmp_path / WORK_FOLDER).rglob("*") if path.is_file()] == []
    assert do_pieces(halve, [], tmp_path, workers, cost=3) == []


@pytest.mark.parametrize(
    ("costs", "sizes"), [([1, 1, 1, 1], [3, 1]), ([9, 1, 1, 9, 9], [1, 2, 1, 1]), ([2, 2, 2], [1, 1, 1])]
)
def test_what_a_unit_takes_is_bounded(tmp_path: Path, costs: list[int], sizes: list[int]) -> None:
    workers = Here()
    do_pieces(halve, [Number(2, cost) for cost in costs], tmp_path, workers, cost=3)
    assert workers.sizes[::-1] == sizes


def test_a_piece_that_takes_its_worker_down_costs_its_own(tmp_path: Path) -> None:
    values = [2, 13, 5, 8]
    outcomes = do_pieces(halve, [Number(value) for value in values], tmp_path, LocalWorkers(2), cost=3)
    assert [outcomes[place] for place in (0, 2, 3)] == [expect(value) for value in (2, 5, 8)]
    assert outcomes[1].error_type == "WorkerDiedError"
    assert [path for path in (tmp_path / WORK_FOLDER).rglob("*") if path.is_file()] == []
