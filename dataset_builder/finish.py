"""The last stage: splits, description, card, audit and seal, all of which follow from the tables."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pyarrow as pa

from dataset_builder.audit.gains import GAIN_TABLE
from dataset_builder.labeling.estimators import find_estimator, is_estimator
from dataset_builder.labeling.scenarios import read_scenario_facts
from dataset_builder.recipe import Recipe, name_after, parse_recipe
from dataset_builder.work.cluster import hash_sources
from dataset_builder.work.local import ONE_WORKER, Workers
from dataset_builder.work.report import StageReport
from dataset_builder.work.stopping import check_stop
from manifests.confined.reading import has_file, hash_file
from manifests.confined.writing import remove_file
from manifests.description import DESCRIPTION, PART, read_description
from manifests.documents.card import write_card
from manifests.documents.croissant import write_croissant
from manifests.images.personal import count_personal
from manifests.journal import close_journal
from manifests.schema import LABELS, RELIABILITY, SPLITS
from manifests.seal import is_sealed, open_seal, seal_dataset
from manifests.splits import plan_splits
from manifests.store import (
    list_label_files,
    read_dataset_table,
    read_table,
    table_path,
    write_table,
)
from restorers.fidelity import METRICS

_SOFTWARE = ("buiqa-toolkit", "numpy", "opencv-python", "pyarrow", "scikit-image", "scipy", "torch")


def finish_dataset(
    root: Path,
    recipe: Recipe,
    reports: Sequence[StageReport] = (),
    *,
    keep_splits: bool = True,
    anew: bool = False,
    part: Mapping[str, Any] | None = None,
    named: Collection[str] = (),
    workers: Workers = ONE_WORKER,
) -> list[str]:
    """Write splits and all that follows from the tables.

    Args:
        root: the data set, locked.
        recipe: that it was built from.
        reports: reports of the stages before; what is outdated by what they changed is dropped.
        keep_splits: whether bursts keep the split that they have.
        anew: whether to write card and audit even if nothing changed since they were written.
        part: what is said of one of several builds that are merged later, which has neither splits nor card nor audit: they follow from
            all scenes; None for whole data sets, and for those that are known as parts.
        named: scenarios that the user named, whose restorers the report may run; of the others, those that are built in or installed.
        workers: who reads and restores the bursts that are shown.

    Returns:
        What the report lacks and why, one line each.
    """
    # What tables took stays with Arrow else, beside what the audit takes.
    pa.default_memory_pool().release_unused()
    _drop_outdated(root, reports)
    before = read_description(root) if has_file(root, DESCRIPTION) else {}
    part = part or before.get(PART)
    if part is None:
        previous = _read_splits(root, recipe) if keep_splits else None
        splits = plan_splits(read_dataset_table(root, "bursts"), recipe.splits.to_plan(), previous=previous)
        write_table(root, table_path("splits"), SPLITS, splits)
    description = _describe(root, recipe, before)
    if part is not None:
        description[PART] = {**part, "code_sha256": hash_sources()}
    if not anew and is_sealed(root, description):
        close_journal(root)
        return []
    if part is not None:
        seal_dataset(root, description)
        return []
    from dataset_builder.audit.stage import restore_bursts, write_audit

    open_seal(root, description)
    write_croissant(root)
    check_stop()
    write_card(root)
    check_stop()
    remarks = restore_bursts(root, named=named, workers=workers)
    remarks += write_audit(root, workers=workers).remarks
    check_stop()
    seal_dataset(root, description)
    return remarks


def _read_splits(root: Path, recipe: Recipe) -> pa.Table | None:
    """The splits that are there, if they were made as the recipe says now."""
    there = has_file(root, table_path("splits")) and has_file(root, DESCRIPTION)
    if not there or read_built_recipe(root).splits != recipe.splits:
        return None
    return read_dataset_table(root, "splits")


def _describe(root: Path, recipe: Recipe, before: Mapping[str, Any]) -> dict[str, Any]:
    label_files = list_label_files(root)
    scenarios = [read_scenario_facts(root, path) for path in label_files]
    tables = {name: read_dataset_table(root, name) for name in ("bursts", "frames", "failures")}
    labels = [_read_names(root, path) for path in label_files]
    estimators, metrics = ({name for _, *names in labels for name in names[column]} for column in (0, 1))
    return {
        **{name: before[name] for name in ("provenance",) if name in before},
        "personal": _count_personal(root, before),
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


def _count_personal(root: Path, before: Mapping[str, Any]) -> dict[str, int]:
    """Frames whose files tell of people and places, as the card says; not counted again while the frames are the same."""
    frames, known = table_path("frames"), before.get("personal")
    if isinstance(known, dict) and (before.get("manifests") or {}).get(frames) == hash_file(root, frames):
        return known
    rows = read_dataset_table(root, "frames").select(["path", "origin_name"]).to_pylist()
    return count_personal(root, (row["path"] for row in rows if row["origin_name"] is not None))


def _read_names(root: Path, path: str) -> tuple[int, set[str], set[str]]:
    """Number of scores in a label file, its estimators and its metrics."""
    table = read_table(root, path, LABELS, columns=["score", "estimator", "metric"])
    estimators, metrics = (set(table.column(name).unique().to_pylist()) for name in ("estimator", "metric"))
    return table.num_rows - table.column("score").null_count, estimators, metrics


def _drop_outdated(root: Path, reports: Iterable[StageReport]) -> None:
    """Forget how reliable labels were, and what they were worth, that are not the ones of today."""
    if any(report.counts[action] for report in reports for action in ("created", "rebuilt", "removed")):
        remove_file(root, table_path(RELIABILITY.name))
        remove_file(root, GAIN_TABLE)


def read_built_recipe(root: Path) -> Recipe:
    """The recipe in `dataset.json`; an empty one where there is none yet.

    Raises:
        ManifestError: if the file cannot be read.
        RecipeError: if its recipe is of another version.
    """
    if not has_file(root, DESCRIPTION):
        return Recipe(name=name_after(root, default="unnamed"))
    return parse_recipe(read_description(root).get("recipe", {}), str(root / DESCRIPTION))


def _find_version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
