"""`buiqa ingest`: one subcommand per kind of source, one module each."""

from __future__ import annotations

import importlib

import click

_COMMANDS = {
    "folder": "Bursts of one file per frame: a sub-folder each, or many in one folder.",
    "stack": "TIFFs of several pages and videos, one burst each.",
    "burstsr": "BurstSR: phone bursts with a camera's photograph as truth.",
    "synthetic-burst": "SyntheticBurst, the validation set.",
    "hdrplus": "HDR+ bursts with the merged result as truth.",
    "zurich": "Zurich RAW-to-RGB photographs, to synthesise bursts from.",
    "kpn": "Test bursts of kernel- and basis-prediction networks (.npz).",
    "photo-triage": "Photo Triage: series with pairwise preferences, which become labels.",
    "spaq": "SPAQ: photographs with opinion scores, as pseudo-bursts with labels.",
    "annotations": "Your own preferences or scores of the frames of a data set, as labels.",
}


class _Kinds(click.Group):
    """Imports the module of a kind when it is used; help needs names and one line each only."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _COMMANDS:
            return None
        module = importlib.import_module(f"{__name__}.{cmd_name.replace('-', '_')}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.command(cls=_Kinds)
def command() -> None:
    """Add real bursts, and what people say of their frames."""
