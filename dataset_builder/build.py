"""The stages in order: bursts, labels, splits, description, card, audit. Each reads what the one before wrote."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dataset_builder.bursts import build_bursts, plan_source
from dataset_builder.errors import RecipeError
from dataset_builder.finish import finish_dataset, read_built_recipe
from dataset_builder.ingest.kinds.catalogue import KINDS
from dataset_builder.judgements.annotations import Annotations, compose
from dataset_builder.labeling.annotations import annotate_sources, write_annotations
from dataset_builder.labeling.engine import build_labels
from dataset_builder.labeling.noise import measure_label_noise
from dataset_builder.labeling.scenarios import ScenarioChoice, list_renamed, merge_choices, resolve_scenarios
from dataset_builder.labeling.units import read_bursts
from dataset_builder.plans import (
    find_makers,
    list_remade,
    plan_redraws,
    plan_sources,
    require_named,
    require_same_part,
    require_usable,
)
from dataset_builder.recipe import Recipe, Source, SplitChoice
from dataset_builder.records.packing import Store
from dataset_builder.settings.roots import NO_ROOTS
from dataset_builder.work.altered import RECIPE, drop_altered_caches, take_stock
from dataset_builder.work.dealing import BuildPart
from dataset_builder.work.local import ONE_WORKER, Workers
from dataset_builder.work.lock import lock_dataset
from dataset_builder.work.report import Announce, Progress, StageReport, no_progress, record_failures
from manifests.confined.reading import hash_file, list_folder
from manifests.confined.writing import write_file
from manifests.description import DIGESTS, read_description, write_description
from manifests.journal import note_digest
from manifests.store import labels_path, table_path

if TYPE_CHECKING:
    from dataset_builder.audit.audit import Audit

JUDGED_SCENARIOS = tuple(kind.judged_as for kind in KINDS if kind.judged_as)
"""Scenarios that come with a source and not from the recipe's list."""


def build_dataset(
    recipe_path: Path,
    recipe: Recipe,
    root: Path,
    *,
    roots: Mapping[str, Path] = NO_ROOTS,
    strict: bool = False,
    part: BuildPart | None = None,
    store: Store | None = None,
    workers: Workers = ONE_WORKER,
    progress: Progress = no_progress,
    announce: Announce | None = None,
) -> list[StageReport]:
    """Make `root` the data set that a recipe describes; what is already there and still current is kept.

    Args:
        recipe_path: file that the recipe was read from; relative roots are relative to its folder.
        recipe: as read.
        root: folder of the data set; created if need be.
        roots: folders of the recipe's named roots; sources whose roots are not among them keep what they have.
        strict: whether every source must be there and hold what the recipe expects.
        part: scenes to make, those of all sources being dealt out to several builds whose folders are merged at last; None for all.
        store: whether images are to lie in a file each or in packs; None for as they do.
        workers: who does the work. The result does not depend on it.
        progress: how to show progress.
        announce: told what the labels will cost, before they are computed.

    Raises:
        BuildError: if the recipe cannot be carried out at all or the folder cannot be used. Unusable sources, photographs, bursts and
            units of work are rows of `failures` instead.
    """
    scenarios = resolve_scenarios(recipe.scenarios, device=workers.device)
    base = recipe_path.resolve().parent
    require_usable(root)
    with lock_dataset(root):
        require_same_part(root, part)
        require_named(root, recipe)
        altered = take_stock(root, list_remade(recipe))
        planned = plan_sources(recipe, base, root, workers, roots=roots, strict=strict)
        facts = None if part is None else planned.describe(part)
        if part is not None:
            planned = planned.deal(part)
        bursts = build_bursts(root, planned.plans, store=store, workers=workers, progress=progress)
        judged = annotate_sources(root, planned.judged)
        labels = build_labels(root, scenarios, workers=workers, progress=progress, announce=announce)
        redraws, makers = recipe.noise_redraws, find_makers(planned.plans)
        measure_label_noise(root, scenarios, makers, redraws, workers=workers, progress=progress, report=labels)
        labels.include(judged)
        labels.remarks += list_renamed(recipe.scenarios)
        planned.report(bursts)
        bursts.remarks += altered
        record_failures(root, bursts, "source", [*planned.plans, *planned.failures])
        record_failures(root, labels, "scenario", [*JUDGED_SCENARIOS, *(scenario.name for scenario in scenarios)])
        _write_recipe(root, recipe_path.read_bytes())
        named = [scenario.name for scenario in scenarios]
        labels.remarks += finish_dataset(root, recipe, [bursts, labels], part=facts, named=named, workers=workers)
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
    require_usable(root)
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
        plan = plan_source(source, Path.cwd(), root, seed=recipe.seed, presets=recipe.presets, workers=workers)
        plans = {source.name: plan}
        bursts = build_bursts(root, plans, workers=workers, progress=progress)
        labels = annotate_sources(root, [] if plan.judged is None else [plan.judged])
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
    noise_redraws: int | None = None,
    base: Path = Path(),
    workers: Workers = ONE_WORKER,
    progress: Progress = no_progress,
    announce: Announce | None = None,
) -> list[StageReport]:
    """Label a data set under further scenarios; labels that are already there are reused.

    Args:
        root: the data set.
        choices: the scenarios.
        noise_redraws: as in a recipe; None for as many as the data set has.
        base: folder that relative roots of the recipe are relative to; only redraws of the noise need the photographs there.
        workers: who does the work.
        progress: how to show progress.
        announce: told what the labels will cost, before they are computed.

    Raises:
        BuildError: as `build_dataset`; and if redraws are asked for and no burst can be rendered again.
        ManifestError: if `root` is no data set.
        RestorerError: if a scenario is unknown.
    """
    read_description(root)
    scenarios = resolve_scenarios(choices, device=workers.device)
    with lock_dataset(root):
        altered = take_stock(root, [table_path("splits"), *(labels_path(scenario.name) for scenario in scenarios)])
        recipe = read_built_recipe(root)
        redraws, makers, remarks = plan_redraws(root, base, recipe, noise_redraws, workers)
        labels = build_labels(root, scenarios, workers=workers, progress=progress, announce=announce)
        measure_label_noise(root, scenarios, makers, redraws, workers=workers, progress=progress, report=labels)
        named = [scenario.name for scenario in scenarios]
        record_failures(root, labels, "scenario", named)
        changes = {"scenarios": merge_choices(recipe.scenarios, choices), "noise_redraws": redraws}
        recipe = recipe.model_copy(update=changes)
        labels.remarks += [*altered, *list_renamed(choices), *remarks]
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


def redo_reports(root: Path, *, named: Collection[str] = ()) -> list[str]:
    """Write description, card and audit of a data set anew, after its tables were put together in another way.

    Args:
        root: the data set.
        named: scenarios that the user named; of the others, those run that are built in or installed.

    Returns:
        What the report lacks and why, one line each.

    Raises:
        ManifestError: if `root` is no data set.
    """
    read_description(root)
    with lock_dataset(root):
        take_stock(root, [])
        return finish_dataset(root, read_built_recipe(root), anew=True, named=named)


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


def _write_recipe(root: Path, data: bytes) -> None:
    note_digest(root, RECIPE, hashlib.sha256(data).hexdigest())
    write_file(root, RECIPE, data)
