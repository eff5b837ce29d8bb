"""The last stage: splits, description, card, audit and seal, all of which follow from the tables."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Collection, Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dataset_builder.audit.gains import GAIN_TABLE
from dataset_builder.labeling.estimators import find_estimator, is_estimator
from dataset_builder.labeling.scenarios import read_scenario_facts
from dataset_builder.recipe import Recipe, name_after, parse_recipe, render_recipe
from dataset_builder.work.altered import RECIPE
from dataset_builder.work.cluster import hash_sources
from dataset_builder.work.local import ONE_WORKER, Workers
from dataset_builder.work.report import StageReport
from dataset_builder.work.stopping import check_stop
from manifests.batches import count_rows, iterate_table
from manifests.confined.reading import has_file, hash_file, read_file
from manifests.confined.writing import remove_file, write_file
from manifests.description import DESCRIPTION, PART, read_description
from manifests.documents.card import write_card
from manifests.documents.croissant import write_croissant
from manifests.images.personal import count_personal
from manifests.journal import close_journal, note_digest
from manifests.schema import BURSTS, FRAMES, LABELS, RELIABILITY, SPLITS, TABLES
from manifests.seal import is_sealed, open_seal, seal_dataset
from manifests.splits import SPLIT_COLUMNS, describe_rounding, plan_splits
from manifests.store import (
    list_label_files,
    read_dataset_table,
    read_table,
    table_path,
    write_table,
)
from restorers.fidelity import METRICS

_STEP_BY_STEP = (
    "# Everything that the commands which made this data set were told; `buiqa build` makes it again from this.\n\n"
)
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
        What few scenes made of the shares of the splits, if they were dealt out now, and what the report lacks and why, one line each.
    """
    # What tables took stays with Arrow else, beside what the audit takes.
    pa.default_memory_pool().release_unused()
    _drop_outdated(root, reports)
    before = read_description(root) if has_file(root, DESCRIPTION) else {}
    part = part or before.get(PART)
    rounding = _deal_out(root, recipe, keep_splits=keep_splits) if part is None else ""
    description = _describe(root, recipe, reports, before)
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
    remarks = [rounding] if rounding else []
    remarks += restore_bursts(root, named=named, workers=workers)
    remarks += write_audit(root, workers=workers).remarks
    check_stop()
    seal_dataset(root, description)
    return remarks


def _deal_out(root: Path, recipe: Recipe, *, keep_splits: bool) -> str:
    """Write `splits`; what few scenes made of the shares, if they were dealt out now."""
    previous = _read_splits(root, recipe) if keep_splits else None
    bursts = read_table(root, table_path("bursts"), BURSTS, columns=SPLIT_COLUMNS)
    plan = recipe.splits.to_plan()
    splits = plan_splits(bursts, plan, previous=previous)
    write_table(root, table_path("splits"), SPLITS, splits)
    return describe_rounding(splits, bursts, plan) if previous is None or len(previous) != len(splits) else ""


def _read_splits(root: Path, recipe: Recipe) -> pa.Table | None:
    """The splits that are there, if they were made as the recipe says now."""
    there = has_file(root, table_path("splits")) and has_file(root, DESCRIPTION)
    if not there:
        return None
    built = read_built_recipe(root).splits
    # `hash` was the default before `auto` was: scenes that it placed stay.
    if built != recipe.splits and built.model_copy(update={"method": "auto"}) != recipe.splits:
        return None
    return read_dataset_table(root, "splits")


def _describe(root: Path, recipe: Recipe, reports: Iterable[StageReport], before: Mapping[str, Any]) -> dict[str, Any]:
    label_files = list_label_files(root)
    scenarios = [read_scenario_facts(root, path) for path in label_files]
    totals = {name: count_rows(root, table_path(name), TABLES[name]) for name in ("bursts", "frames", "failures")}
    labels = [_read_names(root, path) for path in label_files]
    estimators, metrics = ({name for _, *names in labels for name in names[column]} for column in (0, 1))
    return {
        **{name: before[name] for name in ("provenance",) if name in before},
        "personal": _count_personal(root, before),
        **_list_left_out(recipe, before, reports),
        "name": recipe.name,
        "recipe": recipe.model_dump(mode="json"),
        "software": {name: found for name in _SOFTWARE if (found := _find_version(name))},
        "totals": {
            **totals,
            "labels": sum(count for count, _, _ in labels),
            "scenarios": len(label_files),
        },
        "metrics": {name: METRICS[name].describe() for name in sorted(metrics & METRICS.keys())},
        "estimators": {name: find_estimator(name).formula for name in sorted(estimators) if is_estimator(name)},
        "scenarios": {facts["name"]: facts for facts in scenarios if "name" in facts},
    }


def _list_left_out(
    recipe: Recipe, before: Mapping[str, Any], reports: Iterable[StageReport]
) -> dict[str, dict[str, dict[str, str]]]:
    """Photographs that were screened out, by source and path, and why; of sources that were not planned now, as it was."""
    known = dict(before.get("left_out", {}))
    for report in reports:
        known |= report.left_out
    names = {source.name for source in recipe.sources}
    left_out = {name: paths for name, paths in known.items() if name in names and paths}
    return {"left_out": left_out} if left_out else {}


def _count_personal(root: Path, before: Mapping[str, Any]) -> dict[str, int]:
    """Frames whose files tell of people and places, as the card says; not counted again while the frames are the same."""
    frames, known = table_path("frames"), before.get("personal")
    if isinstance(known, dict) and (before.get("manifests") or {}).get(frames) == hash_file(root, frames):
        return known
    tables = iterate_table(root, frames, FRAMES, columns=["path", "origin_name"])
    chosen = (table.filter(pc.is_valid(table.column("origin_name"))).column("path") for table in tables)
    return count_personal(root, (path for paths in chosen for path in paths.to_pylist()))


def _read_names(root: Path, path: str) -> tuple[int, set[str], set[str]]:
    """Number of scores in a label file, its estimators and its metrics."""
    scores = 0
    names: tuple[set[str], set[str]] = (set(), set())
    text = ("estimator", "metric")
    for table in iterate_table(root, path, LABELS, columns=["score", *text], coded=text):
        scores += table.num_rows - table.column("score").null_count
        for found, name in zip(names, text, strict=True):
            found.update(table.column(name).cast(pa.string()).unique().to_pylist())
    return scores, *names


def _drop_outdated(root: Path, reports: Iterable[StageReport]) -> None:
    """Forget how reliable labels were, and what they were worth, that are not the ones of today."""
    if any(report.counts[action] for report in reports for action in ("created", "extended", "rebuilt", "removed")):
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


def keep_recipe(root: Path, recipe: Recipe) -> None:
    """Let `recipe.toml` say what a data set was made from, step by step; one that says so already stays, with its comments."""
    try:
        said = parse_recipe(tomllib.loads(read_file(root, RECIPE).decode()), RECIPE) if has_file(root, RECIPE) else None
    except (ValueError, RecursionError):  # no TOML, no recipe, or of another version
        said = None
    if said != recipe:
        write_recipe(root, (_STEP_BY_STEP + render_recipe(recipe)).encode())


def write_recipe(root: Path, data: bytes) -> None:
    """Write `recipe.toml`, noting its digest first."""
    note_digest(root, RECIPE, hashlib.sha256(data).hexdigest())
    write_file(root, RECIPE, data)


def _find_version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
