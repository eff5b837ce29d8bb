"""Find pictures that two splits show under different names."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from manifests.errors import ManifestError
from manifests.images.appearance import MIN_CORRELATION, correlate_thumbnails, find_near_pairs, read_thumbnail
from manifests.problem import Problem
from manifests.schema.words import MOST_PIXELS, MOST_PIXELS_HERE, PERCEPTUAL_HASH

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


class Reference(NamedTuple):
    """The picture that stands for a burst.

    Attributes:
        burst: row of `bursts`.
        frame: row of `frames`, of its reference.
    """

    burst: Mapping[str, Any]
    frame: Mapping[str, Any]


ReadThumbnails = Callable[[Sequence[Reference]], Sequence[NDArray[np.float32] | None]]
"""Thumbnails as `manifests.images.appearance.make_thumbnail`; None where a picture cannot be read."""


def find_near_duplicates(
    bursts: pd.DataFrame, frames: Iterable[pd.DataFrame], splits: pd.DataFrame, *, read: ReadThumbnails
) -> Iterator[NearDuplicate]:
    """Bursts of different splits and scenes whose reference frames look alike.

    Pairs whose perceptual hashes are close are compared by the thumbnails themselves, so that likeness by chance is no problem.
    Each burst is reported once, with the first burst that it is like.

    Args:
        bursts: the table `bursts`.
        frames: the table `frames`, in pieces, which are looked at only where hashes are close.
        splits: the table `splits`.
        read: how to read thumbnails; is asked once, and only where hashes are close.
    """
    rows = bursts.drop_duplicates("burst_id").merge(splits[["burst_id", "split"]].drop_duplicates("burst_id"))
    rows = rows[rows["perceptual_hash"].fillna("").str.fullmatch(PERCEPTUAL_HASH)].reset_index(drop=True)
    scenes, splits_of, names = rows["scene_id"].tolist(), rows["split"].tolist(), rows["burst_id"].tolist()
    pairs = [
        pair
        for pair in find_near_pairs(rows["perceptual_hash"].tolist(), splits_of)[:_MAX_COMPARISONS]
        if scenes[pair.first] != scenes[pair.second]
    ]
    references = _find_references(rows, frames, {place for pair in pairs for place in pair[:2]})
    thumbnails = dict(zip(references, read([*references.values()]) if references else [], strict=True))
    reported: set[int] = set()
    for pair in pairs:
        first, second = thumbnails.get(pair.first), thumbnails.get(pair.second)
        if first is None or second is None or {pair.first, pair.second} <= reported:
            continue
        correlation = correlate_thumbnails(first, second)
        if correlation < MIN_CORRELATION:
            continue
        reported |= {pair.first, pair.second}
        labels = names[pair.first], names[pair.second], splits_of[pair.first], splits_of[pair.second]
        yield NearDuplicate(*labels, pair.distance, correlation)


def check_near_duplicates(
    bursts: pd.DataFrame, frames: Iterable[pd.DataFrame], splits: pd.DataFrame, *, read: ReadThumbnails
) -> Iterator[Problem]:
    """One problem for each pair of `find_near_duplicates`."""
    for pair in find_near_duplicates(bursts, frames, splits, read=read):
        yield Problem(
            "manifests/splits.parquet",
            f"burst_id={pair.first}",
            f"perceptual_hash: looks like {pair.second} ({pair.distance} of 64 bits differ), but lies in "
            f"{pair.split} and that in {pair.other_split}; give both one scene_id, or remove one",
        )


def read_here(root: Path, references: Sequence[Reference]) -> list[NDArray[np.float32] | None]:
    """Thumbnails that this process decodes, one picture after the other; None for those of more than `MOST_PIXELS_HERE`."""
    return [read_or_none(root, reference, most=MOST_PIXELS_HERE) for reference in references]


def read_or_none(root: Path, reference: Reference, *, most: int = MOST_PIXELS) -> NDArray[np.float32] | None:
    """As `read_thumbnail`; None where the picture cannot be read, which the checks of files and rows report."""
    try:
        return read_thumbnail(root, reference.burst, reference.frame, most=most)
    except (ManifestError, OSError, ValueError, ZeroDivisionError):
        return None


def _find_references(
    rows: pd.DataFrame, frames: Iterable[pd.DataFrame], places: Collection[int]
) -> dict[int, Reference]:
    """By place in `rows`, in order; bursts without a reference are left out."""
    wanted = rows.loc[sorted(places)]
    known: dict[Any, Any] = {}
    for piece in frames if len(wanted) else ():
        mine = piece[piece["burst_id"].isin(wanted["burst_id"]) & piece["is_reference"].fillna(value=False)]
        own: dict[Any, Any] = mine.drop_duplicates("burst_id").set_index("burst_id", drop=False).to_dict("index")
        known = own | known
    bursts: dict[Any, Any] = wanted.to_dict("index")
    return {
        place: Reference(burst, known[burst["burst_id"]])
        for place, burst in bursts.items()
        if burst["burst_id"] in known
    }
