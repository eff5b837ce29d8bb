"""What a recipe asks for, against what is there: plans of its sources, the restorers to be had, and what would render its bursts again."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from dataset_builder.bursts import Plan, plan_source
from dataset_builder.errors import (
    BuildError,
    MissingSourceError,
    OutputError,
    RecipeError,
    SourceError,
    UnsetRootError,
)
from dataset_builder.finish import read_built_recipe
from dataset_builder.ingest.source import CaptureSource
from dataset_builder.ingest.unit import CaptureUnit
from dataset_builder.recipe import Recipe, Source, parse_scenario
from dataset_builder.settings.roots import NO_ROOTS, split_root
from dataset_builder.synthesis.source import SynthesisSource
from dataset_builder.synthesis.unit import SynthesisUnit
from dataset_builder.work.altered import RECIPE
from dataset_builder.work.dealing import BuildPart
from dataset_builder.work.local import Workers
from dataset_builder.work.report import StageReport
from dataset_builder.work.unit import WORK_FOLDER, Failure, hash_facts
from manifests.confined.reading import has_file, has_folder
from manifests.description import DESCRIPTION
from manifests.errors import SchemaError, UnsafePathError
from manifests.operations.parts import read_part_facts
from manifests.schema import BURSTS
from manifests.store import labels_path, read_table, table_path


@dataclass
class Planned:
    """The sources that can be used, with their plans, and why others cannot.

    Attributes:
        plans: by name of the source.
        failures: why a source cannot be used at all, by its name.
        remarks: sources that were skipped since nobody said where they are, and those that hold more or less than they should.
    """

    plans: dict[str, Plan] = field(default_factory=dict)
    failures: dict[str, Failure] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)

    @property
    def judged(self) -> list[tuple[CaptureSource, Path]]:
        """Sources whose frames people judged, surveyed, and the folder of each."""
        return [plan.judged for plan in self.plans.values() if plan.judged is not None]

    def deal(self, part: BuildPart) -> Planned:
        """What falls to one part of a build: whole scenes, with what went wrong before anything ran."""
        plans = {
            name: replace(
                plan,
                units=[unit for unit in plan.units if part.holds(unit.origin.scene_id)],
                rejected=[rejected for rejected in plan.rejected if part.holds("/".join(rejected[:2]))],
            )
            for name, plan in self.plans.items()
        }
        failures = {name: failure for name, failure in self.failures.items() if part.holds(name)}
        return replace(self, plans=plans, failures=failures)

    def describe(self, part: BuildPart) -> dict[str, Any]:
        """A part, and a SHA-256 of what all parts together are to make, by which they are known to belong together."""
        digest = hashlib.sha256()
        for name, plan in self.plans.items():
            for unit in plan.units:
                digest.update(f"{unit.burst_id} {unit.origin.scene_id} {unit.origin.sha256}\n".encode())
            digest.update(hash_facts([name, [rejected[:2] for rejected in plan.rejected]]).encode())
        digest.update(hash_facts(sorted(self.failures)).encode())
        return {"number": part.number, "total": part.total, "plan_sha256": digest.hexdigest()}

    def report(self, bursts: StageReport) -> None:
        """Say in the report on the bursts what became of the other sources."""
        bursts.remarks[:0] = self.remarks
        for name, failure in self.failures.items():
            bursts.fail(failure, source=name, burst_id="")


def list_root_names(recipe: Recipe) -> list[str]:
    """The named roots of a recipe."""
    named = (split_root(source.root) for source in recipe.sources)
    return list(dict.fromkeys(name for name, _ in filter(None, named)))


def list_restorer_names(recipe: Recipe) -> list[str]:
    """Names of the restorers for which scenarios of a recipe stand."""
    return [choice.stands_for for choice in recipe.scenarios if choice.stands_for is not None]


def replace_restorers(recipe: Recipe, named: Mapping[str, str]) -> tuple[Recipe, list[str]]:
    """Put the restorers that a person named in the place of the scenarios that stand for them.

    Args:
        recipe: the recipe as it was read.
        named: a scenario, such as `burst:FILE`, for names that the recipe has.

    Returns:
        The recipe to build, and a line on scenarios that still stand for others.

    Raises:
        RecipeError: if a name is no scenario's, or a scenario is then named twice.
    """
    chosen = tuple(
        choice
        if choice.stands_for is None or choice.stands_for not in named
        else parse_scenario(**{**choice.model_dump(), **choice.say(named[choice.stands_for]), "stands_for": None})
        for choice in recipe.scenarios
    )
    names = [choice.name for choice in chosen]
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise RecipeError(f"scenario {repeated[0]!r} is named twice; give each --restorer a file of its own")
    standing = [f"{choice.name} for {choice.stands_for}" for choice in chosen if choice.stands_for is not None]
    remarks = [f"stand in for restorers that --restorer NAME=burst:FILE may name: {', '.join(standing)}"]
    return recipe.model_copy(update={"scenarios": chosen}), remarks if standing else []


def plan_sources(
    recipe: Recipe,
    base: Path,
    dataset: Path,
    workers: Workers,
    *,
    roots: Mapping[str, Path] = NO_ROOTS,
    strict: bool = False,
) -> Planned:
    """Plan all sources of a recipe; one that cannot be used costs itself.

    Args:
        recipe: the recipe as it was read.
        base: folder that relative roots are relative to.
        dataset: the data set.
        workers: who decodes what is looked at to plan.
        roots: folders of named roots.
        strict: whether each source must be there and hold what is expected.

    Raises:
        SourceError: if no source can be used; if `strict`, where anything is not as it should be, a line for each.
    """
    planned = Planned()
    for source in recipe.sources:
        try:
            plan = plan_source(
                source, base, dataset, seed=recipe.seed, presets=recipe.presets, workers=workers, roots=roots
            )
        except UnsetRootError as error:
            planned.remarks.append(f"skipped: {error}")
        except (SourceError, UnsafePathError, PermissionError) as error:
            planned.failures[source.name] = Failure.from_exception(error)
        else:
            planned.plans[source.name] = plan
            planned.remarks += _compare_counts(source, plan)
    wrong = [*(failure.message for failure in planned.failures.values()), *planned.remarks]
    if wrong and (strict or not planned.plans):
        raise MissingSourceError("\n".join(wrong))
    return planned


def find_makers(plans: Mapping[str, Plan]) -> dict[str, SynthesisUnit]:
    """The synthetic bursts of some plans, by id, in the order of the plans."""
    return {unit.burst_id: unit for plan in plans.values() for unit in plan.units if isinstance(unit, SynthesisUnit)}


def plan_makers(
    root: Path, base: Path, recipe: Recipe, workers: Workers, *, roots: Mapping[str, Path] = NO_ROOTS
) -> dict[str, SynthesisUnit]:
    """The bursts of a data set that its sources would still render just so, by id.

    Args:
        root: the data set.
        base: folder that relative roots of its recipe are relative to; the photographs must still be there.
        recipe: that it was built from.
        workers: who screens the photographs.
        roots: folders of named roots; sources of other named roots are passed over.

    Raises:
        BuildError: if there are none.
    """
    bursts = read_table(root, table_path("bursts"), BURSTS, columns=["burst_id", "burst_key"])
    held = dict(zip(*(column.to_pylist() for column in bursts.columns), strict=True))
    plans: dict[str, Plan] = {}
    for source in recipe.sources:
        if isinstance(source, SynthesisSource):
            with contextlib.suppress(UnsetRootError):
                plans[source.name] = plan_source(
                    source, base, root, seed=recipe.seed, presets=recipe.presets, workers=workers, roots=roots
                )
    makers = {burst_id: unit for burst_id, unit in find_makers(plans).items() if held.get(burst_id) == unit.key}
    if not makers:
        raise BuildError(
            f"base {base}: none of the bursts of {root} can be rendered again; only synthetic ones can, and only while their photographs "
            "are where the recipe says, relative to this folder"
        )
    return makers


def plan_redraws(
    root: Path,
    base: Path,
    recipe: Recipe,
    asked: int | None,
    workers: Workers,
    *,
    roots: Mapping[str, Path] = NO_ROOTS,
) -> tuple[int, Mapping[str, SynthesisUnit], list[str]]:
    """How often to draw the noise of a data set anew, by what, and why it cannot be done, one line each.

    Args:
        root: the data set.
        base: the same as for `plan_makers`.
        recipe: that it was built from.
        asked: what the user asked for; None for what the recipe says.
        workers: the same as for `plan_makers`.
        roots: the same as for `plan_makers`.

    Raises:
        BuildError: if the user asked, and no burst can be rendered again.
    """
    redraws = recipe.noise_redraws if asked is None else asked
    if not redraws:
        return redraws, {}, []
    try:
        return redraws, plan_makers(root, base, recipe, workers, roots=roots), []
    except BuildError as error:
        if asked:
            raise
        return redraws, {}, [f"the noise of the labels was not measured: {error}"]


def list_remade(recipe: Recipe) -> list[str]:
    """Tables that a build makes anew where they are missing."""
    judged = [source.judged_as for source in recipe.sources if isinstance(source, CaptureSource) and source.judged_as]
    names = [*judged, *(choice.name for choice in recipe.scenarios)]
    tables = [table_path(name) for name in ("bursts", "frames", "splits", "failures")]
    return [RECIPE, *tables, *map(labels_path, names)]


def require_buildable(root: Path, recipe: Recipe, part: BuildPart | None = None) -> None:
    """Check that a build would not overwrite what it did not make.

    Raises:
        OutputError: if the folder holds something else, or bursts of sources that the recipe does not name.
    """
    require_usable(root)
    require_same_part(root, part)
    require_named(root, recipe)


def require_same_part(root: Path, part: BuildPart | None) -> None:
    """A build of one part must not remove what another made, nor one of the whole go on as if there were no other parts.

    Raises:
        OutputError: if the folder holds another part, or is a whole data set and should be a part, or the reverse.
    """
    if not has_file(root, DESCRIPTION):
        return
    facts = read_part_facts(root)
    held = None if facts is None else BuildPart(facts.number, facts.total)
    if held != part:
        there, asked = held or "a whole data set", part or "a whole data set"
        raise OutputError(
            f"root {root}: holds {there}, not {asked}; name another folder, or say --part as it was said first"
        )


def require_usable(root: Path) -> None:
    """Raise OutputError for a folder that holds something else than a data set."""
    if root.exists() and not root.is_dir():
        raise OutputError(f"root {root}: is a file; name a folder")
    if root.is_dir() and not has_file(root, DESCRIPTION) and not has_folder(root, WORK_FOLDER) and any(root.iterdir()):
        raise OutputError(f"root {root}: is not empty and holds no data set; name a new folder or that of a data set")


def require_named(root: Path, recipe: Recipe) -> None:
    """A build makes a data set what the recipe says; it must not delete what somebody added under another name.

    Raises:
        OutputError: if the data set holds bursts of sources that the recipe does not name.
    """
    if not has_file(root, table_path("bursts")):
        return
    try:
        bursts = read_table(root, table_path("bursts"), BURSTS, columns=["source"])
        held = set(bursts.column("source").unique().to_pylist())
    except SchemaError:  # damaged: what was sealed last says as much
        held = {source.name for source in read_built_recipe(root).sources}
    foreign = held - {source.name for source in recipe.sources}
    if foreign:
        raise OutputError(
            f"root {root}: holds bursts of {', '.join(sorted(foreign))}, which the recipe does not name; "
            "add the source to the recipe or choose another folder"
        )


def _compare_counts(source: Source, plan: Plan) -> list[str]:
    """A line if a source does not hold what it should."""
    expected = source.expected
    if expected is None:
        return []
    units = [unit for unit in plan.units if not isinstance(unit, CaptureUnit) or unit.stands_alone]
    frames = sum(len(unit.reader.names) for unit in units if isinstance(unit, CaptureUnit))
    counts = [(expected.bursts, len(units), "bursts"), (expected.frames or frames, frames, "frames")]
    wrong = [(asked, there, what) for asked, there, what in counts if asked != there]
    if not wrong:
        return []
    asked = " of ".join(f"{asked:,} {what}" for asked, _, what in wrong)
    there = " of ".join(f"{there:,}" for _, there, _ in wrong)
    more = "; what cannot be used is among the failures" if plan.rejected else ""
    return [f"source {source.name!r}: expected {asked}, found {there}{more}; get the others, or correct root"]
