"""The manifests of a data set in memory, as the audit and the contact sheet read them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from manifests.schema import LABELS, SPLITS
from manifests.store import list_label_files, read_dataset_table, read_or_empty, read_table, table_path

LABEL_SET = ["scenario", "estimator", "metric"]
"""Columns that identify a set of comparable labels."""

_LABEL_COLUMNS = ("burst_id", "frame_index", *LABEL_SET, "unit", "score", "std_error")
_CATEGORIES = ["burst_id", *LABEL_SET, "unit"]


@dataclass(frozen=True)
class Tables:
    """Manifests of one data set as pandas frames; `labels` holds the columns that statistics need, `score` NaN where null."""

    bursts: pd.DataFrame
    frames: pd.DataFrame
    labels: pd.DataFrame
    splits: pd.DataFrame


def read_tables(root: Path) -> Tables:
    """Read the manifests of a data set; labels and splits may be absent.

    Raises:
        ManifestError: if a table is missing or damaged.
    """
    parts = [_encode_text(read_table(path, LABELS, columns=_LABEL_COLUMNS)) for path in list_label_files(root)]
    empty = _encode_text(LABELS.schema.empty_table().select(_LABEL_COLUMNS))
    labels = pa.concat_tables([empty, *parts]).unify_dictionaries().to_pandas()
    # An infinite score is no score; labels written by the toolkit hold none.
    labels["score"] = labels["score"].where(np.isfinite(labels["score"]))
    return Tables(
        bursts=read_dataset_table(root, "bursts").to_pandas(),
        frames=read_dataset_table(root, "frames").to_pandas(),
        labels=labels,
        splits=read_or_empty(table_path(root, "splits"), SPLITS).to_pandas(),
    )


def _encode_text(table: pa.Table) -> pa.Table:
    """Store repeated text once: a million labels then take tens of megabytes."""
    for name in _CATEGORIES:
        place = table.schema.get_field_index(name)
        table = table.set_column(place, name, table.column(name).dictionary_encode())
    return table
