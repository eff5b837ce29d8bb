"""Which bursts a source of real bursts holds, and the units that take them in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from dataset_builder.errors import DuplicateOriginError, MissingSourceError, SourceError
from dataset_builder.ingest.reader import FoundBurst, RejectedBurst, Remark
from dataset_builder.ingest.source import CaptureSource
from dataset_builder.ingest.unit import CaptureUnit, CropPlan
from dataset_builder.randomness import derive_seed, draw_names
from dataset_builder.records.rows import Origin, make_id
from dataset_builder.work.stopping import check_stop
from dataset_builder.work.unit import Failure
from manifests.errors import UnsafePathError

Outcome = tuple[str, list[CaptureUnit] | Failure | Remark]
"""Path of a burst, and its units or why it has none; or a remark."""


def plan_captures(source: CaptureSource, root: Path) -> Iterator[Outcome]:
    """List the bursts of a source and name the units that take them in: the whole burst, then its crops.

    Args:
        source: from the recipe, surveyed.
        root: its folder.

    Raises:
        MissingSourceError: if there are none; anything smaller is an outcome.
    """
    seen: dict[str, str] = {}
    empty = True
    findings = list(source.find_bursts(root))
    names = [finding.path for finding in findings if isinstance(finding, FoundBurst)]
    drawn = set(names) if source.limit is None else draw_names(names, source.limit)
    for finding in findings:
        if isinstance(finding, Remark):
            yield "", finding
            continue
        empty = False
        check_stop()
        if isinstance(finding, FoundBurst) and finding.path not in drawn:
            continue
        if isinstance(finding, RejectedBurst):
            error = finding.error
            yield finding.path, error if isinstance(error, Failure) else Failure.from_exception(error)
            continue
        try:
            yield finding.path, _plan_burst(source, root, finding, seen)
        except (SourceError, UnsafePathError, OSError) as error:
            yield finding.path, Failure.from_exception(error)
    if empty:
        raise MissingSourceError(f"source {source.name!r}: no bursts of kind {source.kind} in {root}; correct root")


def _plan_burst(source: CaptureSource, root: Path, finding: FoundBurst, seen: dict[str, str]) -> list[CaptureUnit]:
    for name in (finding.path, *finding.reader.names):
        if not name.isprintable():
            raise UnsafePathError(f"{name!a}: expected a printable name in UTF-8; rename it")
    sha256 = finding.reader.digest()
    if (other := seen.setdefault(sha256, finding.path)) != finding.path:
        raise DuplicateOriginError(f"{root / finding.path}: holds the same pixels as {other}; remove one")
    scene = derive_seed(source.kind, finding.scene) if finding.scene else ""
    split = None if source.split == "scenes" else finding.split or source.find_split(finding.path)
    origin = Origin(source.name, finding.path, sha256, source.license, scene, split)
    crops = [] if source.crops is None else [CropPlan(source.crops, index) for index in range(source.crops.total)]
    whole = [None] if source.crops is None or source.crops.whole else []
    return [_make_unit(source, root, finding, origin, crop) for crop in (*whole, *crops)]


def _make_unit(
    source: CaptureSource, root: Path, finding: FoundBurst, origin: Origin, crop: CropPlan | None
) -> CaptureUnit:
    where = root / finding.path
    name = where.resolve().name if finding.path == "." else PurePosixPath(finding.path).name
    suffix = "" if crop is None else f"-c{crop.index:02d}"
    return CaptureUnit(
        burst_id=make_id(name, derive_seed(source.name, origin.sha256), suffix),
        origin=origin,
        where=where,
        reader=finding.reader,
        reference_index=source.reference_index,
        reference_rule=source.reference_rule,
        crop=crop,
        estimates=source.estimate,
        strip_metadata=source.strip_metadata,
    )
