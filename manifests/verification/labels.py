"""Checks of the rows of a label file."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from manifests.plain_text import show
from manifests.problem import Problem
from manifests.schema import MARGINAL_ESTIMATORS
from manifests.schema.ranks import rank_scores
from manifests.store import labels_path
from manifests.verification.rows import Rows

LABEL_KEYS = ("burst_id", "estimator", "metric", "frame_index")
"""Columns that name a row of a label file."""
_GROUP = ["burst_id", "estimator", "metric"]
_TOLERANCE = 1e-6
"""Of `score_norm`, which lies in 0..1."""


def check_labels(rows: Rows, bursts: Rows) -> Iterator[Problem]:
    """One scenario's labels: one row for each frame, nulls where nothing is defined, ranks and norms that follow the scores, one maker."""
    labels = rows.frame
    for scenario in sorted(set(labels["scenario"].dropna())):
        if labels_path(scenario) != rows.file:
            yield Problem(rows.file, f"scenario={show(scenario)}", f"expected in the file {labels_path(scenario)}")
    yield from rows.require_known_burst(bursts.frame)
    yield from _check_coverage(rows, bursts)
    yield from _check_nulls(rows, bursts)
    yield from _check_order(rows)
    yield from _check_origin(rows)


def _check_coverage(rows: Rows, bursts: Rows) -> Iterator[Problem]:
    """Every burst that has labels of an estimator and metric has a row for each frame."""
    labels = rows.frame
    lengths = bursts.frame.drop_duplicates("burst_id").set_index("burst_id")["num_frames"]
    length = labels["burst_id"].map(lengths)
    outside = length.notna() & ~((labels["frame_index"] >= 0) & (labels["frame_index"] < length))
    yield from rows.report(outside, "frame_index", "a frame of the burst")
    groups = labels.groupby(_GROUP).agg(frames=("frame_index", "nunique")).reset_index()
    groups["expected"] = groups["burst_id"].map(lengths)
    for group in groups[groups["expected"].notna() & (groups["frames"] != groups["expected"])].to_dict("records"):
        yield Problem(
            rows.file,
            ", ".join(f"{key}={show(group[key])}" for key in _GROUP),
            f"frame_index: expected a row for each of {group['expected']:g} frames, got {group['frames']}",
        )


def _check_nulls(rows: Rows, bursts: Rows) -> Iterator[Problem]:
    """What depends on the score is null with it, and the reference has no marginal score."""
    labels = rows.frame
    for column in ("std_error", "rank", "score_norm"):
        yield from rows.require_null(column, labels["score"].isna(), "score is null")
    references = bursts.frame.drop_duplicates("burst_id").set_index("burst_id")["reference_index"]
    is_reference = labels["frame_index"] == labels["burst_id"].map(references)
    # An estimator may carry its settings, as `marginal(4)`.
    marginal = labels["estimator"].str.partition("(")[0].isin(MARGINAL_ESTIMATORS)
    yield from rows.report(
        is_reference & marginal & labels["score"].notna(), "score", "null for the reference, which is never removed"
    )


def _check_order(rows: Rows) -> Iterator[Problem]:
    """Ranks count from the best score of a burst, equal scores sharing the better one; norms run from worst to best."""
    labels = rows.frame
    groups = labels.groupby(_GROUP, dropna=False).ngroup().to_numpy(np.int64)
    scores, units = labels["score"].to_numpy(np.float64, na_value=np.nan), labels["unit"].fillna("").to_numpy(str)
    rank, norm = np.zeros(len(labels), np.int64), np.full(len(labels), np.nan)
    for unit in np.unique(units):
        own = units == unit
        with np.errstate(all="ignore"):  # scores out of bounds are reported elsewhere
            rank[own], norm[own] = rank_scores(scores[own], str(unit), groups[own])
    scored = pd.Series(np.isfinite(scores), labels.index)
    yield from rows.report(
        scored & labels["rank"].notna() & (labels["rank"] != rank), "rank", "its place among the scores of the burst"
    )
    differs = (labels["score_norm"] - norm).abs() > _TOLERANCE
    yield from rows.report(
        scored & labels["score_norm"].notna() & differs & np.isfinite(norm),
        "score_norm",
        "(score − worst) / (best − worst)",
    )


def _check_origin(rows: Rows) -> Iterator[Problem]:
    """One restorer in a file, one key for all frames of a label, and no score that was computed from nothing."""
    labels = rows.frame
    fingerprints = labels["restorer_fingerprint"]
    if fingerprints.nunique() > 1:
        most = fingerprints.value_counts().index[0]
        yield from rows.report(fingerprints != most, "restorer_fingerprint", f"that of the other rows, {show(most)}")
    keys = labels.groupby(_GROUP, dropna=False)["label_key"]
    mixed = keys.transform("nunique") > 1
    if mixed.any():
        first = keys.transform("first")
        yield from rows.report(mixed & (labels["label_key"] != first), "label_key", "one key for all frames of a burst")
    yield from rows.report(
        labels["score"].notna() & (labels["num_evaluations"] < 1), "num_evaluations", "1 or more where there is a score"
    )
