"""Which photographs of a source become bursts, and why others do not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from dataset_builder.decoding.source_files import require_plain, resolve_inside
from dataset_builder.errors import (
    BlurredPhotographError,
    ClippedPhotographError,
    DuplicateOriginError,
    MissingSourceError,
    NearDuplicateError,
    PhotographTooSmallError,
    ScreenedOutError,
    SourceError,
)
from dataset_builder.randomness import derive_seed, draw_names
from dataset_builder.records.rows import Origin, make_id
from dataset_builder.synthesis.photographs import list_photographs, read_hashed_photograph
from dataset_builder.synthesis.presets import Preset
from dataset_builder.synthesis.screening import (
    SCREENING_VERSION,
    PhotographFacts,
    describe_photograph,
    find_look_alikes,
)
from dataset_builder.synthesis.source import PhotographSource
from dataset_builder.synthesis.unit import Photograph, SynthesisUnit
from dataset_builder.work.local import Workers
from dataset_builder.work.stopping import check_stop
from dataset_builder.work.unit import Desk, Failure, hash_facts, read_part
from manifests.confined.plain import hash_plain
from manifests.errors import UnsafePathError


@dataclass(frozen=True)
class ScreeningUnit:
    """One photograph to measure; its result stays below `.work/`, so that it is measured once."""

    path: str
    sha256: str
    root: Path
    shorter_side: int | None

    @cached_property
    def key(self) -> str:
        """SHA-256 of what the measurement depends on."""
        return hash_facts(["screening", SCREENING_VERSION, self.sha256, self.shorter_side])

    @property
    def subject(self) -> str:
        """Its own."""
        return self.part

    @property
    def part(self) -> str:
        """Where its result is kept."""
        return f"photographs/{self.key[:2]}/{self.key[2:32]}"

    def run(self, root: Path, desk: Desk) -> Mapping[str, Any]:  # noqa: ARG002  # as every unit
        """Decode and measure the photograph."""
        path, side = self.root / self.path, self.shorter_side
        return asdict(describe_photograph(read_hashed_photograph(path, shorter_side=side, sha256=self.sha256)))


@dataclass(frozen=True)
class LeftOut:
    """Why a photograph that can be read is not used; no failure."""

    reason: str


Outcome = tuple[str, list[SynthesisUnit] | Failure | LeftOut]
"""Path of a photograph, and its bursts or why it has none."""


def find_photographs(source: PhotographSource, root: Path) -> list[str]:
    """The photographs of a source below its folder, those that it names, or all.

    Raises:
        MissingSourceError: if there are none.
    """
    paths = list(source.files) or list_photographs(root)
    if not paths:
        raise MissingSourceError(f"source {source.name!r}: no JPEG, PNG, TIFF or DNG below {root}; correct root")
    return paths


def plan_photographs(
    source: PhotographSource, root: Path, dataset: Path, *, preset: Preset, recipe_seed: int, workers: Workers
) -> Iterator[Outcome]:
    """Screen the photographs of a source in natural order and name the bursts to make of each.

    Of photographs that look alike the first is kept.

    Args:
        source: from the recipe.
        root: its folder.
        dataset: where measurements are kept.
        preset: that the source names.
        recipe_seed: seed of the whole recipe.
        workers: who screens the photographs.

    Raises:
        MissingSourceError: if there are none; anything smaller is an outcome.
    """
    paths = find_photographs(source, root)
    drawn = set(paths) if source.limit is None else draw_names(paths, source.limit)
    found: dict[str, ScreeningUnit | Failure | LeftOut] = {}
    by_content: dict[str, str] = {}
    for path in (path for path in paths if path in drawn):
        check_stop()
        try:
            found[path] = _find(source, root, path, by_content)
        except DuplicateOriginError as error:
            found[path] = LeftOut(str(error))
        except (SourceError, UnsafePathError, OSError) as error:
            found[path] = Failure.from_exception(error)
    units = [unit for unit in found.values() if isinstance(unit, ScreeningUnit)]
    waiting = [unit for unit in units if read_part(dataset, unit) is None]
    lost = {unit.path: failure for unit, failure in workers.run(waiting, dataset) if failure is not None}
    measured = {unit.path: facts for unit in units if (facts := _read_facts(dataset, unit)) is not None}
    look_alikes = find_look_alikes(list(measured.values()))
    places = {path: place for place, path in enumerate(measured)}
    kept: dict[int, str] = {}
    for path, unit in found.items():
        if isinstance(unit, Failure | LeftOut):
            yield path, unit
        elif path not in measured:
            yield path, lost.get(path) or Failure("OSError", f"{path}: its measurement was removed while the build ran")
        else:
            others = [kept[place] for place in look_alikes.get(places[path], ()) if place in kept]
            try:
                _screen(source, path, measured[path], source.scale or preset.scale, others)
            except ScreenedOutError as error:
                yield path, LeftOut(str(error))
                continue
            except SourceError as error:
                yield path, Failure.from_exception(error)
                continue
            kept[places[path]] = path
            yield path, _name_bursts(source, root, unit, preset, recipe_seed)


def _name_bursts(
    source: PhotographSource, root: Path, unit: ScreeningUnit, preset: Preset, recipe_seed: int
) -> list[SynthesisUnit]:
    origin = Origin(source.name, unit.path, unit.sha256, source.license, split=source.find_split(unit.path))
    ids = [
        make_id(Path(unit.path).stem, derive_seed(source.name, origin.sha256), f"-{index:02d}")
        for index in range(source.bursts_per_photograph)
    ]
    photograph = Photograph(root / unit.path, unit.sha256, source.shorter_side)
    return [
        SynthesisUnit(burst_id, origin, photograph, source, preset, derive_seed(recipe_seed, origin.sha256, burst_id))
        for burst_id in ids
    ]


def _read_facts(dataset: Path, unit: ScreeningUnit) -> PhotographFacts | None:
    facts = read_part(dataset, unit)
    return None if facts is None else PhotographFacts(**facts)


def _find(source: PhotographSource, root: Path, path: str, by_content: dict[str, str]) -> ScreeningUnit:
    located = resolve_inside(root, path)
    require_plain(located)
    sha256 = hash_plain(located)
    if (other := by_content.setdefault(sha256, path)) != path:
        raise DuplicateOriginError(f"{root / path}: holds the same pixels as {other}; remove one")
    return ScreeningUnit(path, sha256, root, source.shorter_side)


def _screen(source: PhotographSource, path: str, facts: PhotographFacts, scale: int, others: Sequence[str]) -> None:
    if facts.height < source.frame_height * scale or facts.width < source.frame_width * scale:
        raise PhotographTooSmallError(
            f"{path}: {facts.width} x {facts.height} px, but frames of {source.frame_width} x {source.frame_height} px at scale "
            f"{scale} need {source.frame_width * scale} x {source.frame_height * scale} and room for motion; take smaller frames"
        )
    if facts.clipped > source.max_clipped:
        raise ClippedPhotographError(
            f"{path}: {facts.clipped:.0%} of the pixels are saturated, more than {source.max_clipped:.0%}; "
            "remove it or raise max_clipped"
        )
    if facts.blur > source.max_blur:
        raise BlurredPhotographError(
            f"{path}: blur effect {facts.blur:.2f}, more than {source.max_blur:g}; reduce it by shorter_side, or raise max_blur"
        )
    if source.near_duplicates == "leave_out" and others:
        raise NearDuplicateError(f'{path}: shows what {others[0]} shows; remove one, or say near_duplicates = "keep"')
