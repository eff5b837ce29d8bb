"""The tables of a data set, column by column.

Every column carries its meaning in the field metadata (`doc`), so that documentation is generated from here and cannot drift, and the rule
that its values keep, so that who reads a table and who verifies it ask for the same.
"""

from __future__ import annotations

from manifests.schema.bursts import BURSTS
from manifests.schema.frames import FRAMES
from manifests.schema.labels import LABELS, RELIABILITY
from manifests.schema.others import FAILURES, PACKS, SPLITS
from manifests.schema.table import Column, TableSchema, Violation
from manifests.schema.words import (
    CFA_PATTERNS,
    DOMAINS,
    GROUND_TRUTH_KINDS,
    LABEL_SET,
    MARGINAL_ESTIMATORS,
    OUTLIERS,
    REFERENCE_RULES,
    SPLIT_NAMES,
    is_marginal,
)

__all__ = [
    "BURSTS",
    "CFA_PATTERNS",
    "DOMAINS",
    "FAILURES",
    "FORMAT_VERSION",
    "FRAMES",
    "GROUND_TRUTH_KINDS",
    "LABELS",
    "LABEL_SET",
    "MARGINAL_ESTIMATORS",
    "OUTLIERS",
    "PACKS",
    "REFERENCE_RULES",
    "RELIABILITY",
    "SPLITS",
    "SPLIT_NAMES",
    "TABLES",
    "Column",
    "TableSchema",
    "Violation",
    "is_marginal",
]

FORMAT_VERSION = 3
"""Version of the on-disk form; written to `dataset.json` and to the metadata of every Parquet file.

1: the first. 2: `bursts.perceptual_hash`, `bursts.ground_truth_white`, `splits.fold`, and whatever the synthesis varies.
3: `labels.noise_error`, `labels.reason`, what of a unit failed in `failures`; scores within a tolerance share a rank (`ranks.py` here); the
estimator `banzhaf(k)` is called `marginal(k)`.
`manifests.operations.migrate` brings older data sets up to date.
"""

TABLES = {table.name: table for table in (BURSTS, FRAMES, LABELS, SPLITS, RELIABILITY, FAILURES, PACKS)}
