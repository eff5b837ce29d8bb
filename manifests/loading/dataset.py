"""A data set as a PyTorch map-style dataset: correct, flat in memory, with whole scenes kept apart by its splits."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, NotRequired, TypedDict

import numpy as np
import pyarrow.compute as pc
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset, get_worker_info

from manifests.description import PACKED_FORM, read_description
from manifests.errors import SelectionError
from manifests.loading.index import BurstIndex, load_burst_index
from manifests.loading.labels import ScoreColumn, load_label_matrix
from manifests.loading.reader import BurstReader, FileReader, PackReader
from manifests.loading.shared_arrays import SharedArrays
from manifests.schema import CFA_PATTERNS, SPLITS
from manifests.storage import locate_dataset
from manifests.store import read_table, table_path


class BurstItem(TypedDict):
    """One burst with its labels.

    Attributes:
        burst_id: its identifier.
        frames: float32 [T, C, H, W] in [0, 1]; the mosaic with C = 1 for `raw_bayer`, else RGB. 0 is the black level and 1 the
            white level; noise below black is clipped here, and only here.
        scores: float32 [S, T]; NaN where the burst has no label of the scenario, or the estimator defines none for the frame.
        score_mask: bool [S, T]; True where there is a score.
        reference_index: the reference frame.
        homographies: float32 [T, 3, 3], reference to frame pixel, (x, y), pixel centres at integers; NaN where unknown.
        cfa: RGGB, GRBG, GBRG or BGGR by the top-left pixel; empty for RGB.
        pairs: int64 [S, P, 2], the better and the worse frame; only after `ranking.DrawPairs`; −1 where there is no pair.
    """

    burst_id: str
    frames: torch.Tensor
    scores: torch.Tensor
    score_mask: torch.Tensor
    reference_index: int
    homographies: torch.Tensor
    cfa: str
    pairs: NotRequired[torch.Tensor]


class BurstBatch(TypedDict):
    """B bursts padded to the longest, the tallest and the widest.

    Attributes:
        burst_id: B identifiers.
        frames: float32 [B, T, C, H, W]; smaller bursts lie at the top left, the rest is 0.
        scores: float32 [B, S, T]; NaN where `BurstItem.scores` is, and for padding.
        score_mask: bool [B, S, T]; True where there is a score.
        mask: bool [B, T]; True for frames that are there.
        reference_index: int64 [B].
        homographies: float32 [B, T, 3, 3]; NaN where unknown, and for padding.
        cfa: B patterns.
        pairs: int64 [B, S, P, 2], where all items have pairs.
    """

    burst_id: list[str]
    frames: torch.Tensor
    scores: torch.Tensor
    score_mask: torch.Tensor
    mask: torch.Tensor
    reference_index: torch.Tensor
    homographies: torch.Tensor
    cfa: list[str]
    pairs: NotRequired[torch.Tensor]


Transform = Callable[[BurstItem, np.random.Generator], BurstItem]
"""Changes an item; all its randomness comes from the generator."""


class BurstQualityDataset(Dataset[BurstItem]):
    """Bursts of a split with the scores of their frames, sorted by `burst_id`.

    Reads a data set of image files or a pack of one, alike. Tables are held in one memory-mapped file: worker processes share it,
    forked or spawned, and hold no copy.

    Attributes:
        root: the data set.
        scenarios: the S scenarios, in the order of the rows of `scores`.
        estimators: the estimator of each.
        higher_is_better: whether a frame of higher score is worth more; False for ranks.

    Args:
        root: folder of a data set or of a pack, or the URI of one on object storage, which is fetched into the local cache first.
        split: `train`, `val` or `test`; None or `all` for every burst, whatever its split.
        scenarios: which labels; None for all there are, in the order of their file names. An empty list loads pixels alone.
        estimator: estimator of every scenario, or of each by scenario; None where each has but one.
        metric: fidelity metric of the labels.
        score: `score` in the metric's unit, `score_norm` in 0..1 within the burst, or `rank`, 1 for the best.
        fold: fold of cross-validation: `test` is that fold and `train` all others, whatever the column `split` says.
        transform: applied to every item. Its random numbers depend on `seed`, the epoch and the burst alone, not on the worker, once
            somebody told the epoch, as the samplers here do. Else they are new each time that an item is read.
        seed: seed of the transform.

    Raises:
        SelectionError: if the split is empty or something chosen is not there; the message names what is.
        ManifestError: if `root` is no data set of this format, or a table is damaged.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        split: str | None = "train",
        scenarios: Sequence[str] | None = None,
        *,
        estimator: str | Mapping[str, str] | None = None,
        metric: str = "psnr",
        score: ScoreColumn = "score",
        fold: int | None = None,
        transform: Transform | None = None,
        seed: int = 0,
    ) -> None:
        self.root = locate_dataset(root)
        index = load_burst_index(self.root)
        positions = self._select_split(index, split, fold)
        if isinstance(scenarios, str):
            scenarios = [scenarios]
        labels = load_label_matrix(
            self.root, index, scenarios=scenarios, estimator=estimator, metric=metric, score=score
        )
        self.scenarios, self.estimators = labels.scenarios, labels.estimators
        self.higher_is_better = score != "rank"
        self._transform, self._seed = transform, seed
        # Shared, so that workers that outlive an epoch learn of the next one; −1 until somebody tells.
        self._epoch = torch.full((1,), -1, dtype=torch.int64).share_memory_()  # type: ignore[no-untyped-call]
        self._readings = 0
        self._reader = _open_reader(self.root, index)
        columns = {field.name: getattr(index, field.name) for field in fields(index)}
        self._shared = SharedArrays({**columns, "positions": positions, "values": labels.values.ravel()})
        self._open_arrays()

    def __getstate__(self) -> dict[str, Any]:
        """All but the arrays, which travel as the name of their file."""
        return {name: value for name, value in self.__dict__.items() if name not in {"_index", "_positions", "_values"}}

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
            "frames": self._reader.read(index, burst),
            "scores": scores,
            "score_mask": ~torch.isnan(scores),
            "reference_index": int(index.reference_index[burst]),
            "homographies": torch.from_numpy(index.homography[9 * first : 9 * last].reshape(-1, 3, 3).copy()),
            "cfa": CFA_PATTERNS[cfa] if cfa >= 0 else "",
        }
        if self._transform is None:
            return sample
        moment = f"{int(self._epoch)}" if self._epoch >= 0 else self._tell_moment()
        return self._transform(sample, _make_generator(self._seed, moment, sample["burst_id"]))

    def set_epoch(self, epoch: int) -> None:
        """Let the transform draw anew; reaches workers that are running already. Samplers of `manifests.loading.batches` call it."""
        self._epoch.fill_(epoch)

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
            where = "another split" if burst >= 0 else "no split"
            raise SelectionError(
                f"{self.root}: burst {burst_id!r} is not among these {len(self)} bursts, it is in {where}"
            )
        return int(found[0])

    def _tell_moment(self) -> str:
        """What tells this reading of an item from all others, where nobody told the epoch.

        DataLoader seeds its workers anew for each epoch; in the process of the dataset itself the readings are counted.
        """
        self._readings += 1
        worker = get_worker_info()
        return f"reading {self._readings}" + (f" of {worker.seed}" if worker is not None else "")

    def _open_arrays(self) -> None:
        columns: dict[str, Any] = {field.name: self._shared[field.name] for field in fields(BurstIndex)}
        self._index = BurstIndex(**columns)
        positions: Any = self._shared["positions"]
        values: Any = self._shared["values"]
        self._positions: NDArray[np.int64] = positions
        self._values: NDArray[np.float32] = values.reshape(len(self.scenarios), int(self._index.starts[-1]))

    def _select_split(self, index: BurstIndex, split: str | None, fold: int | None) -> NDArray[np.int64]:
        if split is None or split == "all":
            positions = np.arange(len(index.burst_ids))
            counts = {"all": len(positions)}
        else:
            path = table_path("splits")
            table = read_table(self.root, path, SPLITS, columns=["burst_id", "split", "fold"])
            names = table.column("split")
            if fold is not None:
                folds = table.column("fold")
                if not pc.any(pc.equal(folds, fold)).as_py():
                    there = pc.count(folds).as_py() and pc.count_distinct(folds).as_py()
                    raise SelectionError(
                        f"{self.root}: no fold {fold}: there are {there} folds; make them with `buiqa split --folds`"
                    )
                names = pc.if_else(pc.fill_null(pc.equal(folds, fold), fill_value=False), "test", "train")
            chosen = table.filter(pc.equal(names, split))
            positions = np.sort(index.locate(chosen.column("burst_id"), self.root / path))
            counts = {entry["values"]: entry["counts"] for entry in pc.value_counts(names).to_pylist()}
        if not len(positions):
            there = ", ".join(f"{name} ({count})" for name, count in sorted(counts.items()) if count) or "none"
            raise SelectionError(f"{self.root}: split {split!r} has no bursts: there are {there}")
        return positions.astype(np.int64)


def collate_bursts(items: Sequence[BurstItem]) -> BurstBatch:
    """Pad bursts of unequal length and size, for `DataLoader(collate_fn=collate_bursts)`.

    Raises:
        ValueError: if there are none, or mosaics and RGB are mixed.
    """
    if not items:
        raise ValueError("items: expected at least one burst, got none")
    channels = {item["frames"].shape[1] for item in items}
    if len(channels) > 1:
        raise ValueError("items: expected mosaics or RGB, got both; batch bursts of one domain together")
    length, height, width = (max(item["frames"].shape[axis] for item in items) for axis in (0, 2, 3))
    count = len(items)
    frames = torch.zeros(count, length, channels.pop(), height, width)
    scores = torch.full((count, items[0]["scores"].shape[0], length), torch.nan)
    homographies = torch.full((count, length, 3, 3), torch.nan)
    mask = torch.zeros(count, length, dtype=torch.bool)
    for row, item in enumerate(items):
        number, _, rows, columns = item["frames"].shape
        frames[row, :number, :, :rows, :columns] = item["frames"]
        scores[row, :, :number] = item["scores"]
        homographies[row, :number] = item["homographies"]
        mask[row, :number] = True
    batch: BurstBatch = {
        "burst_id": [item["burst_id"] for item in items],
        "frames": frames,
        "scores": scores,
        "score_mask": ~torch.isnan(scores),
        "mask": mask,
        "reference_index": torch.tensor([item["reference_index"] for item in items]),
        "homographies": homographies,
        "cfa": [item["cfa"] for item in items],
    }
    if all("pairs" in item for item in items):
        batch["pairs"] = torch.stack([item["pairs"] for item in items])
    return batch


def _open_reader(root: Path, index: BurstIndex) -> BurstReader:
    packed = read_description(root).get("form") == PACKED_FORM
    return PackReader(root, index) if packed else FileReader(root)


def _make_generator(seed: int, moment: str, burst_id: str) -> np.random.Generator:
    digest = hashlib.sha256(f"{seed}:{moment}:{burst_id}".encode()).digest()
    return np.random.Generator(np.random.Philox(int.from_bytes(digest[:16], "big")))
