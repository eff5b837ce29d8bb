"""A data set as a PyTorch map-style dataset: correct, flat in memory, with whole scenes kept apart by its splits."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from manifests.description import PACKED_FORM, read_description
from manifests.errors import DefaultEstimatorWarning, SelectionError
from manifests.loading.index import BurstIndex, write_burst_index
from manifests.loading.items import BurstItem, Transform
from manifests.loading.labels import EstimatorChoice, LabelSets, ScoreColumn, choose_label_sets, iterate_label_sets
from manifests.loading.members import select_bursts
from manifests.loading.reader import BelowBlack, BurstReader, FileReader, PackReader, read_truth
from manifests.loading.shared_arrays import ArrayFile, SharedArrays
from manifests.plain_text import suggest
from manifests.schema import CFA_PATTERNS, DOMAINS
from manifests.storage import locate_dataset


class BurstQualityDataset(Dataset[BurstItem]):
    """Bursts of a split with the scores of their frames, sorted by `burst_id`.

    Reads a data set of image files or a pack of one, alike. Tables are held in one memory-mapped file: worker processes share it,
    forked or spawned, and hold no copy.

    Attributes:
        root: the data set.
        scenarios: scenario of each of the S sets of labels, in the order of the rows of `scores`.
        estimators: the estimator of each.
        higher_is_better: whether a frame of higher score is worth more; False for ranks.

    Args:
        root: folder of a data set or of a pack, or the URI of one on object storage, which is fetched into the local cache first.
        split: `train`, `val` or `test`; None or `all` for every burst, whatever its split.
        scenarios: which labels; None for all that have some by the metric, in the order of their file names. An empty list loads pixels
            alone.
        estimator: estimators of every scenario, or of each by scenario; each of them gives a row of `scores`. None for the one that
            there is; of several, the first of leave_one_out, shapley, add_one and solo that is there, and a warning says which.
        metric: fidelity metric of the labels.
        score: `score` in the metric's unit, `score_norm` in 0..1 within the burst, or `rank`, 1 for the best.
        fold: fold of cross-validation: `test` is that fold and `train` all others, whatever the column `split` says.
        transform: applied to every item. Its random numbers depend on `seed`, the burst and the epoch alone, not on the worker. The first
            reading of a burst is of epoch 0, or of that which `set_epoch` told last, and each further one of the next epoch.
        seed: seed of the transform.
        truth: give the ground truth, too.
        below_black: whether what noise leaves below the black level is clipped at 0, or kept, as merging and stabilising need it.

    Raises:
        SelectionError: if the split is empty, something chosen is not there, or the truth of a pack is asked for, which has none; the
            message names what is there.
        ManifestError: if `root` is no data set of this format, or a table is damaged.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        split: str | None = "train",
        scenarios: Sequence[str] | None = None,
        *,
        estimator: EstimatorChoice | None = None,
        metric: str = "psnr",
        score: ScoreColumn = "score",
        fold: int | None = None,
        transform: Transform | None = None,
        seed: int = 0,
        truth: bool = False,
        below_black: BelowBlack = "clip",
    ) -> None:
        self.root = locate_dataset(root)
        columns = write_burst_index(self.root)
        index = BurstIndex(**{field.name: columns[field.name] for field in fields(BurstIndex)})
        positions = select_bursts(self.root, index, split, fold=fold)
        if isinstance(scenarios, str):
            scenarios = [scenarios]
        chosen = choose_label_sets(self.root, scenarios=scenarios, estimator=estimator, metric=metric, score=score)
        if chosen.assumed:
            taken = ", ".join(sorted({dict(chosen.sets)[name] for name in chosen.assumed}))
            message = f"{self.root}: labels by several estimators, and none was named: {taken} is taken; name one by estimator="
            warnings.warn(message, DefaultEstimatorWarning, stacklevel=2)
        self.scenarios, self.estimators = (tuple(each[place] for each in chosen.sets) for place in range(2))
        self.higher_is_better = score != "rank"
        self._transform, self._seed = transform, seed
        # Shared, so that workers that outlive an epoch learn of the next one, and know what others read of the one before.
        self._epoch = torch.zeros(1, dtype=torch.int64).share_memory_()  # type: ignore[no-untyped-call]
        self._readings = torch.zeros(len(positions), dtype=torch.int64).share_memory_()  # type: ignore[no-untyped-call]
        self._reader = _open_reader(self.root, index, below_black)
        if truth and isinstance(self._reader, PackReader):
            raise SelectionError(
                f"{self.root}: a pack holds no ground truth; load it from the data set that was packed"
            )
        self._truth = truth
        self._shared = columns
        self._labels = _write_labels(self.root, index, chosen, positions)
        self._open_arrays()

    def __getstate__(self) -> dict[str, Any]:
        """All but the arrays, which travel as the name of their file."""
        return {
            name: value
            for name, value in self.__dict__.items()
            if name not in {"_index", "_positions", "_values", "_errors"}
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Map the arrays of the process that made them."""
        self.__dict__.update(state)
        self._open_arrays()

    def __len__(self) -> int:
        """Number of bursts."""
        return len(self._positions)

    def __getitem__(self, item: int) -> BurstItem:
        """Read a burst.

        Raises:
            IndexError: if there are not so many bursts.
            ImageFileError: if a frame is missing, damaged, or not of the size that the tables state.
            UnsafePathError: if a frame lies outside the data set.
        """
        burst = int(self._positions[item])
        index = self._index
        first, last = int(index.starts[burst]), int(index.starts[burst + 1])
        scores = torch.from_numpy(self._values[:, first:last].copy())
        cfa = int(index.cfa[burst])
        sample: BurstItem = {
            "burst_id": index.burst_ids[burst].as_py(),
            "scene_id": index.scene_id[burst].as_py(),
            "preset": index.preset[burst].as_py(),
            "domain": DOMAINS[int(index.domain[burst])],
            "cfa": CFA_PATTERNS[cfa] if cfa >= 0 else "",
            "frames": self._reader.read(index, burst),
            "reference_index": int(index.reference_index[burst]),
            "scores": scores,
            "score_mask": ~torch.isnan(scores),
            "score_errors": torch.from_numpy(self._errors[:, first:last].copy()),
            "exposure_ratio": torch.from_numpy(index.exposure_ratio[first:last].copy()),
            "exposure_time": torch.from_numpy(index.exposure_time[first:last].copy()),
            "iso": torch.from_numpy(index.iso[first:last].copy()),
            "shot_noise": torch.from_numpy(index.shot_noise[first:last].copy()),
            "read_noise": torch.from_numpy(index.read_noise[first:last].copy()),
            "timestamp": torch.from_numpy(index.timestamp[first:last].copy()),
            "white_balance": torch.from_numpy(index.white_balance[3 * burst : 3 * burst + 3].copy()),
            "color_matrix": torch.from_numpy(index.color_matrix[9 * burst : 9 * burst + 9].reshape(3, 3).copy()),
            "black_level": float(index.black_level[burst]),
            "white_level": float(index.white_level[burst]),
            "oracle_homographies": torch.from_numpy(index.homography[9 * first : 9 * last].reshape(-1, 3, 3).copy()),
        }
        if self._truth:
            sample["truth"] = read_truth(self.root, index, burst)
        if self._transform is None:
            return sample
        epoch = int(self._epoch) + int(self._readings[item])
        self._readings[item] += 1
        return self._transform(sample, _make_generator(self._seed, epoch, sample["burst_id"]))

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch of the next reading of every burst, for a loader that goes on after an interruption.

        It reaches workers that are running already. Samplers of `manifests.loading.batches` call it.
        """
        self._epoch.fill_(epoch)
        self._readings.zero_()

    @property
    def burst_ids(self) -> list[str]:
        """Identifiers of the bursts, in order."""
        names: list[str] = self._index.burst_ids.take(self._positions).to_pylist()
        return names

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Number of frames T of each burst, int64 [len(self)]."""
        return np.diff(self._index.starts)[self._positions]

    @property
    def shapes(self) -> NDArray[np.int64]:
        """T, C, H and W of each burst as stored, int64 [len(self), 4]."""
        sides = (self._index.channels, self._index.height, self._index.width)
        return np.stack([self.lengths, *(side[self._positions].astype(np.int64) for side in sides)], axis=1)

    def find(self, burst_id: str) -> int:
        """Position of a burst in this dataset.

        Raises:
            SelectionError: if it is not in it.
        """
        burst = pc.index(self._index.burst_ids, burst_id).as_py()
        found = np.flatnonzero(self._positions == burst)
        if burst < 0 or not len(found):
            hint = suggest(burst_id, self.burst_ids)
            where = "it is in another split" if burst >= 0 else f"it is in no split{hint and f'; {hint}'}"
            raise SelectionError(f"{self.root}: burst {burst_id!r} is not among these {len(self)} bursts, {where}")
        return int(found[0])

    def _open_arrays(self) -> None:
        columns: dict[str, Any] = {field.name: self._shared[field.name] for field in fields(BurstIndex)}
        self._index = BurstIndex(**columns)
        positions: Any = self._labels["positions"]
        values: Any = self._labels["values"]
        self._positions: NDArray[np.int64] = positions
        errors: Any = self._labels["errors"]
        shape = len(self.scenarios), int(self._index.starts[-1])
        self._values: NDArray[np.float32] = values.reshape(shape)
        self._errors: NDArray[np.float32] = errors.reshape(shape)


def _write_labels(root: Path, index: BurstIndex, chosen: LabelSets, positions: NDArray[np.int64]) -> SharedArrays:
    """The labels in a file, a set at a time, and the bursts of the split."""
    file = ArrayFile()
    size = int(index.starts[-1])
    file.allocate("positions", len(positions), np.int64)
    file.write("positions", 0, positions)
    for name in ("values", "errors"):
        file.allocate(name, len(chosen.sets) * size, np.float32)
    for row, values, errors in iterate_label_sets(root, index, chosen):
        file.write("values", row * size, values)
        file.write("errors", row * size, errors)
    return SharedArrays(file)


def _open_reader(root: Path, index: BurstIndex, below_black: BelowBlack) -> BurstReader:
    packed = read_description(root).get("form") == PACKED_FORM
    return PackReader(root, index, below_black) if packed else FileReader(root, below_black)


def _make_generator(seed: int, epoch: int, burst_id: str) -> np.random.Generator:
    digest = hashlib.sha256(f"{seed}:{epoch}:{burst_id}".encode()).digest()
    return np.random.Generator(np.random.Philox(int.from_bytes(digest[:16], "big")))
