"""Which bursts and frames the report shows: few, spread evenly, always the same ones."""

from __future__ import annotations

import hashlib

import numpy as np
import pandas as pd

SAMPLE_SIZE = 24
"""Bursts of the contact sheet, which are also restored with and without their frames."""
MAX_FRAMES = 20
"""Frames shown of one burst."""


def choose_bursts(bursts: pd.DataFrame, *, limit: int) -> list[str]:
    """Up to `limit` bursts, spread evenly over sources and presets and then over scenes, always the same ones.

    Which burst of a scene comes first is decided by a hash of its id, so the choice favours no name. Sorted by source, preset and id.
    """
    order = bursts[["burst_id", "source", "preset", "scene_id"]].copy()
    order["draw"] = [hashlib.sha256(name.encode()).hexdigest() for name in order["burst_id"]]
    order = order.sort_values("draw")
    order["turn"] = order.groupby(["source", "preset", "scene_id"]).cumcount()
    order = order.sort_values(["turn", "draw"])
    order["round"] = order.groupby(["source", "preset"]).cumcount()
    chosen = order.sort_values(["round", "source", "preset"]).head(limit)
    return list(chosen.sort_values(["source", "preset", "burst_id"])["burst_id"])


def choose_frames(num_frames: int, reference_index: int, *, limit: int) -> tuple[int, ...]:
    """All frames of a short burst; of a long one `limit` or one less, evenly spaced, the reference in place of its neighbour."""
    if num_frames <= limit:
        return tuple(range(num_frames))
    spaced = np.rint(np.linspace(0, num_frames - 1, limit)).astype(int)
    spaced[np.abs(spaced - reference_index).argmin()] = reference_index
    return tuple(sorted({int(index) for index in spaced}))
