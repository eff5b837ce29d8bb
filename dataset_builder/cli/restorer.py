"""`buiqa restorer`."""

from __future__ import annotations

import click

from dataset_builder.cli.terminal import say


@click.group()
def command() -> None:
    """Help for authors of restorers."""


@command.command()
@click.argument("name")
@click.option(
    "--side", default=64, show_default=True, type=click.IntRange(min=16), help="Of the sample frames, px, even."
)
@click.pass_context
def check(ctx: click.Context, name: str, side: int) -> None:
    """Check that the restorer NAME keeps its word, and say what to mend.

    NAME is a scenario, module:attr, or a model file such as onnx:FILE. Exit status 1 if a check fails.
    """
    from dataset_builder.cli.console import print_warnings
    from restorers.conformance import check_restorer

    print_warnings()
    findings = check_restorer(name, side=side + side % 2)
    for finding in findings:
        say(f"{finding.outcome}  {finding.check:12} {finding.detail}")
    failed = sum(finding.outcome == "fail" for finding in findings)
    say(f"{failed} of {len(findings)} checks failed" if failed else f"all {len(findings)} checks passed")
    ctx.exit(1 if failed else 0)
