"""What a build or new labels would do, before anything is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from dataset_builder.bursts import preview_bursts
from dataset_builder.labeling.catalogue import arrange, read_catalogue
from dataset_builder.labeling.engine import preview_stage
from dataset_builder.labeling.scenarios import ScenarioChoice, resolve_scenarios
from dataset_builder.labeling.units import read_bursts
from dataset_builder.plans import list_remade, plan_sources
from dataset_builder.recipe import Recipe
from dataset_builder.settings.roots import NO_ROOTS
from dataset_builder.work.altered import list_altered
from dataset_builder.work.dealing import BuildPart
from dataset_builder.work.local import ONE_WORKER, Workers
from dataset_builder.work.report import StageReport
from dataset_builder.work.unit import WORK_FOLDER
from manifests.confined.reading import read_file, walk_files
from manifests.confined.writing import write_new_file
from manifests.plain_text import count


def preview_dataset(
    recipe_path: Path,
    recipe: Recipe,
    root: Path,
    *,
    roots: Mapping[str, Path] = NO_ROOTS,
    strict: bool = False,
    part: BuildPart | None = None,
    workers: Workers = ONE_WORKER,
) -> list[StageReport]:
    """What `build_dataset` would do; nothing below the data set is written.

    Labels of bursts that are yet to be made are not counted; people's judgements neither.

    Args:
        recipe_path: file that the recipe was read from.
        recipe: the recipe as it was read.
        root: folder of the data set; need not exist.
        roots: the same as in `build_dataset`.
        strict: the same as there.
        part: the same as there.
        workers: who screens photographs that were not measured yet.

    Raises:
        BuildError: if the recipe cannot be carried out at all.
    """
    scenarios = resolve_scenarios(recipe.scenarios, device=workers.device)
    with TemporaryDirectory() as scratch:
        # Photographs that a build measured before are not measured again.
        for path, plain in walk_files(root, f"{WORK_FOLDER}/photographs"):
            if plain:
                write_new_file(Path(scratch), path, read_file(root, path))
        base = recipe_path.resolve().parent
        planned = plan_sources(recipe, base, Path(scratch), workers, roots=roots, strict=strict)
    if part is not None:
        planned = planned.deal(part)
    plans = planned.plans
    bursts, kept = preview_bursts(root, plans)
    planned.report(bursts)
    labels = preview_stage(root, scenarios, arrange(read_bursts(root, kept) if kept else {}))
    bursts.remarks += list_altered(root, list_remade(recipe))
    waiting = sum(len(plan.units) for plan in plans.values()) - len(kept)
    if waiting > 0 and scenarios:
        labels.remarks.append(f"labels of {count(waiting, 'burst')} that are yet to be made are not counted")
    return [bursts, labels]


def preview_labels(root: Path, choices: Sequence[ScenarioChoice], *, device: str = "cpu") -> StageReport:
    """What `add_labels` would do.

    Raises:
        ManifestError: if `root` is no data set.
        RestorerError: if a scenario is unknown.
    """
    return preview_stage(root, resolve_scenarios(choices, device=device), read_catalogue(root))
