"""What would render the bursts of a data set again: just so, or with other noise."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from dataset_builder.bursts import Plan, plan_source
from dataset_builder.errors import BuildError
from dataset_builder.labeling.units import read_bursts
from dataset_builder.recipe import Recipe
from dataset_builder.synthesis.unit import SynthesisUnit
from dataset_builder.work.local import Workers


def find_makers(plans: Mapping[str, Plan]) -> dict[str, SynthesisUnit]:
    """The synthetic bursts of some plans, by id, in the order of the plans."""
    return {unit.burst_id: unit for plan in plans.values() for unit in plan.units if isinstance(unit, SynthesisUnit)}


def plan_makers(root: Path, base: Path, recipe: Recipe, workers: Workers) -> dict[str, SynthesisUnit]:
    """The bursts of a data set that its sources would still render just so, by id.

    Args:
        root: the data set.
        base: folder that relative roots of its recipe are relative to; the photographs must still be there.
        recipe: that it was built from.
        workers: who screens the photographs.

    Raises:
        BuildError: if there are none.
    """
    held = {burst_id: rows.burst["burst_key"] for burst_id, rows in read_bursts(root).items()}
    plans = {
        source.name: plan_source(source, base, root, seed=recipe.seed, presets=recipe.presets, workers=workers)
        for source in recipe.sources
        if source.kind == "photographs"
    }
    makers = {burst_id: unit for burst_id, unit in find_makers(plans).items() if held.get(burst_id) == unit.key}
    if not makers:
        raise BuildError(
            f"base {base}: none of the bursts of {root} can be rendered again; only synthetic ones can, and only while their photographs "
            "are where the recipe says, relative to this folder"
        )
    return makers


def plan_redraws(
    root: Path, base: Path, recipe: Recipe, asked: int | None, workers: Workers
) -> tuple[int, Mapping[str, SynthesisUnit], list[str]]:
    """How often to draw the noise of a data set anew, by what, and why it cannot be done, one line each.

    Args:
        root: the data set.
        base: as for `plan_makers`.
        recipe: that it was built from.
        asked: what the user asked for; None for what the recipe says.
        workers: as for `plan_makers`.

    Raises:
        BuildError: if the user asked, and no burst can be rendered again.
    """
    redraws = recipe.noise_redraws if asked is None else asked
    if not redraws:
        return redraws, {}, []
    try:
        return redraws, plan_makers(root, base, recipe, workers), []
    except BuildError as error:
        if asked:
            raise
        return redraws, {}, [f"the noise of the labels was not measured: {error}"]
