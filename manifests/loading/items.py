"""What the loader hands out: one burst with its labels, and several of them padded to a batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, NotRequired, TypeAlias, TypedDict

import numpy as np
import torch

FrameNumber: TypeAlias = Literal[
    "exposure_ratio", "exposure_time", "iso", "shot_noise", "read_noise", "timestamp", "oracle_homographies"
]
FRAME_NUMBERS: tuple[FrameNumber, ...] = (
    "exposure_ratio",
    "exposure_time",
    "iso",
    "shot_noise",
    "read_noise",
    "timestamp",
    "oracle_homographies",
)
"""Keys of an item that hold something for each frame, beside pixels and labels; all are float32, NaN where unknown."""


class _Tensors(TypedDict):
    """What items and batches both hold as tensors."""

    frames: torch.Tensor
    scores: torch.Tensor
    score_mask: torch.Tensor
    score_errors: torch.Tensor
    exposure_ratio: torch.Tensor
    exposure_time: torch.Tensor
    iso: torch.Tensor
    shot_noise: torch.Tensor
    read_noise: torch.Tensor
    timestamp: torch.Tensor
    white_balance: torch.Tensor
    color_matrix: torch.Tensor
    oracle_homographies: torch.Tensor
    estimated_homographies: NotRequired[torch.Tensor]
    truth: NotRequired[torch.Tensor]
    pairs: NotRequired[torch.Tensor]


class BurstItem(_Tensors):
    """One burst with its labels. What is unknown is NaN.

    Attributes:
        burst_id: its identifier.
        scene_id: what was photographed.
        preset: preset of the synthesis; `ingested` for real bursts.
        domain: raw_bayer, linear_rgb or srgb.
        cfa: RGGB, GRBG, GBRG or BGGR by the top-left pixel; empty for RGB.
        frames: float32 [T, C, H, W]; the mosaic with C = 1 for `raw_bayer`, else RGB. 0 is the black level and 1 the white level; what
            lies beyond is clipped, unless the data set keeps what noise leaves below black.
        reference_index: the reference frame.
        scores: float32 [S, T]; NaN where the burst has no label of the set, or the estimator defines none for the frame.
        score_mask: bool [S, T]; True where there is a score.
        score_errors: float32 [S, T], one standard deviation of the label's own uncertainty in the unit of `scores`: that of sampling and,
            where it was measured, of noise in the pixels; NaN without a score, and for ranks.
        exposure_ratio: float32 [T]; light gathered times gain, relative to the reference.
        exposure_time: float32 [T]; seconds.
        iso: float32 [T].
        shot_noise: float32 [T]; a in the variance a·signal + b of the sensor's noise, signal 1 at white; NaN for developed pictures.
        read_noise: float32 [T]; b.
        timestamp: float32 [T]; seconds since the first frame.
        white_balance: float32 [3]; gains of R, G, B that make grey grey.
        color_matrix: float32 [3, 3]; white-balanced camera RGB to linear sRGB.
        black_level: stored value that means no light.
        white_level: stored value that means 1.
        oracle_homographies: float32 [T, 3, 3], reference to frame pixel, (x, y), pixel centres at integers: the true motion of synthetic
            frames. **An oracle**: no camera knows it. What reads it may judge models, but is none that works on photographs.
        estimated_homographies: float32 [T, 3, 3], likewise, as measured between the pixels; only after `assessors.EstimateMotion`; NaN
            where no motion aligns the frame.
        truth: float32 [3, H·scale, W·scale], linear light, 1 at white in the reference; only on request; NaN without truth.
        pairs: int64 [S, P, 2], the better and the worse frame; only after `ranking.DrawPairs`; −1 where there is no pair.
    """

    burst_id: str
    scene_id: str
    preset: str
    domain: str
    cfa: str
    reference_index: int
    black_level: float
    white_level: float


class BurstBatch(_Tensors):
    """B bursts padded to the longest, the tallest and the widest; keys that are not listed are those of `BurstItem`, stacked.

    Attributes:
        burst_id: B identifiers; likewise `scene_id`, `preset`, `domain` and `cfa`.
        frames: float32 [B, T, C, H, W]; smaller bursts lie at the top left, the rest is 0.
        mask: bool [B, T]; True for frames that are there.
        reference_index: int64 [B].
        scores: float32 [B, S, T]; NaN where `BurstItem.scores` is, and for padding; likewise `score_errors`.
        score_mask: bool [B, S, T]; True where there is a score.
        exposure_ratio: float32 [B, T]; NaN for padding, as in all that follows for each frame.
        white_balance: float32 [B, 3].
        color_matrix: float32 [B, 3, 3].
        black_level: float32 [B].
        white_level: float32 [B].
        oracle_homographies: float32 [B, T, 3, 3].
        estimated_homographies: float32 [B, T, 3, 3], where all items have them.
        truth: float32 [B, 3, H, W], where all items have one; NaN beyond it.
        pairs: int64 [B, S, P, 2], where all items have pairs.
    """

    burst_id: list[str]
    scene_id: list[str]
    preset: list[str]
    domain: list[str]
    cfa: list[str]
    mask: torch.Tensor
    reference_index: torch.Tensor
    black_level: torch.Tensor
    white_level: torch.Tensor


Transform = Callable[[BurstItem, np.random.Generator], BurstItem]
"""Changes an item; all its randomness comes from the generator."""


def keep_frames(item: BurstItem, kept: torch.Tensor) -> BurstItem:
    """The item of some of its frames.

    Args:
        item: a burst.
        kept: int64 [K], increasing; the reference must be among them.
    """
    shorter: BurstItem = {
        **item,
        "frames": item["frames"][kept],
        "scores": item["scores"][:, kept],
        "score_mask": item["score_mask"][:, kept],
        "score_errors": item["score_errors"][:, kept],
        "reference_index": int((kept == item["reference_index"]).nonzero()),
    }
    for name in FRAME_NUMBERS:
        shorter[name] = item[name][kept]
    if "estimated_homographies" in item:
        shorter["estimated_homographies"] = item["estimated_homographies"][kept]
    return shorter


def collate_bursts(items: Sequence[BurstItem]) -> BurstBatch:
    """Pad bursts of unequal length and size, for `DataLoader(collate_fn=collate_bursts)`.

    Raises:
        ValueError: if there are none, or mosaics and RGB are mixed.
    """
    if not items:
        raise ValueError("items: expected at least one burst, got none")
    if len({item["frames"].shape[1] for item in items}) > 1:
        raise ValueError("items: expected mosaics or RGB, got both; batch bursts of one domain together")
    length = max(len(item["frames"]) for item in items)
    scores = _pad([item["scores"].T for item in items], torch.nan).transpose(1, 2)
    errors = _pad([item["score_errors"].T for item in items], torch.nan).transpose(1, 2)
    counts = torch.tensor([len(item["frames"]) for item in items])
    batch: BurstBatch = {
        "burst_id": [item["burst_id"] for item in items],
        "scene_id": [item["scene_id"] for item in items],
        "preset": [item["preset"] for item in items],
        "domain": [item["domain"] for item in items],
        "cfa": [item["cfa"] for item in items],
        "frames": _pad([item["frames"] for item in items], 0),
        "mask": torch.arange(length) < counts[:, None],
        "reference_index": torch.tensor([item["reference_index"] for item in items]),
        "scores": scores.contiguous(),
        "score_mask": ~torch.isnan(scores),
        "score_errors": errors.contiguous(),
        "exposure_ratio": _pad([item["exposure_ratio"] for item in items], torch.nan),
        "exposure_time": _pad([item["exposure_time"] for item in items], torch.nan),
        "iso": _pad([item["iso"] for item in items], torch.nan),
        "shot_noise": _pad([item["shot_noise"] for item in items], torch.nan),
        "read_noise": _pad([item["read_noise"] for item in items], torch.nan),
        "timestamp": _pad([item["timestamp"] for item in items], torch.nan),
        "white_balance": torch.stack([item["white_balance"] for item in items]),
        "color_matrix": torch.stack([item["color_matrix"] for item in items]),
        "black_level": torch.tensor([item["black_level"] for item in items]),
        "white_level": torch.tensor([item["white_level"] for item in items]),
        "oracle_homographies": _pad([item["oracle_homographies"] for item in items], torch.nan),
    }
    if all("estimated_homographies" in item for item in items):
        batch["estimated_homographies"] = _pad([item["estimated_homographies"] for item in items], torch.nan)
    if all("truth" in item for item in items):
        batch["truth"] = _pad([item["truth"] for item in items], torch.nan)
    if all("pairs" in item for item in items):
        batch["pairs"] = torch.stack([item["pairs"] for item in items])
    return batch


def _pad(values: Sequence[torch.Tensor], filling: float) -> torch.Tensor:
    """Stack tensors of as many axes, each at the beginning of its place."""
    shape = [max(sides) for sides in zip(*(value.shape for value in values), strict=True)]
    padded = torch.full((len(values), *shape), filling, dtype=values[0].dtype)
    for place, value in zip(padded, values, strict=True):
        place[tuple(slice(side) for side in value.shape)] = value
    return padded
