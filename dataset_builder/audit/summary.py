"""The audit in a terminal, and as JSON for machines."""

from __future__ import annotations

import json
import math
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from dataset_builder.audit.audit import Audit
from dataset_builder.audit.finding import count_severities, describe_findings, group_findings
from dataset_builder.audit.statistics import histogram_scores
from dataset_builder.audit.tables import to_rows
from dataset_builder.audit.wording import count, format_score, percent, to_markup
from manifests.schema import LABEL_SET, is_marginal

_BLOCKS = " ▁▂▃▄▅▆▇█"
_BINS = 16
_WIDEST = 10_000
"""Characters; rows keep to one line each, however narrow the terminal."""
_MAX_OF_GROUP = 3
_STYLES = {"severe": "bold red", "warning": "yellow", "note": "cyan"}


def print_audit(root: Path, audit: Audit, *, report: Path, console: Console | None = None) -> None:
    """Print scores with small bars, and the findings.

    Args:
        root: the data set.
        audit: what was found in it.
        report: where the page lies.
        console: where to; standard output by default.
    """
    out = console or Console(highlight=False, soft_wrap=True, width=_WIDEST)
    out.print(_tabulate_scores(root, audit))
    counts = count_severities(audit.findings)
    if not audit.findings:
        out.print("[green]no findings[/]")
    for group in group_findings(audit.findings):
        head = f"[{_STYLES[group.severity]}]{group.severity}[/] {to_markup(group.rule)}"
        first, *rest = (f"{to_markup(each.subject)}: {to_markup(each.evidence)}" for each in group.findings)
        out.print(f"{head}, {first}" if not rest else f"{head}, {len(group.findings)} of them")
        for line in [first, *rest][:_MAX_OF_GROUP] if rest else ():
            out.print(f"    {line}")
        if len(rest) >= _MAX_OF_GROUP:
            out.print(f"    and {len(rest) + 1 - _MAX_OF_GROUP} more, in findings.json")
        out.print(f"    [dim]{to_markup(group.remedy)}[/]")
    if audit.changes is not None:
        changed, common = (int(audit.changes.labels[name].sum()) for name in ("changed", "common"))
        out.print(f"against {to_markup(audit.changes.other)}: {changed:,} of {count(common, 'common label')} changed")
    out.print(", ".join(f"{number} {name}" for name, number in counts.items()))
    out.print(f"report {to_markup(str(report))}")


def describe_audit(audit: Audit) -> str:
    """Findings and statistics as one JSON object; numbers that are not known are null."""
    tables = {field.name: _to_records(getattr(audit.statistics, field.name)) for field in fields(audit.statistics)}
    changes = None
    if audit.changes is not None:
        changes = {
            "other": audit.changes.other,
            **{name: _to_records(getattr(audit.changes, name)) for name in ("labels", "totals", "software")},
            "unexplained": list(audit.changes.unexplained),
        }
    content = {**describe_findings(audit.findings, audit.rules), "statistics": tables, "changes": changes}
    return json.dumps(content, allow_nan=False)


def draw_bars(counts: NDArray[Any]) -> str:
    """Counts as a row of blocks, the highest full; what is not 0 is never blank."""
    top = max(float(np.max(counts, initial=0)), 1e-300)
    return "".join(_BLOCKS[math.ceil((len(_BLOCKS) - 1) * float(value) / top)] for value in counts)


def _tabulate_scores(root: Path, audit: Audit) -> Table:
    table = Table(title=to_markup(str(root)), title_justify="left", title_style="bold", box=SIMPLE_HEAD, pad_edge=False)
    for name in ("scenario", "estimator"):
        table.add_column(name)
    for name in ("scores", "median", "below 0"):
        table.add_column(name, justify="right")
    table.add_column("distribution")
    bins = histogram_scores(audit.matrix, num_bins=_BINS)
    bars = {key: draw_bars(rows["count"].to_numpy()) for key, rows in bins.groupby(LABEL_SET, sort=False)}
    for row in to_rows(audit.statistics.scores):
        signed = is_marginal(row["estimator"])
        table.add_row(
            to_markup(row["scenario"]),
            to_markup(row["estimator"]),
            f"{row['scores']:,.0f}",
            to_markup(format_score(row["q50"], row["unit"], signed=signed)),
            percent(row["negative_share"]) if signed else "",
            bars.get(tuple(row[name] for name in LABEL_SET), ""),
        )
    return table


def _to_records(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{name: _to_plain(value) for name, value in row.items()} for row in to_rows(table)]


def _to_plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
