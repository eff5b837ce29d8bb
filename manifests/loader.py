"""A data set as a PyTorch map-style dataset: correct, flat in memory, with whole scenes kept apart by its splits."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypedDict

import numpy as np
import pyarrow.compute as pc
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from manifests.burst_index import load_burst_index
from manifests.confined import read_files_inside
from manifests.errors import ImageFileError, SelectionError
from manifests.label_matrix import ScoreColumn, load_label_matrix
from manifests.pixels import apply_orientation, decode_pixels
from manifests.schema import SPLITS
from manifests.store import read_table, table_path


class BurstItem(TypedDict):
    """One burst with its labels.

    Attributes:
        burst_id: its identifier.
        frames: float32 [T, C, H, W] in [0, 1]; the mosaic with C = 1 for `raw_bayer`, else RGB. 0 is the black level and 1 the
            white level; noise below black is clipped here, and only here.
        scores: float32 [S, T]; NaN where the burst has no label of the scenario, or the estimator defines none for the frame.
        reference_index: the reference frame.
    """

    burst_id: str
    frames: torch.Tensor
    scores: torch.Tensor
    reference_index: int


class BurstBatch(TypedDict):
    """B bursts padded to the longest, the tallest and the widest.

    Attributes:
        burst_id: B identifiers.
        frames: float32 [B, T, C, H, W]; smaller bursts lie at the top left, the rest is 0.
        scores: float32 [B, S, T]; NaN where `BurstItem.scores` is, and for padding.
        mask: bool [B, T]; True for frames that are there.
        reference_index: int64 [B].
    """

    burst_id: list[str]
    frames: torch.Tensor
    scores: torch.Tensor
    mask: torch.Tensor
    reference_index: torch.Tensor


class BurstQualityDataset(Dataset[BurstItem]):
    """Bursts of a split with the scores of their frames, sorted by `burst_id`.

    Tables are held as flat arrays: worker processes share them, and hold no copy.

    Attributes:
        root: the data set.
        scenarios: the S scenarios, in the order of the rows of `scores`.
        estimators: the estimator of each.

    Args:
        root: folder of a data set.
        split: `train`, `val` or `test`; None or `all` for every burst, whatever its split.
        scenarios: which labels; None for all there are, in the order of their file names. An empty list loads pixels alone.
        estimator: of every scenario, or of each by scenario; None where each has but one.
        metric: fidelity metric of the labels.
        score: `score` in the metric's unit, `score_norm` in 0..1 within the burst, or `rank`, 1 for the best.

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
    ) -> None:
        self.root = Path(root)
        self._index = load_burst_index(self.root)
        self._positions = self._select_split(split)
        if isinstance(scenarios, str):
            scenarios = [scenarios]
        labels = load_label_matrix(
            self.root, self._index, scenarios=scenarios, estimator=estimator, metric=metric, score=score
        )
        self.scenarios, self.estimators, self._values = labels.scenarios, labels.estimators, labels.values

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
        rows = slice(int(self._index.starts[burst]), int(self._index.starts[burst + 1]))
        return {
            "burst_id": self._index.burst_ids[burst].as_py(),
            "frames": torch.from_numpy(self._read_frames(burst, rows)),
            "scores": torch.from_numpy(self._values[:, rows].copy()),
            "reference_index": int(self._index.reference_index[burst]),
        }

    @property
    def burst_ids(self) -> list[str]:
        """Identifiers of the bursts, in order."""
        names: list[str] = self._index.burst_ids.take(self._positions).to_pylist()
        return names

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Number of frames T of each burst, int64 [len(self)]."""
        return np.diff(self._index.starts)[self._positions]

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

    def _select_split(self, split: str | None) -> NDArray[np.int64]:
        if split is None or split == "all":
            positions = np.arange(len(self._index.burst_ids))
            counts = {"all": len(positions)}
        else:
            path = table_path(self.root, "splits")
            table = read_table(path, SPLITS, columns=["burst_id", "split"])
            chosen = table.filter(pc.equal(table.column("split"), split))
            positions = np.sort(self._index.locate(chosen.column("burst_id"), path))
            counts = {entry["values"]: entry["counts"] for entry in pc.value_counts(table.column("split")).to_pylist()}
        if not len(positions):
            there = ", ".join(f"{name} ({count})" for name, count in sorted(counts.items()) if count) or "none"
            raise SelectionError(f"{self.root}: split {split!r} has no bursts: there are {there}")
        return positions

    def _read_frames(self, burst: int, rows: slice) -> NDArray[np.float32]:
        index = self._index
        height, width, channels = int(index.height[burst]), int(index.width[burst]), int(index.channels[burst])
        black = index.black_level[burst]
        gain = np.float32(1) / (index.white_level[burst] - black)
        frames = np.empty((rows.stop - rows.start, channels, height, width), np.float32)
        paths, root = index.paths[rows].to_pylist(), str(self.root)
        for frame, path, data, orientation in zip(
            frames, paths, read_files_inside(self.root, paths), index.orientation[rows].tolist(), strict=True
        ):
            pixels = decode_pixels(data, f"{root}/{path}")
            if orientation != 1:
                pixels = apply_orientation(pixels, orientation)
            planes = pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
            if planes.shape != frame.shape:
                raise ImageFileError(
                    f"{self.root / path}: expected {channels} x {height} x {width}, got {' x '.join(map(str, planes.shape))}"
                )
            np.subtract(planes, black, out=frame, dtype=np.float32)
            np.multiply(frame, gain, out=frame)
            frame.clip(0, 1, out=frame)
        return frames


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
    frames = torch.zeros(len(items), length, channels.pop(), height, width)
    scores = torch.full((len(items), items[0]["scores"].shape[0], length), torch.nan)
    mask = torch.zeros(len(items), length, dtype=torch.bool)
    for row, item in enumerate(items):
        count, _, rows, columns = item["frames"].shape
        frames[row, :count, :, :rows, :columns] = item["frames"]
        scores[row, :, :count] = item["scores"]
        mask[row, :count] = True
    return {
        "burst_id": [item["burst_id"] for item in items],
        "frames": frames,
        "scores": scores,
        "mask": mask,
        "reference_index": torch.tensor([item["reference_index"] for item in items]),
    }
