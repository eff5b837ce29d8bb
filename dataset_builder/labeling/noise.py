"""How far the noise in the pixels moves labels: labels of the same bursts with other noise, as the column `noise_error`.

Redraws are the one way that holds for every restorer, estimator and metric. A linear merge is linear in its contributions, not in the
pixels (alignment and weights follow from them), and its score is a ratio of sums of squares: the variance that a noise model predicts
would be one more thing to trust.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dataset_builder.labeling.redraws import RedrawnBurst
from dataset_builder.labeling.scenarios import Definition, ResolvedScenario
from dataset_builder.labeling.units import LabelUnit, read_bursts
from dataset_builder.synthesis.unit import SynthesisUnit
from dataset_builder.work.local import Workers
from dataset_builder.work.missing import do_missing
from dataset_builder.work.report import Progress, StageReport
from dataset_builder.work.unit import Desk, hash_facts, read_part, remove_part
from manifests.batches import is_null
from manifests.confined.reading import has_file
from manifests.schema import LABELS
from manifests.store import labels_path, read_footer, read_table, write_table
from restorers.fidelity import METRICS

NOISE_REDRAWS = "noise_redraws"
"""What the footer of a label file calls the number of draws that its noise errors come from."""
VERSION = 1
"""Changes whenever equal input would give other numbers."""
PRIOR_DRAWS = 8
"""What the other frames of the burst weigh in the variance of one, in draws: of one to three redraws this predicts further ones best."""
_Scores = tuple[float | None, ...]


@dataclass(frozen=True)
class NoiseUnit:
    """The labels of one burst under one scenario, made again with other noise.

    Attributes:
        label: what labelled it.
        maker: what rendered it.
        redraws: how often the noise is drawn anew.
        scores: by each definition of `label`, the scores of all frames that the data set holds.
    """

    label: LabelUnit
    maker: SynthesisUnit
    redraws: int
    scores: tuple[_Scores, ...]

    @cached_property
    def key(self) -> str:
        """SHA-256 of all that the numbers depend on."""
        return hash_facts([VERSION, self.label.key, self.maker.key, self.redraws])

    @property
    def subject(self) -> str:
        """The burst."""
        return self.label.subject

    @property
    def part(self) -> str:
        """Where its result waits for the manifest."""
        return f"noise/{self.label.part}"

    def run(self, root: Path, desk: Desk) -> Mapping[str, Any]:
        """Label each redraw; the noise error of all frames by each definition, None where one of the redraws has no score."""
        rows = self.label.rows
        bursts = desk.take(
            (root, rows, self.maker, self.redraws),
            lambda: [RedrawnBurst(root, rows, self.maker, 1 + number) for number in range(self.redraws)],
        )
        drawn: dict[Definition, list[NDArray[np.float64]]] = defaultdict(list)
        for loaded in bursts:
            estimates, _ = self.label.estimate(loaded)
            for definition, estimate in estimates.items():
                drawn[definition].append(estimate.score)
        return {
            "errors": [
                _to_plain(estimate_noise(np.stack([_to_array(scores), *drawn[definition]])))
                if len(drawn[definition]) == self.redraws
                else [None] * len(scores)
                for definition, scores in zip(self.label.definitions, self.scores, strict=True)
            ]
        }


def estimate_noise(draws: NDArray[np.float64]) -> NDArray[np.float64]:
    """Standard deviation of the scores of a burst over draws of the noise.

    A few draws say little about one frame, and frames of a burst differ less in this than the estimates do: the variance of each is
    drawn towards the mean of its burst, which counts for `PRIOR_DRAWS` draws (as Smyth 2004, "Linear models and empirical Bayes methods").

    Args:
        draws: float64 [K + 1, T]; NaN where there is no score.

    Returns:
        float64 [T]; NaN where a draw has no score.
    """
    degrees = len(draws) - 1
    variance = draws.var(axis=0, ddof=1)
    known = np.isfinite(variance)
    if not known.any():
        return np.full(draws.shape[1], np.nan)
    error: NDArray[np.float64] = np.sqrt(
        (degrees * variance + PRIOR_DRAWS * variance[known].mean()) / (degrees + PRIOR_DRAWS)
    )
    return error


def measure_label_noise(
    root: Path,
    scenarios: Sequence[ResolvedScenario],
    makers: Mapping[str, SynthesisUnit],
    redraws: int,
    *,
    workers: Workers,
    progress: Progress,
    report: StageReport,
) -> None:
    """Bring the column `noise_error` of some scenarios up to date.

    Args:
        root: the data set.
        scenarios: whose labels; each redraw costs as much as labelling did.
        makers: what renders bursts of the data set again, by id; labels of other bursts have no noise error.
        redraws: how often the noise is drawn anew; 0 drops what was measured.
        workers: who does the work; the result does not depend on it.
        progress: how to show progress.
        report: takes what failed, and a remark on what was measured.
    """
    files = {
        scenario.name: _NoiseFile.read(root, scenario)
        for scenario in scenarios
        if redraws or _may_hold_noise(root, labels_path(scenario.name))
    }
    bursts = read_bursts(root) if redraws else {}
    able = {name: maker for name, maker in makers.items() if name in bursts and _was_made(bursts[name].burst, maker)}
    units = [
        NoiseUnit(
            LabelUnit(bursts[burst_id], file.scenario, tuple(scores)), able[burst_id], redraws, tuple(scores.values())
        )
        for file in files.values()
        for burst_id, scores in file.list_missing(able, redraws)
    ]
    units.sort(key=lambda unit: (unit.label.rows.burst["burst_id"], unit.label.scenario.name))
    do_missing(
        units,
        root,
        title="noise",
        describe=lambda unit: (unit.label.rows.burst, unit.label.scenario.name),
        workers=workers,
        progress=progress,
        report=report,
    )
    for unit in units:
        if (part := read_part(root, unit)) is not None:
            files[unit.label.scenario.name].fill(unit, part["errors"])
    for file in files.values():
        file.write(root, redraws)
    for unit in units:
        remove_part(root, unit)
    if units:
        report.remarks.append(
            f"noise of the labels: {len(units)} of (burst, scenario) labelled again with {redraws} other draws of the noise"
        )


def list_noise_facts(root: Path, path: str) -> dict[str, str]:
    """What the footer of a label file, which may be absent, says of its noise errors."""
    footer = read_footer(root, path) if has_file(root, path) else {}
    return {name: value for name, value in footer.items() if name == NOISE_REDRAWS}


def _may_hold_noise(root: Path, path: str) -> bool:
    """Whether a label file, which may be absent, has a noise error, or says that it has."""
    return has_file(root, path) and (bool(list_noise_facts(root, path)) or not is_null(root, path, "noise_error"))


@dataclass(eq=False)
class _NoiseFile:
    """The label file of a scenario, whose column `noise_error` is filled."""

    scenario: ResolvedScenario
    footer: Mapping[str, str]
    table: pa.Table
    errors: list[float | None]

    @classmethod
    def read(cls, root: Path, scenario: ResolvedScenario) -> _NoiseFile:
        path = labels_path(scenario.name)
        there = has_file(root, path)
        table = read_table(root, path, LABELS) if there else LABELS.schema.empty_table()
        footer = read_footer(root, path) if there else {}
        return cls(scenario, footer, table, table.column("noise_error").to_pylist())

    @cached_property
    def groups(self) -> Mapping[str, Mapping[Definition, range]]:
        """Rows of each burst by definition; a file is sorted by both, then by frame."""
        columns = (self.table.column(name).to_pylist() for name in ("burst_id", "estimator", "metric"))
        found: dict[str, dict[Definition, range]] = defaultdict(dict)
        for row, (burst_id, estimator, metric) in enumerate(zip(*columns, strict=True)):
            known = found[burst_id].get(definition := Definition(estimator, metric))
            found[burst_id][definition] = range(row if known is None else known.start, row + 1)
        return found

    def list_missing(
        self, makers: Mapping[str, SynthesisUnit], redraws: int
    ) -> Iterator[tuple[str, dict[Definition, _Scores]]]:
        """Bursts with the scores whose noise error is missing; those of another number of redraws are dropped first."""
        if self.footer.get(NOISE_REDRAWS) != str(redraws):
            self.errors = [None] * len(self.errors)
        scores = self.table.column("score").to_pylist()
        for burst_id in self.groups.keys() & makers.keys() if redraws else ():
            missing = {
                definition: tuple(scores[rows.start : rows.stop])
                for definition, rows in self.groups[burst_id].items()
                if definition.metric in METRICS
                and any(scores[row] is not None and self.errors[row] is None for row in rows)
            }
            if missing:
                yield burst_id, missing

    def fill(self, unit: NoiseUnit, errors: Sequence[Sequence[float | None]]) -> None:
        """Take the result of a unit."""
        groups = self.groups[unit.label.rows.burst["burst_id"]]
        for definition, scores, found in zip(unit.label.definitions, unit.scores, errors, strict=True):
            known = [None if score is None else error for score, error in zip(scores, found, strict=True)]
            self.errors[groups[definition].start : groups[definition].stop] = known

    def write(self, root: Path, redraws: int) -> None:
        """Write the file, if anything of it changed."""
        if not self.table.num_rows:
            return
        before = {name: text for name, text in self.footer.items() if name != "format_version"}
        footer = {name: text for name, text in before.items() if name != NOISE_REDRAWS}
        footer |= {NOISE_REDRAWS: str(redraws)} if redraws else {}
        column = self.table.schema.get_field_index("noise_error")
        field = LABELS.schema.field("noise_error")
        table = self.table.set_column(column, field, pa.array(self.errors, field.type))
        if footer != before or not table.column("noise_error").equals(self.table.column("noise_error")):
            write_table(root, labels_path(self.scenario.name), LABELS, table, metadata=footer)


def _was_made(burst: Mapping[str, Any], maker: SynthesisUnit) -> bool:
    return bool(burst["burst_key"] == maker.key)


def _to_array(scores: _Scores) -> NDArray[np.float64]:
    return np.array([np.nan if score is None else score for score in scores], np.float64)


def _to_plain(errors: NDArray[np.float64]) -> list[float | None]:
    return [float(error) if np.isfinite(error) else None for error in errors]
