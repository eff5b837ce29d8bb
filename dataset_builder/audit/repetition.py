"""Results of labelling again, where a data set holds them: `manifests/reliability.parquet`, as `buiqa reliability` writes it."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

COLUMNS = ["scenario", "estimator", "metric", "spearman", "icc", "stable_best", "length_spearman", "bursts"]
"""Test-retest rank correlation within bursts, intraclass correlation, share of bursts whose best frame stays the best, rank
correlation of the labels of bursts and sub-bursts, and the number of bursts that were labelled again."""


def read_repetition(root: Path) -> pd.DataFrame:
    """The results, with the columns of `COLUMNS` (NaN where one is not there); no rows where there is no file or it cannot be read."""
    path = root / "manifests" / "reliability.parquet"
    empty = pd.DataFrame(columns=COLUMNS)
    if not path.is_file():
        return empty
    try:
        found = pq.read_table(path).to_pandas()
    except (pa.ArrowException, OSError):
        return empty
    if not {"scenario", "estimator", "spearman"} <= set(found.columns):
        return empty
    table: pd.DataFrame = found.assign(metric=found.get("metric", "psnr")).reindex(columns=COLUMNS)
    return table
