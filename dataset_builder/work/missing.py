"""Units of work of bursts, of which those are done whose results are not there yet."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from dataset_builder.work.local import UnitType, Workers
from dataset_builder.work.report import Progress, StageReport
from dataset_builder.work.unit import read_part


def do_missing(
    units: Sequence[UnitType],
    root: Path,
    *,
    title: str,
    describe: Callable[[UnitType], tuple[Mapping[str, Any], str]],
    workers: Workers,
    progress: Progress,
    report: StageReport,
) -> None:
    """Do what an interrupted run left; each unit that fails is counted and keeps its row.

    Args:
        units: all that is wanted.
        root: the data set.
        title: what they are, for the bar.
        describe: row of `bursts` and scenario of a unit, for the row of its failure.
        workers: who does the work.
        progress: how to show progress.
        report: where failures go.
    """
    missing = [unit for unit in units if read_part(root, unit) is None]
    with progress(title, len(missing)) as advance:
        for unit, failure in workers.run(missing, root):
            if failure is not None:
                burst, scenario = describe(unit)
                report.fail_burst(failure, burst, scenario)
            advance()
