"""What labels are missing: label files against bursts, restorers and definitions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataset_builder.labeling.catalogue import BurstCatalogue
from dataset_builder.labeling.estimators import find_estimator
from dataset_builder.labeling.game import is_enumerable
from dataset_builder.labeling.known_limits import is_misleading
from dataset_builder.labeling.runs import look_through
from dataset_builder.labeling.scenarios import Definition, ResolvedScenario
from dataset_builder.labeling.truth import explain_mismatch
from dataset_builder.labeling.units import BurstRows, LabelUnit, hash_definition
from dataset_builder.work.unit import read_part
from manifests.store import labels_path
from restorers import Domain
from restorers.fidelity import METRICS

_MAX_SAMPLES = 2**28
"""Of the frames of a burst together, 1 GiB as float32."""
REASONS = {
    "too large": "the burst is too large to be restored as a whole; ingest it with crops",
    "without truth": "the burst has no ground truth, which full-reference metrics need (mse_held_out and mse_unbiased do not)",
    "other domain": "the restorer does not take the burst's domain",
    "other length": "the burst is too short or too long for the restorer or the estimator",
    "too many subsets": "exact Shapley values need a linear merge or a burst of at most 8 frames",
    "misleading": "without truth, series whose reference is not the shortest exposure are ranked by the wrong thing (docs/labels.md); "
    "label them all the same by --insist, or insist = true in the recipe",
    "no counterpart": "the truth's scale is no multiple of the restorer's, or the restorer returns a display image",
}
"""Why a burst gets no labels of a scenario."""


@dataclass(frozen=True, eq=False)
class ScenarioPlan:
    """What the file of one scenario, which has D definitions, lacks.

    Attributes:
        scenario: which.
        missing: bool [B, D], what is to be computed.
        seen: bool [B], bursts that the file names.
        stale: whether it holds rows that are not current.
        unscored: as `rows.list_unscored`, of the file as it is.
        reused: number of bursts with nothing missing.
        skipped: number of bursts to which no definition applies, by reason.
    """

    scenario: ResolvedScenario
    missing: NDArray[np.bool_]
    seen: NDArray[np.bool_]
    stale: bool
    unscored: Sequence[dict[str, Any]]
    reused: int
    skipped: Counter[str]

    @property
    def waiting(self) -> NDArray[np.bool_]:
        """bool [B]: bursts with a definition that is missing."""
        return _find_any(self.missing)

    def list_missing(self, place: int) -> tuple[Definition, ...]:
        """Definitions that a burst lacks."""
        pairs = zip(self.scenario.definitions, self.missing[place].tolist(), strict=True)
        return tuple(definition for definition, missing in pairs if missing)

    def sketch_units(self, catalogue: BurstCatalogue) -> Iterator[tuple[int, LabelUnit]]:
        """Units to be computed, by the place of their burst; enough to know their key and their part file."""
        for place in np.flatnonzero(self.waiting).tolist():
            yield place, LabelUnit(catalogue.sketch(place), self.scenario, self.list_missing(place))


@dataclass(frozen=True, eq=False)
class LabelPlan:
    """What is there and what is missing; a byte for each burst, scenario and definition.

    Attributes:
        catalogue: the bursts.
        parts: by scenario.
    """

    catalogue: BurstCatalogue
    parts: tuple[ScenarioPlan, ...]

    @property
    def units(self) -> LabelUnits:
        """All that is to be computed."""
        return LabelUnits(self, [part.waiting for part in self.parts])

    def find_unfinished(self, root: Path) -> LabelUnits:
        """Those of them that an interrupted build has not left a result of."""
        chosen = []
        for part in self.parts:
            waiting = part.waiting
            for place, unit in part.sketch_units(self.catalogue):
                waiting[place] = read_part(root, unit) is None
            chosen.append(waiting)
        return LabelUnits(self, chosen)


@dataclass(frozen=True, eq=False)
class LabelUnits(Iterable[LabelUnit]):
    """Units of a plan, those of one burst in a row; made when they are asked for, as often as they are.

    Attributes:
        plan: whose.
        chosen: bool [B] for each scenario of the plan.
    """

    plan: LabelPlan
    chosen: Sequence[NDArray[np.bool_]]

    def __len__(self) -> int:
        return sum(int(each.sum()) for each in self.chosen)

    def __iter__(self) -> Iterator[LabelUnit]:
        if not len(self):
            return
        order = sorted(range(len(self.chosen)), key=lambda number: self.plan.parts[number].scenario.name)
        places = np.flatnonzero(np.logical_or.reduce(self.chosen))
        # Scenarios of one burst in a row: the worker that gets them reads its pixels once.
        for place, rows in zip(places.tolist(), self.plan.catalogue.fetch(places), strict=True):
            for number in order:
                if self.chosen[number][place]:
                    part = self.plan.parts[number]
                    yield LabelUnit(rows, part.scenario, part.list_missing(place), exists=bool(part.seen[place]))

    def group(self) -> Iterator[tuple[LabelUnit, int]]:
        """Units that differ in what they will cost or in the preset of their burst, each with the number of those like it."""
        catalogue = self.plan.catalogue
        for part, chosen in zip(self.plan.parts, self.chosen, strict=True):
            places = np.flatnonzero(chosen)
            kinds = np.column_stack([catalogue.cases[places], part.missing[places]])
            _, first, counts = np.unique(kinds, axis=0, return_index=True, return_counts=True)
            order = np.argsort(first)
            firsts = places[first[order]]
            for place, rows, count in zip(
                firsts.tolist(), catalogue.fetch(firsts), counts[order].tolist(), strict=True
            ):
                yield LabelUnit(rows, part.scenario, part.list_missing(place)), count


def plan_labels(root: Path, scenarios: Sequence[ResolvedScenario], catalogue: BurstCatalogue) -> LabelPlan:
    """Compare what the label files hold with what bursts, restorers and definitions ask for.

    Raises:
        ManifestError: if a label file cannot be read.
    """
    return LabelPlan(catalogue, tuple(_plan_scenario(root, scenario, catalogue) for scenario in scenarios))


def _plan_scenario(root: Path, scenario: ResolvedScenario, catalogue: BurstCatalogue) -> ScenarioPlan:
    number, definitions = len(catalogue.names), scenario.definitions
    present = np.zeros((number, len(definitions)), bool)
    seen = np.zeros(number, bool)
    unscored: list[dict[str, Any]] = []
    stale = False
    for runs in look_through(root, labels_path(scenario.name), catalogue, scenario.fingerprint):
        stale = stale or not runs.current.all()
        seen[runs.bursts[runs.bursts >= 0]] = True
        counts = runs.current & ~runs.failed
        # By what it means, for an estimator may have had another name.
        asked = [hash_definition(scenario.fingerprint, each) for each in definitions]
        for kind, definition in enumerate(runs.definitions):
            own = runs.bursts[counts & (runs.codes == kind)]
            if len(own):
                digest = hash_definition(scenario.fingerprint, definition)
                for column in (place for place, each in enumerate(asked) if each == digest):
                    present[own, column] = True
        unscored += runs.list_unscored()
    applies, reasons = _apply(scenario, catalogue.examples)
    missing = applies[catalogue.cases] & ~present
    waiting, any_applies = _find_any(missing), _find_any(applies)
    skipped: Counter[str] = Counter()
    for case, count in enumerate(np.bincount(catalogue.cases, minlength=len(applies)).tolist()):
        if not any_applies[case]:
            skipped[reasons[case]] += count
    reused = int((any_applies[catalogue.cases] & ~waiting).sum())
    return ScenarioPlan(scenario, missing, seen, stale, unscored, reused, skipped)


def _find_any(flags: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Rows [N] of [N, D] with any flag."""
    return np.asarray(flags.any(axis=1), np.bool_)


def _apply(scenario: ResolvedScenario, examples: Sequence[BurstRows]) -> tuple[NDArray[np.bool_], list[str]]:
    """Which definitions apply to bursts of each case, bool [C, D], and why the first does not."""
    applies = np.zeros((len(examples), len(scenario.definitions)), bool)
    firsts = []
    for case, rows in enumerate(examples):
        reasons = {each: _explain(rows, scenario, each) for each in scenario.list_definitions(rows.burst)}
        applies[case] = [each in reasons and reasons[each] is None for each in scenario.definitions]
        firsts.append(str(next(iter(reasons.values()), None)))
    return applies, firsts


def _explain(rows: BurstRows, scenario: ResolvedScenario, definition: Definition) -> str | None:
    """Why a definition does not apply to a burst: a key of `REASONS`; None if it does."""
    burst, info = rows.burst, scenario.info
    domain, count = Domain(burst["domain"]), burst["num_frames"]
    metric, estimator = METRICS[definition.metric], find_estimator(definition.estimator)
    samples = count * burst["height"] * burst["width"] * (1 if domain is Domain.RAW_BAYER else 3)
    fits = estimator.family == "alone" or info.min_frames <= count <= (info.max_frames or count)
    hindrances = {
        "without truth": metric.needs_truth and burst["ground_truth_kind"] == "none",
        "misleading": not scenario.insist and is_misleading(metric, rows.frames),
        "other domain": domain not in info.input_domains,
        "too large": samples > _MAX_SAMPLES,
        "other length": not fits or count < estimator.min_frames,
        "too many subsets": estimator.exact and not is_enumerable(metric, info, domain, count, linear=scenario.linear),
        "no counterpart": metric.needs_truth and explain_mismatch(info, domain, burst["scale"]) is not None,
    }
    return next((reason for reason, hinders in hindrances.items() if hinders), None)
