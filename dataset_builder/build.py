"""The stages in order: bursts, labels, splits, description, card, audit. Each reads what the one before wrote."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from dataset_builder.annotations import ANNOTATED_KINDS, annotate_sources, write_annotations
from dataset_builder.bursts import build_bursts
from dataset_builder.errors import OutputError, RecipeError
from dataset_builder.ingest.annotated import Annotations
from dataset_builder.labeling.engine import build_labels, preview_stage
from dataset_builder.labeling.estimators import find_estimator, is_estimator
from dataset_builder.labeling.scenarios import read_scenario_facts, resolve_scenarios
from dataset_builder.labeling.units import read_bursts
from dataset_builder.lock import lock_dataset
from dataset_builder.recipe import Recipe, ScenarioChoice, Source, SplitChoice, name_after, parse_recipe
from dataset_builder.report import Progress, StageReport, no_progress
from dataset_builder.sources import plan_source
from dataset_builder.work import WORK_FOLDER
from dataset_builder.workers import ONE_WORKER, Workers
from manifests.card import write_card
from manifests.croissant import write_croissant
from manifests.schema import FAILURES, SPLITS
from manifests.seal import is_sealed, seal_dataset
from manifests.split_plan import plan_splits
from manifests.store import (
    hash_file,
    list_label_files,
    read_dataset_table,
    read_description,
    read_or_empty,
    table_path,
    write_bytes,
    write_description,
    write_table,
)
from restorers.fidelity import METRICS

if TYPE_CHECKING:
    from dataset_builder.audit.audit import Audit

_SOFTWARE = ("buiqa-toolkit", "numpy", "opencv-python", "pyarrow", "scikit-image", "scipy", "torch")


def build_dataset(
    recipe_path: Path,
    recipe: Recipe,
    root: Path,
    *,
    workers: Workers = ONE_WORKER,
    progress: Progress = no_progress,
) -> list[StageReport]:
    """Make `root` the data set that a recipe describes; what is already there and still true is kept.

    Args:
        recipe_path: file that the recipe was read from; relative roots are relative to its folder.
        recipe: as read.
        root: folder of the data set; created if need be.
        workers: who does the work. The result does not depend on it.
        progress: how to show progress.

    Raises:
        BuildError: if the recipe cannot be carried out at all or the folder cannot be used. Unusable photographs, bursts and units of
            work are rows of `failures` instead.
    """
    scenarios = resolve_scenarios(recipe.scenarios)
    base = recipe_path.resolve().parent
    _require_usable(root)
    with lock_dataset(root):
        _require_named(root, recipe)
        plans = {
            source.name: plan_source(source, base, root, recipe=recipe, workers=workers) for source in recipe.sources
        }
        bursts = build_bursts(root, plans, workers=workers, progress=progress)
        judged = annotate_sources(root, recipe.sources, base)
        labels = build_labels(root, scenarios, workers=workers, progress=progress)
        labels.include(judged)
        _record_failures(root, bursts, "source", plans)
        _record_failures(
            root, labels, "scenario", [*ANNOTATED_KINDS.values(), *(scenario.name for scenario in scenarios)]
        )
        write_bytes(root / "recipe.toml", recipe_path.read_bytes())
        _finish(root, recipe, workers=workers)
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
        seed: of the data set; only for a new one, or equal to its own.
        workers: who does the work.
        progress: how to show progress.

    Raises:
        BuildError: as `build_dataset`.
    """
    _require_usable(root)
    with lock_dataset(root):
        recipe = _read_recipe(root)
        if seed is not None and recipe.sources and seed != recipe.seed:
            raise RecipeError(
                f"--seed {seed}: {root} was built with seed {recipe.seed}; leave --seed out or choose another --out"
            )
        others = tuple(other for other in recipe.sources if other.name != source.name)
        changes = {"sources": (*others, source), "seed": recipe.seed if seed is None else seed}
        recipe = recipe.model_copy(update=changes)
        plans = {source.name: plan_source(source, Path.cwd(), root, recipe=recipe, workers=workers)}
        bursts = build_bursts(root, plans, workers=workers, progress=progress)
        labels = annotate_sources(root, [source], Path.cwd())
        build_labels(root, [], workers=workers, progress=progress)
        _record_failures(root, bursts, "source", plans)
        if labels.counts:
            _record_failures(root, labels, "scenario", list(ANNOTATED_KINDS.values()))
        _finish(root, recipe, workers=workers)
    return [bursts, labels] if labels.counts else [bursts]


def add_labels(
    root: Path,
    choices: Sequence[ScenarioChoice],
    *,
    workers: Workers = ONE_WORKER,
    progress: Progress = no_progress,
) -> list[StageReport]:
    """Label a data set under further scenarios; labels that are already there are reused.

    Raises:
        BuildError: as `build_dataset`.
        ManifestError: if `root` is no data set.
        RestorerError: if a scenario is unknown.
    """
    read_description(root)
    scenarios = resolve_scenarios(choices)
    with lock_dataset(root):
        recipe = _read_recipe(root)
        labels = build_labels(root, scenarios, workers=workers, progress=progress)
        _record_failures(root, labels, "scenario", [scenario.name for scenario in scenarios])
        recipe = recipe.model_copy(update={"scenarios": _merge_choices(recipe.scenarios, choices)})
        _finish(root, recipe, workers=workers)
    return [labels]


def preview_labels(root: Path, choices: Sequence[ScenarioChoice]) -> StageReport:
    """What `add_labels` would create, rebuild, reuse and skip; computes and writes nothing.

    Raises:
        ManifestError: if `root` is no data set.
        RestorerError: if a scenario is unknown.
    """
    return preview_stage(root, resolve_scenarios(choices), read_bursts(root))


def add_annotations(root: Path, annotations: Annotations) -> list[StageReport]:
    """Make people's judgements of the frames of a data set labels of a scenario.

    Raises:
        BuildError: as `build_dataset`.
        ManifestError: if `root` is no data set.
    """
    read_description(root)
    report = StageReport("labels")
    with lock_dataset(root):
        bursts = read_bursts(root)
        by_name = {rows.burst["origin_path"]: rows for rows in bursts.values() if rows.burst["crop"] is None} | bursts
        unknown = [one.path for one in annotations.bursts if one.path not in by_name]
        if unknown:
            raise RecipeError(f"{annotations.scenario}: burst {unknown[0]!r}: no burst_id or origin_path of {root}")
        write_annotations(root, annotations, by_name, report, source="")
        _record_failures(root, report, "scenario", [annotations.scenario])
        _finish(root, _read_recipe(root))
    return [report]


def redo_splits(root: Path, splits: SplitChoice) -> None:
    """Assign the splits of a data set anew.

    Raises:
        ManifestError: if `root` is no data set, or the choice does not fit it.
    """
    read_description(root)
    with lock_dataset(root):
        _finish(root, _read_recipe(root).model_copy(update={"splits": splits}), keep_splits=False)


def redo_reports(root: Path) -> None:
    """Write description, card and audit of a data set anew, after its tables were put together in another way.

    Raises:
        ManifestError: if `root` is no data set.
    """
    read_description(root)
    with lock_dataset(root):
        _finish(root, _read_recipe(root), anew=True)


def redo_audit(root: Path, *, against: Path | None = None, workers: Workers = ONE_WORKER) -> Audit:
    """Write the audit of a data set anew and change nothing else: what is wrong must still be wrong when it is looked at.

    Args:
        root: the data set.
        against: another build to compare with.
        workers: who restores the bursts that are shown.

    Raises:
        ManifestError: if a folder is no data set, or its bursts or frames are missing or damaged.
    """
    from dataset_builder.audit.audit import restore_bursts, write_audit  # noqa: PLC0415  # as in _finish

    description = read_description(root)
    with lock_dataset(root):
        restore_bursts(root, workers=workers)
        audit = write_audit(root, against=against)
        digests = {path.relative_to(root).as_posix(): hash_file(path) for path in sorted((root / "audit").iterdir())}
        write_description(root, {**description, "manifests": {**description.get("manifests", {}), **digests}})
    return audit


def _finish(
    root: Path, recipe: Recipe, *, keep_splits: bool = True, anew: bool = False, workers: Workers = ONE_WORKER
) -> None:
    """Write splits and all that follows from the tables; unless `anew`, only if something changed since that was done."""
    from dataset_builder.audit.audit import restore_bursts, write_audit  # noqa: PLC0415  # takes a second to import

    previous = _read_splits(root, recipe) if keep_splits else None
    splits = plan_splits(read_dataset_table(root, "bursts"), recipe.splits.to_plan(), previous=previous)
    write_table(table_path(root, "splits"), SPLITS, splits)
    description = _describe(root, recipe)
    if not anew and is_sealed(root, description):
        return
    write_description(root, description)
    write_croissant(root)
    write_card(root)
    restore_bursts(root, workers=workers)
    write_audit(root)
    seal_dataset(root, description)


def _read_splits(root: Path, recipe: Recipe) -> pa.Table | None:
    """The splits that are there, if they were made as the recipe says now."""
    path = table_path(root, "splits")
    if not path.is_file() or not (root / "dataset.json").is_file() or _read_recipe(root).splits != recipe.splits:
        return None
    return read_dataset_table(root, "splits")


def _describe(root: Path, recipe: Recipe) -> dict[str, Any]:
    label_files = list_label_files(root)
    scenarios = [read_scenario_facts(path) for path in label_files]
    tables = {name: read_dataset_table(root, name) for name in ("bursts", "frames", "failures")}
    labels = [_read_names(path) for path in label_files]
    estimators, metrics = ({name for _, *names in labels for name in names[column]} for column in (0, 1))
    before = read_description(root) if (root / "dataset.json").is_file() else {}
    return {
        **{name: before[name] for name in ("provenance",) if name in before},
        "name": recipe.name,
        "recipe": recipe.model_dump(mode="json"),
        "software": {name: found for name in _SOFTWARE if (found := _find_version(name))},
        "totals": {
            **{name: table.num_rows for name, table in tables.items()},
            "labels": sum(count for count, _, _ in labels),
            "scenarios": len(label_files),
        },
        "metrics": {name: METRICS[name].describe() for name in sorted(metrics & METRICS.keys())},
        "estimators": {name: find_estimator(name).formula for name in sorted(estimators) if is_estimator(name)},
        "scenarios": {facts["name"]: facts for facts in scenarios if "name" in facts},
    }


def _read_names(path: Path) -> tuple[int, set[str], set[str]]:
    """Number of scores in a label file, its estimators and its metrics."""
    table = pq.read_table(path, columns=["score", "estimator", "metric"])
    estimators, metrics = (set(table.column(name).unique().to_pylist()) for name in ("estimator", "metric"))
    return table.num_rows - table.column("score").null_count, estimators, metrics


def _record_failures(root: Path, report: StageReport, column: str, scope: Sequence[str] | Mapping[str, Any]) -> None:
    """Replace the rows of what was tried; what was not tried keeps its rows."""
    path = table_path(root, "failures")
    kept = [
        row
        for row in read_or_empty(path, FAILURES).to_pylist()
        if not (row["stage"] == report.stage and row[column] in scope)
    ]
    write_table(path, FAILURES, kept + report.failures)


def _read_recipe(root: Path) -> Recipe:
    path = root / "dataset.json"
    if not path.is_file():
        return Recipe(name=name_after(root, default="unnamed"))
    return parse_recipe(read_description(root).get("recipe", {}), str(path))


def _merge_choices(old: Sequence[ScenarioChoice], new: Sequence[ScenarioChoice]) -> tuple[ScenarioChoice, ...]:
    merged = {choice.name: choice for choice in old}
    for choice in new:
        merged[choice.name] = _unite(merged[choice.name], choice) if choice.name in merged else choice
    return tuple(merged.values())


def _unite(one: ScenarioChoice, other: ScenarioChoice) -> ScenarioChoice:
    # No estimators means the default ones, which are more than those of the other.
    estimators = (*one.estimators, *other.estimators) if one.estimators and other.estimators else ()
    metrics = (*one.metrics, *other.metrics)
    return one.model_copy(
        update={"estimators": tuple(dict.fromkeys(estimators)), "metrics": tuple(dict.fromkeys(metrics))}
    )


def _require_usable(root: Path) -> None:
    if root.exists() and not root.is_dir():
        raise OutputError(f"--out {root}: is a file; name a folder")
    if (
        root.is_dir()
        and not (root / "dataset.json").is_file()
        and not (root / WORK_FOLDER).is_dir()
        and any(root.iterdir())
    ):
        raise OutputError(f"--out {root}: is not empty and holds no data set; name a new folder or that of a data set")


def _require_named(root: Path, recipe: Recipe) -> None:
    """A build makes a data set what the recipe says; it must not delete what somebody added under another name."""
    path = table_path(root, "bursts")
    if not path.is_file():
        return
    foreign = set(read_dataset_table(root, "bursts").column("source").to_pylist()) - {
        source.name for source in recipe.sources
    }
    if foreign:
        raise OutputError(
            f"--out {root}: holds bursts of {', '.join(sorted(foreign))}, which the recipe does not name; "
            "add the source to the recipe or choose another folder"
        )


def _find_version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
