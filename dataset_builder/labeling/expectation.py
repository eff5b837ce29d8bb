"""What labels will cost before they are computed: evaluations from definitions and lengths of bursts, minutes from a short timing."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from dataset_builder.labeling import sampling
from dataset_builder.labeling.banzhaf import PAIRS
from dataset_builder.labeling.estimators import find_estimator, find_rule
from dataset_builder.labeling.game import MAX_LINEAR, is_enumerable
from dataset_builder.labeling.held_out import MAX_HELD_OUT
from dataset_builder.labeling.restorations import Restorations
from dataset_builder.labeling.scenarios import ResolvedScenario
from dataset_builder.labeling.semivalues import MAX_SUBSETS
from dataset_builder.labeling.unbiased_risk import PROBES
from dataset_builder.labeling.units import BurstRows, LabelUnit
from dataset_builder.records.loading import load_burst
from dataset_builder.work.local import Workers
from dataset_builder.work.unit import Desk, hash_facts, read_part, remove_part
from manifests.plain_text import count
from manifests.store import labels_path
from restorers import Domain, create
from restorers.fidelity import METRICS

WORTH_TIMING = 500
"""Evaluations of a scenario from which on its restorer is timed before."""


@dataclass(frozen=True)
class Expectation:
    """Images that one scenario's labels will be restored from.

    Attributes:
        scenario: its name.
        bursts: number of bursts.
        usual: number of evaluations that is to be expected.
        most: number that they cannot exceed.
        seconds: of one worker, expected; None if the restorer was not timed.
    """

    scenario: str
    bursts: int
    usual: int
    most: int
    seconds: float | None = None

    def __str__(self) -> str:
        limit = f", at most {self.most:,}" if self.most > self.usual else ""
        line = f"{self.scenario}: {count(self.bursts, 'burst')}, about {count(self.usual, 'evaluation')}{limit}"
        return line if self.seconds is None else f"{line}; about {_say_minutes(self.seconds)} of one worker"


@dataclass(frozen=True)
class Timing:
    """What a restorer took for a burst, in seconds.

    Attributes:
        prepare: before the first subset.
        evaluate: restores a subset of half of the frames.
        samples: values of all frames.
    """

    prepare: float
    evaluate: float
    samples: int


@dataclass(frozen=True)
class TimingUnit:
    """A restorer tried on one burst, by a worker, since it may crash or hang."""

    rows: BurstRows
    scenario: ResolvedScenario

    @property
    def key(self) -> str:
        """SHA-256 of burst and restorer."""
        return hash_facts([self.rows.content, self.scenario.fingerprint])

    @property
    def subject(self) -> str:
        """Its own."""
        return self.part

    @property
    def part(self) -> str:
        """Where the result waits."""
        return f"timings/{PurePosixPath(labels_path(self.scenario.name)).stem}"

    def run(self, root: Path, desk: Desk) -> Mapping[str, Any]:  # noqa: ARG002  # the burst is small change here
        """Restore all frames, then half of them."""
        burst = load_burst(root, self.rows.burst, self.rows.frames)
        restorer = create(self.scenario.target, device=self.scenario.info.device)
        samples = int(burst.frames.size)
        if restorer.info.single_frame:
            burst = burst.single(burst.reference_index)
        half = frozenset(burst.others[::2])
        begun = time.perf_counter()
        restore = Restorations(restorer, burst).restore
        restore(frozenset(burst.others))
        prepared = time.perf_counter()
        restore(half)
        ended = time.perf_counter()
        return {"prepare": prepared - begun, "evaluate": ended - prepared, "samples": samples}


def expect_work(groups: Iterable[tuple[LabelUnit, int]], timings: Mapping[str, Timing]) -> Iterator[Expectation]:
    """What the units of each scenario will cost, in the order of their names.

    Args:
        groups: to be computed: units, each with the number of those that cost the same.
        timings: of some scenarios, by name.
    """
    by_scenario: dict[str, list[tuple[LabelUnit, int]]] = defaultdict(list)
    for unit, number in groups:
        by_scenario[unit.scenario.name].append((unit, number))
    for scenario, own in sorted(by_scenario.items()):
        usual = most = 0
        seconds = 0.0
        timing = timings.get(scenario)
        for unit, number in own:
            evaluations, limit = count_evaluations(unit)
            usual, most = usual + number * evaluations, most + number * limit
            if timing is not None:
                size = _count_samples(unit) / timing.samples
                seconds += number * size * (timing.prepare + timing.evaluate * evaluations)
        bursts = sum(number for _, number in own)
        yield Expectation(scenario, bursts, usual, most, None if timing is None else seconds)


def time_restorers(groups: Sequence[tuple[LabelUnit, int]], root: Path, workers: Workers) -> dict[str, Timing]:
    """Timings of the scenarios for which there is much to do, by name; those that fail here fail later, and are left out."""
    much = {each.scenario for each in expect_work(groups, {}) if each.usual >= WORTH_TIMING}
    first = {unit.scenario.name: unit for unit, _ in reversed(groups) if unit.scenario.name in much}
    timings = {}
    for unit, failure in workers.run([TimingUnit(unit.rows, unit.scenario) for unit in first.values()], root):
        part = read_part(root, unit)
        remove_part(root, unit)
        if failure is None and part is not None:
            timings[unit.scenario.name] = Timing(**part)
    return timings


def count_evaluations(unit: LabelUnit) -> tuple[int, int]:
    """Images that a unit is expected to restore, and how many at most."""
    per_metric: dict[str, list[str]] = defaultdict(list)
    for definition in unit.definitions:
        per_metric[definition.metric].append(definition.estimator)
    counts = [_count_of_metric(unit, metric, names) for metric, names in per_metric.items()]
    usual, most = (sum(column) for column in zip(*counts, strict=True))
    return usual, most


def _count_of_metric(unit: LabelUnit, metric_name: str, estimators: Sequence[str]) -> tuple[int, int]:
    """Every image serves all estimators of a metric, and no more than all subsets can be restored."""
    burst, info, metric = unit.rows.burst, unit.scenario.info, METRICS[metric_name]
    length, domain = burst["num_frames"], Domain(burst["domain"])
    marginal = [name for name in estimators if find_estimator(name).family == "marginal"]
    apart = length * (len(estimators) - len(marginal))
    if not marginal:
        return apart, apart
    if unit.scenario.linear and is_enumerable(metric, info, domain, MAX_LINEAR, linear=True):
        return 1 + apart, 1 + apart
    subsets = 2 ** (length - 1)
    usual, most = (
        min(sum(column), subsets) for column in zip(*(_count(name, length) for name in marginal), strict=True)
    )
    # Without truth an image is compared with several held-out frames, and an unbiased risk needs further ones.
    runs = {"held_out": MAX_HELD_OUT, "unbiased_risk": 1 + PROBES}.get(metric.kind, 1)
    return runs * usual + apart, runs * most + apart


def _count(estimator: str, length: int) -> tuple[int, int]:
    """Subsets that a marginal estimator asks for, usually and at most."""
    count, kind = length - 1, estimator.partition("(")[0]
    if estimator == "shapley(exact)":
        return 2**count, 2**count
    if kind == "shapley":
        return sampling.count_evaluations(count, find_rule(estimator))
    subsets = {
        "leave_one_out": count + 1,
        "add_one": count + 1,
        "banzhaf": 2 * PAIRS,
        "marginal": 2 * MAX_SUBSETS * count,
        # Of greedy choice; of the exchanges that follow there are about as many for each frame that is chosen.
        "best_subset": count**2,
    }.get(kind, 2 * count + 2)
    return subsets, 2**count if kind == "best_subset" else subsets


def _count_samples(unit: LabelUnit) -> int:
    burst = unit.rows.burst
    colours = 1 if Domain(burst["domain"]) is Domain.RAW_BAYER else 3
    return int(burst["num_frames"] * burst["height"] * burst["width"] * colours)


def _say_minutes(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} minutes" if seconds < 5400 else f"{seconds / 3600:.1f} hours"
