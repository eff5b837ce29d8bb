"""Stage `labels`: compute what is missing, keep what is still true, write one Parquet file per scenario."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dataset_builder.dataset import load_burst, load_homographies, load_truth
from dataset_builder.errors import RecipeError
from dataset_builder.labeling.estimators import choose_estimators, find_estimator, is_estimator, rank_scores
from dataset_builder.labeling.game import FidelityGame, LabelingTask
from dataset_builder.labeling.truth import explain_mismatch
from dataset_builder.randomness import make_generator
from dataset_builder.recipe import ScenarioChoice
from dataset_builder.report import Progress, StageReport
from dataset_builder.work import Failure, hash_facts, read_part, remove_part, run_units
from manifests.schema import LABELS
from manifests.store import labels_path, list_label_files, read_dataset_table, read_or_empty, write_table
from restorers import Domain, Restorer, RestorerInfo, create
from restorers.errors import InvalidRestorerError
from restorers.fidelity import METRICS
from restorers.registry import fingerprint_scenario

_BURST_FACTS = ("reference_index", "domain", "cfa", "black_level", "white_level", "scale", "ground_truth_sha256")
_FRAME_FACTS = ("sha256", "orientation", "shot_noise", "read_noise", "exposure_ratio", "timestamp", "homography")


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


@dataclass(frozen=True)
class ResolvedScenario:
    """A scenario of the recipe with its restorer's facts."""

    name: str
    estimators: tuple[str, ...]
    metric: str
    fingerprint: str
    info: RestorerInfo


@dataclass(frozen=True)
class LabelUnit:
    """The labels of one burst under one scenario."""

    rows: BurstRows
    scenario: ResolvedScenario
    estimators: tuple[str, ...]
    exists: bool = field(default=False, compare=False)

    @cached_property
    def key(self) -> str:
        """SHA-256 of the keys of its labels."""
        return hash_facts(
            [
                make_label_key(self.rows.content, self.scenario.fingerprint, name, self.scenario.metric)
                for name in self.estimators
            ]
        )

    @property
    def part(self) -> str:
        """Where its result waits for the manifest."""
        return f"labels/{labels_path(Path(), self.scenario.name).stem}/{self.rows.burst['burst_id']}"

    def run(self, root: Path) -> Mapping[str, Any]:
        """Compute all its estimators from one game, so that every fidelity is computed once."""
        scenario = self.scenario
        restorer, fingerprint = _create_once(scenario.name)
        if fingerprint != scenario.fingerprint:
            raise InvalidRestorerError(
                f"{scenario.name}: changed while the labels were computed; run the command again"
            )
        game = FidelityGame(restorer, _load_task(root, self.rows), METRICS[scenario.metric])
        return {"rows": [row for name in self.estimators for row in self._estimate(game, name)]}

    def _estimate(self, game: FidelityGame, estimator: str) -> Iterable[dict[str, Any]]:
        key = make_label_key(self.rows.content, self.scenario.fingerprint, estimator, self.scenario.metric)
        estimate = find_estimator(estimator).function(game, make_generator(key, "sampling"))
        rank, scaled = rank_scores(estimate.score)
        for index, score in enumerate(estimate.score):
            known = rank[index] > 0
            yield {
                "burst_id": self.rows.burst["burst_id"],
                "frame_index": index,
                "scenario": self.scenario.name,
                "estimator": estimator,
                "metric": self.scenario.metric,
                "score": float(score) if known else None,
                "std_error": float(estimate.std_error[index]) if known else None,
                "unit": METRICS[self.scenario.metric].unit,
                "rank": int(rank[index]) if known else None,
                "score_norm": float(scaled[index]) if known else None,
                "num_evaluations": int(estimate.num_evaluations[index]),
                "label_key": key,
                "restorer_fingerprint": self.scenario.fingerprint,
            }


def read_scenario_facts(path: Path) -> dict[str, Any]:
    """What the footer of a label file says of its scenario: name, fingerprint and the restorer's facts."""
    metadata = pq.read_schema(path).metadata or {}
    facts: dict[str, Any] = json.loads(metadata.get(b"scenario", b"{}"))
    return facts


def resolve_scenarios(choices: Sequence[ScenarioChoice]) -> list[ResolvedScenario]:
    """Build each scenario's restorer once, to learn its facts and to fail before any work is done.

    Raises:
        RestorerError: if a scenario is unknown or its restorer unusable.
        RecipeError: if an estimator does not suit a restorer.
    """
    resolved = []
    for choice in choices:
        restorer = create(choice.name)
        try:
            estimators = choose_estimators(choice.estimators, single_frame=restorer.info.single_frame)
        except ValueError as error:
            raise RecipeError(f"scenario {choice.name!r}: {error}") from None
        fingerprint = fingerprint_scenario(choice.name, restorer)
        resolved.append(ResolvedScenario(choice.name, estimators, choice.metric, fingerprint, restorer.info))
    return resolved


def make_label_key(content: str, fingerprint: str, estimator: str, metric: str) -> str:
    """SHA-256 (hex) of everything declared that a score depends on."""
    return hash_facts(
        {
            "burst": content,
            "restorer": fingerprint,
            "estimator": [estimator, find_estimator(estimator).version if is_estimator(estimator) else None],
            "metric": METRICS[metric].describe() if metric in METRICS else metric,
        }
    )


def build_labels(root: Path, scenarios: Sequence[ResolvedScenario], *, jobs: int, progress: Progress) -> StageReport:
    """Bring the labels of some scenarios up to date; drop labels of other scenarios only where their burst is gone or changed.

    Returns:
        Counts of units (burst, scenario) created, reused, rebuilt, skipped and failed.
    """
    report = StageReport("labels")
    bursts = read_bursts(root)
    contents = {burst_id: rows.content for burst_id, rows in bursts.items()}
    chosen = {scenario.name: scenario for scenario in scenarios}
    _prune_others(root, chosen, contents)

    held: dict[str, pa.Table] = {}
    units: list[LabelUnit] = []
    for scenario in scenarios:
        table = read_or_empty(labels_path(root, scenario.name), LABELS)
        seen = set(table.column("burst_id").to_pylist())
        held[scenario.name] = _keep_true(table, contents, scenario.fingerprint)
        present = set(held[scenario.name].column("label_key").to_pylist())
        for burst_id, rows in bursts.items():
            if not _is_applicable(rows, scenario, report):
                continue
            missing = tuple(
                name
                for name in scenario.estimators
                if make_label_key(rows.content, scenario.fingerprint, name, scenario.metric) not in present
            )
            if missing:
                units.append(LabelUnit(rows, scenario, missing, exists=burst_id in seen))
            else:
                report.counts["reused"] += 1
    # Scenarios of one burst in a row: the worker that gets them reads its pixels once.
    units.sort(key=lambda unit: (unit.rows.burst["burst_id"], unit.scenario.name))
    fresh = _run(units, root, report, jobs=jobs, progress=progress)
    for scenario in scenarios:
        table = pa.concat_tables(
            [held[scenario.name], pa.Table.from_pylist(fresh[scenario.name], schema=LABELS.schema)]
        )
        _write_labels(labels_path(root, scenario.name), table, _describe_scenario(scenario))
    for unit in units:
        remove_part(root, unit)
    _remark_skipped(report)
    return report


def read_bursts(root: Path) -> dict[str, BurstRows]:
    """All bursts of a data set by id, with their frames in order."""
    frames: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for frame in read_dataset_table(root, "frames").to_pylist():
        frames[frame["burst_id"]].append(frame)
    bursts = read_dataset_table(root, "bursts").to_pylist()
    return {burst["burst_id"]: BurstRows(burst, tuple(frames[burst["burst_id"]])) for burst in bursts}


def _run(
    units: Sequence[LabelUnit], root: Path, report: StageReport, *, jobs: int, progress: Progress
) -> dict[str, list[Any]]:
    fresh: dict[str, list[Any]] = defaultdict(list)
    missing = []
    for unit in units:
        part = read_part(root, unit)
        if part is None:
            missing.append(unit)
        else:
            report.counts["reused"] += 1
            fresh[unit.scenario.name] += part["rows"]
    with progress("labels", len(missing)) as advance:
        for unit, failure in run_units(missing, root, jobs=jobs):
            part = read_part(root, unit) if failure is None else None
            if part is not None:
                report.counts["rebuilt" if unit.exists else "created"] += 1
                fresh[unit.scenario.name] += part["rows"]
            else:
                burst = unit.rows.burst
                lost = failure or Failure("OSError", "the result was removed while the build ran")
                report.fail(lost, source=burst["source"], burst_id=burst["burst_id"], scenario=unit.scenario.name)
            advance()
    return fresh


def _is_applicable(rows: BurstRows, scenario: ResolvedScenario, report: StageReport) -> bool:
    if rows.burst["ground_truth_kind"] == "none":
        report.counts["without truth"] += 1
        return False
    if rows.burst["domain"] not in scenario.info.input_domains:
        report.counts["other domain"] += 1
        return False
    if explain_mismatch(scenario.info, Domain(rows.burst["domain"]), rows.burst["scale"]):
        report.counts["no counterpart"] += 1
        return False
    return True


def _remark_skipped(report: StageReport) -> None:
    reasons = {
        "without truth": "the burst has no ground truth, which full-reference metrics need",
        "other domain": "the restorer does not take the burst's domain",
        "no counterpart": "the truth's scale is no multiple of the restorer's, or the restorer returns a display image",
    }
    for name, reason in reasons.items():
        count = report.counts.pop(name, 0)
        report.counts["skipped"] += count
        if count:
            report.remarks.append(f"{count} of (burst, scenario) got no labels: {reason}")


def _keep_true(table: pa.Table, contents: Mapping[str, str], fingerprint: str | None) -> pa.Table:
    """Rows whose key still follows from the burst, the restorer and the definitions of today.

    With `fingerprint` None every row's own restorer is taken for granted.
    """
    groups = table.group_by(["burst_id", "estimator", "metric", "restorer_fingerprint"]).aggregate([])
    true = [
        make_label_key(contents[row["burst_id"]], row["restorer_fingerprint"], row["estimator"], row["metric"])
        for row in groups.to_pylist()
        if row["burst_id"] in contents and fingerprint in (None, row["restorer_fingerprint"])
    ]
    return table.filter(pc.is_in(table.column("label_key"), value_set=pa.array(true, pa.string())))


def _prune_others(root: Path, chosen: Mapping[str, ResolvedScenario], contents: Mapping[str, str]) -> None:
    own = {labels_path(root, name) for name in chosen}
    for path in list_label_files(root):
        if path in own:
            continue
        table = read_or_empty(path, LABELS)
        kept = _keep_true(table, contents, None)
        if kept.num_rows < table.num_rows:
            _write_labels(path, kept, read_scenario_facts(path))


def _write_labels(path: Path, table: pa.Table, facts: Mapping[str, Any]) -> None:
    if table.num_rows:
        write_table(path, LABELS, table, metadata={"scenario": json.dumps(facts, sort_keys=True)})
    else:
        path.unlink(missing_ok=True)


def _describe_scenario(scenario: ResolvedScenario) -> dict[str, Any]:
    info = scenario.info
    return {
        "name": scenario.name,
        "fingerprint": scenario.fingerprint,
        "task": info.task,
        "version": info.version,
        "summary": info.summary,
        "paper": info.paper,
        "output_domain": info.output_domain or "as the burst",
        "scale": info.scale,
        "missing_frames": info.missing_frames,
        "license": info.license,
        "weights_sha256": info.weights_sha256,
        "deterministic": info.deterministic,
    }


@lru_cache(maxsize=8)
def _create_once(scenario: str) -> tuple[Restorer, str]:
    restorer = create(scenario)
    return restorer, fingerprint_scenario(scenario, restorer)


# Units of one burst follow each other, so the last burst read is often the next one needed.
@lru_cache(maxsize=1)
def _load_task(root: Path, rows: BurstRows) -> LabelingTask:
    burst = load_burst(root, rows.burst, rows.frames)
    return LabelingTask(burst, load_truth(root, rows.burst), rows.burst["scale"], load_homographies(rows.frames))
