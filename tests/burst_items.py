"""Items as the loader hands them out, of pixels and scores of one's own."""

from __future__ import annotations

from typing import Any

import torch

from manifests.loading.items import BurstItem


def make_burst_item(
    frames: torch.Tensor, scores: torch.Tensor, *, reference: int = 0, cfa: str = "", **changes: Any
) -> BurstItem:
    """An item as the loader makes it, of frames [T, C, H, W] and scores [S, T], of which nothing else is known."""
    unknown = torch.full((len(frames),), torch.nan)
    item: Any = {
        "burst_id": "b",
        "scene_id": "s",
        "preset": "test",
        "domain": "raw_bayer" if cfa else "linear_rgb",
        "cfa": cfa,
        "frames": frames,
        "reference_index": reference,
        "scores": scores,
        "score_mask": ~torch.isnan(scores),
        "score_errors": torch.where(torch.isnan(scores), torch.nan, 0.1),
        "exposure_ratio": torch.ones(len(frames)),
        "exposure_time": unknown,
        "iso": unknown,
        "shot_noise": unknown,
        "read_noise": unknown,
        "timestamp": unknown,
        "white_balance": torch.full((3,), torch.nan),
        "color_matrix": torch.full((3, 3), torch.nan),
        "black_level": 0.0,
        "white_level": 1.0,
        "oracle_homographies": unknown[:, None, None].expand(-1, 3, 3).clone(),
        **changes,
    }
    made: BurstItem = item
    return made
