"""Items of the loader as bursts, and the motion between their frames as measured: the counterpart of the oracle that items hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from manifests.loading.items import BurstItem
from restorers.burst import CFA, Burst, Domain
from restorers.motion.align import align_burst


def to_burst(item: BurstItem) -> Burst:
    """An item of the loader as restorers take it; true motion and truth are left out.

    Numbers that some frame lacks count as unknown for all, as when labels are made.
    """
    pixels = item["frames"].numpy()
    known: dict[str, Any] = {}
    for name in ("exposure_ratio", "shot_noise", "read_noise", "white_balance", "color_matrix"):
        values = item[name].numpy().astype(np.float64)
        if not np.isnan(values).any():
            known[name] = values
    if not {"shot_noise", "read_noise"} <= known.keys():
        known.pop("shot_noise", None)
        known.pop("read_noise", None)
    return Burst(
        frames=pixels[:, 0] if pixels.shape[1] == 1 else np.ascontiguousarray(pixels.transpose(0, 2, 3, 1)),
        reference_index=item["reference_index"],
        domain=Domain(item["domain"]),
        cfa=CFA(item["cfa"]) if item["cfa"] else None,
        black_level=item["black_level"],
        white_level=item["white_level"],
        timestamps=item["timestamp"].numpy().astype(np.float64),
        **known,
    )


@dataclass(frozen=True)
class EstimateMotion:
    """A transform of the loader that adds `estimated_homographies`, measured between the pixels of the item: no oracle.

    It belongs before transforms that crop: motion is told better from whole frames.
    """

    def __call__(self, item: BurstItem, random: np.random.Generator) -> BurstItem:  # noqa: ARG002  # a transform takes it
        """Measure."""
        alignment = align_burst(to_burst(item))
        matrices = np.where(alignment.aligned[:, None, None], alignment.homographies, np.nan)
        return {**item, "estimated_homographies": torch.from_numpy(matrices.astype(np.float32))}
