"""Which bursts the report shows, and their pictures as text that fits into one file."""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from dataset_builder.audit.burst_view import BurstView, view_bursts
from dataset_builder.audit.tables import Tables
from dataset_builder.thumbnails import read_thumbnail
from manifests.errors import ManifestError

MAX_BURSTS = 24
MAX_FRAMES = 20
"""Frames shown of one burst."""
THUMBNAIL_SIZE = 112
"""Longest side of a thumbnail, pixels: 24 × 20 of them, each with noise of 16 % of white, take 4.1 MiB."""
_QUALITY = 80


@dataclass(frozen=True)
class GalleryBurst:
    """One burst of the contact sheet.

    Attributes:
        view: what is known of it; every frame, shown or not.
        shown: indices of the frames shown, the reference among them.
        pictures: one `data:` URI per frame shown; None where the file cannot be read.
    """

    view: BurstView
    shown: tuple[int, ...]
    pictures: tuple[str | None, ...]


def build_gallery(
    root: Path, tables: Tables, label_sets: pd.DataFrame, *, limit: int = MAX_BURSTS
) -> list[GalleryBurst]:
    """Choose bursts and read their pictures.

    Args:
        root: the data set.
        tables: its manifests.
        label_sets: the scores to show.
        limit: number of bursts.
    """
    views = view_bursts(tables, choose_bursts(tables.bursts, limit=limit), label_sets)
    gallery = []
    for view in views:
        shown = choose_frames(len(view.frames), view.reference_index, limit=MAX_FRAMES)
        pictures = tuple(_read_picture(root, view.burst, view.frames[index]) for index in shown)
        gallery.append(GalleryBurst(view, shown, pictures))
    return gallery


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


def encode_picture(picture: NDArray[np.uint8]) -> str:
    """uint8 RGB [h, w, 3] as a `data:` URI of a WebP."""
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "WEBP", quality=_QUALITY, method=4)
    return "data:image/webp;base64," + base64.b64encode(stream.getvalue()).decode()


def _read_picture(root: Path, burst: Mapping[str, Any], frame: Mapping[str, Any]) -> str | None:
    # A report on a damaged data set is worth more than none; `verify` is there to complain.
    try:
        return encode_picture(read_thumbnail(root, burst, frame, THUMBNAIL_SIZE))
    except ManifestError:
        return None
