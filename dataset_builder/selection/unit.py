"""One burst under one scenario, restored from the frames that guides choose: a unit of work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from dataset_builder.labeling.game import FidelityGame
from dataset_builder.labeling.redraws import RedrawnBurst
from dataset_builder.labeling.units import BurstRows, LoadedBurst
from dataset_builder.randomness import make_generator
from dataset_builder.selection.guides import FIRST, SHARPEST, Guide, measure_guides, measure_sharpness
from dataset_builder.synthesis.unit import SynthesisUnit
from dataset_builder.work.unit import Desk, hash_facts
from manifests.store import labels_path
from restorers import create
from restorers.errors import InvalidRestorerError
from restorers.fidelity import METRICS
from restorers.registry import fingerprint_scenario

VERSION = 1
"""Changes whenever equal input would give other numbers."""


@dataclass(frozen=True)
class SelectionUnit:
    """One burst restored under one scenario.

    Attributes:
        rows: rows of the burst.
        scenario: its name.
        target: what its restorer is created from.
        fingerprint: fingerprint of its restorer.
        device: where it computes.
        metric: metric of the fidelities.
        guides: beside those that any burst has.
        judge: what renders the burst with other noise; None to judge on the noise that the frames were chosen on.
    """

    rows: BurstRows
    scenario: str
    target: str
    fingerprint: str
    device: str
    metric: str
    guides: tuple[Guide, ...]
    judge: SynthesisUnit | None = None

    @cached_property
    def key(self) -> str:
        """SHA-256 of all that the numbers depend on."""
        metric = METRICS[self.metric].describe()
        guides = [asdict(guide) for guide in self.guides]
        judge = None if self.judge is None else self.judge.key
        return hash_facts([VERSION, self.rows.content, self.scenario, self.fingerprint, metric, guides, judge])

    @property
    def subject(self) -> str:
        """The burst."""
        return str(self.rows.burst["burst_id"])

    @property
    def part(self) -> str:
        """Where its result waits for the table."""
        return f"selection/{PurePosixPath(labels_path(self.scenario)).stem}/{self.rows.burst['burst_id']}"

    def run(self, root: Path, desk: Desk) -> Mapping[str, Any]:
        """Choose and restore."""
        restorer = create(self.target, device=self.device)  # which the driver found to be known or named by the user
        if fingerprint_scenario(self.target, restorer) != self.fingerprint:
            raise InvalidRestorerError(f"{self.scenario}: changed while frames were selected; run the command again")
        loaded, redrawn = desk.take((root, self.rows, self.judge), lambda: self._load(root))
        metric = METRICS[self.metric]
        choice = FidelityGame(restorer, loaded.task, metric)
        judge = choice if redrawn is loaded else FidelityGame(restorer, redrawn.task, metric)
        scores = measure_sharpness(loaded.burst)
        order = tuple(-float(index) for index in range(loaded.burst.num_frames))
        guides = (*self.guides, Guide(FIRST, order), Guide(SHARPEST, scores))
        return {"rows": measure_guides(choice, judge, guides, make_generator(self.rows.content, "random subsets"))}

    def _load(self, root: Path) -> tuple[LoadedBurst, LoadedBurst]:
        loaded = LoadedBurst(root, self.rows)
        return loaded, loaded if self.judge is None else RedrawnBurst(root, self.rows, self.judge, 1)
