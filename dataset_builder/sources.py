"""From a source in the recipe to the units of work that make its bursts."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from dataset_builder.errors import DuplicateOriginError, MissingSourceError, SourceError
from dataset_builder.folder_units import IngestUnit
from dataset_builder.ingest.folders import hash_folder, list_bursts, list_frames, require_frames
from dataset_builder.ingest.photographs import list_photographs
from dataset_builder.origin import Origin, make_id
from dataset_builder.photograph_units import SynthesisUnit
from dataset_builder.randomness import derive_seed
from dataset_builder.recipe import PhotographSource, Source
from manifests.errors import UnsafePathError
from manifests.store import hash_file, resolve_inside

BurstUnit = SynthesisUnit | IngestUnit


@dataclass
class Plan:
    """Units to run, and what was found unusable before anything ran: (source, id, error)."""

    units: list[BurstUnit] = field(default_factory=list)
    rejected: list[tuple[str, str, Exception]] = field(default_factory=list)


def plan_source(source: Source, base: Path, *, recipe_seed: int) -> Plan:
    """Find the photographs or folders of a source and name the bursts to make of them.

    Args:
        source: from the recipe.
        base: folder that relative roots are relative to.
        recipe_seed: seed of the whole recipe.

    Raises:
        MissingSourceError: if the root is not there or holds nothing; anything smaller is recorded in the plan.
    """
    root = source.resolve_root(base)
    if isinstance(source, PhotographSource):
        paths, expected = list(source.files) or list_photographs(root), "no JPEG, PNG or TIFF below"
    else:
        paths, expected = list(source.folders) or list_bursts(root), "no sub-folders and no images in"
    if not paths:
        raise MissingSourceError(f"source {source.name!r}: {expected} {root}; correct root")
    plan, seen = Plan(), dict[str, str]()
    for path in paths:
        try:
            units = _plan_origin(source, root, path, recipe_seed)
            if (other := seen.setdefault(units[0].origin.sha256, path)) != path:
                raise DuplicateOriginError(f"{root / path}: holds the same pixels as {other}; remove one")
            plan.units += units
        except (SourceError, UnsafePathError, OSError) as error:
            plan.rejected.append(
                (source.name, make_id(PurePosixPath(path).stem, derive_seed(source.name, path), ""), error)
            )
    return plan


def _plan_origin(source: Source, root: Path, path: str, recipe_seed: int) -> list[BurstUnit]:
    located = resolve_inside(root, path)
    if isinstance(source, PhotographSource):
        if not located.is_file():
            raise MissingSourceError(f"{located}: no such photograph; correct source {source.name!r}")
        origin = Origin(source.name, path, hash_file(located), source.license)
        ids = [
            make_id(located.stem, derive_seed(source.name, origin.sha256), f"-{index:02d}")
            for index in range(source.bursts_per_photograph)
        ]
        return [
            SynthesisUnit(burst_id, origin, root, source, derive_seed(recipe_seed, origin.sha256, burst_id))
            for burst_id in ids
        ]
    if not located.is_dir():
        raise MissingSourceError(f"{located}: no such folder; correct source {source.name!r}")
    names = list_frames(located)
    require_frames(located, names)
    for name in names:
        resolve_inside(root, f"{path}/{name}")
    origin = Origin(source.name, path, hash_folder(located, names), source.license)
    burst_id = make_id(located.resolve().name, derive_seed(source.name, origin.sha256), "")
    return [IngestUnit(burst_id, origin, located, tuple(names), source.reference_index)]
