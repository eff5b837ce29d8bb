"""Tables `splits`, `failures` and, in the packed form, `packs`."""

from __future__ import annotations

from manifests.schema.rules import (
    ESTIMATOR,
    IDENTIFIER,
    IDENTIFIER_OR_EMPTY,
    LINE,
    METRIC,
    PATH,
    SCENARIO_OR_EMPTY,
    SHA256,
    TEXT,
    one_of,
    within,
)
from manifests.schema.table import INTEGER, LONG, TEXT_TYPE, Column, TableSchema
from manifests.schema.words import LARGEST, LARGEST_FILE, MOST_FRAMES, PACKED_TYPES, SPLIT_NAMES, STAGES

SPLITS = TableSchema(
    "splits",
    (
        Column("burst_id", TEXT_TYPE, "Burst.", IDENTIFIER),
        Column("scene_id", TEXT_TYPE, "Its scene.", IDENTIFIER),
        Column("split", TEXT_TYPE, "train, val or test.", one_of(SPLIT_NAMES)),
        Column(
            "fold",
            INTEGER,
            "Fold of the scene in cross-validation, from 0; null without folds.",
            within(0, LARGEST),
            nullable=True,
        ),
    ),
    ("burst_id",),
)

FAILURES = TableSchema(
    "failures",
    (
        Column("stage", TEXT_TYPE, "bursts or labels.", one_of(STAGES)),
        Column("source", TEXT_TYPE, "Source of the recipe that the unit belongs to.", IDENTIFIER_OR_EMPTY),
        Column(
            "burst_id",
            TEXT_TYPE,
            "Burst; where it never came to be, the id of its photograph or folder.",
            IDENTIFIER_OR_EMPTY,
        ),
        Column("scenario", TEXT_TYPE, "Scenario; empty outside the stage labels.", SCENARIO_OR_EMPTY),
        Column(
            "estimator",
            TEXT_TYPE,
            "Estimator whose scores are missing; null where the whole unit failed.",
            ESTIMATOR,
            nullable=True,
        ),
        Column("metric", TEXT_TYPE, "Its metric; null with estimator.", METRIC, nullable=True),
        Column(
            "frame_index",
            INTEGER,
            "Frame without a score; null where it is all frames that the estimator scores, or with estimator.",
            within(0, MOST_FRAMES),
            nullable=True,
        ),
        Column("error_type", TEXT_TYPE, "Class of the error.", LINE),
        Column("message", TEXT_TYPE, "What was expected, what came, where.", TEXT),
        Column("attempts", INTEGER, "How often the unit was tried in the last build.", within(1, LARGEST)),
    ),
    ("stage", "source", "burst_id", "scenario", "message"),
    unique=False,
)

PACKS = TableSchema(
    "packs",
    (
        Column("burst_id", TEXT_TYPE, "Burst.", IDENTIFIER),
        Column("shard", TEXT_TYPE, "Arrow IPC file that holds its frames, relative to the pack, POSIX.", PATH),
        Column("offset", LONG, "First byte of its pixels in that file.", within(0, LARGEST_FILE)),
        Column(
            "length",
            LONG,
            "Bytes of its pixels: stored values of the upright frames, [T, C, H, W].",
            within(1, LARGEST_FILE),
        ),
        Column("dtype", TEXT_TYPE, "uint8 or uint16, little endian.", one_of(PACKED_TYPES)),
        Column("sha256", TEXT_TYPE, "SHA-256 of these bytes.", SHA256),
    ),
    ("burst_id",),
)
"""Only in the packed form."""
