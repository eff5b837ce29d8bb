"""What a build or a labelling would create, reuse, rebuild and remove; nothing below the data set is written."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from dataset_builder.bursts import preview_bursts
from dataset_builder.labeling.engine import preview_stage
from dataset_builder.labeling.scenarios import resolve_scenarios
from dataset_builder.labeling.units import read_bursts
from dataset_builder.recipe import Recipe, ScenarioChoice
from dataset_builder.sources import Plan, plan_source
from dataset_builder.work.local import ONE_WORKER, Workers
from dataset_builder.work.report import StageReport
from dataset_builder.work.unit import WORK_FOLDER


def preview_dataset(
    recipe_path: Path, recipe: Recipe, root: Path, *, workers: Workers = ONE_WORKER
) -> list[StageReport]:
    """What `build.build_dataset` would do. Labels of bursts that are yet to be made are not counted; people's judgements neither.

    Args:
        recipe_path: file that the recipe was read from.
        recipe: as read.
        root: folder of the data set; need not exist.
        workers: who screens photographs that were not measured yet.

    Raises:
        BuildError: if the recipe cannot be carried out at all.
    """
    scenarios = resolve_scenarios(recipe.scenarios, device=workers.device)
    plans = _plan(recipe_path.resolve().parent, recipe, root, workers)
    bursts, kept = preview_bursts(root, plans)
    there = read_bursts(root) if kept else {}
    labels = preview_stage(root, scenarios, {burst_id: rows for burst_id, rows in there.items() if burst_id in kept})
    waiting = sum(len(plan.units) for plan in plans.values()) - len(kept)
    if waiting > 0 and scenarios:
        labels.remarks.append(f"labels of {waiting} bursts that are yet to be made are not counted")
    return [bursts, labels]


def preview_labels(root: Path, choices: Sequence[ScenarioChoice], *, device: str = "cpu") -> StageReport:
    """What `build.add_labels` would do.

    Raises:
        ManifestError: if `root` is no data set.
        RestorerError: if a scenario is unknown.
    """
    return preview_stage(root, resolve_scenarios(choices, device=device), read_bursts(root))


def _plan(base: Path, recipe: Recipe, root: Path, workers: Workers) -> dict[str, Plan]:
    """The plans of a build; photographs that a build measured before are not measured again."""
    with TemporaryDirectory() as scratch:
        measured = Path(WORK_FOLDER) / "photographs"
        if (root / measured).is_dir():
            shutil.copytree(root / measured, scratch / measured)
        return {
            source.name: plan_source(source, base, Path(scratch), recipe=recipe, workers=workers)
            for source in recipe.sources
        }
