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
from dataset_builder.labeling.runs import look_through
from dataset_builder.labeling.scenarios import Definition, ResolvedScenario
from dataset_builder.labeling.skips import UNSUITABLE, WITHOUT_TRUTH, Skip, find_skip
from dataset_builder.labeling.units import Action, BurstRows, LabelUnit, hash_definition
from dataset_builder.work.unit import read_part
from manifests.store import labels_path
from restorers.fidelity import METRICS


@dataclass(frozen=True, eq=False)
class ScenarioPlan:
    """What the file of one scenario, which has D definitions, lacks.

    Attributes:
        scenario: which.
        missing: bool [B, D], what is to be computed.
        seen: bool [B], bursts that the file names.
        extends: bool [B], bursts that have current labels, all of which stay.
        stale: whether it holds rows that are not current.
        unscored: what `rows.list_unscored` gives, of the file as it is.
        reused: number of bursts with nothing missing.
        skipped: number of bursts to which no definition applies, by reason.
        left_out: number of bursts that have no labels by one metric, but by others; by metric and reason.
        chosen: number of bursts without truth for which a metric that needs none was chosen, by metric.
    """

    scenario: ResolvedScenario
    missing: NDArray[np.bool_]
    seen: NDArray[np.bool_]
    extends: NDArray[np.bool_]
    stale: bool
    unscored: Sequence[dict[str, Any]]
    reused: int
    skipped: Counter[Skip]
    left_out: Counter[tuple[str, str]]
    chosen: Counter[str]

    @property
    def waiting(self) -> NDArray[np.bool_]:
        """bool [B]: bursts with a definition that is missing."""
        return _find_any(self.missing)

    def list_missing(self, place: int) -> tuple[Definition, ...]:
        """Definitions that a burst lacks."""
        pairs = zip(self.scenario.definitions, self.missing[place].tolist(), strict=True)
        return tuple(definition for definition, missing in pairs if missing)

    def tell_action(self, place: int) -> Action:
        """What computing them does to the labels that a burst has."""
        return "extended" if self.extends[place] else "rebuilt" if self.seen[place] else "created"

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
                    yield LabelUnit(rows, part.scenario, part.list_missing(place), part.tell_action(place))

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
    present, named = (np.zeros((number, len(definitions)), bool) for _ in range(2))
    seen, current = (np.zeros(number, bool) for _ in range(2))
    unscored: list[dict[str, Any]] = []
    stale = False
    # By what it means, for an estimator may have had another name.
    asked = [hash_definition(scenario.fingerprint, each) for each in definitions]
    for runs in look_through(root, labels_path(scenario.name), catalogue, scenario.fingerprint):
        stale = stale or not runs.current.all()
        seen[runs.bursts[runs.bursts >= 0]] = True
        current[runs.bursts[runs.current]] = True
        for kind, definition in enumerate(runs.definitions):
            own = runs.current & (runs.codes == kind)
            if own.any():
                digest = hash_definition(scenario.fingerprint, definition)
                for column in (place for place, each in enumerate(asked) if each == digest):
                    named[runs.bursts[own], column] = True
                    present[runs.bursts[own & ~runs.failed], column] = True
        unscored += runs.list_unscored()
    cases = [_Case.look(rows, scenario) for rows in catalogue.examples]
    applies = np.array([case.applies for case in cases], bool).reshape(len(cases), len(definitions))
    missing = applies[catalogue.cases] & ~present
    waiting, any_applies = _find_any(missing), _find_any(applies)
    skipped: Counter[Skip] = Counter()
    left_out: Counter[tuple[str, str]] = Counter()
    chosen: Counter[str] = Counter()
    for case, count in zip(cases, np.bincount(catalogue.cases, minlength=len(cases)).tolist(), strict=True):
        skipped.update({} if case.skip is None else {case.skip: count})
        left_out.update(dict.fromkeys(case.left_out, count))
        chosen.update(dict.fromkeys(case.chosen, count))
    reused = int((any_applies[catalogue.cases] & ~waiting).sum())
    extends = current & ~_find_any(missing & named)
    return ScenarioPlan(scenario, missing, seen, extends, stale, unscored, reused, skipped, left_out, chosen)


def _find_any(flags: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Rows [N] of [N, D] with any flag."""
    return np.asarray(flags.any(axis=1), np.bool_)


@dataclass(frozen=True)
class _Case:
    """What applies to bursts that are alike in all that decides it.

    Attributes:
        applies: whether each definition of the scenario does.
        skip: why none does; None if one does.
        left_out: metrics that cannot be had, where others can, and why.
        chosen: metrics that need no truth and were chosen for want of one.
    """

    applies: tuple[bool, ...]
    skip: Skip | None
    left_out: frozenset[tuple[str, str]]
    chosen: frozenset[str]

    @classmethod
    def look(cls, rows: BurstRows, scenario: ResolvedScenario) -> _Case:
        skips = {each: find_skip(rows, scenario, each) for each in scenario.list_definitions(rows.burst)}
        applies = tuple(each in skips and skips[each] is None for each in scenario.definitions)
        if not any(applies):
            return cls(
                applies, next((skip for skip in skips.values() if skip), WITHOUT_TRUTH), frozenset(), frozenset()
            )
        left_out = {(each.metric, skip.reason) for each, skip in skips.items() if skip and skip.reason in UNSUITABLE}
        chosen: set[str] = set()
        if scenario.chosen is not None and rows.burst["ground_truth_kind"] == "none":
            metrics = {each.metric for each, skip in skips.items() if skip is None}
            chosen = {name for name in metrics - scenario.chosen if not METRICS[name].needs_truth}
        return cls(applies, None, frozenset(left_out), frozenset(chosen))
