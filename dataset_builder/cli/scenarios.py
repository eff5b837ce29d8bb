"""`buiqa scenarios`."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import Any

import click


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print all facts as JSON.")
def command(as_json: bool) -> None:
    """List the scenarios that can be labelled: the built-in ones and those of installed packages."""
    from rich.box import SIMPLE_HEAD  # noqa: PLC0415
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    from restorers import create, list_scenarios  # noqa: PLC0415

    facts: dict[str, dict[str, Any]] = {}
    for name in list_scenarios():
        restorer = create(name)
        protocol = next(kind for kind, method in _PROTOCOLS if hasattr(restorer, method))
        info = asdict(restorer.info)
        facts[name] = {"protocol": protocol, **info, "input_domains": sorted(info["input_domains"])}
    if as_json:
        click.echo(json.dumps(facts, indent=2))
        return
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for heading in ("scenario", "kind", "frames", "in", "out", "summary"):
        table.add_column(heading, no_wrap=heading != "summary")
    for name, fact in facts.items():
        longest = fact["max_frames"] or "any"
        frames = f"{fact['min_frames']}" if longest == fact["min_frames"] else f"{fact['min_frames']} to {longest}"
        scale = f" ×{fact['scale']}" if fact["scale"] != 1 else ""
        table.add_row(
            name,
            fact["protocol"],
            frames,
            ", ".join(fact["input_domains"]),
            fact["output_domain"] + scale,
            fact["summary"],
        )
    Console(highlight=False, width=None if sys.stdout.isatty() else 160).print(table)
    click.echo("Your own: buiqa label DIR --scenario module:attr")


_PROTOCOLS = (("LinearMerge", "contributions"), ("SubsetRestorer", "prepare"), ("Restorer", "restore"))
