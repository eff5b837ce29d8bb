"""What a stage did, in the vocabulary of all logs; and how it shows that it is still alive."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dataset_builder.work.unit import Failure
from manifests.schema import FAILURES
from manifests.store import read_or_empty, table_path, write_table


@dataclass
class StageReport:
    """Counts of units by what became of them, failures as rows of the table `failures`, and remarks for the person at the terminal.

    Attributes:
        stage: `bursts` or `labels`.
        counts: units by what became of them.
        failures: rows of the table `failures`.
        remarks: one line each.
        traces: of failures by their message, the calls that led to each, where they are known.
        left_out: photographs that were screened out, by source and path, and why.
    """

    stage: str
    counts: Counter[str] = field(default_factory=Counter)
    failures: list[dict[str, Any]] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    traces: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, dict[str, str]] = field(default_factory=dict)

    def fail(self, failure: Failure, *, source: str, burst_id: str, scenario: str = "") -> None:
        """Count a failed unit and keep its row."""
        self.counts["failed"] += 1
        self.note(failure, source=source, burst_id=burst_id, scenario=scenario)

    def fail_burst(self, failure: Failure, burst: Mapping[str, Any], scenario: str) -> None:
        """The same, of a burst under a scenario; `burst` is its row of `bursts`."""
        self.fail(failure, source=burst["source"], burst_id=burst["burst_id"], scenario=scenario)

    def note(
        self,
        failure: Failure,
        *,
        source: str,
        burst_id: str,
        scenario: str = "",
        estimator: str | None = None,
        metric: str | None = None,
        frame_index: int | None = None,
    ) -> None:
        """Keep the row of what failed, be it a whole unit, or an estimator by a metric, or that for one frame."""
        if failure.trace:
            self.traces[failure.message] = failure.trace
        self.failures.append(
            {
                "stage": self.stage,
                "source": source,
                "burst_id": burst_id,
                "scenario": scenario,
                "estimator": estimator,
                "metric": metric,
                "frame_index": frame_index,
                "error_type": failure.error_type,
                "message": failure.message,
                "attempts": failure.attempts,
            }
        )

    def include(self, other: StageReport) -> None:
        """Add what another report on the same stage counted."""
        self.counts += other.counts
        self.failures += other.failures
        self.remarks += other.remarks
        self.traces |= other.traces
        self.left_out |= other.left_out


Advance = Callable[[], None]
Progress = Callable[[str, int], AbstractContextManager[Advance]]
"""Given a title and a number of steps, a context that yields the function to call after each step."""

Announce = Callable[[str], None]
"""Says a line to the person at the terminal before work begins."""


@contextlib.contextmanager
def no_progress(title: str, steps: int) -> Iterator[Advance]:  # noqa: ARG001  # the signature is that of Progress
    """Show nothing."""
    yield lambda: None


def record_failures(root: Path, report: StageReport, column: str, scope: Sequence[str] | Mapping[str, Any]) -> None:
    """Replace the rows of what was tried; what was not tried keeps its rows."""
    path = table_path("failures")
    kept = [
        row
        for row in read_or_empty(root, path, FAILURES).to_pylist()
        if not (row["stage"] == report.stage and row[column] in scope)
    ]
    write_table(root, path, FAILURES, kept + report.failures)
