"""What the person at the terminal sees: progress while it lasts, a table when it is over."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from dataset_builder.audit.wording import to_markup
from dataset_builder.cli.terminal import say
from dataset_builder.work.report import Advance, StageReport
from manifests.description import PART, read_description
from manifests.plain_text import count, escape_controls
from manifests.problem import Problem

if TYPE_CHECKING:
    import pandas as pd

_ACTIONS = ("created", "reused", "rebuilt", "removed", "skipped", "failed")
_RARE_ACTIONS = ("extended", "left out")
"""Shown where there are any."""
_MAX_FAILURES = 5
_MAX_REMARKS = 30
_WIDEST = 10_000
FAILED_STATUS = 3


def is_asked(flag: str) -> bool:
    """Whether the person asked for something before the command's name: `quiet`, `verbose` or `debug`."""
    context = click.get_current_context(silent=True)
    return context is not None and bool(context.find_root().params.get(flag))


@contextlib.contextmanager
def show_progress(title: str, steps: int) -> Iterator[Advance]:
    """A bar with count, rate and time left on standard error; nothing when that is no terminal."""
    with _make_bar(hidden=not steps or is_asked("quiet")) as bar:
        task = bar.add_task(title, total=steps)
        yield lambda: bar.advance(task)


@contextlib.contextmanager
def show_count(title: str) -> Iterator[Callable[[int, int], None]]:
    """As `show_progress`, for work that itself says how much is done, and of how much."""
    with _make_bar(hidden=is_asked("quiet")) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _make_bar(*, hidden: bool) -> Progress:
    columns = (
        TextColumn("{task.description:>8}"),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    return Progress(*columns, console=console, transient=True, disable=hidden or not console.is_terminal)


class _Rate(ProgressColumn):
    """Steps per second, over the last half minute or so."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:.1f}/s" if speed >= 1 else f"{60 * speed:.1f}/min")


def announce(line: str) -> None:
    """Print a line before the work that it speaks of, on standard error."""
    if not is_asked("quiet"):
        say(f"expect {line}", err=True)


def print_notes(remarks: Sequence[str]) -> None:
    """Print remarks beside the result, one line each."""
    for remark in () if is_asked("quiet") else remarks:
        say(f"note: {escape_controls(remark)}", err=True)


def print_warnings() -> None:
    """Print what is wrong with installed packages of restorers, one line each; the scenarios of others can be used all the same."""
    from restorers.registry import read_scenarios  # takes a second to import

    for problem in read_scenarios().problems:
        say(f"warning: {problem}", err=True)


def print_problems(problems: Sequence[Problem]) -> int:
    """Print a line for each problem and their number; return the exit status."""
    for problem in problems:
        say(escape_controls(str(problem)))
    say(count(len(problems), "problem") if problems else "no problems")
    return 1 if problems else 0


def print_summary(root: Path, reports: Sequence[StageReport]) -> int:
    """Print what was done and where it lies; return the exit status."""
    console = _make_console()
    description = read_description(root)
    if not is_asked("quiet"):
        print_counts(root, reports)
        console.print(f"holds {tell_totals(description.get('totals', {}))}")
    for report in reports:
        _print_failures(console, report)
    fruitless = [report for report in reports if _is_fruitless(report)]
    if fruitless:
        console.print("[red]no labels[/] nothing could be labelled; the notes say why")
    part = description.get(PART)
    if is_asked("quiet"):
        _print_remarks(console, fruitless)
    elif part is None:
        console.print(f"card   {to_markup(str(root / 'DATASET.md'))}")
        console.print(f"report {to_markup(str(root / 'audit' / 'index.html'))}")
    else:
        console.print(f"part   {part['number']} of {part['total']}, to be joined by `buiqa merge`")
    return FAILED_STATUS if fruitless or any(report.failures for report in reports) else 0


def tell_totals(totals: Mapping[str, int]) -> str:
    """How much there is of a data set, given the totals that it states."""
    nouns = ("burst", "frame", "label", "scenario")
    return ", ".join(count(totals.get(f"{noun}s", 0), noun) for noun in nouns)


def _is_fruitless(report: StageReport) -> bool:
    """Whether labels were asked for and there are none."""
    done = sum(report.counts[action] for action in ("created", "extended", "rebuilt", "reused", "failed"))
    return report.stage == "labels" and report.counts["skipped"] > 0 and not done


def _print_failures(console: Console, report: StageReport) -> None:
    most = len(report.failures) if is_asked("verbose") else _MAX_FAILURES
    for row in report.failures[:most]:
        frame = "" if row["frame_index"] is None else f"frame {row['frame_index']}"
        names = (row["burst_id"], row["scenario"], row["estimator"], row["metric"], frame)
        unit = " ".join(part for part in names if part)
        console.print(f"[red]failed[/] {to_markup(unit)}: {to_markup(row['error_type'])}: {to_markup(row['message'])}")
    if len(report.failures) > most:
        console.print(
            f"[red]failed[/] and {len(report.failures) - most} more: see manifests/failures.parquet, or say -v"
        )
    if is_asked("debug"):
        for message in dict.fromkeys(row["message"] for row in report.failures[:most]):
            if message in report.traces:
                say(f"{message}\n{report.traces[message]}", err=True)


def print_counts(root: Path, reports: Sequence[StageReport]) -> None:
    """Print a table of what became, or would become, of the units of each stage, and what was noted."""
    console = _make_console()
    actions = (*_ACTIONS, *(action for action in _RARE_ACTIONS if any(report.counts[action] for report in reports)))
    table = make_table(to_markup(str(root)))
    table.add_column("stage")
    for action in actions:
        table.add_column(action, justify="right")
    for report in reports:
        table.add_row(report.stage, *(_format_count(action, report.counts[action]) for action in actions))
    console.print(table)
    _print_remarks(console, reports)


def _print_remarks(console: Console, reports: Sequence[StageReport]) -> None:
    remarks = [remark for report in reports for remark in report.remarks]
    most = len(remarks) if is_asked("verbose") else _MAX_REMARKS
    for remark in remarks[:most]:
        console.print(f"[yellow]note[/] {to_markup(remark)}")
    if len(remarks) > most:
        console.print(f"[yellow]note[/] and {count(len(remarks) - most, 'more note')}; -v shows them")


def _make_console() -> Console:
    return Console(highlight=False, soft_wrap=True)


def make_table(title: str | None) -> Table:
    """A table without lines about it, under a title."""
    return Table(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD, pad_edge=False)


def make_narrow_table(title: str) -> Table:
    """The same with one space between columns, for many of them."""
    return Table(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD, padding=(0, 0, 0, 1))


def print_rows(rows: pd.DataFrame, *, title: str | None = None) -> None:
    """Print a table; numbers to the right, four digits of those that are not whole."""
    from pandas import isna
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    table = make_table(title)
    for name, values in rows.items():
        is_number = is_numeric_dtype(values) and not is_bool_dtype(values)
        table.add_column(str(name).replace("_", " "), justify="right" if is_number else "left", no_wrap=True)
    for row in rows.itertuples(index=False):
        table.add_row(*("–" if isna(value) else to_markup(_format_value(value)) for value in row))
    print_wide(table)


def print_wide(table: Table) -> None:
    """Rows keep to one line each, however narrow the terminal, so that they can be read by `grep` and `cut`."""
    Console(highlight=False, soft_wrap=True, width=_WIDEST).print(table)


def _format_value(value: object) -> str:
    if not isinstance(value, float):
        return str(value)
    return f"{value:,.0f}" if value.is_integer() else f"{value:.4g}"


def print_reliability(root: Path) -> None:
    """Print how far the labels depend on noise and length."""
    from manifests.schema import RELIABILITY
    from manifests.store import read_table, table_path

    table = make_table("Labels made again")
    names = ("scenario", "estimator", "metric", "preset")
    for heading in (*names, "bursts", "other noise", "ICC", "same best", "half the frames"):
        named = heading in names
        table.add_column(heading, justify="left" if named else "right", overflow="fold")
    for row in read_table(root, table_path(RELIABILITY.name), RELIABILITY).to_pylist():
        figures = (row["spearman"], row["icc"], row["stable_best"], row["length_spearman"])
        shown = ("–" if figure is None else f"{figure:.2f}" for figure in figures)
        table.add_row(*(to_markup(row[name] or "") for name in names), str(row["bursts"]), *shown)
    print_wide(table)


def _format_count(action: str, number: int) -> str:
    if not number:
        return "[dim]0[/]"
    return f"[red]{number:,}[/]" if action == "failed" else f"{number:,}"
