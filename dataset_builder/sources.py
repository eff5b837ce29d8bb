"""From a source in the recipe to the units of work that make its bursts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from dataset_builder.capture_plan import plan_captures
from dataset_builder.capture_sources import CaptureSource
from dataset_builder.capture_units import CaptureUnit
from dataset_builder.photograph_plan import plan_photographs
from dataset_builder.photograph_units import SynthesisUnit
from dataset_builder.randomness import derive_seed
from dataset_builder.recipe import Recipe, Source, find_preset
from dataset_builder.records.rows import make_id
from dataset_builder.work.local import Workers
from dataset_builder.work.unit import Failure

BurstUnit = SynthesisUnit | CaptureUnit


@dataclass
class Plan:
    """Units to run, and what was found unusable before anything ran: (source, id, failure)."""

    units: list[BurstUnit] = field(default_factory=list)
    rejected: list[tuple[str, str, Failure]] = field(default_factory=list)


def plan_source(source: Source, base: Path, dataset: Path, *, recipe: Recipe, workers: Workers) -> Plan:
    """Find the photographs or bursts of a source and name the bursts to make of them.

    Args:
        source: from the recipe.
        base: folder that relative roots are relative to.
        dataset: the data set, where measurements of photographs are kept.
        recipe: its seed and presets.
        workers: who screens the photographs.

    Raises:
        MissingSourceError: if the root is not there or holds nothing; anything smaller is recorded in the plan.
    """
    root, plan = source.resolve_root(base), Plan()
    outcomes: Iterable[tuple[str, Sequence[BurstUnit] | Failure]]
    if isinstance(source, CaptureSource):
        outcomes = plan_captures(source, root)
    else:
        preset = find_preset(source.preset, recipe.presets)
        outcomes = plan_photographs(source, root, dataset, preset=preset, recipe_seed=recipe.seed, workers=workers)
    for path, outcome in outcomes:
        if isinstance(outcome, Failure):
            _reject(plan, source, path, outcome)
        else:
            plan.units += outcome
    return plan


def _reject(plan: Plan, source: Source, path: str, failure: Failure) -> None:
    name = make_id(PurePosixPath(path).stem, derive_seed(source.name, path), "")
    plan.rejected.append((source.name, name, failure))
