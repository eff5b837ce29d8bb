"""The labels of one burst under one scenario as a unit of work."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property, lru_cache, partial
from pathlib import Path, PurePosixPath
from typing import Any, Literal, TypeVar

import numpy as np
import pyarrow as pa

from dataset_builder.labeling.contents import FRAME_FACTS, hash_content
from dataset_builder.labeling.estimate import Estimate
from dataset_builder.labeling.estimators import find_estimator, is_estimator
from dataset_builder.labeling.full_stack import StackGame
from dataset_builder.labeling.game import FidelityGame, LabelingTask, make_games
from dataset_builder.labeling.held_out import HeldOutFrames, see_colours
from dataset_builder.labeling.rows import make_label_rows, state_reason
from dataset_builder.labeling.scenarios import Definition, ResolvedScenario
from dataset_builder.labeling.unbiased_risk import UnbiasedRisk
from dataset_builder.labeling.without_truth import Comparison, average_parts
from dataset_builder.randomness import make_generator
from dataset_builder.records.loading import load_burst, load_homographies, load_masks, load_truth
from dataset_builder.work.unit import Desk, Failure, hash_facts, is_fatal
from manifests.matching import iterate_burst_tables
from manifests.store import labels_path
from restorers import Burst, Restorer, create
from restorers.burst import FloatImage
from restorers.errors import InvalidRestorerError, UnsupportedBurstError
from restorers.fidelity import METRICS, MetricConvention
from restorers.registry import fingerprint_scenario

Result = TypeVar("Result")
Action = Literal["created", "extended", "rebuilt"]


def list_label_columns() -> list[str]:
    """Columns of `frames` that labels take."""
    return ["burst_id", "frame_index", "is_reference", "path", "mask_path", *FRAME_FACTS]


@dataclass(frozen=True, eq=False)
class BurstRows:
    """Rows of one burst, and the SHA-256 of all that its labels may depend on, by which it is compared.

    Attributes:
        burst: row of `bursts`.
        frames: rows of `frames`, in order.
        digest: that SHA-256, where it is known already.
    """

    burst: Mapping[str, Any]
    frames: tuple[Mapping[str, Any], ...]
    digest: str | None = None

    @cached_property
    def content(self) -> str:
        """SHA-256 over pixels and the metadata that restorers see."""
        return hash_content(self.burst, self.frames) if self.digest is None else self.digest

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BurstRows) and self.content == other.content

    def __hash__(self) -> int:
        return hash(self.content)


def read_bursts(root: Path, chosen: Collection[str] | None = None) -> dict[str, BurstRows]:
    """Bursts of a data set by id, with those columns of their frames, in order, that labels may depend on.

    Args:
        root: the data set.
        chosen: ids of those wanted; None for all.

    Raises:
        ManifestError: if a table cannot be read, or the two do not fit each other.
    """
    found: dict[str, BurstRows] = {}
    for tables in iterate_burst_tables(root, frame_columns=list_label_columns()):
        ids = tables.bursts.column("burst_id").to_pylist()
        places = [place for place, burst_id in enumerate(ids) if chosen is None or burst_id in chosen]
        rows = tables.bursts.take(pa.array(places, pa.int64())).to_pylist()
        for place, burst in zip(places, rows, strict=True):
            start, stop = int(tables.starts[place]), int(tables.starts[place + 1])
            found[ids[place]] = BurstRows(burst, tuple(tables.frames.slice(start, stop - start).to_pylist()))
    return found


def make_label_key(content: str, fingerprint: str, definition: Definition) -> str:
    """SHA-256 (hex) of everything declared that a score depends on: the burst's content, the restorer's fingerprint, the definition."""
    return hashlib.sha256(f"{content}:{hash_definition(fingerprint, definition)}".encode()).hexdigest()


@lru_cache(maxsize=4096)
def hash_definition(fingerprint: str, definition: Definition) -> str:
    """SHA-256 (hex) of what a key states beside the burst: the restorer, the estimator, the metric."""
    estimator, metric = definition.estimator, definition.metric
    return hash_facts(
        {
            "restorer": fingerprint,
            "estimator": find_estimator(estimator).identify() if is_estimator(estimator) else [estimator, None],
            "metric": METRICS[metric].describe() if metric in METRICS else metric,
        }
    )


@dataclass(frozen=True, eq=False)
class LoadedBurst:
    """A burst of the data set, its truth, and the colours of its scene: each read or computed when it is first asked for.

    Attributes:
        root: the data set.
        rows: rows of the burst.
    """

    root: Path
    rows: BurstRows

    @cached_property
    def burst(self) -> Burst:
        """What restorers see."""
        return load_burst(self.root, self.rows.burst, self.rows.frames)

    @cached_property
    def task(self) -> LabelingTask:
        """The burst with its truth."""
        truth = load_truth(self.root, self.rows.burst)
        homographies = load_homographies(self.rows.frames)
        clear = load_masks(self.root, self.rows.burst, self.rows.frames)
        return LabelingTask(self.burst, truth, self.rows.burst["scale"], homographies, clear)

    @cached_property
    def colours(self) -> FloatImage:
        """As `held_out.see_colours`."""
        return see_colours(self.burst)


@dataclass(frozen=True)
class LabelUnit:
    """The labels of one burst under one scenario by some definitions.

    Attributes:
        rows: rows of the burst.
        scenario: scenario with the facts of its restorer.
        definitions: what to compute.
        action: what computing them does to the labels that the burst has: there are none, they stay, or they are replaced.
    """

    rows: BurstRows
    scenario: ResolvedScenario
    definitions: tuple[Definition, ...]
    action: Action = field(default="created", compare=False)

    @cached_property
    def key(self) -> str:
        """SHA-256 of the keys of its labels."""
        return hash_facts([self.label_key(definition) for definition in self.definitions])

    @property
    def subject(self) -> str:
        """The burst."""
        return str(self.rows.burst["burst_id"])

    @property
    def part(self) -> str:
        """Where its result waits for the manifest."""
        return f"labels/{PurePosixPath(labels_path(self.scenario.name)).stem}/{self.rows.burst['burst_id']}"

    def label_key(self, definition: Definition) -> str:
        """Key of its labels by one definition."""
        return make_label_key(self.rows.content, self.scenario.fingerprint, definition)

    def run(self, root: Path, desk: Desk) -> Mapping[str, Any]:
        """Compute all its definitions.

        A definition that is impossible for the burst has rows that say so; one that fails otherwise has none, and will be tried again.
        Either costs no other its scores.

        Raises:
            Exception: of the first definition, if each fails and none is impossible.
        """
        loaded = desk.take((root, self.rows), lambda: LoadedBurst(root, self.rows))
        estimates, errors = self.estimate(loaded)
        return {
            "rows": [row for each, estimate in estimates.items() for row in self._tabulate(each, estimate)],
            "failures": [
                {"estimator": each.estimator, "metric": each.metric, "failure": asdict(Failure.from_exception(error))}
                for each, error in errors.items()
            ],
        }

    def estimate(self, loaded: LoadedBurst) -> tuple[dict[Definition, Estimate], dict[Definition, Exception]]:
        """All its definitions on a burst, each restoration made once and measured by all metrics; and what failed.

        Raises:
            Exception: as `run`.
        """
        scenario = self.scenario
        restorer, fingerprint = _create_once(scenario.target, scenario.info.device)
        if fingerprint != scenario.fingerprint:
            raise InvalidRestorerError(
                f"{scenario.name}: changed while the labels were computed; run the command again"
            )
        burst = loaded.burst  # without it there is nothing to label
        metrics = [METRICS[name] for name in dict.fromkeys(definition.metric for definition in self.definitions)]
        played = _attempt(lambda: self._play(restorer, loaded, metrics))
        games: Mapping[str, FidelityGame] = {} if isinstance(played, Exception) else played
        estimators = {
            metric.name: played
            if isinstance(played, Exception) and metric.needs_truth
            else _attempt(partial(self._prepare, restorer, loaded, metric, games))
            for metric in metrics
        }
        estimates: dict[Definition, Estimate] = {}
        errors: dict[Definition, Exception] = {}
        for definition in self.definitions:
            estimate = estimators[definition.metric]
            found = estimate if isinstance(estimate, Exception) else _attempt(partial(estimate, definition))
            if isinstance(found, UnsupportedBurstError):
                found = _leave_empty(found, burst, definition)
            if isinstance(found, Exception):
                errors[definition] = found
            else:
                estimates[definition] = found
        if not estimates:
            raise next(iter(errors.values()))
        return estimates, errors

    def _play(
        self, restorer: Restorer, loaded: LoadedBurst, metrics: Sequence[MetricConvention]
    ) -> Mapping[str, FidelityGame]:
        """The games by those metrics that need a truth, which share their restorations."""
        with_truth = [metric for metric in metrics if metric.needs_truth]
        return {game.metric.name: game for game in make_games(restorer, loaded.task, with_truth)} if with_truth else {}

    def _prepare(
        self,
        restorer: Restorer,
        loaded: LoadedBurst,
        metric: MetricConvention,
        games: Mapping[str, FidelityGame],
    ) -> Callable[[Definition], Estimate]:
        """How to estimate by a metric: a function from definition to scores that share whatever was restored."""

        def seed(definition: Definition) -> np.random.Generator:
            # The same for all metrics: what is restored for one serves the others.
            facts = [self.rows.content, self.scenario.fingerprint, definition.estimator]
            return make_generator(hash_facts(facts), "sampling")

        if metric.needs_truth or metric.compares_stack:
            game = games[metric.name] if metric.needs_truth else StackGame(restorer, loaded.burst, metric)
            return lambda definition: find_estimator(definition.estimator).function(game, seed(definition))
        if metric.kind == "held_out":
            comparison: Comparison = HeldOutFrames(restorer, loaded.burst, metric, lambda: loaded.colours)
        else:
            comparison = UnbiasedRisk(restorer, loaded.burst, metric, make_generator(self.rows.content, "probes"))
        return lambda definition: average_parts(
            find_estimator(definition.estimator), comparison, lambda: seed(definition)
        )

    def _tabulate(self, definition: Definition, estimate: Estimate) -> list[dict[str, Any]]:
        return make_label_rows(
            self.rows.burst["burst_id"],
            self.scenario.name,
            definition,
            unit=METRICS[definition.metric].unit,
            score=estimate.score,
            std_error=estimate.std_error,
            num_evaluations=estimate.num_evaluations,
            label_key=self.label_key(definition),
            fingerprint=self.scenario.fingerprint,
            reasons={index: state_reason(error) for index, error in estimate.failures.items()},
        )


@lru_cache(maxsize=8)
def _create_once(target: str, device: str) -> tuple[Restorer, str]:
    restorer = create(target, device=device)
    return restorer, fingerprint_scenario(target, restorer)


def _attempt(compute: Callable[[], Result]) -> Result | Exception:
    """What is computed, or the error that came instead."""
    try:
        return compute()
    except Exception as error:  # whatever third-party code raises costs one definition only
        if is_fatal(error):
            raise
        return error


def _leave_empty(error: UnsupportedBurstError, burst: Burst, definition: Definition) -> Estimate:
    """No scores, and why."""
    marginal = find_estimator(definition.estimator).family == "marginal"
    frames = burst.others if marginal else range(burst.num_frames)
    nothing = np.full(burst.num_frames, np.nan)
    return Estimate(nothing, nothing, np.zeros(burst.num_frames, np.int64), dict.fromkeys(frames, error))
