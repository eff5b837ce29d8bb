"""From a source in the recipe to the units of work that make its bursts."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from dataset_builder.errors import DuplicateOriginError, MissingSourceError, SourceError
from dataset_builder.folder_units import IngestUnit
from dataset_builder.ingest.folders import hash_folder, list_bursts, list_frames, require_frames
from dataset_builder.origin import Origin, make_id
from dataset_builder.photograph_plan import plan_photographs
from dataset_builder.photograph_units import SynthesisUnit
from dataset_builder.randomness import derive_seed
from dataset_builder.recipe import FolderSource, Recipe, Source, find_preset
from dataset_builder.work import Failure
from manifests.errors import UnsafePathError
from manifests.store import resolve_inside

BurstUnit = SynthesisUnit | IngestUnit


@dataclass
class Plan:
    """Units to run, and what was found unusable before anything ran: (source, id, failure)."""

    units: list[BurstUnit] = field(default_factory=list)
    rejected: list[tuple[str, str, Failure]] = field(default_factory=list)


def plan_source(source: Source, base: Path, dataset: Path, *, recipe: Recipe, jobs: int) -> Plan:
    """Find the photographs or folders of a source and name the bursts to make of them.

    Args:
        source: from the recipe.
        base: folder that relative roots are relative to.
        dataset: the data set, where measurements of photographs are kept.
        recipe: its seed and presets.
        jobs: worker processes.

    Raises:
        MissingSourceError: if the root is not there or holds nothing; anything smaller is recorded in the plan.
    """
    root, plan = source.resolve_root(base), Plan()
    if isinstance(source, FolderSource):
        _plan_folders(source, root, plan)
        return plan
    preset = find_preset(source.preset, recipe.presets)
    for path, outcome in plan_photographs(source, root, dataset, preset=preset, recipe_seed=recipe.seed, jobs=jobs):
        if isinstance(outcome, Failure):
            _reject(plan, source, path, outcome)
        else:
            plan.units += outcome
    return plan


def _plan_folders(source: FolderSource, root: Path, plan: Plan) -> None:
    paths, seen = list(source.folders) or list_bursts(root), dict[str, str]()
    if not paths:
        raise MissingSourceError(f"source {source.name!r}: no sub-folders and no images in {root}; correct root")
    for path in paths:
        try:
            unit = _plan_folder(source, root, path)
            if (other := seen.setdefault(unit.origin.sha256, path)) != path:
                raise DuplicateOriginError(f"{root / path}: holds the same pixels as {other}; remove one")
            plan.units.append(unit)
        except (SourceError, UnsafePathError, OSError) as error:
            _reject(plan, source, path, Failure(type(error).__name__, str(error)))


def _plan_folder(source: FolderSource, root: Path, path: str) -> IngestUnit:
    located = resolve_inside(root, path)
    if not located.is_dir():
        raise MissingSourceError(f"{located}: no such folder; correct source {source.name!r}")
    names = list_frames(located)
    require_frames(located, names)
    for name in names:
        resolve_inside(root, f"{path}/{name}")
    origin = Origin(source.name, path, hash_folder(located, names), source.license)
    burst_id = make_id(located.resolve().name, derive_seed(source.name, origin.sha256), "")
    return IngestUnit(burst_id, origin, located, tuple(names), source.reference_index)


def _reject(plan: Plan, source: Source, path: str, failure: Failure) -> None:
    name = make_id(PurePosixPath(path).stem, derive_seed(source.name, path), "")
    plan.rejected.append((source.name, name, failure))
