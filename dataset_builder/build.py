"""The stages in order: bursts, labels, splits, description, card, audit. Each reads what the one before wrote."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from dataset_builder.bursts import Plan, build_bursts, plan_source, preview_bursts
from dataset_builder.errors import OutputError, RecipeError
from dataset_builder.finish import finish_dataset, read_built_recipe
from dataset_builder.ingest.kinds.catalogue import KINDS
from dataset_builder.ingest.source import CaptureSource
from dataset_builder.judgements.annotations import Annotations, compose
from dataset_builder.labeling.annotations import annotate_sources, write_annotations
from dataset_builder.labeling.engine import build_labels, preview_stage
from dataset_builder.labeling.scenarios import ScenarioChoice, list_renamed, merge_choices, resolve_scenarios
from dataset_builder.labeling.units import read_bursts
from dataset_builder.recipe import Recipe, Source, SplitChoice
from dataset_builder.work.altered import RECIPE, drop_altered_caches, list_altered, take_stock
from dataset_builder.work.local import ONE_WORKER, Workers
from dataset_builder.work.lock import lock_dataset
from dataset_builder.work.report import Announce, Progress, StageReport, no_progress, record_failures
from dataset_builder.work.unit import WORK_FOLDER
from manifests.confined.reading import has_file, has_folder, hash_file, list_folder, read_file, walk_files
from manifests.confined.writing import write_file, write_new_file
from manifests.description import DESCRIPTION, DIGESTS, read_description, write_description
from manifests.errors import SchemaError
from manifests.journal import note_digest
from manifests.store import labels_path, read_dataset_table, table_path

if TYPE_CHECKING:
    from dataset_builder.audit.audit import Audit

JUDGED_SCENARIOS = tuple(kind.judged_as for kind in KINDS if kind.judged_as)
"""Scenarios that come with a source and not from the recipe's list."""


def build_dataset(
    recipe_path: Path,
    recipe: Recipe,
    root: Path,
    *,
    workers: Workers = ONE_WORKER,
    progress: Progress = no_progress,
    announce: Announce | None = None,
) -> list[StageReport]:
    """Make `root` the data set that a recipe describes; what is already there and still current is kept.

    Args:
        recipe_path: file that the recipe was read from; relative roots are relative to its folder.
        recipe: as read.
        root: folder of the data set; created if need be.
        workers: who does the work. The result does not depend on it.
        progress: how to show progress.
        announce: told what the labels will cost, before they are computed.

    Raises:
        BuildError: if the recipe cannot be carried out at all or the folder cannot be used. Unusable photographs, bursts and units of
            work are rows of `failures` instead.
    """
    scenarios = resolve_scenarios(recipe.scenarios, device=workers.device)
    base = recipe_path.resolve().parent
    _require_usable(root)
    with lock_dataset(root):
        _require_named(root, recipe)
        altered = take_stock(root, _list_remade(recipe))
        plans = _plan_sources(recipe, recipe.sources, base, root, workers)
        bursts = build_bursts(root, plans, workers=workers, progress=progress)
        judged = annotate_sources(root, recipe.sources, base, workers)
        labels = build_labels(root, scenarios, workers=workers, progress=progress, announce=announce)
        labels.include(judged)
        labels.remarks += list_renamed(recipe.scenarios)
        bursts.remarks += altered
        record_failures(root, bursts, "source", plans)
        record_failures(root, labels, "scenario", [*JUDGED_SCENARIOS, *(scenario.name for scenario in scenarios)])
        _write_recipe(root, recipe_path.read_bytes())
        named = [scenario.name for scenario in scenarios]
        labels.remarks += finish_dataset(root, recipe, [bursts, labels], named=named, workers=workers)
    return [bursts, labels]


def add_source(
    root: Path,
    source: Source,
    *,
    seed: int | None = None,
    workers: Workers = ONE_WORKER,
    progress: Progress = no_progress,
) -> list[StageReport]:
    """Add the bursts of one source to a data set, new or old; a source of the same name is brought up to date.

    Args:
        root: folder of the data set; created if need be.
        source: with an absolute root.
        seed: seed of the data set; only for a new one, or equal to its own.
        workers: who does the work.
        progress: how to show progress.

    Raises:
        BuildError: as `build_dataset`.
    """
    _require_usable(root)
    with lock_dataset(root):
        altered = take_stock(root, [table_path("splits")])
        recipe = read_built_recipe(root)
        if seed is not None and recipe.sources and seed != recipe.seed:
            raise RecipeError(
                f"seed {seed}: {root} was built with seed {recipe.seed}; leave the seed out or choose another folder"
            )
        others = tuple(other for other in recipe.sources if other.name != source.name)
        changes = {"sources": (*others, source), "seed": recipe.seed if seed is None else seed}
        recipe = recipe.model_copy(update=changes)
        plans = _plan_sources(recipe, [source], Path.cwd(), root, workers)
        bursts = build_bursts(root, plans, workers=workers, progress=progress)
        labels = annotate_sources(root, [source], Path.cwd(), workers)
        build_labels(root, [], workers=workers, progress=progress)
        record_failures(root, bursts, "source", plans)
        if labels.counts:
            record_failures(root, labels, "scenario", JUDGED_SCENARIOS)
        bursts.remarks += [*altered, *finish_dataset(root, recipe, [bursts, labels], workers=workers)]
    return [bursts, labels] if labels.counts else [bursts]


def add_labels(
    root: Path,
    choices: Sequence[ScenarioChoice],
    *,
    workers: Workers = ONE_WORKER,
    progress: Progress = no_progress,
    announce: Announce | None = None,
) -> list[StageReport]:
    """Label a data set under further scenarios; labels that are already there are reused.

    Raises:
        BuildError: as `build_dataset`.
        ManifestError: if `root` is no data set.
        RestorerError: if a scenario is unknown.
    """
    read_description(root)
    scenarios = resolve_scenarios(choices, device=workers.device)
    with lock_dataset(root):
        altered = take_stock(root, [table_path("splits"), *(labels_path(scenario.name) for scenario in scenarios)])
        recipe = read_built_recipe(root)
        labels = build_labels(root, scenarios, workers=workers, progress=progress, announce=announce)
        named = [scenario.name for scenario in scenarios]
        record_failures(root, labels, "scenario", named)
        recipe = recipe.model_copy(update={"scenarios": merge_choices(recipe.scenarios, choices)})
        labels.remarks += [*altered, *list_renamed(choices)]
        labels.remarks += finish_dataset(root, recipe, [labels], named=named, workers=workers)
    return [labels]


def add_annotations(root: Path, annotations: Annotations) -> list[StageReport]:
    """Make people's judgements of the frames of a data set labels of a scenario.

    Raises:
        BuildError: as `build_dataset`.
        ManifestError: if `root` is no data set.
    """
    read_description(root)
    report = StageReport("labels")
    with lock_dataset(root):
        altered = take_stock(root, [table_path("splits")])
        bursts = read_bursts(root)
        by_name = {rows.burst["origin_path"]: rows for rows in bursts.values() if rows.burst["crop"] is None} | bursts
        by_name = {compose(name): rows for name, rows in by_name.items()} | by_name
        unknown = [one.path for one in annotations.bursts if one.path not in by_name]
        if unknown:
            raise RecipeError(f"{annotations.scenario}: burst {unknown[0]!r}: no burst_id or origin_path of {root}")
        write_annotations(root, annotations, by_name, report, source="")
        record_failures(root, report, "scenario", [annotations.scenario])
        report.remarks += [*altered, *finish_dataset(root, read_built_recipe(root))]
    return [report]


def redo_splits(root: Path, splits: SplitChoice) -> list[str]:
    """Assign the splits of a data set anew.

    Returns:
        What the report lacks and why, one line each.

    Raises:
        ManifestError: if `root` is no data set, or the choice does not fit it.
    """
    read_description(root)
    with lock_dataset(root):
        altered = take_stock(root, [table_path("splits")])
        recipe = read_built_recipe(root).model_copy(update={"splits": splits})
        return [*altered, *finish_dataset(root, recipe, keep_splits=False)]


def redo_reports(root: Path) -> list[str]:
    """Write description, card and audit of a data set anew, after its tables were put together in another way.

    Returns:
        What the report lacks and why, one line each.

    Raises:
        ManifestError: if `root` is no data set.
    """
    read_description(root)
    with lock_dataset(root):
        take_stock(root, [])
        return finish_dataset(root, read_built_recipe(root), anew=True)


def redo_audit(
    root: Path, *, against: Path | None = None, named: Collection[str] = (), workers: Workers = ONE_WORKER
) -> tuple[Audit, list[str]]:
    """Write the audit of a data set anew and change nothing else: what is wrong must still be wrong when it is looked at.

    Args:
        root: the data set.
        against: another build to compare with.
        named: scenarios that the user named; of the others, those run that are built in or installed.
        workers: who reads and restores the bursts that are shown.

    Returns:
        The audit, and what the report lacks and why, one line each.

    Raises:
        ManifestError: if a folder is no data set, or its bursts or frames are missing or damaged.
    """
    from dataset_builder.audit.stage import restore_bursts, write_audit

    description = read_description(root)
    with lock_dataset(root):
        drop_altered_caches(root)
        remarks = restore_bursts(root, named=named, workers=workers)
        audit = write_audit(root, against=against, workers=workers)
        if DIGESTS in description:
            digests = {path: hash_file(root, path) for path in (f"audit/{name}" for name in list_folder(root, "audit"))}
            write_description(root, {**description, DIGESTS: {**description[DIGESTS], **digests}})
    return audit, [*remarks, *audit.remarks]


def preview_dataset(
    recipe_path: Path, recipe: Recipe, root: Path, *, workers: Workers = ONE_WORKER
) -> list[StageReport]:
    """What `build_dataset` would do; nothing below the data set is written.

    Labels of bursts that are yet to be made are not counted; people's judgements neither.

    Args:
        recipe_path: file that the recipe was read from.
        recipe: as read.
        root: folder of the data set; need not exist.
        workers: who screens photographs that were not measured yet.

    Raises:
        BuildError: if the recipe cannot be carried out at all.
    """
    scenarios = resolve_scenarios(recipe.scenarios, device=workers.device)
    with TemporaryDirectory() as scratch:
        # Photographs that a build measured before are not measured again.
        for path, plain in walk_files(root, f"{WORK_FOLDER}/photographs"):
            if plain:
                write_new_file(Path(scratch), path, read_file(root, path))
        plans = _plan_sources(recipe, recipe.sources, recipe_path.resolve().parent, Path(scratch), workers)
    bursts, kept = preview_bursts(root, plans)
    there = read_bursts(root) if kept else {}
    labels = preview_stage(root, scenarios, {burst_id: rows for burst_id, rows in there.items() if burst_id in kept})
    bursts.remarks += list_altered(root, _list_remade(recipe))
    waiting = sum(len(plan.units) for plan in plans.values()) - len(kept)
    if waiting > 0 and scenarios:
        labels.remarks.append(f"labels of {waiting} bursts that are yet to be made are not counted")
    return [bursts, labels]


def preview_labels(root: Path, choices: Sequence[ScenarioChoice], *, device: str = "cpu") -> StageReport:
    """What `add_labels` would do.

    Raises:
        ManifestError: if `root` is no data set.
        RestorerError: if a scenario is unknown.
    """
    return preview_stage(root, resolve_scenarios(choices, device=device), read_bursts(root))


def _list_remade(recipe: Recipe) -> list[str]:
    """Tables that a build makes anew where they are missing."""
    judged = [source.judged_as for source in recipe.sources if isinstance(source, CaptureSource) and source.judged_as]
    names = [*judged, *(choice.name for choice in recipe.scenarios)]
    tables = [table_path(name) for name in ("bursts", "frames", "splits", "failures")]
    return [RECIPE, *tables, *map(labels_path, names)]


def _write_recipe(root: Path, data: bytes) -> None:
    note_digest(root, RECIPE, hashlib.sha256(data).hexdigest())
    write_file(root, RECIPE, data)


def _plan_sources(
    recipe: Recipe, sources: Iterable[Source], base: Path, dataset: Path, workers: Workers
) -> dict[str, Plan]:
    return {
        source.name: plan_source(source, base, dataset, seed=recipe.seed, presets=recipe.presets, workers=workers)
        for source in sources
    }


def _require_usable(root: Path) -> None:
    if root.exists() and not root.is_dir():
        raise OutputError(f"root {root}: is a file; name a folder")
    if root.is_dir() and not has_file(root, DESCRIPTION) and not has_folder(root, WORK_FOLDER) and any(root.iterdir()):
        raise OutputError(f"root {root}: is not empty and holds no data set; name a new folder or that of a data set")


def require_buildable(root: Path, recipe: Recipe) -> None:
    """Check that a build would not overwrite what it did not make.

    Raises:
        OutputError: if the folder holds something else, or bursts of sources that the recipe does not name.
    """
    _require_usable(root)
    _require_named(root, recipe)


def _require_named(root: Path, recipe: Recipe) -> None:
    """A build makes a data set what the recipe says; it must not delete what somebody added under another name."""
    if not has_file(root, table_path("bursts")):
        return
    try:
        held = set(read_dataset_table(root, "bursts").column("source").to_pylist())
    except SchemaError:  # damaged: what was sealed last says as much
        held = {source.name for source in read_built_recipe(root).sources}
    foreign = held - {source.name for source in recipe.sources}
    if foreign:
        raise OutputError(
            f"root {root}: holds bursts of {', '.join(sorted(foreign))}, which the recipe does not name; "
            "add the source to the recipe or choose another folder"
        )
