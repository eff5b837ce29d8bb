"""The stages in order: bursts, labels, splits, description, card, audit. Each reads what the one before wrote."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from dataset_builder.bursts import build_bursts, plan_source, require_source
from dataset_builder.errors import RecipeError
from dataset_builder.finish import finish_dataset, keep_recipe, read_built_recipe, write_recipe
from dataset_builder.ingest.kinds.catalogue import KINDS
from dataset_builder.judgements.annotations import Annotations, compose
from dataset_builder.labeling.annotations import annotate_sources, write_annotations
from dataset_builder.labeling.engine import build_labels
from dataset_builder.labeling.noise import measure_label_noise
from dataset_builder.labeling.scenarios import ScenarioChoice, list_renamed, merge_choices, resolve_scenarios
from dataset_builder.labeling.trials import require_sound
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
from dataset_builder.recipe import Recipe, Source
from dataset_builder.records.packing import Store
from dataset_builder.settings.roots import NO_ROOTS
from dataset_builder.work.altered import take_stock
from dataset_builder.work.dealing import BuildPart
from dataset_builder.work.local import ONE_WORKER, Workers
from dataset_builder.work.lock import lock_dataset
from dataset_builder.work.report import Announce, Progress, StageReport, no_progress, record_failures
from manifests.confined.writing import remove_file
from manifests.description import read_description
from manifests.plain_text import suggest
from manifests.queries import list_labelled, name_unlabelled
from manifests.schema import LABELS
from manifests.store import labels_path, read_or_empty, table_path

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
        recipe: the recipe as it was read.
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
        write_recipe(root, recipe_path.read_bytes())
        named = [scenario.target for scenario in scenarios]
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
    if not root.exists():
        require_source(source, Path.cwd())  # before there is a folder
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
        keep_recipe(root, recipe)
        bursts.remarks += [*altered, *finish_dataset(root, recipe, [bursts, labels], workers=workers)]
    return [bursts, labels] if labels.counts else [bursts]


def add_labels(
    root: Path,
    choices: Sequence[ScenarioChoice],
    *,
    noise_redraws: int | None = None,
    base: Path = Path(),
    roots: Mapping[str, Path] = NO_ROOTS,
    check: bool = False,
    workers: Workers = ONE_WORKER,
    progress: Progress = no_progress,
    announce: Announce | None = None,
) -> list[StageReport]:
    """Label a data set under further scenarios; labels that are already there are reused.

    Args:
        root: the data set.
        choices: the scenarios.
        noise_redraws: the number that a recipe states; None for as many as the data set has.
        base: folder that relative roots of the recipe are relative to; only redraws of the noise need the photographs there.
        roots: folders of its named roots, for the same.
        check: whether to try restorers of the user's own that the data set has no labels of, and to compute nothing if one is unsound.
        workers: who does the work.
        progress: how to show progress.
        announce: told what the labels will cost, before they are computed.

    Raises:
        BuildError: as `build_dataset`; and if redraws are asked for and no burst can be rendered again, or a restorer that is checked is
            unsound.
        ManifestError: if `root` is no data set.
        RestorerError: if a scenario is unknown.
    """
    read_description(root)
    scenarios = resolve_scenarios(choices, device=workers.device)
    with lock_dataset(root):
        own = [labels_path(scenario.name) for scenario in scenarios]
        altered = take_stock(root, [table_path("splits"), *own])
        recipe = read_built_recipe(root)
        merged = merge_choices(recipe.scenarios, choices)
        if check:
            require_sound(root, scenarios, workers)
        redraws, makers, remarks = plan_redraws(root, base, recipe, noise_redraws, workers, roots=roots)
        labels = build_labels(root, scenarios, workers=workers, progress=progress, announce=announce)
        measure_label_noise(root, scenarios, makers, redraws, workers=workers, progress=progress, report=labels)
        record_failures(root, labels, "scenario", [scenario.name for scenario in scenarios])
        named = [scenario.target for scenario in scenarios]
        recipe = recipe.model_copy(update={"scenarios": merged, "noise_redraws": redraws})
        keep_recipe(root, recipe)
        labels.remarks += [*altered, *list_renamed(choices), *remarks]
        labels.remarks += finish_dataset(root, recipe, [labels], named=named, workers=workers)
    return [labels]


def remove_labels(root: Path, names: Sequence[str]) -> list[StageReport]:
    """Take scenarios out of a data set: their labels, their failures, and what the recipe asks of them.

    Args:
        root: the data set.
        names: of the scenarios.

    Raises:
        BuildError: as `build_dataset`.
        ManifestError: if `root` is no data set, or has nothing of a scenario.
    """
    read_description(root)
    report = StageReport("labels")
    with lock_dataset(root):
        altered = take_stock(root, [table_path("splits")])
        recipe = read_built_recipe(root)
        known = sorted({*list_labelled(root), *(choice.name for choice in recipe.scenarios)})
        for name in dict.fromkeys(names):
            if name not in known:
                raise name_unlabelled(root, name, known)
            bursts = read_or_empty(root, labels_path(name), LABELS).column("burst_id")
            report.counts["removed"] += len(bursts.unique())
            remove_file(root, labels_path(name))
        record_failures(root, report, "scenario", names)
        kept = tuple(choice for choice in recipe.scenarios if choice.name not in names)
        recipe = recipe.model_copy(update={"scenarios": kept})
        keep_recipe(root, recipe)
        report.remarks += [*altered, *finish_dataset(root, recipe, [report])]
    return [report]


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
            hint = suggest(str(unknown[0]), by_name)
            raise RecipeError(
                f"{annotations.scenario}: burst {unknown[0]!r}: no burst_id or origin_path of {root}{hint and f'; {hint}'}"
            )
        write_annotations(root, annotations, by_name, report, source="")
        record_failures(root, report, "scenario", [annotations.scenario])
        report.remarks += [*altered, *finish_dataset(root, read_built_recipe(root))]
    return [report]
