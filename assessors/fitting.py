"""From a recipe to a trained model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from assessors.baselines.boosting import BoostedTrees, fit_boosting
from assessors.ensemble import Ensemble, join_models
from assessors.errors import TrainingRecipeError
from assessors.examples import Progress, collect_examples
from assessors.networks.catalogue import NetworkAssessor, NetworkSettings
from assessors.networks.set_network import SetAssessor
from assessors.pixel_lessons import collect_lessons
from assessors.provider import InputProvider
from assessors.recipe import TrainingRecipe
from assessors.targets import Targets, load_targets
from assessors.training import Watcher, train_network, train_on_pixels
from manifests.description import read_description
from manifests.storage import is_remote
from manifests.store import read_dataset_table

Model = TypeVar("Model", BoostedTrees, SetAssessor, NetworkAssessor, Ensemble)


def fit_assessor(
    recipe: TrainingRecipe,
    *,
    base: Path,
    cache: Path | None = None,
    checkpoint: Path | None = None,
    on_progress: Progress | None = None,
    watch: Watcher | None = None,
) -> BoostedTrees | SetAssessor | NetworkAssessor | Ensemble:
    """Train the model that a recipe describes.

    Args:
        recipe: what and how.
        base: folder that its paths are relative to.
        cache: the same as for `InputProvider`.
        checkpoint: the same as for `train_network`; further networks of an ensemble have others, by `name_checkpoint`.
        on_progress: called while bursts are measured, with the number done and of all.
        watch: the same as for `train_network`.

    Raises:
        TrainingRecipeError: if both splits are one, or share scenes.
        ManifestError: if the data set, or labels that the recipe names, are not there.
    """
    if recipe.train == recipe.validation:
        raise TrainingRecipeError(f"validation: expected another split than train, got {recipe.validation!r} for both")
    root = recipe.dataset if is_remote(recipe.dataset) else base / recipe.dataset
    both = [
        load_targets(
            root,
            split,
            scenarios=recipe.scenarios,
            estimator=recipe.estimators,
            metric=recipe.metric,
            fold=recipe.fold,
        )
        for split in (recipe.train, recipe.validation)
    ]
    first, second = (set(one.index.scene_id.take(one.bursts).to_pylist()) for one in both)
    if shared := first & second:
        raise TrainingRecipeError(
            f"validation: {len(shared)} scenes are in {recipe.train!r}, too; name splits that share none"
        )
    provider = InputProvider(root, None, cache=cache)
    how: Any = {"name": recipe.name, "metric": recipe.metric, "checkpoint": checkpoint, "watch": watch}
    if recipe.kind in ("buiqa", "memory", "multitask"):
        by_kind: dict[str, NetworkSettings] = {
            "buiqa": recipe.buiqa,
            "memory": recipe.memory,
            "multitask": recipe.multitask,
        }
        sizes = by_kind[recipe.kind]
        lessons = [collect_lessons(one, provider, sizes.wants, on_progress=on_progress) for one in both]
        model = train_on_pixels(lessons[0], lessons[1], recipe.training, sizes, **how)
        return _with_facts(model, _describe(recipe, both[0]))
    learnt = collect_examples(both[0], provider, on_progress=on_progress)
    facts = _describe(recipe, both[0])
    boosted = None
    if recipe.kind != "set_network":
        boosted = fit_boosting(learnt, recipe.boosting, name=recipe.name, metric=recipe.metric)
        if recipe.kind == "boosting":
            return _with_facts(boosted, facts)
    unseen = collect_examples(both[1], provider, on_progress=on_progress)
    networks = [
        train_network(
            learnt,
            unseen,
            replace(recipe.training, seed=recipe.training.seed + number),
            recipe.network,
            **{**how, "checkpoint": None if checkpoint is None else name_checkpoint(checkpoint, number)},
        )
        for number in range(1 if boosted is None else recipe.networks)
    ]
    if boosted is None:
        return _with_facts(networks[0], facts)
    return _with_facts(join_models([*networks, boosted], recipe.name), facts)


def name_checkpoint(checkpoint: Path, number: int) -> Path:
    """The checkpoint of a network of an ensemble: the first has the name itself."""
    return checkpoint.with_name(f"{checkpoint.name}{number or ''}")


def _describe(recipe: TrainingRecipe, learnt: Targets) -> dict[str, Any]:
    """What the file of a model says of its making, for people: the recipe, and the data with their licences."""
    description = read_description(learnt.root)
    bursts = read_dataset_table(learnt.root, "bursts").take(pa.array(learnt.bursts))
    return {
        "recipe": recipe.model_dump(mode="json", exclude={"dataset"}),
        "data": {
            "name": str(description.get("name", "")),
            "seed": (description.get("recipe") or {}).get("seed"),
            "bursts": len(learnt.bursts),
            "scenes": pc.count_distinct(bursts.column("scene_id")).as_py(),
            "licenses": sorted(pc.unique(bursts.column("license")).drop_null().to_pylist()),
        },
    }


def _with_facts(model: Model, facts: Mapping[str, Any]) -> Model:
    return replace(model, header=replace(model.header, training={**model.header.training, **facts}))
