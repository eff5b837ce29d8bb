"""Which bursts a scenario labels, of those that it might."""

from __future__ import annotations

import numpy as np
import pandas as pd

from dataset_builder.audit.tables import ScoreMatrix

MAX_EXAMPLES = 5


def measure_coverage(matrix: ScoreMatrix, bursts: pd.DataFrame) -> pd.DataFrame:
    """How many bursts of the sources and presets of which it labels any a scenario labels.

    Sources and presets of which it labels none are not its own, such as single exposures of a scenario that merges several.

    Args:
        matrix: all label sets.
        bursts: the table `bursts`.

    Returns:
        Per scenario: `scenario`, `bursts` (with a score), `expected`, `coverage` (the former over the latter), and `unlabelled`: ids of
        bursts without a score, five at most.
    """
    table = bursts.drop_duplicates("burst_id").set_index("burst_id").reindex(matrix.burst_ids)
    groups = pd.factorize(table["source"].astype(str) + "\n" + table["preset"].astype(str))[0]
    rows = []
    for scenario, places in matrix.sets.groupby("scenario", sort=True).indices.items():
        scored = np.isfinite(matrix.values[places]).any(axis=0)
        labelled = np.bincount(matrix.bursts[scored], minlength=len(matrix.burst_ids)) > 0
        expected = np.isin(groups, groups[labelled])
        missing = matrix.burst_ids[expected & ~labelled][:MAX_EXAMPLES]
        counts = int(labelled.sum()), int(expected.sum())
        rows.append((scenario, *counts, counts[0] / counts[1] if counts[1] else np.nan, tuple(missing)))
    return pd.DataFrame(rows, columns=["scenario", "bursts", "expected", "coverage", "unlabelled"])
