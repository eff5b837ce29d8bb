"""The demo's own bursts (preset `handheld`), as the labels are computed from them."""

from pathlib import Path

from dataset_builder.dataset import load_burst, load_homographies, load_truth
from dataset_builder.labeling.game import LabelingTask
from dataset_builder.recipe import read_recipe
from dataset_builder.sources import plan_source
from dataset_builder.workers import ONE_WORKER

RECIPE = Path(__file__).parents[1] / "recipes" / "demo.toml"


def make_demo_tasks(root: Path, *, every: int = 1) -> list[LabelingTask]:
    """Render every n-th burst of the demo below `root`."""
    recipe, made = read_recipe(RECIPE), []
    for source in recipe.sources:
        plan = plan_source(source, RECIPE.parent, root, recipe=recipe, workers=ONE_WORKER)
        assert not plan.rejected
        for unit in plan.units[::every]:
            rows = unit.run(root)
            burst, frames = rows["burst"], rows["frames"]
            truth, homographies = load_truth(root, burst), load_homographies(frames)
            made.append(LabelingTask(load_burst(root, burst, frames), truth, burst["scale"], homographies))
    return made
