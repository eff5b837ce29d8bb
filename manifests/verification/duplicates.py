"""Find pictures that two splits show under different names."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from manifests.errors import ManifestError
from manifests.images.appearance import MIN_CORRELATION, correlate_thumbnails, find_near_pairs, read_thumbnail
from manifests.problem import Problem
from manifests.schema.words import MOST_PIXELS_HERE, PERCEPTUAL_HASH

_MAX_COMPARISONS = 100_000
"""Pairs of pictures that are compared for good; a data set of flat pictures has millions whose hashes are close."""


class NearDuplicate(NamedTuple):
    """Two bursts of different splits and scenes that look alike.

    Attributes:
        first: burst_id.
        second: burst_id.
        split: split of the first.
        other_split: other split of the second.
        distance: bits in which their hashes differ.
        correlation: correlation of their thumbnails.
    """

    first: str
    second: str
    split: str
    other_split: str
    distance: int
    correlation: float


def find_near_duplicates(
    root: Path, bursts: pd.DataFrame, frames: pd.DataFrame, splits: pd.DataFrame
) -> Iterator[NearDuplicate]:
    """Bursts of different splits and scenes whose reference frames look alike.

    Pairs whose perceptual hashes are close are compared by the thumbnails themselves, so that likeness by chance is no problem.
    Each burst is reported once, with the first burst that it is like.

    Args:
        root: the data set, for its pixels.
        bursts: the table `bursts`.
        frames: the table `frames`.
        splits: the table `splits`.
    """
    rows = bursts.drop_duplicates("burst_id").merge(splits[["burst_id", "split"]].drop_duplicates("burst_id"))
    rows = rows[rows["perceptual_hash"].fillna("").str.fullmatch(PERCEPTUAL_HASH)].reset_index(drop=True)
    references = frames[frames["is_reference"].fillna(value=False)].drop_duplicates("burst_id").set_index("burst_id")
    thumbnail = _remember_thumbnails(root, rows, references)
    scenes, splits_of, names = rows["scene_id"].tolist(), rows["split"].tolist(), rows["burst_id"].tolist()
    reported: set[int] = set()
    for pair in find_near_pairs(rows["perceptual_hash"].tolist(), splits_of)[:_MAX_COMPARISONS]:
        if scenes[pair.first] == scenes[pair.second] or {pair.first, pair.second} <= reported:
            continue
        first, second = thumbnail(pair.first), thumbnail(pair.second)
        if first is None or second is None:
            continue
        correlation = correlate_thumbnails(first, second)
        if correlation < MIN_CORRELATION:
            continue
        reported |= {pair.first, pair.second}
        labels = names[pair.first], names[pair.second], splits_of[pair.first], splits_of[pair.second]
        yield NearDuplicate(*labels, pair.distance, correlation)


def check_near_duplicates(
    root: Path, bursts: pd.DataFrame, frames: pd.DataFrame, splits: pd.DataFrame
) -> Iterator[Problem]:
    """One problem for each pair of `find_near_duplicates`, which takes the same arguments."""
    for pair in find_near_duplicates(root, bursts, frames, splits):
        yield Problem(
            "manifests/splits.parquet",
            f"burst_id={pair.first}",
            f"perceptual_hash: looks like {pair.second} ({pair.distance} of 64 bits differ), but lies in "
            f"{pair.split} and that in {pair.other_split}; give both one scene_id, or remove one",
        )


def _remember_thumbnails(root: Path, rows: pd.DataFrame, references: pd.DataFrame) -> Any:
    @cache
    def read(position: int) -> NDArray[np.float32] | None:
        burst: Any = rows.loc[position].to_dict()
        if burst["burst_id"] not in references.index:
            return None
        try:
            return read_thumbnail(root, burst, references.loc[burst["burst_id"]].to_dict(), most=MOST_PIXELS_HERE)
        except (ManifestError, OSError, ValueError, ZeroDivisionError):
            return None  # the checks of files and rows report it

    return read
