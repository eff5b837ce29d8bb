"""Stage `bursts`: plan what the sources hold, make what has changed, write `bursts.parquet` and `frames.parquet`."""

from __future__ import annotations

import contextlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dataset_builder.errors import OutputError
from dataset_builder.ingest.plan import plan_captures
from dataset_builder.ingest.reader import Remark
from dataset_builder.ingest.source import CaptureSource
from dataset_builder.ingest.unit import CaptureUnit
from dataset_builder.randomness import derive_seed
from dataset_builder.records.packing import (
    PackingQueue,
    Store,
    choose_packs,
    number_unit,
    pack_images,
    remove_loose,
    remove_strays,
)
from dataset_builder.records.presence import exist
from dataset_builder.records.rows import make_id
from dataset_builder.settings.roots import NO_ROOTS, require_layout
from dataset_builder.synthesis.builtin import find_preset
from dataset_builder.synthesis.layered.plan import plan_scenes
from dataset_builder.synthesis.plan import plan_photographs
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
from manifests.schema import BURSTS, FRAMES
from manifests.store import read_or_empty, table_path, write_table

_ROWS_AT_ONCE = 2048
_UNPACKED = f"{WORK_FOLDER}/unpacked"
"""Is there while images that belong into packs may lie elsewhere, or packs hold more than they should."""
BurstUnit = SynthesisUnit | CaptureUnit


@dataclass
class Plan:
    """Units to run, what was found unusable before anything ran: (source, id, failure), and remarks on what was found."""

    units: list[BurstUnit] = field(default_factory=list)
    rejected: list[tuple[str, str, Failure]] = field(default_factory=list)
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
    outcomes: Iterable[tuple[str, Sequence[BurstUnit] | Failure | Remark]]
    if isinstance(source, CaptureSource):
        require_layout(f"source {source.name!r}", root, source.layout)
        surveyed = source.survey(root, dataset, workers)
        if source.judged_as:
            plan.judged = surveyed, root
        outcomes = plan_captures(surveyed, root)
    elif isinstance(source, SceneSource):
        outcomes = plan_scenes(source, root, preset=find_preset(source.preset, presets), recipe_seed=seed)
    else:
        preset = find_preset(source.preset, presets)
        outcomes = plan_photographs(source, root, dataset, preset=preset, recipe_seed=seed, workers=workers)
    for path, outcome in outcomes:
        if isinstance(outcome, Remark):
            plan.remarks.append(outcome.text)
        elif isinstance(outcome, Failure):
            name = make_id(PurePosixPath(path).stem, derive_seed(source.name, path), "")
            plan.rejected.append((source.name, name, outcome))
        else:
            plan.units += outcome
    return plan


@dataclass
class _Held:
    """Bursts in the manifest: their rows, the rows of their frames, and the files of each."""

    bursts: dict[str, dict[str, Any]]
    frames: pa.Table
    files: Mapping[str, Sequence[str]]
    lengths: Mapping[str, int]

    def list_files(self) -> Iterator[str]:
        """The files of all bursts."""
        return chain.from_iterable(self.files.values())


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
    report, units, held, kept = _compare(root, plans)
    packs = choose_packs(root, store, held.list_files())
    renamed = [
        unit for burst_id, unit in units.items() if burst_id in kept and _is_renamed(held.bursts[burst_id], unit)
    ]
    stale = held.bursts.keys() - kept
    if packs and (stale or units.keys() - kept or any(find_member(path) is None for path in held.list_files())):
        write_text(root, _UNPACKED, "")
    if stale:
        # They leave the manifest before their files are overwritten.
        _write_rows(root, held, kept)
    for burst_id in stale - units.keys():
        _remove_folder(root, str(PurePosixPath(held.files[burst_id][0]).parent))
        report.counts["removed"] += 1

    waiting = [unit for burst_id, unit in units.items() if burst_id not in kept]
    made = _make(waiting, root, report, stale, packs=packs, workers=workers, progress=progress)
    for unit in renamed:
        held.bursts[unit.burst_id] |= unit.origin.describe()
    unpacked = has_file(root, _UNPACKED)
    if made or renamed or unpacked or not has_file(root, table_path("bursts")):
        _write_rows(root, held, kept, made, packs=packs)
    for unit in waiting:
        remove_part(root, unit)
    clear_stages(root)
    if packs:
        remove_loose(root, {*plans, *(burst["source"] for burst in held.bursts.values())} if unpacked else plans)
        remove_file(root, _UNPACKED)
    else:
        _remove_orphans(root, plans, kept | {unit.burst_id for unit in made})
    return report


def preview_bursts(root: Path, plans: Mapping[str, Plan]) -> tuple[StageReport, set[str]]:
    """What `build_bursts` would do, and the planned bursts that it would keep."""
    report, units, held, kept = _compare(root, plans)
    report.counts["removed"] += len(held.bursts.keys() - kept - units.keys())
    for burst_id, unit in units.items():
        if burst_id not in kept:
            report.counts[
                "reused" if _is_finished(root, unit) else "rebuilt" if burst_id in held.bursts else "created"
            ] += 1
    return report, kept & units.keys()


def _compare(root: Path, plans: Mapping[str, Plan]) -> tuple[StageReport, dict[str, BurstUnit], _Held, set[str]]:
    """What was rejected and what is reused, as a report; all planned units; what the manifest holds, and which bursts of it stay."""
    report = StageReport("bursts")
    for plan in plans.values():
        report.remarks += plan.remarks
        for source, burst_id, failure in plan.rejected:
            report.fail(failure, source=source, burst_id=burst_id)
    units = {unit.burst_id: unit for plan in plans.values() for unit in plan.units}
    held = _read_held(root)
    kept = {burst_id for burst_id in held.bursts if _is_current(root, held, burst_id, units.get(burst_id), plans)}
    report.counts["reused"] += sum(burst_id in units for burst_id in kept)
    return report, units, held, kept


def _is_current(root: Path, held: _Held, burst_id: str, unit: BurstUnit | None, plans: Mapping[str, Plan]) -> bool:
    """Whether a burst in the manifest is still what the sources plan, or belongs to a source that is not asked about."""
    row = held.bursts[burst_id]
    if row["num_frames"] != held.lengths[burst_id]:
        return False
    if unit is None:
        return row["source"] not in plans
    return row["burst_key"] == unit.key and exist(root, held.files[burst_id])


def _is_renamed(row: Mapping[str, Any], unit: BurstUnit) -> bool:
    return any(row[name] != value for name, value in unit.origin.describe().items())


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


def _read_held(root: Path) -> _Held:
    rows = read_or_empty(root, table_path("bursts"), BURSTS).to_pylist()
    frames = read_or_empty(root, table_path("frames"), FRAMES)
    files: dict[str, list[str]] = defaultdict(list)
    lengths: Counter[str] = Counter()
    columns = (frames.column(name).to_pylist() for name in ("burst_id", "path", "mask_path"))
    for burst_id, path, mask_path in zip(*columns, strict=True):
        files[burst_id] += [path, mask_path] if mask_path else [path]
        lengths[burst_id] += 1
    for row in rows:
        files[row["burst_id"]] += _list_truths(row)
    return _Held({row["burst_id"]: row for row in rows}, frames, files, lengths)


def _write_rows(
    root: Path, held: _Held, kept: Iterable[str], made: Iterable[BurstUnit] = (), *, packs: bool = False
) -> None:
    chosen = set(kept)
    bursts = [dict(held.bursts[burst_id]) for burst_id in chosen]
    frames = [held.frames.filter(pc.is_in(held.frames.column("burst_id"), value_set=pa.array(chosen, pa.string())))]
    waiting: list[dict[str, Any]] = []
    for unit in made:
        part = read_part(root, unit)
        if part is None:
            raise OutputError(f"{root}: the work in progress was removed during the build; run the same command again")
        bursts.append({**part["burst"], **unit.origin.describe()})
        waiting += part["frames"]
        # A table for each burst would be mostly overhead, all rows at once as dicts no less.
        if len(waiting) >= _ROWS_AT_ONCE:
            frames.append(pa.Table.from_pylist(waiting, schema=FRAMES.schema))
            waiting = []
    frames.append(pa.Table.from_pylist(waiting, schema=FRAMES.schema))
    table = pa.concat_tables(frames)
    if packs:
        table = pack_images(root, bursts, table)
    # Frames first: a burst is in the data set once `bursts` names it.
    write_table(root, table_path("frames"), FRAMES, table)
    write_table(root, table_path("bursts"), BURSTS, bursts)
    if packs:
        remove_strays(root, bursts, table)


def _list_files(part: Mapping[str, Any]) -> Sequence[str]:
    frames = [frame[name] for frame in part["frames"] for name in ("path", "mask_path") if frame[name]]
    return [*frames, *_list_truths(part["burst"])]


def _list_truths(burst: Mapping[str, Any]) -> list[str]:
    return [burst[name] for name in ("ground_truth_path", "ground_truth_mask_path") if burst[name]]


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
