"""`buiqa ingest`: a subcommand for each kind of real bursts, and two more."""

from __future__ import annotations

import click

from dataset_builder.cli.ingest import judgements, zurich
from dataset_builder.cli.ingest.kinds import describe_kind, make_command
from dataset_builder.cli.lazy import LazyGroup
from dataset_builder.ingest.kinds.catalogue import KINDS

_KINDS = {kind.command: kind for kind in KINDS}
_OTHERS = {"zurich": zurich.command, "annotations": judgements.command}


def _load(name: str) -> click.Command:
    return _OTHERS[name] if name in _OTHERS else make_command(_KINDS[name])


command = LazyGroup(
    name="ingest",
    help="Add real bursts, and what people say of their frames.",
    lines={
        **{name: describe_kind(kind) for name, kind in _KINDS.items()},
        "zurich": "Zurich RAW-to-RGB photographs, to synthesise bursts from.",
        "annotations": "Your own preferences or scores of the frames of a data set, as labels.",
    },
    load=_load,
)
