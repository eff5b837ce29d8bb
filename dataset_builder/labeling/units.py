"""The labels of one burst under one scenario as a unit of work."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from dataset_builder.labeling.estimators import Estimate, find_estimator, is_estimator, rank_scores
from dataset_builder.labeling.game import FidelityGame, LabelingTask
from dataset_builder.labeling.held_out import HeldOutFrames
from dataset_builder.labeling.scenarios import Definition, ResolvedScenario
from dataset_builder.labeling.unbiased_risk import UnbiasedRisk
from dataset_builder.labeling.without_truth import Comparison, average_parts
from dataset_builder.randomness import make_generator
from dataset_builder.records.loading import load_burst, load_homographies, load_masks, load_truth
from dataset_builder.work.unit import hash_facts
from manifests.store import labels_path, read_dataset_table
from restorers import Burst, Restorer, create
from restorers.errors import InvalidRestorerError
from restorers.fidelity import METRICS
from restorers.registry import fingerprint_scenario

_BURST_FACTS = (
    "reference_index",
    "domain",
    "cfa",
    "black_level",
    "white_level",
    "white_balance",
    "color_matrix",
    "scale",
    "ground_truth_sha256",
    "ground_truth_white",
)
_FRAME_FACTS = (
    "sha256",
    "orientation",
    "shot_noise",
    "read_noise",
    "exposure_ratio",
    "timestamp",
    "homography",
    "mask_sha256",
    "outlier",
)


@dataclass(frozen=True, eq=False)
class BurstRows:
    """Rows of one burst, and the SHA-256 of all that its labels may depend on, by which it is compared."""

    burst: Mapping[str, Any]
    frames: tuple[Mapping[str, Any], ...]

    @cached_property
    def content(self) -> str:
        """SHA-256 over pixels and the metadata that restorers see."""
        burst = {name: self.burst[name] for name in _BURST_FACTS}
        return hash_facts([burst, [[frame[name] for name in _FRAME_FACTS] for frame in self.frames]])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BurstRows) and self.content == other.content

    def __hash__(self) -> int:
        return hash(self.content)


def read_bursts(root: Path) -> dict[str, BurstRows]:
    """All bursts of a data set by id, with those columns of their frames, in order, that labels may depend on."""
    columns = ["burst_id", "frame_index", "path", "mask_path", *_FRAME_FACTS]
    frames: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for frame in read_dataset_table(root, "frames").select(columns).to_pylist():
        frames[frame["burst_id"]].append(frame)
    bursts = read_dataset_table(root, "bursts").to_pylist()
    return {burst["burst_id"]: BurstRows(burst, tuple(frames[burst["burst_id"]])) for burst in bursts}


def make_label_key(content: str, fingerprint: str, definition: Definition) -> str:
    """SHA-256 (hex) of everything declared that a score depends on: the burst's content, the restorer's fingerprint, the definition."""
    return hashlib.sha256(f"{content}:{_hash_definition(fingerprint, definition)}".encode()).hexdigest()


@lru_cache(maxsize=4096)
def _hash_definition(fingerprint: str, definition: Definition) -> str:
    estimator, metric = definition.estimator, definition.metric
    return hash_facts(
        {
            "restorer": fingerprint,
            "estimator": [estimator, find_estimator(estimator).version if is_estimator(estimator) else None],
            "metric": METRICS[metric].describe() if metric in METRICS else metric,
        }
    )


@dataclass(frozen=True)
class LabelUnit:
    """The labels of one burst under one scenario by some definitions."""

    rows: BurstRows
    scenario: ResolvedScenario
    definitions: tuple[Definition, ...]
    exists: bool = field(default=False, compare=False)

    @cached_property
    def key(self) -> str:
        """SHA-256 of the keys of its labels."""
        return hash_facts([self.label_key(definition) for definition in self.definitions])

    @property
    def part(self) -> str:
        """Where its result waits for the manifest."""
        return f"labels/{PurePosixPath(labels_path(self.scenario.name)).stem}/{self.rows.burst['burst_id']}"

    def label_key(self, definition: Definition) -> str:
        """Key of its labels by one definition."""
        return make_label_key(self.rows.content, self.scenario.fingerprint, definition)

    def run(self, root: Path) -> Mapping[str, Any]:
        """Compute all its definitions; those of one metric from one game, so that every fidelity is computed once."""
        scenario = self.scenario
        restorer, fingerprint = _create_once(scenario.name, scenario.info.device)
        if fingerprint != scenario.fingerprint:
            raise InvalidRestorerError(
                f"{scenario.name}: changed while the labels were computed; run the command again"
            )
        estimators = {
            metric: self._prepare(restorer, _load_burst(root, self.rows), metric, root)
            for metric in dict.fromkeys(definition.metric for definition in self.definitions)
        }
        return {
            "rows": [row for each in self.definitions for row in self._tabulate(each, estimators[each.metric](each))]
        }

    def _prepare(
        self, restorer: Restorer, burst: Burst, metric_name: str, root: Path
    ) -> Callable[[Definition], Estimate]:
        """How to estimate by a metric: a function from definition to scores that share whatever was restored."""
        metric = METRICS[metric_name]

        def seed(definition: Definition) -> np.random.Generator:
            return make_generator(self.label_key(definition), "sampling")

        if metric.needs_truth:
            game = FidelityGame(restorer, _load_task(root, self.rows), metric)
            return lambda definition: find_estimator(definition.estimator).function(game, seed(definition))
        if metric.kind == "held_out":
            comparison: Comparison = HeldOutFrames(restorer, burst, metric)
        else:
            comparison = UnbiasedRisk(restorer, burst, metric, make_generator(self.rows.content, "probes"))
        return lambda definition: average_parts(
            find_estimator(definition.estimator), comparison, lambda: seed(definition)
        )

    def _tabulate(self, definition: Definition, estimate: Estimate) -> Iterator[dict[str, Any]]:
        rank, scaled = rank_scores(estimate.score)
        key = self.label_key(definition)
        for index, score in enumerate(estimate.score):
            known = rank[index] > 0
            error = float(estimate.std_error[index])
            yield {
                "burst_id": self.rows.burst["burst_id"],
                "frame_index": index,
                "scenario": self.scenario.name,
                "estimator": definition.estimator,
                "metric": definition.metric,
                "score": float(score) if known else None,
                "std_error": error if known and np.isfinite(error) else None,
                "unit": METRICS[definition.metric].unit,
                "rank": int(rank[index]) if known else None,
                "score_norm": float(scaled[index]) if known else None,
                "num_evaluations": int(estimate.num_evaluations[index]),
                "label_key": key,
                "restorer_fingerprint": self.scenario.fingerprint,
            }


@lru_cache(maxsize=8)
def _create_once(scenario: str, device: str) -> tuple[Restorer, str]:
    restorer = create(scenario, device=device)
    return restorer, fingerprint_scenario(scenario, restorer)


# Units of one burst follow each other, so the last burst read is often the next one needed.
@lru_cache(maxsize=1)
def _load_burst(root: Path, rows: BurstRows) -> Burst:
    return load_burst(root, rows.burst, rows.frames)


@lru_cache(maxsize=1)
def _load_task(root: Path, rows: BurstRows) -> LabelingTask:
    truth = load_truth(root, rows.burst)
    homographies, clear = load_homographies(rows.frames), load_masks(root, rows.burst, rows.frames)
    return LabelingTask(_load_burst(root, rows), truth, rows.burst["scale"], homographies, clear)
