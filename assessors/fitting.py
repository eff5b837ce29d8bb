"""From a recipe to a trained model."""

from __future__ import annotations

from pathlib import Path

from assessors.baselines.boosting import BoostedTrees, fit_boosting
from assessors.ensemble import Ensemble, join_models
from assessors.errors import TrainingRecipeError
from assessors.examples import Progress, collect_examples
from assessors.networks.set_network import SetAssessor
from assessors.provider import InputProvider
from assessors.recipe import TrainingRecipe
from assessors.targets import load_targets
from assessors.training import Watcher, train_network
from manifests.storage import is_remote


def fit_assessor(
    recipe: TrainingRecipe,
    *,
    base: Path,
    cache: Path | None = None,
    checkpoint: Path | None = None,
    on_progress: Progress | None = None,
    watch: Watcher | None = None,
) -> BoostedTrees | SetAssessor | Ensemble:
    """Train the model that a recipe describes.

    Args:
        recipe: what and how.
        base: folder that its paths are relative to.
        cache: as for `InputProvider`.
        checkpoint: as for `train_network`.
        on_progress: called while bursts are measured, with the number done and of all.
        watch: as for `train_network`.

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
    learnt = collect_examples(both[0], provider, on_progress=on_progress)
    boosted = None
    if recipe.kind != "set_network":
        boosted = fit_boosting(learnt, recipe.boosting, name=recipe.name, metric=recipe.metric)
        if recipe.kind == "boosting":
            return boosted
    unseen = collect_examples(both[1], provider, on_progress=on_progress)
    network = train_network(
        learnt,
        unseen,
        recipe.training,
        recipe.network,
        name=recipe.name,
        metric=recipe.metric,
        checkpoint=checkpoint,
        watch=watch,
    )
    return network if boosted is None else join_models([network, boosted], recipe.name)
