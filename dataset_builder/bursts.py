"""Stage `bursts`: plan what the sources hold, make what has changed, write `bursts.parquet` and `frames.parquet`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from dataset_builder.ingest.plan import plan_captures
from dataset_builder.ingest.reader import Remark
from dataset_builder.ingest.source import CaptureSource
from dataset_builder.ingest.unit import CaptureUnit
from dataset_builder.randomness import derive_seed
from dataset_builder.records.held import HeldBurst, iterate_held, list_truths, write_burst_tables
from dataset_builder.records.packing import (
    PackingQueue,
    Store,
    choose_packs,
    number_unit,
    pack_images,
    remove_loose,
)
from dataset_builder.records.presence import exist
from dataset_builder.records.rows import make_id
from dataset_builder.settings.roots import NO_ROOTS, require_layout
from dataset_builder.synthesis.builtin import find_preset
from dataset_builder.synthesis.layered.plan import plan_scenes
from dataset_builder.synthesis.plan import LeftOut, find_photographs, plan_photographs
from dataset_builder.synthesis.presets import Preset
from dataset_builder.synthesis.source import PhotographSource, SceneSource
from dataset_builder.synthesis.unit import SynthesisUnit
from dataset_builder.work.local import Workers
from dataset_builder.work.report import Progress, StageReport
from dataset_builder.work.staging import clear_stages, find_staged
from dataset_builder.work.unit import WORK_FOLDER, Failure, read_part, remove_part
from manifests.confined.members import find_member
from manifests.confined.reading import has_file, list_folder
from manifests.confined.writing import move_folder, remove_file, remove_tree, write_text
from manifests.store import table_path

_UNPACKED = f"{WORK_FOLDER}/unpacked"
"""Is there while images that belong into packs may lie elsewhere, or packs hold more than they should."""
BurstUnit = SynthesisUnit | CaptureUnit


@dataclass
class Plan:
    """Units to run, what was found unusable before anything ran: (source, id, failure), and remarks on what was found."""

    units: list[BurstUnit] = field(default_factory=list)
    rejected: list[tuple[str, str, Failure]] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    """Photographs that were screened out, by path, and why."""
    remarks: list[str] = field(default_factory=list)
    judged: tuple[CaptureSource, Path] | None = None
    """A source whose frames people judged, surveyed, and its folder."""


def plan_source(
    source: PhotographSource | SceneSource | CaptureSource,
    base: Path,
    dataset: Path,
    *,
    seed: int,
    presets: Mapping[str, Preset],
    workers: Workers,
    roots: Mapping[str, Path] = NO_ROOTS,
) -> Plan:
    """Find the photographs, scenes or bursts of a source and name the bursts to make of them.

    Args:
        source: from the recipe.
        base: folder that relative roots are relative to.
        dataset: the data set, where measurements of photographs are kept or wait.
        seed: seed of the whole recipe.
        presets: the recipe's own, by name.
        workers: who decodes what is looked at to plan.
        roots: folders of named roots.

    Raises:
        UnsetRootError: if its named root is not among them.
        SourceError: if the root is not there, has another layout or holds nothing; anything smaller is recorded in the plan.
    """
    root, plan = source.resolve_root(base, roots), Plan()
    outcomes: Iterable[tuple[str, Sequence[BurstUnit] | Failure | Remark | LeftOut]]
    if isinstance(source, CaptureSource):
        require_layout(f"source {source.name!r}", root, source.layout)
        surveyed = source.survey(root, dataset, workers)
        if source.judged_as:
            plan.judged = surveyed, root
        outcomes = plan_captures(surveyed, root)
    elif isinstance(source, SceneSource):
        preset = source.adapt(find_preset(source.preset, presets))
        outcomes = plan_scenes(source, root, preset=preset, recipe_seed=seed)
    else:
        preset = source.adapt(find_preset(source.preset, presets))
        outcomes = plan_photographs(source, root, dataset, preset=preset, recipe_seed=seed, workers=workers)
    for path, outcome in outcomes:
        if isinstance(outcome, Remark):
            plan.remarks.append(outcome.text)
        elif isinstance(outcome, LeftOut):
            plan.left_out[path] = outcome.reason
        elif isinstance(outcome, Failure):
            name = make_id(PurePosixPath(path).stem, derive_seed(source.name, path), "")
            plan.rejected.append((source.name, name, outcome))
        else:
            plan.units += outcome
    return plan


def require_source(source: PhotographSource | SceneSource | CaptureSource, base: Path) -> None:
    """Check, without looking into files, that a source is there.

    Raises:
        SourceError: if its folder is not there, has another layout, or has no photographs.
    """
    root = source.resolve_root(base)
    if isinstance(source, CaptureSource):
        require_layout(f"source {source.name!r}", root, source.layout)
    elif isinstance(source, PhotographSource):
        find_photographs(source, root)


def build_bursts(
    root: Path, plans: Mapping[str, Plan], *, store: Store | None = None, workers: Workers, progress: Progress
) -> StageReport:
    """Bring the bursts of some sources up to date; those of other sources stay as they are.

    Args:
        root: the data set.
        plans: plans of each source, by its name.
        store: how images are to lie; None for as they do, which is in a file each where there are none.
        workers: who does the work.
        progress: how to show progress.

    Returns:
        Counts of bursts created, reused, rebuilt, removed and failed.

    Raises:
        OutputError: if images lie in packs and are to lie in files.
    """
    report, units, held = _compare(root, plans)
    packs = choose_packs(root, store, are_packed=held.are_packed)
    if packs and (held.are_loose or held.stale or held.renamed or units.keys() - held.kept):
        write_text(root, _UNPACKED, "")
    if held.stale:
        # They leave the manifest before their files are overwritten.
        write_burst_tables(root, held.kept)
    for burst_id in held.stale.keys() - units.keys():
        _remove_folder(root, held.stale[burst_id])
        report.counts["removed"] += 1

    waiting = [unit for burst_id, unit in units.items() if burst_id not in held.kept]
    made = _make(waiting, root, report, held.stale, packs=packs, workers=workers, progress=progress)
    renamed = {unit.burst_id: unit.origin for unit in held.renamed}
    if made or renamed or not has_file(root, table_path("bursts")):
        write_burst_tables(root, held.kept, sorted(made, key=lambda unit: unit.burst_id), renamed)
    for unit in waiting:
        remove_part(root, unit)
    clear_stages(root)
    if packs:
        _finish_packs(root, plans, held.sources)
    else:
        _remove_orphans(root, plans, held.kept | {unit.burst_id for unit in made})
    return report


def _finish_packs(root: Path, plans: Mapping[str, Plan], held: set[str]) -> None:
    """Put what the tables name into packs, wherever it lies, and remove what else there is of some sources.

    The tables name every image where it is before and after: a build that is killed in between goes on from here.
    """
    is_unpacked = has_file(root, _UNPACKED)
    if is_unpacked:
        pack_images(root)
    remove_loose(root, {*plans, *held} if is_unpacked else plans)
    remove_file(root, _UNPACKED)


def preview_bursts(root: Path, plans: Mapping[str, Plan]) -> tuple[StageReport, set[str]]:
    """What `build_bursts` would do, and the planned bursts that it would keep."""
    report, units, held = _compare(root, plans)
    report.counts["removed"] += len(held.stale.keys() - units.keys())
    for burst_id, unit in units.items():
        if burst_id not in held.kept:
            report.counts[
                "reused" if _is_finished(root, unit) else "rebuilt" if burst_id in held.stale else "created"
            ] += 1
    return report, held.kept & units.keys()


@dataclass
class _Held:
    """Bursts in the manifest against those that are planned.

    Attributes:
        kept: those that stay.
        stale: the folders of the others.
        renamed: planned ones among `kept` that come from elsewhere than the manifest says.
        sources: of all of them.
        are_packed: whether any image lies in a pack.
        are_loose: whether any is a file of its own.
    """

    kept: set[str] = field(default_factory=set)
    stale: dict[str, str] = field(default_factory=dict)
    renamed: list[BurstUnit] = field(default_factory=list)
    sources: set[str] = field(default_factory=set)
    are_packed: bool = False
    are_loose: bool = False


def _compare(root: Path, plans: Mapping[str, Plan]) -> tuple[StageReport, dict[str, BurstUnit], _Held]:
    """What was rejected and what is reused, as a report; all planned units; and what becomes of the bursts in the manifest."""
    report = StageReport("bursts")
    for name, plan in plans.items():
        report.remarks += [*plan.remarks, *(f"left out {reason}" for reason in plan.left_out.values())]
        report.left_out[name] = plan.left_out
        report.counts["left out"] += len(plan.left_out)
        for source, burst_id, failure in plan.rejected:
            report.fail(failure, source=source, burst_id=burst_id)
    units = {unit.burst_id: unit for plan in plans.values() for unit in plan.units}
    held = _Held()
    for burst in iterate_held(root):
        held.sources.add(burst.row["source"])
        packed = [find_member(path) is not None for path in burst.files]
        held.are_packed |= any(packed)
        held.are_loose |= not all(packed)
        unit = units.get(burst.burst_id)
        if not _is_current(root, burst, unit, plans):
            held.stale[burst.burst_id] = burst.files[0].rpartition("/")[0] if burst.files else ""
            continue
        held.kept.add(burst.burst_id if unit is None else unit.burst_id)
        if unit is not None:
            report.counts["reused"] += 1
            if any(burst.row[name] != value for name, value in unit.origin.describe().items()):
                held.renamed.append(unit)
    return report, units, held


def _is_current(root: Path, burst: HeldBurst, unit: BurstUnit | None, plans: Mapping[str, Plan]) -> bool:
    """Whether a burst in the manifest is still what the sources plan, or belongs to a source that is not asked about."""
    if burst.row["num_frames"] != burst.num_frames:
        return False
    if unit is None:
        return burst.row["source"] not in plans
    return burst.row["burst_key"] == unit.key and exist(root, burst.files)


def _make(
    waiting: Sequence[BurstUnit],
    root: Path,
    report: StageReport,
    stale: Iterable[str],
    *,
    packs: bool,
    workers: Workers,
    progress: Progress,
) -> list[BurstUnit]:
    """Run the units that have no result yet; return those that have one now."""
    known, made, missing = set(stale), [], []
    for unit in waiting:
        if _settle(root, unit, report):
            made.append(unit)
            report.counts["reused"] += 1
        else:
            missing.append(unit)
    if packs:
        missing.sort(key=number_unit)  # each shard is whole before the next begins
    queue = PackingQueue(root, made, missing) if packs else None
    with progress("bursts", len(missing)) as advance:
        for unit, failure in workers.run(missing, root):
            is_made = failure is None and _settle(root, unit, report)
            if is_made:
                made.append(unit)
                report.counts["rebuilt" if unit.burst_id in known else "created"] += 1
            else:
                lost = Failure("OutputError", "its files were removed while the build ran; run the same command again")
                report.fail(failure or lost, source=unit.origin.source, burst_id=unit.burst_id)
                _remove_folder(root, unit.folder)
            if queue is not None:
                queue.finish(unit, is_made=is_made)
            advance()
    return made


def _is_finished(root: Path, unit: BurstUnit) -> bool:
    """Whether a unit has a result, of an interrupted build, and all its files are in place or on their stage."""
    part = read_part(root, unit)
    if part is None:
        return False
    return find_staged(root, part.get("stage"), unit.folder) is not None or exist(root, _list_files(part))


def _settle(root: Path, unit: BurstUnit, report: StageReport) -> bool:
    """Move the files of a unit that has a result into place, and report its remarks; whether the files are there."""
    part = read_part(root, unit)
    if part is None:
        return False
    report.remarks += part.get("remarks", ())
    staged = find_staged(root, part.get("stage"), unit.folder)
    if staged is not None:
        # A burst of fewer frames would leave those of its longer self.
        _remove_folder(root, unit.folder)
        move_folder(root, staged, unit.folder)
    return exist(root, _list_files(part))


def _list_files(part: Mapping[str, Any]) -> Sequence[str]:
    frames = [frame[name] for frame in part["frames"] for name in ("path", "mask_path") if frame[name]]
    return [*frames, *list_truths(part["burst"])]


def _remove_orphans(root: Path, sources: Iterable[str], kept: Iterable[str]) -> None:
    """Delete what an interrupted build rendered and the recipe no longer asks for."""
    for source in sources:
        folder = f"frames/{source}"
        for name in list_folder(root, folder):
            if name not in kept:
                _remove_folder(root, f"{folder}/{name}")


def _remove_folder(root: Path, folder: str) -> None:
    # What a manifest names may be anything; only a burst's own folder may go.
    parts = PurePosixPath(folder).parts
    if len(parts) == 3 and parts[0] == "frames":
        with contextlib.suppress(OSError):
            remove_tree(root, folder)
