"""Stage `bursts`: run what the sources plan, keep what has not changed, write `bursts.parquet` and `frames.parquet`."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from dataset_builder.report import Progress, StageReport
from dataset_builder.sources import BurstUnit, Plan
from dataset_builder.work import Failure, read_part, remove_part, run_units
from manifests.schema import BURSTS, FRAMES
from manifests.store import read_or_empty, resolve_inside, table_path, write_table

Rows = dict[str, dict[str, Any]]
"""burst_id -> {"burst": row, "frames": rows}."""


def build_bursts(root: Path, plans: Mapping[str, Plan], *, jobs: int, progress: Progress) -> StageReport:
    """Bring the bursts of some sources up to date; those of other sources stay as they are.

    Args:
        root: the data set.
        plans: of each source, by its name.
        jobs: worker processes.
        progress: how to show progress.

    Returns:
        Counts of bursts created, reused, rebuilt, removed and failed.
    """
    report = StageReport("bursts")
    for plan in plans.values():
        for source, burst_id, error in plan.rejected:
            report.fail(Failure(type(error).__name__, str(error)), source=source, burst_id=burst_id)
    units = {unit.burst_id: unit for plan in plans.values() for unit in plan.units}
    held = _read_rows(root)
    kept = {burst_id: rows for burst_id, rows in held.items() if _is_true(root, rows, units.get(burst_id), plans)}
    stale = {burst_id: rows for burst_id, rows in held.items() if burst_id not in kept}
    report.counts["reused"] += sum(burst_id in units for burst_id in kept)
    _retire(root, kept, stale, units, report)

    waiting = [unit for burst_id, unit in units.items() if burst_id not in kept]
    kept |= _make(waiting, root, report, stale, jobs=jobs, progress=progress)
    for burst_id, unit in units.items():
        if burst_id in kept:
            kept[burst_id]["burst"].update(unit.origin.describe())
    _write_rows(root, kept)
    for unit in waiting:
        remove_part(root, unit)
    _remove_orphans(root, plans, kept)
    return report


def _is_true(root: Path, rows: Mapping[str, Any], unit: BurstUnit | None, plans: Mapping[str, Plan]) -> bool:
    """Whether a burst in the manifest is still what the sources plan, or belongs to a source that is not asked about."""
    if unit is None:
        return rows["burst"]["source"] not in plans
    return rows["burst"]["burst_key"] == unit.key and _files_exist(root, rows)


def _retire(root: Path, kept: Rows, stale: Rows, units: Mapping[str, BurstUnit], report: StageReport) -> None:
    """Take stale bursts out of the manifest before their files are overwritten, and delete those that are planned no more."""
    if stale:
        _write_rows(root, kept)
    for burst_id in stale.keys() - units.keys():
        _remove_folder(root, str(PurePosixPath(stale[burst_id]["frames"][0]["path"]).parent))
        report.counts["removed"] += 1


def _make(
    waiting: Sequence[BurstUnit], root: Path, report: StageReport, stale: Rows, *, jobs: int, progress: Progress
) -> Rows:
    made: Rows = {}
    missing = []
    for unit in waiting:
        part = read_part(root, unit)
        if part is not None and _files_exist(root, part):
            made[unit.burst_id] = part
            report.counts["reused"] += 1
        else:
            # A killed build leaves torn files, and a burst of fewer frames would leave those of its longer self.
            _remove_folder(root, unit.folder)
            missing.append(unit)
    with progress("bursts", len(missing)) as advance:
        for unit, failure in run_units(missing, root, jobs=jobs):
            rows = read_part(root, unit) if failure is None else None
            if rows is not None:
                made[unit.burst_id] = rows
                report.counts["rebuilt" if unit.burst_id in stale else "created"] += 1
            else:
                lost = failure or Failure("OSError", "the result was removed while the build ran")
                report.fail(lost, source=unit.origin.source, burst_id=unit.burst_id)
                _remove_folder(root, unit.folder)
            advance()
    return made


def _read_rows(root: Path) -> Rows:
    bursts = read_or_empty(table_path(root, "bursts"), BURSTS).to_pylist()
    held: Rows = {row["burst_id"]: {"burst": row, "frames": []} for row in bursts}
    for frame in read_or_empty(table_path(root, "frames"), FRAMES).to_pylist():
        if frame["burst_id"] in held:
            held[frame["burst_id"]]["frames"].append(frame)
    return {burst_id: rows for burst_id, rows in held.items() if len(rows["frames"]) == rows["burst"]["num_frames"]}


def _write_rows(root: Path, rows: Rows) -> None:
    # Frames first: a burst is in the data set once `bursts` names it.
    write_table(table_path(root, "frames"), FRAMES, [frame for part in rows.values() for frame in part["frames"]])
    write_table(table_path(root, "bursts"), BURSTS, [part["burst"] for part in rows.values()])


def _list_files(rows: Mapping[str, Any]) -> Sequence[str]:
    truth = rows["burst"]["ground_truth_path"]
    return [*(frame["path"] for frame in rows["frames"]), *([truth] if truth else [])]


def _files_exist(root: Path, rows: Mapping[str, Any]) -> bool:
    return all(resolve_inside(root, path).is_file() for path in _list_files(rows))


def _remove_orphans(root: Path, sources: Iterable[str], kept: Rows) -> None:
    """Delete what an interrupted build rendered and the recipe no longer asks for."""
    for source in sources:
        folder = root / "frames" / source
        for path in folder.iterdir() if folder.is_dir() else ():
            if path.name not in kept:
                _remove_folder(root, path.relative_to(root).as_posix())


def _remove_folder(root: Path, folder: str) -> None:
    # What a manifest names may be anything; only a burst's own folder may go.
    parts = PurePosixPath(folder).parts
    if len(parts) == 3 and parts[0] == "frames":
        shutil.rmtree(resolve_inside(root, folder), ignore_errors=True)
