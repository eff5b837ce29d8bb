"""Bursts of the preset `handheld` with what labels are computed from: the demo's own, and larger ones."""

from collections.abc import Iterable
from pathlib import Path

from dataset_builder.bursts import plan_source
from dataset_builder.labeling.game import LabelingTask
from dataset_builder.recipe import parse_source, read_recipe
from dataset_builder.records.loading import load_burst, load_homographies, load_truth
from dataset_builder.synthesis.unit import SynthesisUnit
from dataset_builder.work.local import ONE_WORKER
from dataset_builder.work.staging import locate_stage
from dataset_builder.work.unit import Desk
from manifests.images.pixels import write_png

RECIPE = Path(__file__).parents[1] / "recipes" / "demo.toml"


def make_demo_tasks(root: Path, *, every: int = 1) -> list[LabelingTask]:
    """Render every n-th burst of the demo below `root`."""
    recipe, made = read_recipe(RECIPE), []
    for source in recipe.sources:
        plan = plan_source(source, RECIPE.parent, root, seed=recipe.seed, presets=recipe.presets, workers=ONE_WORKER)
        assert not plan.rejected
        made += render_tasks(plan.units[::every], root)
    return made


def make_handheld_tasks(root: Path, *, side: int, bursts: int, seed: int = 0) -> list[LabelingTask]:
    """Render some bursts of each of three photographs, truth on the frames' own scale."""
    from skimage import data

    for name in ("astronaut", "chelsea", "coffee"):
        write_png(root / "photos", f"{name}.png", getattr(data, name)())
    geometry = {"frame_height": side, "frame_width": side, "scale": 1, "bursts_per_photograph": bursts}
    source = parse_source(name="large", kind="photographs", root="photos", preset="handheld", **geometry)
    return render_tasks(plan_source(source, root, root, seed=seed, presets={}, workers=ONE_WORKER).units, root)


def render_tasks(units: Iterable[SynthesisUnit], root: Path) -> list[LabelingTask]:
    tasks = []
    desk = Desk()
    for unit in units:
        rows = unit.run(root, desk)
        burst, frames, stage = rows["burst"], rows["frames"], locate_stage(root, rows["stage"])
        truth, homographies = load_truth(stage, burst), load_homographies(frames)
        tasks.append(LabelingTask(load_burst(stage, burst, frames), truth, burst["scale"], homographies))
    return tasks
