"""`buiqa merge`."""

from __future__ import annotations

from pathlib import Path

import click

from dataset_builder.cli.options import FOLDER, out_option


@click.command()
@click.argument("datasets", metavar="A B | PART...", nargs=-1, required=True, type=FOLDER)
@click.option(
    "--scenario",
    "scenarios",
    multiple=True,
    metavar="NAME",
    help="Code or a model file by which parts were labelled and that you trust, to be run for the report: module:attr, onnx:FILE.",
)
@out_option
def command(datasets: tuple[Path, ...], scenarios: tuple[str, ...], out: Path) -> None:
    """Write a data set that holds the bursts and labels of A and B, or the one that builds with --part made parts of.

    What both hold must be equal, and no scene may lie in different splits. Of a build in parts, all must be there.
    """
    from dataset_builder.cli.console import print_notes, print_problems
    from dataset_builder.redo import redo_reports
    from manifests.operations.combine import merge_datasets
    from manifests.operations.parts import merge_parts, read_part_facts
    from manifests.verification.verify import verify

    remarks: list[str] = []

    def finish(folder: Path) -> None:
        remarks.extend(redo_reports(folder, named=scenarios))

    facts = [read_part_facts(root) for root in datasets]
    if any(fact is not None for fact in facts):
        merge_parts(datasets, out, finish=finish)
    elif len(datasets) == 2:
        merge_datasets(*datasets, out, finish=finish)
    else:
        raise click.UsageError(f"expected two data sets, or the parts of a build, got {len(datasets)} data sets")
    print_notes(remarks)
    # Scenes that are apart in each may look alike together.
    click.get_current_context().exit(print_problems(verify(out, hashes=False)))
