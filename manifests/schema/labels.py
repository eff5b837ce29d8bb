"""Tables about labels: the label files, and `reliability`."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from manifests.schema.ranks import describe_tolerances
from manifests.schema.rules import (
    CORRELATION,
    ESTIMATOR,
    IDENTIFIER,
    LINE,
    METRIC,
    NOT_NEGATIVE,
    NUMBER,
    SCENARIO,
    SHA256,
    UNIT,
    RowRule,
    within,
)
from manifests.schema.table import INTEGER, REAL, TEXT_TYPE, Column, TableSchema
from manifests.schema.words import LARGEST, MOST_FRAMES


def _has_one_unit(unit: pa.Array, metric: pa.Array) -> pa.Array:
    groups = metric.dictionary_encode().indices.fill_null(0).to_numpy()
    _, first = np.unique(groups, return_index=True)
    return pc.equal(unit, unit.take(pa.array(first[groups])))


LABELS = TableSchema(
    "labels",
    (
        Column("burst_id", TEXT_TYPE, "Burst.", IDENTIFIER),
        Column("estimator", TEXT_TYPE, "How worth is derived from fidelities.", ESTIMATOR),
        Column("metric", TEXT_TYPE, "Fidelity metric; its conventions stand in dataset.json.", METRIC),
        Column("frame_index", INTEGER, "Frame.", within(0, MOST_FRAMES)),
        Column("scenario", TEXT_TYPE, "Task, restorer and setting.", SCENARIO),
        Column(
            "score",
            REAL,
            "Worth of the frame; null where the estimator defines none (the reference).",
            NUMBER,
            nullable=True,
        ),
        Column(
            "std_error",
            REAL,
            "Standard error of the estimator; 0 when nothing was sampled; null with score.",
            NOT_NEGATIVE,
            nullable=True,
        ),
        Column(
            "noise_error",
            REAL,
            "Standard deviation of the score over redraws of the synthetic noise; null where unknown, and with score.",
            NOT_NEGATIVE,
            nullable=True,
        ),
        Column("unit", TEXT_TYPE, "Unit of score, std_error and noise_error.", UNIT),
        Column(
            "rank",
            INTEGER,
            f"1 = best in the burst; equal scores ({describe_tolerances()}) share the better rank; null with score.",
            within(1, MOST_FRAMES),
            nullable=True,
        ),
        Column(
            "score_norm",
            REAL,
            "(score − worst) / (best − worst) within the burst, equal scores counting as the best of them; 0.5 if all are equal; "
            "null with score.",
            within(0, 1),
            nullable=True,
        ),
        Column("num_evaluations", INTEGER, "Fidelities that the score was computed from.", within(0, LARGEST)),
        Column(
            "reason",
            TEXT_TYPE,
            "Why there is no score where the estimator defines one, as `Class of the error: message`; null elsewhere.",
            LINE,
            nullable=True,
        ),
        Column("label_key", TEXT_TYPE, "SHA-256 of everything declared that the score depends on.", SHA256),
        Column("restorer_fingerprint", TEXT_TYPE, "SHA-256 of the restorer: version, parameters, weights.", SHA256),
    ),
    ("burst_id", "estimator", "metric", "frame_index"),
    rules=(
        RowRule(("scenario",), "one scenario in a file", lambda names: pc.equal(names, pc.first(names)), across=True),
        RowRule(("unit", "metric"), "one unit for each metric", _has_one_unit, across=True),
        RowRule(
            ("reason", "score"),
            "null where there is a score",
            lambda reason, score: pc.or_(pc.is_null(reason), pc.is_null(score)),
        ),
        RowRule(
            ("noise_error", "score"),
            "null where score is null",
            lambda error, score: pc.or_(pc.is_null(error), pc.is_valid(score)),
        ),
    ),
)

RELIABILITY = TableSchema(
    "reliability",
    (
        Column("scenario", TEXT_TYPE, "Task, restorer and setting.", SCENARIO),
        Column("estimator", TEXT_TYPE, "How worth is derived from fidelities.", ESTIMATOR),
        Column("metric", TEXT_TYPE, "Fidelity metric.", METRIC),
        Column("preset", TEXT_TYPE, "Preset of the bursts; null for all of them together.", IDENTIFIER, nullable=True),
        Column("bursts", INTEGER, "Bursts that were labelled again with other noise.", within(0, LARGEST)),
        Column("frames", INTEGER, "Scores that were compared.", within(0, LARGEST)),
        Column(
            "spearman",
            REAL,
            "Mean rank correlation within bursts between both; null if undefined.",
            CORRELATION,
            nullable=True,
        ),
        Column(
            "icc",
            REAL,
            "ICC(C,1) of both within bursts; null if undefined.",
            CORRELATION,
            nullable=True,
        ),
        Column("stable_best", REAL, "Share of bursts whose best frame stays the best.", within(0, 1)),
        Column("median_score", REAL, "Median of the scores' absolute values.", NOT_NEGATIVE),
        Column(
            "noise_error",
            REAL,
            "Standard error of a score due to noise: root mean square difference / √2.",
            NOT_NEGATIVE,
        ),
        Column(
            "length_spearman",
            REAL,
            "Mean rank correlation with the labels of the burst without every second frame; null if undefined, and for estimators that "
            "look at no other frame.",
            CORRELATION,
            nullable=True,
        ),
    ),
    ("scenario", "estimator", "metric", "preset"),
)
