"""The labels that assessors are judged by."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from manifests.errors import SelectionError
from manifests.loading.index import BurstIndex, load_burst_index
from manifests.loading.labels import EstimatorChoice, LabelMatrix, load_label_matrix
from manifests.loading.members import select_bursts
from manifests.storage import locate_dataset


@dataclass(frozen=True, eq=False)
class Targets:
    """Labels of the bursts of a split.

    Attributes:
        root: the data set.
        metric: fidelity metric of the labels.
        index: all its bursts.
        bursts: int64 [B], positions in it of those that count, sorted.
        labels: S sets of labels of all frames.
    """

    root: Path
    metric: str
    index: BurstIndex
    bursts: NDArray[np.int64]
    labels: LabelMatrix

    def rows(self, burst: int) -> slice:
        """Where the frames of a burst, by its position, are in a set of labels."""
        return slice(int(self.index.starts[burst]), int(self.index.starts[burst + 1]))

    @property
    def scenarios(self) -> tuple[str, ...]:
        """Scenarios that have labels, each once."""
        return tuple(dict.fromkeys(self.labels.scenarios))


def load_targets(
    root: str | os.PathLike[str],
    split: str | None = "test",
    *,
    scenarios: Sequence[str] | None = None,
    estimator: EstimatorChoice | None = None,
    metric: str = "psnr",
    fold: int | None = None,
) -> Targets:
    """Labels of a split, of a data set or pack. Arguments as those of `manifests.BurstQualityDataset`.

    Raises:
        SelectionError: if the split, or something chosen, is not there, or nothing in it has labels.
        ManifestError: if `root` is no data set, or a table is damaged.
    """
    folder = locate_dataset(root)
    index = load_burst_index(folder)
    bursts = select_bursts(folder, index, split, fold=fold)
    labels = load_label_matrix(folder, index, scenarios=scenarios, estimator=estimator, metric=metric, score="score")
    targets = Targets(folder, metric, index, bursts, labels)
    if not labels.scenarios or not any(np.isfinite(labels.values[:, targets.rows(int(one))]).any() for one in bursts):
        raise SelectionError(
            f"{folder}: no burst of split {split!r} has labels by {metric}; make them with `buiqa label`"
        )
    return targets
