"""Albums that several people went through: ratings and picks from CSV files, and marks in XMP sidecars, as labels of frames."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import pandas as pd

from dataset_builder.decoding.xmp import XmpError
from dataset_builder.errors import SourceError
from dataset_builder.judgements.annotations import AnnotatedBurst, Annotations, compose
from dataset_builder.judgements.csv_files import require_scenario
from dataset_builder.judgements.marks import Marks, find_sidecar, read_marks, read_packet
from dataset_builder.judgements.ratings import RATINGS_VERSION, Album, PooledRatings, complete_picks, pool_ratings
from dataset_builder.judgements.tables import AnnotationFileError, read_table
from dataset_builder.work.unit import hash_facts
from manifests.errors import UnsafePathError
from manifests.store import read_dataset_table

Mark = Literal["stars", "flags", "labels"]
_COLUMNS = ["burst", "frame", "person", "score"]
_UNITS: dict[Mark, str] = {"stars": "stars", "flags": "share", "labels": "points"}


@dataclass(frozen=True)
class StoredAlbum:
    """A burst of photographs in a data set.

    Attributes:
        burst_id: its identifier.
        origin_path: where its photographs lie below the root of their source, or that with the name of their group.
        names: of their files, in order.
    """

    burst_id: str
    origin_path: str
    names: tuple[str, ...]


def list_albums(root: Path) -> list[StoredAlbum]:
    """The whole bursts of a data set whose frames are files of people's own.

    Raises:
        ManifestError: if a table cannot be read.
    """
    bursts = read_dataset_table(root, "bursts").select(["burst_id", "origin_path", "crop"]).to_pylist()
    frames = read_dataset_table(root, "frames").select(["burst_id", "origin_name"]).to_pylist()
    names: dict[str, list[str | None]] = {}
    for frame in frames:
        names.setdefault(frame["burst_id"], []).append(frame["origin_name"])
    found = []
    for burst in bursts:
        own = [name for name in names.get(burst["burst_id"], []) if name is not None]
        if burst["crop"] is None and own and len(own) == len(names[burst["burst_id"]]):
            found.append(StoredAlbum(burst["burst_id"], burst["origin_path"], tuple(own)))
    return found


def list_folders(album: StoredAlbum) -> tuple[str, ...]:
    """Where the photographs of a burst may lie below the root of their source; the second, where a folder holds many bursts."""
    path = PurePosixPath(album.origin_path)
    return tuple(dict.fromkeys("" if str(place) == "." else str(place) for place in (path, path.parent)))


def read_rating_annotations(path: Path, scenario: str, *, unit: str) -> Annotations:
    """Mean ratings, without people's habits, from a CSV with the columns `burst`, `frame`, `person`, `score`.

    Raises:
        SourceError: if it cannot be read.
    """
    require_scenario(scenario)
    table = read_table(path, text=("burst", "frame", "person"), numbers=("score",))
    return _annotate(table, scenario, metric="opinion", unit=unit, habits=True)


def read_pick_annotations(path: Path, scenario: str, root: Path) -> Annotations:
    """Shares of people who picked a frame, less those who rejected it, from a CSV with the columns `burst`, `frame`, `person`.

    A fourth column `pick` may say 1 for a pick, its default, 0 for none, and −1 for a rejection. Who flagged any frame of a burst has
    looked at all of them.

    Args:
        path: the CSV.
        scenario: name of the scenario.
        root: the data set, whose bursts say which frames were not picked.

    Raises:
        SourceError: if it cannot be read.
        ManifestError: if a table of the data set cannot be read.
    """
    require_scenario(scenario)
    table = read_table(path, text=("burst", "frame", "person"), numbers=(), optional=("pick",))
    table["score"] = table["pick"].fillna(1.0) if "pick" in table else 1.0
    albums = list_albums(root)
    _name_by_index(table, albums)
    places = [Album(album.burst_id, [str(index) for index in range(len(album.names))]) for album in albums]
    return _annotate(complete_picks(table, places), scenario, metric="pick", unit="share", habits=False)


def read_sidecar_annotations(
    root: Path, people: Mapping[str, Path], scenario: str, *, mark: Mark, values: Mapping[str, float] | None = None
) -> Annotations:
    """What people marked photographs with, from `.xmp` files beside them, or in folders laid out alike.

    Args:
        root: the data set that the photographs were taken into.
        people: the folder, for each person, that stands for the root of the source.
        scenario: name of the scenario.
        mark: `stars`, from which unrated photographs have no score and rejected ones 0; `flags`, 1 picked, −1 rejected, 0 neither in bursts
            where the person flagged any; `labels`, by `values`.
        values: what a text of `xmp:Label` is worth, in whatever case; others have no score.

    Raises:
        SourceError: if no sidecar has such a mark; bursts with one that cannot be read are named in `rejected`.
        ManifestError: if a table of the data set cannot be read.
    """
    require_scenario(scenario)
    worth = {label.casefold(): value for label, value in (values or {}).items()}
    if (mark == "labels") != bool(worth):
        raise AnnotationFileError("labels: expected what each is worth, and that only for labels")
    rows: list[tuple[str, str, str, float]] = []
    rejected: list[tuple[str, Exception]] = []
    albums = list_albums(root)
    for album in albums:
        try:
            rows += [
                row for person, folder in people.items() for row in _read_album(album, person, folder, mark, worth)
            ]
        except (SourceError, UnsafePathError, OSError) as error:
            rejected.append((album.burst_id, error))
    if not rows and not rejected:
        raise AnnotationFileError(
            f"no .xmp file with {mark} beside the photographs in {', '.join(str(folder) for folder in people.values())}; "
            f"name the folder that {root} was ingested from"
        )
    table = pd.DataFrame(rows, columns=_COLUMNS)
    if mark == "flags":
        flagged = table[table["score"] != 0]
        places = [Album(album.burst_id, [str(index) for index in range(len(album.names))]) for album in albums]
        table = complete_picks(flagged, places)
    metric = {"stars": "opinion", "flags": "pick", "labels": "opinion"}[mark]
    habits = mark != "flags"
    return _annotate(table, scenario, metric=metric, unit=_UNITS[mark], habits=habits, rejected=tuple(rejected))


def _read_album(
    album: StoredAlbum, person: str, root: Path, mark: Mark, worth: Mapping[str, float]
) -> Iterator[tuple[str, str, str, float]]:
    """Burst, frame, person and score of each photograph that the person marked."""
    for index, name in enumerate(album.names):
        path = next((found for folder in list_folders(album) if (found := find_sidecar(root, folder, name))), None)
        if path is None:
            continue
        packet, _ = read_packet(root, path)
        try:
            score = _score(read_marks(packet), mark, worth)
        except XmpError as error:
            raise XmpError(f"{root / path}: {error}") from error
        if score is not None:
            yield album.burst_id, str(index), person, score


def _score(marks: Marks, mark: Mark, worth: Mapping[str, float]) -> float | None:
    if mark == "stars":
        return marks.stars
    return float(marks.flag) if mark == "flags" else worth.get(marks.label.casefold())


def _name_by_index(table: pd.DataFrame, albums: Sequence[StoredAlbum]) -> None:
    """Name bursts by their `burst_id` and frames by their index, where they are known."""
    by_path = {compose(album.origin_path): album for album in albums} | {album.burst_id: album for album in albums}
    frames = []
    for burst, frame in zip(table["burst"], table["frame"], strict=True):
        album = by_path.get(burst)
        names = [] if album is None else [compose(name) for name in album.names]
        frames.append(str(names.index(frame)) if frame in names else frame)
    table["frame"] = frames
    table["burst"] = [by_path[burst].burst_id if burst in by_path else burst for burst in table["burst"]]


def _annotate(
    table: pd.DataFrame,
    scenario: str,
    *,
    metric: str,
    unit: str,
    habits: bool,
    rejected: tuple[tuple[str, Exception], ...] = (),
) -> Annotations:
    pooled = pool_ratings(table, habits=habits)
    people = table["person"].nunique()
    rows = sorted(map(list, table[_COLUMNS].itertuples(index=False)))
    settings: dict[str, Any] = {
        "version": RATINGS_VERSION,
        "ratings": hash_facts(rows),
        "habits_taken_out": habits and people > 1,
        "deviation_of_one_judgement": pooled.deviation,
    }
    return Annotations(
        scenario=scenario,
        estimator=_name_estimator(metric, settings),
        metric=metric,
        unit=unit,
        summary="Share of people who picked the frame, less those who rejected it"
        if metric == "pick"
        else "Mean of the ratings that people gave, without how much higher each of them rates",
        paper="" if metric == "pick" else "ITU-T P.913 (2021), clause 12",
        settings=settings,
        statistics=_count(table, pooled),
        fingerprint=hash_facts([scenario, settings, unit]),
        bursts=_in_order(pooled),
        rejected=rejected,
    )


def _name_estimator(metric: str, settings: Mapping[str, Any]) -> str:
    if metric == "pick":
        return "pick_share"
    return "mean_opinion(habits_removed)" if settings["habits_taken_out"] else "mean_opinion"


def _count(table: pd.DataFrame, pooled: PooledRatings) -> dict[str, Any]:
    """Numbers of the whole; who the people are is nobody's business."""
    spread = max(pooled.habits.values(), default=0.0) - min(pooled.habits.values(), default=0.0)
    return {"ratings": len(table), "people": table["person"].nunique(), "spread_of_habits": spread}


def _in_order(pooled: PooledRatings) -> tuple[AnnotatedBurst, ...]:
    return tuple(sorted(pooled.bursts, key=lambda burst: burst.path))
