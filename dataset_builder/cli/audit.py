"""`buiqa audit`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from dataset_builder.cli.options import FOLDER, dataset_argument, trusted_option, work_options
from dataset_builder.cli.terminal import say

if TYPE_CHECKING:
    from dataset_builder.work.local import Workers

SEVERE_STATUS = 4


@click.command()
@dataset_argument
@click.option("--against", metavar="OTHER", type=FOLDER, help="Another build: show what changed, and why.")
@click.option(
    "--out",
    metavar="FOLDER",
    type=FOLDER,
    help="Write the report there instead, and only read DIR; images are not restored for it.",
)
@click.option("--strict", is_flag=True, help=f"Exit with status {SEVERE_STATUS} when a finding is severe.")
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print findings and statistics as JSON, for machines; without --out nothing is written.",
)
@trusted_option
@work_options
@click.pass_context
def command(
    ctx: click.Context,
    dataset: Path,
    against: Path | None,
    out: Path | None,
    strict: bool,
    as_json: bool,
    scenarios: tuple[str, ...],
    workers: Workers,
) -> None:
    """Write DIR/audit: what is in the data set and whether its labels can be trusted.

    index.html is the report, findings.json what is wrong, statistics.parquet all the numbers.
    """
    from dataset_builder.audit.summary import describe_audit, print_audit
    from dataset_builder.cli.console import print_notes
    from dataset_builder.redo import look_at_dataset, redo_audit

    if as_json and out is None:
        audit = look_at_dataset(dataset, against=against, workers=workers)
        remarks = list(audit.remarks)
    else:
        audit, remarks = redo_audit(dataset, against=against, named=scenarios, workers=workers, out=out)
    print_notes(remarks)
    if as_json:
        say(describe_audit(audit))
    else:
        print_audit(dataset, audit, report=(dataset / "audit" if out is None else out) / "index.html")
    if strict and any(finding.severity == "severe" for finding in audit.findings):
        ctx.exit(SEVERE_STATUS)
