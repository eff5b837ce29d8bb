"""`buiqa build`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from dataset_builder.cli.options import out_option, read_roots, roots_option, work_options

if TYPE_CHECKING:
    from dataset_builder.records.packing import Store
    from dataset_builder.work.dealing import BuildPart
    from dataset_builder.work.local import Workers


@click.command()
@click.argument("recipe", type=click.Path(path_type=Path))
@out_option
@roots_option
@click.option(
    "--restorer",
    "restorers",
    multiple=True,
    metavar="NAME=SCENARIO",
    help="Scenario, such as burst:FILE, to take for one that stands for NAME in RECIPE; default: the environment's BUIQA_RESTORER_NAME.",
)
@click.option(
    "--part",
    metavar="K/N",
    callback=lambda _ctx, _option, value: None if value is None else _read_part(value),
    help="Make the scenes that fall to build K of N; `buiqa merge` joins the folders of all N.",
)
@click.option(
    "--store",
    type=click.Choice(["files", "packs"]),
    help="Whether images lie in a file each, or many in a tar archive; default: as they do, which is in files in a new data set.",
)
@click.option(
    "--strict", is_flag=True, help="Refuse to build unless every source is there and holds what RECIPE expects of it."
)
@click.option("--dry-run", is_flag=True, help="Say what would be created, reused and rebuilt, and change nothing.")
@click.option(
    "--noise-profiles",
    metavar="FILE",
    envvar="BUIQA_NOISE_PROFILES",
    type=click.Path(path_type=Path),
    help="darktable's noiseprofiles.json, for presets with the noise of a camera; default: $BUIQA_NOISE_PROFILES, else what RECIPE names.",
)
@work_options
@click.pass_context
def command(
    ctx: click.Context,
    recipe: Path,
    out: Path,
    roots: tuple[str, ...],
    restorers: tuple[str, ...],
    part: BuildPart | None,
    store: Store | None,
    strict: bool,
    dry_run: bool,
    noise_profiles: Path | None,
    workers: Workers,
) -> None:
    """Build the data set that RECIPE describes: a TOML file, or the name of a recipe of the toolkit, such as demo.

    Run it again to go on after an interruption, or after a change of the recipe: only what changed is computed.
    """
    from dataset_builder.build import build_dataset
    from dataset_builder.cli.console import announce, print_counts, print_notes, print_summary, show_progress
    from dataset_builder.plans import list_restorer_names, replace_restorers, require_buildable
    from dataset_builder.preview import preview_dataset
    from dataset_builder.recipe import read_recipe
    from dataset_builder.settings.roots import RESTORER_VARIABLE, read_named
    from dataset_builder.settings.shipped import find_recipe

    recipe = find_recipe(recipe)
    content = read_recipe(recipe, noise_profiles=noise_profiles)
    folders = read_roots(content, roots)
    chosen = read_named("--restorer", restorers, list_restorer_names(content), RESTORER_VARIABLE)
    content, notes = replace_restorers(content, chosen)
    print_notes(notes)
    if dry_run:
        require_buildable(out, content, part)
        print_counts(
            out, preview_dataset(recipe, content, out, roots=folders, strict=strict, part=part, workers=workers)
        )
        return
    reports = build_dataset(
        recipe,
        content,
        out,
        roots=folders,
        strict=strict,
        part=part,
        store=store,
        workers=workers,
        progress=show_progress,
        announce=announce,
    )
    ctx.exit(print_summary(out, reports))


def _read_part(value: str) -> BuildPart:
    from dataset_builder.work.dealing import BuildPart

    try:
        return BuildPart.parse(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
