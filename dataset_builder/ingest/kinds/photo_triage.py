"""Photo Triage (Chang et al., SIGGRAPH 2016): photo series, and which photo of each pair people prefer.

A line of a list is `SERIES PHOTO1 PHOTO2 P RANK1 RANK2`: numbers from 1, P the probability that the first photo is preferred under the
authors' own Bradley-Terry model, rank 1 the best. Images are `%06d-%02d.JPG`.
"""

from __future__ import annotations

import glob
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator

from dataset_builder.decoding.source_files import require_plain, resolve_inside
from dataset_builder.errors import MissingSourceError, SourceError
from dataset_builder.ingest.files import FileFrames, require_frames
from dataset_builder.ingest.reader import Finding, FoundBurst, RejectedBurst, Remark
from dataset_builder.ingest.source import CaptureSource
from dataset_builder.judgements.annotations import AnnotatedBurst, Annotations
from dataset_builder.judgements.preferences import (
    EXTREME,
    PREFERENCES_VERSION,
    Judgements,
    count_agreements,
    fit_preferences,
)
from dataset_builder.settings import require_inside
from dataset_builder.settings.roots import Layout
from dataset_builder.work.unit import hash_facts
from manifests.confined.plain import hash_plain
from manifests.errors import UnsafePathError

SCENARIO = "subjective/photo_triage"
MAX_LIST_BYTES = 50_000_000
_MAX_NUMBER = 999_999


class PairListError(SourceError):
    """A line of a pair list makes no sense."""


@dataclass(frozen=True, eq=False)
class Series:
    """One series of a list.

    Attributes:
        number: the number in the list.
        split: split of the list.
        photos: int64 [T], numbers of its photos, rising.
        judgements: judgements of its pairs, frames counted in `photos`.
        rank: int64 [P, 2], what the list says of the pair's photos.
    """

    number: int
    split: str
    photos: NDArray[np.int64]
    judgements: Judgements
    rank: NDArray[np.int64]

    @cached_property
    def strongest(self) -> float:
        """Share of the judgements that the most decided pair has, 0.5..1."""
        return float(np.maximum(self.judgements.preference, 1 - self.judgements.preference).max())

    @property
    def names(self) -> tuple[str, ...]:
        """Image files of its photos."""
        return tuple(f"{self.number:06d}-{photo:02d}.JPG" for photo in self.photos.tolist())


def read_pairs(path: Path, split: str, *, votes: float = 1.0) -> list[Series]:
    """Read a pair list.

    Args:
        path: path of the list.
        split: that it stands for.
        votes: judgements behind each pair, which the list does not tell.

    Returns:
        Its series in rising order of their numbers.

    Raises:
        MissingSourceError: if there is no such file.
        PairListError: naming the line that makes no sense.
    """
    size = require_plain(path)
    if size > MAX_LIST_BYTES:
        raise PairListError(f"{path}: {size:,} bytes is more than {MAX_LIST_BYTES:,}; name a pair list")
    rows = _parse(path)
    if not len(rows):
        raise PairListError(f"{path}: expected lines SERIES PHOTO1 PHOTO2 P RANK1 RANK2, got none")
    rows = rows[np.argsort(rows[:, 0], kind="stable")]
    numbers, starts = np.unique(rows[:, 0], return_index=True)
    return [
        _make_series(int(number), split, part, votes)
        for number, part in zip(numbers, np.split(rows, starts[1:]), strict=True)
    ]


def read_series(source: PhotoTriageSource, root: Path) -> Iterator[Series]:
    """Series of both lists with a clear preference, train before val.

    Raises:
        SourceError: if a list cannot be read, or both name a series.
        UnsafePathError: if a list lies outside the root.
    """
    seen: dict[int, str] = {}
    for path, split in ((source.train_pairs, "train"), (source.val_pairs, "val")):
        if path is None:
            continue
        for series in read_pairs(resolve_inside(root, path), split, votes=source.votes_per_pair):
            if (other := seen.setdefault(series.number, split)) != split:
                raise PairListError(f"{root / path}: series {series.number} stands in the list {other} too; keep one")
            if series.strongest >= source.min_preference:
                yield series


class PhotoTriageSource(CaptureSource):
    """Photo Triage: series with pairwise preferences, which become labels.

    ROOT holds the pair lists and the images, as %06d-%02d.JPG (Chang et al., SIGGRAPH 2016); the preferences become the scenario
    subjective/photo_triage.

    Attributes:
        train_pairs: List below ROOT; its series go to the split train. Null for none.
        val_pairs: List below ROOT; its series go to the split val. Null for none.
        images: Folder below ROOT.
        min_preference: Series whose strongest pair is preferred by a smaller share are left out.
        votes_per_pair: Judgements behind each pair, which the lists do not tell; standard errors shrink with its square root.
    """

    command = "photo-triage"
    judged_as = SCENARIO

    kind: Literal["photo_triage"]
    license: str = "Photo Triage: research use, see the authors' page"
    train_pairs: str | None = "train_pairlist.txt"
    val_pairs: str | None = "val_pairlist.txt"
    images: str = "train_val_imgs"
    min_preference: float = Field(default=0.6, ge=0.5, le=1)
    votes_per_pair: float = Field(default=1.0, gt=0)

    @field_validator("train_pairs", "val_pairs", "images")
    @classmethod
    def _check_paths(cls, value: str | None) -> str | None:
        return None if value is None else require_inside((value,))[0]

    @property
    def layout(self) -> Layout:
        """The lists, and some image."""
        lists = [glob.escape(path) for path in (self.train_pairs, self.val_pairs) if path is not None]
        return [*([path] for path in lists), [f"{glob.escape(self.images)}/*-*.*"]]

    def find_bursts(self, root: Path) -> Iterator[Finding]:
        """Series of the lists whose images are there."""
        folder = resolve_inside(root, self.images)
        if not folder.is_dir():
            raise MissingSourceError(
                f"source {self.name!r}: images: no folder {folder}; get the images, or correct images"
            )
        chosen = list(read_series(self, root))
        wanted = {name for series in chosen for name in series.names}
        if missing := len(wanted - {path.name for path in folder.iterdir()}):
            yield Remark(
                f"source {self.name!r}: expected {len(wanted):,} images of the lists in {folder}, found {len(wanted) - missing:,}; "
                "get the others"
            )
        for series in chosen:
            path = f"{self.images}/{series.number:06d}"
            try:
                require_frames(root / path, len(series.names))
                for name in series.names:
                    require_plain(resolve_inside(root, f"{self.images}/{name}"))
            except (SourceError, UnsafePathError, OSError) as error:
                yield RejectedBurst(path, error)
                continue
            yield FoundBurst(path, FileFrames(folder, series.names), split=series.split)

    def read_annotations(self, root: Path) -> Annotations:
        """Scores of the series of both lists; those from which none follow are named in `rejected`.

        Raises:
            SourceError: as `read_series`.
        """
        bursts: list[AnnotatedBurst] = []
        rejected: list[tuple[str, Exception]] = []
        agreed = decided = 0
        chosen = list(read_series(self, root))
        lists = {path: hash_plain(resolve_inside(root, path)) for path in (self.train_pairs, self.val_pairs) if path}
        for series in chosen:
            path = f"{self.images}/{series.number:06d}"
            try:
                scores = fit_preferences(series.judgements, len(series.photos))
            except SourceError as error:
                rejected.append((path, error))
                continue
            counts = count_agreements(series.judgements, scores.score)
            agreed, decided = agreed + counts[0], decided + counts[1]
            bursts.append(AnnotatedBurst(path, series.names, scores))
        settings = {
            "version": PREFERENCES_VERSION,
            "lists": lists,
            "min_preference": self.min_preference,
            "votes_per_pair": self.votes_per_pair,
            "shares_clipped_to": [EXTREME, 1 - EXTREME],
        }
        return Annotations(
            scenario=SCENARIO,
            estimator="bradley_terry",
            metric="preference",
            unit="logit",
            summary="Which photo of a series people prefer: Bradley-Terry scores of the pair lists, sum 0 within a series",
            paper="Chang et al., SIGGRAPH 2016",
            settings=settings,
            statistics={
                "pairs_decided": decided,
                "pairs_agreeing": agreed,
                "agreement": agreed / decided if decided else None,
            },
            fingerprint=hash_facts([SCENARIO, settings]),
            bursts=tuple(bursts),
            rejected=tuple(rejected),
        )


def _parse(path: Path) -> NDArray[np.float64]:
    try:
        lines = [line.split() for line in path.read_text(encoding="ascii").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise PairListError(f"{path}: cannot be read as text ({error}); copy it again") from error
    kept = [(number, line) for number, line in enumerate(lines, start=1) if line]
    for number, line in kept:
        if len(line) != 6:
            raise PairListError(f"{path}, line {number}: expected 6 columns, got {len(line)}")
    try:
        rows = np.array([line for _, line in kept], np.float64).reshape(-1, 6)
    except ValueError as error:
        raise PairListError(f"{path}: expected numbers ({error})") from None
    whole = rows[:, [0, 1, 2, 4, 5]]
    wrong = (whole != np.rint(whole)).any(axis=1) | (whole < 1).any(axis=1) | (whole > _MAX_NUMBER).any(axis=1)
    wrong |= ~((rows[:, 3] >= 0) & (rows[:, 3] <= 1)) | (rows[:, 1] == rows[:, 2])
    if wrong.any():
        number, line = kept[int(np.argmax(wrong))]
        raise PairListError(
            f"{path}, line {number}: expected numbers from 1, two different photos and a share of 0..1, got {' '.join(line)[:80]}"
        )
    return rows


def _make_series(number: int, split: str, rows: NDArray[np.float64], votes: float) -> Series:
    photos, places = np.unique(rows[:, 1:3].astype(np.int64), return_inverse=True)
    first, second = places.reshape(-1, 2).T
    judgements = Judgements(first, second, rows[:, 3], np.full(len(rows), votes))
    return Series(number, split, photos, judgements, rows[:, 4:6].astype(np.int64))
