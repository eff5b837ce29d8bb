"""A small data set of synthetic bursts with labels, what renders its bursts again, and workers in this process."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from dataset_builder.bursts import build_bursts, plan_source
from dataset_builder.labeling.engine import build_labels
from dataset_builder.labeling.scenarios import ResolvedScenario
from dataset_builder.makers import find_makers
from dataset_builder.recipe import parse_source
from dataset_builder.synthesis.unit import SynthesisUnit
from dataset_builder.work.report import no_progress
from dataset_builder.work.unit import Failure, run_unit
from tests.photographs import write_photographs


class Here:
    """Workers in this process, who do last things first and count them."""

    device = "cpu"

    def __init__(self) -> None:
        self.done = 0

    def run(self, units: Iterable[Any], root: Path) -> Iterator[tuple[Any, Failure | None]]:
        for unit in reversed(list(units)):
            self.done += 1
            yield unit, run_unit(unit, root)


def build_noisy_dataset(folder: Path, scenarios: Sequence[ResolvedScenario]) -> tuple[Path, dict[str, SynthesisUnit]]:
    """Two bursts of one photograph, 32 x 32."""
    write_photographs(folder / "photos", 1, height=200, width=200)
    geometry = {"frame_height": 32, "frame_width": 32, "bursts_per_photograph": 2}
    source = parse_source(name="photos", kind="photographs", root="photos", **geometry)
    root = folder / "set"
    plans = {"photos": plan_source(source, folder, root, seed=1, presets={}, workers=Here())}
    build_bursts(root, plans, workers=Here(), progress=no_progress)
    build_labels(root, scenarios, workers=Here(), progress=no_progress)
    return root, find_makers(plans)
