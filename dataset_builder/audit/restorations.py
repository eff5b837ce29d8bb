"""Some bursts restored for the report: what frames are worth when they are really left out, as numbers and as pictures.

Stage `audit` of a build. Its bursts are few and small, so it costs little beside the labels; results are kept in
`audit/restorations.parquet`
by content and made again only when the burst, the restorer, the metric or the scores change. Restorers that a data set names run here if
they are built in or installed; what others made stays while its burst and scores are the same.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dataset_builder.audit.tables import to_rows
from dataset_builder.labeling.game import FidelityGame, LabelingTask
from dataset_builder.labeling.restorations import Restorations
from dataset_builder.labeling.scenarios import read_target
from dataset_builder.labeling.spaces import to_space
from dataset_builder.labeling.truth import project_truth
from dataset_builder.labeling.units import BurstRows
from dataset_builder.randomness import make_generator
from dataset_builder.records.loading import load_burst, load_homographies, load_truth
from dataset_builder.records.thumbnails import encode_picture
from dataset_builder.selection.guides import FIRST, Guide, measure_guides
from dataset_builder.selection.policies import CURVE, order_frames
from dataset_builder.work.local import ONE_WORKER, Workers
from dataset_builder.work.unit import Desk, hash_facts, read_part, remove_part
from manifests.errors import ManifestError
from manifests.schema import Column, TableSchema
from manifests.schema.rules import IDENTIFIER, LINE, METRIC, NUMBER, SCENARIO, SHA256, UNIT, matches, within
from manifests.schema.table import INTEGER, REAL, TEXT_TYPE
from manifests.schema.words import MOST_FRAMES
from manifests.store import labels_path, read_or_empty, write_table
from restorers import create, create_known
from restorers.base import check_image
from restorers.errors import InvalidRestorerError, RestorerError
from restorers.fidelity import METRICS
from restorers.registry import fingerprint_scenario

VERSION = 2
"""Changes whenever equal input would give other numbers or pictures."""
MAX_VALUES = 8_000_000
"""Pixels of a burst, over all frames, above which it is not restored for the report."""
WINDOW = 112
"""Longest side of a picture, pixels of the restored image: the part where leaving frames out changes it most."""
RANDOM_SUBSETS = 4
LABELS = "labels"
"""The guide whose scores are those of the labels."""

_PATH = "audit/restorations.parquet"
PICTURE = matches(r"data:image/webp;base64,[A-Za-z0-9+/]*={0,2}", "a WebP as a data URI")
RESTORATIONS = TableSchema(
    "restorations",
    (
        Column("burst_id", TEXT_TYPE, "Burst.", IDENTIFIER),
        Column("scenario", TEXT_TYPE, "Scenario.", SCENARIO),
        Column("metric", TEXT_TYPE, "Fidelity metric.", METRIC),
        Column("unit", TEXT_TYPE, "Unit of the fidelity.", UNIT),
        Column("guide", TEXT_TYPE, "Who chose the frames, or what the picture shows.", LINE),
        Column("policy", TEXT_TYPE, "How many it kept; empty for pictures.", LINE),
        Column("kept", INTEGER, "Number of frames besides the reference.", within(-1, MOST_FRAMES)),
        Column("left_out", INTEGER, "The one frame left out; null if not one.", within(0, MOST_FRAMES), nullable=True),
        Column("fidelity", REAL, "Fidelity; null for the truth.", NUMBER, nullable=True),
        Column("picture", TEXT_TYPE, "WebP as a data URI; null if none is kept.", PICTURE, nullable=True),
        Column("restorer_fingerprint", TEXT_TYPE, "SHA-256 of the restorer.", SHA256),
        Column("key", TEXT_TYPE, "SHA-256 of what the row depends on.", SHA256),
    ),
    ("burst_id", "scenario", "metric", "guide", "policy"),
)
"""One row per restored image of the sample."""


@dataclass(frozen=True)
class RestorationUnit:
    """One burst restored under one scenario.

    Attributes:
        rows: rows of the burst.
        scenario: its name.
        target: what its restorer is created from.
        fingerprint: fingerprint of its restorer.
        metric: metric of the labels.
        scores: scores of all frames, None where there is none.
    """

    rows: BurstRows
    scenario: str
    target: str
    fingerprint: str
    metric: str
    scores: tuple[float | None, ...]

    @cached_property
    def key(self) -> str:
        """SHA-256 of all that the pictures and numbers depend on."""
        metric = METRICS[self.metric].describe()
        return hash_facts([VERSION, self.rows.content, self.scenario, self.fingerprint, metric, list(self.scores)])

    @property
    def place(self) -> tuple[str, str]:
        """Burst and key, by which its rows are found."""
        return self.rows.burst["burst_id"], self.key

    @property
    def subject(self) -> str:
        """The burst."""
        return str(self.rows.burst["burst_id"])

    @property
    def part(self) -> str:
        """Where its result waits for the table."""
        return f"audit/{PurePosixPath(labels_path(self.scenario)).stem}/{self.rows.burst['burst_id']}"

    def run(self, root: Path, desk: Desk) -> Mapping[str, Any]:  # noqa: ARG002  # as every unit
        """Restore with frames chosen in several ways."""
        restorer = create(self.target)  # which the driver found to be known or named by the user
        if fingerprint_scenario(self.target, restorer) != self.fingerprint:
            raise InvalidRestorerError(f"{self.scenario}: changed while the audit ran; run the command again")
        burst = load_burst(root, self.rows.burst, self.rows.frames)
        scale = int(self.rows.burst["scale"])
        truth = load_truth(root, self.rows.burst)
        game = FidelityGame(
            restorer, LabelingTask(burst, truth, scale, load_homographies(self.rows.frames)), METRICS[self.metric]
        )
        scores = np.array([np.nan if score is None else score for score in self.scores])
        return {"rows": [*self._measure(game, scores), *self._draw(game, scores)]}

    def _measure(self, game: FidelityGame, scores: NDArray[np.float64]) -> Iterator[dict[str, Any]]:
        order = tuple(-float(index) for index in range(len(scores)))
        guides = (Guide(LABELS, self.scores, signed=True), Guide(FIRST, order))
        whole = game.value(frozenset(game.others))
        random = make_generator(self.key, "random subsets")
        for row in measure_guides(game, game, guides, random, policies=CURVE, random_subsets=RANDOM_SUBSETS):
            yield self._row(row["guide"], row["kept"], policy=row["policy"], fidelity=whole + row["gain"])

    def _draw(self, game: FidelityGame, scores: NDArray[np.float64]) -> Iterator[dict[str, Any]]:
        burst, info, others = game.task.burst, game.restorer.info, frozenset(game.others)
        restore = Restorations(game.restorer, burst).restore
        order = [int(index) for index in order_frames(scores) if index in others]
        subsets = {"all": others, "reference": frozenset[int]()}
        left_out = {}
        if len(order) > 1:
            left_out = {"without best": order[0], "without worst": order[-1]}
            subsets |= {name: others - {index} for name, index in left_out.items()}
        images = {}
        for name, members in subsets.items():
            image = restore(members)
            check_image(info, burst, image)
            images[name] = to_space(image, "srgb", info=info, burst=burst)
        truth = project_truth(game.task.truth, info, domain=burst.domain, scale=game.task.scale, cfa=burst.cfa)
        images["truth"] = to_space(truth, "srgb", info=info, burst=burst)
        window = choose_window(images["all"], images.get("without best", images["reference"]))
        for name, image in images.items():
            fidelity = None if name == "truth" else game.value(subsets[name])
            kept = -1 if name == "truth" else len(subsets[name])
            picture = encode_picture(to_bytes(image[window]))
            yield self._row(name, kept, fidelity=fidelity, left_out=left_out.get(name), picture=picture)

    def _row(
        self,
        guide: str,
        kept: int,
        *,
        fidelity: float | None,
        policy: str = "",
        left_out: int | None = None,
        picture: str | None = None,
    ) -> dict[str, Any]:
        return {
            "burst_id": self.rows.burst["burst_id"],
            "scenario": self.scenario,
            "metric": self.metric,
            "unit": METRICS[self.metric].unit,
            "guide": guide,
            "policy": policy,
            "kept": kept,
            "left_out": left_out,
            "fidelity": fidelity,
            "picture": picture,
            "restorer_fingerprint": self.fingerprint,
            "key": self.key,
        }


def restore_sample(
    root: Path,
    bursts: Mapping[str, BurstRows],
    label_sets: pd.DataFrame,
    labels: pd.DataFrame,
    *,
    named: Collection[str] = (),
    workers: Workers = ONE_WORKER,
) -> list[str]:
    """Bring `audit/restorations.parquet` up to date for some bursts.

    Args:
        root: the data set.
        bursts: the sample, by id.
        label_sets: scenario, estimator, metric; those of marginal estimators are restored.
        labels: scores of the sample.
        named: scenarios that the user named; of the others, those run that are built in or installed.
        workers: who does the work; the result does not depend on it.

    Returns:
        What could not be restored and why, one line each.
    """
    # Bursts of equal content and equal scores have equal keys.
    known: dict[tuple[str, str], list[dict[str, Any]]] = {}
    makers: dict[tuple[str, str], str] = {}
    for row in _read_rows(root):
        known.setdefault((row["burst_id"], row["key"]), []).append(row)
        makers[row["burst_id"], row["scenario"]] = row["restorer_fingerprint"]
    planned = list(_plan(root, bursts, label_sets, labels, named=named, makers=makers))
    rows = [row for unit, _ in planned for row in known.get(unit.place, ())]
    lacking = [(unit, hindrance) for unit, hindrance in planned if unit.place not in known]
    missing = [unit for unit, hindrance in lacking if not hindrance]
    failed: defaultdict[str, list[str]] = defaultdict(list)
    for unit, failure in workers.run(missing, root):
        part = read_part(root, unit) if failure is None else None
        if part is None:
            reason = "the result was removed" if failure is None else f"{failure.error_type}: {failure.message}"
            failed[unit.scenario].append(f"{unit.rows.burst['burst_id']}: {reason}")
        else:
            rows += part["rows"]
        remove_part(root, unit)
    write_table(root, _PATH, RESTORATIONS, rows)
    remarks = sorted({hindrance for _, hindrance in lacking if hindrance})
    remarks += [f"{len(reasons)} of {name}, as {min(reasons)}" for name, reasons in sorted(failed.items())]
    return [f"not restored for the report: {remark}" for remark in remarks]


def read_restorations(root: Path) -> pd.DataFrame:
    """The table; empty if there is none or it cannot be read."""
    return pd.DataFrame(_read_rows(root), columns=RESTORATIONS.schema.names)


def choose_window(image: NDArray[np.floating[Any]], other: NDArray[np.floating[Any]]) -> tuple[slice, slice]:
    """Where two images, [H, W, 3], differ most: rows and columns of a window of at most `WINDOW` pixels a side."""
    difference = np.abs(image - other).mean(axis=2).astype(np.float32)
    height, width = (min(WINDOW, side) for side in difference.shape)
    sums = cv2.integral(difference)
    inside = sums[height:, width:] - sums[:-height, width:] - sums[height:, :-width] + sums[:-height, :-width]
    top, left = np.unravel_index(int(inside.argmax()), inside.shape)
    return slice(int(top), int(top) + height), slice(int(left), int(left) + width)


def to_bytes(image: NDArray[np.floating[Any]]) -> NDArray[np.uint8]:
    """sRGB in [0, 1] to uint8."""
    return np.asarray(np.rint(np.clip(image, 0, 1) * 255), np.uint8)


def _plan(
    root: Path,
    bursts: Mapping[str, BurstRows],
    label_sets: pd.DataFrame,
    labels: pd.DataFrame,
    *,
    named: Collection[str],
    makers: Mapping[tuple[str, str], str],
) -> Iterator[tuple[RestorationUnit, str]]:
    """Units, and why one cannot be run, which then has the fingerprint of the restorer that made it before."""
    scored = labels[labels["score"].notna()]
    for row in to_rows(label_sets):
        if row["metric"] not in METRICS or not METRICS[row["metric"]].needs_truth:
            continue
        mine = scored[
            (scored["scenario"] == row["scenario"])
            & (scored["estimator"] == row["estimator"])
            & (scored["metric"] == row["metric"])
        ]
        groups = {str(name): rows for name, rows in mine.groupby("burst_id", observed=True)}
        wanted = [name for name in bursts if name in groups and _is_small(bursts[name])]
        if not wanted:
            continue
        fingerprint, hindrance, target = "", "", read_target(root, row["scenario"])
        try:
            fingerprint = fingerprint_scenario(target, create_known(target, named=named))
        except RestorerError as error:
            hindrance = str(error)
        for name in wanted:
            scores = groups[name].set_index("frame_index")["score"].reindex(range(len(bursts[name].frames)))
            values = tuple(None if np.isnan(score) else float(score) for score in scores)
            maker = fingerprint or makers.get((name, row["scenario"]), "")
            yield RestorationUnit(bursts[name], row["scenario"], target, maker, row["metric"], values), hindrance


def _is_small(rows: BurstRows) -> bool:
    burst = rows.burst
    pixels = int(burst["num_frames"]) * burst["height"] * burst["width"]
    complete = len(rows.frames) == int(burst["num_frames"]) > 1
    return complete and bool(burst["ground_truth_kind"] != "none" and pixels <= MAX_VALUES)


def _read_rows(root: Path) -> Sequence[dict[str, Any]]:
    try:
        rows: list[dict[str, Any]] = read_or_empty(root, _PATH, RESTORATIONS).to_pylist()
    except ManifestError:
        return []  # of another version, or damaged: made anew
    return rows
