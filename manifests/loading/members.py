"""Which bursts belong to a split or a fold."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from manifests.errors import SelectionError
from manifests.loading.index import BurstIndex
from manifests.schema import SPLITS
from manifests.store import read_table, table_path


def select_bursts(root: Path, index: BurstIndex, split: str | None, *, fold: int | None = None) -> NDArray[np.int64]:
    """Positions in the index of the bursts of a split, sorted.

    Args:
        root: the data set.
        index: its bursts.
        split: `train`, `val` or `test`; None or `all` for every burst.
        fold: fold of cross-validation: `test` is that fold and `train` all others, whatever the column `split` says.

    Raises:
        SelectionError: if there are none; names what there is.
        ManifestError: if the table is missing or damaged.
    """
    if split is None or split == "all":
        positions = np.arange(len(index.burst_ids))
        counts = {"all": len(positions)}
    else:
        path = table_path("splits")
        table = read_table(root, path, SPLITS, columns=["burst_id", "split", "fold"])
        names = table.column("split")
        if fold is not None:
            folds = table.column("fold")
            if not pc.any(pc.equal(folds, fold)).as_py():
                there = pc.count(folds).as_py() and pc.count_distinct(folds).as_py()
                raise SelectionError(
                    f"{root}: no fold {fold}: there are {there} folds; make them with `buiqa split --folds`"
                )
            names = pc.if_else(pc.fill_null(pc.equal(folds, fold), fill_value=False), "test", "train")
        chosen = table.filter(pc.equal(names, split))
        positions = np.sort(index.locate(chosen.column("burst_id"), root / path))
        counts = {entry["values"]: entry["counts"] for entry in pc.value_counts(names).to_pylist()}
    if not len(positions):
        there = ", ".join(f"{name} ({count})" for name, count in sorted(counts.items()) if count) or "none"
        raise SelectionError(f"{root}: split {split!r} has no bursts: there are {there}")
    return positions.astype(np.int64)
