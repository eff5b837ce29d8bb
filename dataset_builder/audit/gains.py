"""What `buiqa gain` found, kept beside the report: `audit/gain.parquet`."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa

from dataset_builder.selection.gains import OTHER_NOISE, SAME_NOISE, arrange_gains
from manifests.errors import ManifestError
from manifests.schema import Column, TableSchema
from manifests.schema.rules import IDENTIFIER, LINE, METRIC, NUMBER, SCENARIO, UNIT, one_of, within
from manifests.schema.table import INTEGER, REAL, TEXT_TYPE
from manifests.schema.words import LARGEST
from manifests.store import read_or_empty, write_table

GAIN_TABLE = "audit/gain.parquet"
GAINS = TableSchema(
    "gain",
    (
        Column("scenario", TEXT_TYPE, "Task, restorer and setting.", SCENARIO),
        Column("preset", TEXT_TYPE, "Preset of the bursts.", IDENTIFIER),
        Column("metric", TEXT_TYPE, "Fidelity metric.", METRIC),
        Column("unit", TEXT_TYPE, "Unit of the gains.", UNIT),
        Column(
            "guide",
            TEXT_TYPE,
            "Who chose the frames: oracle, random, first, sharpest, or the estimator of the labels.",
            LINE,
        ),
        Column("policy", TEXT_TYPE, "How many it kept.", LINE),
        Column("judged", TEXT_TYPE, "On which noise.", one_of((OTHER_NOISE, SAME_NOISE))),
        Column("gain", REAL, "Mean over bursts of the fidelity over that of all frames.", NUMBER),
        Column("low", REAL, "Lower bound of its 95 % interval over scenes; null of one scene.", NUMBER, nullable=True),
        Column("high", REAL, "Upper bound.", NUMBER, nullable=True),
        Column("over_random", REAL, "The same over as many random frames.", NUMBER),
        Column("over_random_low", REAL, "Lower bound of its 95 % interval.", NUMBER, nullable=True),
        Column("over_random_high", REAL, "Upper bound.", NUMBER, nullable=True),
        Column(
            "same_noise", REAL, "The gain where the frames are judged on the noise that they were chosen on.", NUMBER
        ),
        Column("kept", REAL, "Mean share of the frames besides the reference that is kept.", within(0, 1)),
        Column("bursts", INTEGER, "Bursts.", within(1, LARGEST)),
        Column("scenes", INTEGER, "Scenes.", within(1, LARGEST)),
    ),
    ("scenario", "preset", "metric", "guide", "policy", "judged"),
)
"""One row per scenario, preset, guide and policy."""


def write_gains(root: Path, gains: pd.DataFrame) -> None:
    """Write the table.

    Args:
        root: the data set.
        gains: what `selection.summarise_gains` gives.
    """
    write_table(root, GAIN_TABLE, GAINS, pa.Table.from_pandas(gains, GAINS.schema, preserve_index=False))


def read_gains(root: Path) -> pd.DataFrame:
    """The table; empty if there is none, or it cannot be read."""
    try:
        table = read_or_empty(root, GAIN_TABLE, GAINS)
    except ManifestError:
        table = GAINS.schema.empty_table()  # of another version, or damaged: `buiqa gain` makes it anew
    return arrange_gains(table.to_pandas())
