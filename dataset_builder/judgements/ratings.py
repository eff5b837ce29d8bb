"""What several people say of the photographs of albums: ratings whose habits are taken out, and picks.

A rating is taken for score of the frame + habit of the person + noise, after the subject model of ITU-T P.913 (2021), clause 12, for one
variance of all: least squares over all ratings at once, habits summing to 0, so that who rates only some of the frames, or all of them
higher, moves nobody's score.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dataset_builder.errors import SourceError
from dataset_builder.judgements.annotations import AnnotatedBurst
from dataset_builder.judgements.preferences import FrameScores

RATINGS_VERSION = "1"
"""Changes whenever equal ratings would give other scores."""
MOST_PEOPLE = 2000
"""Whose habits are solved for at once."""


@dataclass(frozen=True)
class Album:
    """The frames that a burst offers to be picked.

    Attributes:
        path: the same as in `AnnotatedBurst`.
        frames: names of all, each as in `AnnotatedBurst.names`.
    """

    path: str
    frames: Sequence[str]


@dataclass(frozen=True, eq=False)
class PooledRatings:
    """Scores of several people as one.

    Attributes:
        bursts: scores of each burst.
        deviation: of one rating about score and habit, pooled over all; 0 where nothing was said twice.
        habits: by person: how much higher than others they rate.
    """

    bursts: tuple[AnnotatedBurst, ...]
    deviation: float
    habits: dict[str, float]


def pool_ratings(ratings: pd.DataFrame, *, habits: bool = True) -> PooledRatings:
    """Mean ratings of frames, with the habits of people taken out, and the deviation of one rating by √n as their standard error.

    Several ratings of one frame by one person count as their mean.

    Args:
        ratings: columns `burst`, `frame`, `person` (text) and `score` (finite numbers).
        habits: whether to take habits out; not so for picks, of which each person has only so many.

    Raises:
        SourceError: if there are more than `MOST_PEOPLE`.
    """
    table = ratings.groupby(["burst", "frame", "person"], sort=True)["score"].mean().reset_index()
    frames, names = _number(table, ["burst", "frame"])
    people, persons = _number(table, ["person"])
    values = table["score"].to_numpy(np.float64)
    if len(persons) > MOST_PEOPLE:
        raise SourceError(
            f"expected ratings of at most {MOST_PEOPLE:,} people, got {len(persons):,}; give each burst a scenario"
        )
    habit = _solve_habits(frames, people, values) if habits and len(values) else np.zeros(len(persons))
    counts = np.bincount(frames, minlength=len(names))
    scores = np.bincount(frames, values - habit[people], len(names)) / np.maximum(counts, 1)
    rest = values - habit[people] - scores[frames]
    freedom = len(values) - len(names) - (len(persons) - _count_groups(frames, people) if habits else 0)
    deviation = float(np.sqrt((rest**2).sum() / freedom)) if freedom > 0 else 0.0
    errors = deviation / np.sqrt(np.maximum(counts, 1))
    bursts: dict[str, list[int]] = {}
    for place, burst in enumerate(names["burst"]):
        bursts.setdefault(burst, []).append(place)
    pooled = tuple(
        AnnotatedBurst(
            burst,
            tuple(names["frame"].iloc[places]),
            FrameScores(scores[places], errors[places], counts[places].astype(np.int64)),
        )
        for burst, places in bursts.items()
    )
    return PooledRatings(pooled, deviation, dict(zip(persons["person"], habit.tolist(), strict=True)))


def complete_picks(picks: pd.DataFrame, albums: Sequence[Album]) -> pd.DataFrame:
    """Flags of every frame of the albums in which a person flagged any: 0 where they flagged nothing.

    Args:
        picks: columns `burst`, `frame`, `person` (text) and `score`: 1 picked, 0 neither, −1 rejected.
        albums: all frames of each burst; bursts without one keep what was said of them.

    Raises:
        SourceError: for other flags.
    """
    if wrong := picks.loc[~picks["score"].isin((-1, 0, 1)), "score"].tolist():
        raise SourceError(f"pick: expected 1 picked, 0 neither or -1 rejected, got {wrong[0]:g}")
    known = {album.path: album.frames for album in albums}
    pairs = picks[["burst", "person"]].drop_duplicates()
    looked = [
        (burst, frame, person, 0.0) for burst, person in pairs.itertuples(index=False) for frame in known.get(burst, ())
    ]
    columns = ["burst", "frame", "person", "score"]
    rows = pd.concat([picks[columns], pd.DataFrame(looked, columns=columns)])
    return rows.drop_duplicates(["burst", "frame", "person"], keep="first").reset_index(drop=True)


def _number(table: pd.DataFrame, columns: list[str]) -> tuple[NDArray[np.int64], pd.DataFrame]:
    """A number for each row of equal values, and the values of each number."""
    groups = table.groupby(columns, sort=True)
    return np.asarray(groups.ngroup(), np.int64), groups.size().reset_index()[columns]


def _solve_habits(
    frames: NDArray[np.int64], people: NDArray[np.int64], values: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Habits by least squares: scores are put aside by Schur's complement, so that as many unknowns are left as people.

    Of people who rated no frame in common, not even through others, habits sum to 0 in each group.
    """
    from scipy.sparse import csr_matrix, diags_array

    votes = csr_matrix((np.ones(len(values)), (frames, people)))
    weights = diags_array(1 / np.asarray(votes.sum(axis=1)).ravel())
    means = np.bincount(frames, values) / np.bincount(frames)
    matrix = np.diag(np.bincount(people).astype(np.float64)) - (votes.T @ weights @ votes).toarray()
    return np.asarray(np.linalg.pinv(matrix, hermitian=True) @ np.bincount(people, values - means[frames]))


def _count_groups(frames: NDArray[np.int64], people: NDArray[np.int64]) -> int:
    """Groups of people and frames that nobody's ratings connect."""
    from scipy.sparse import csr_matrix
    from scipy.sparse.csgraph import connected_components

    if not len(frames):
        return 0
    size = int(frames.max()) + 1
    total = size + int(people.max()) + 1
    graph = csr_matrix((np.ones(len(frames)), (frames, size + people)), shape=(total, total))
    return int(connected_components(graph, directed=False)[0])
