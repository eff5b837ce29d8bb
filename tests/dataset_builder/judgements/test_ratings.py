"""Ratings of several people as one score: against least squares by another way, and known answers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataset_builder.errors import SourceError
from dataset_builder.judgements.ratings import Album, PooledRatings, complete_picks, pool_ratings


def make_table(rows: list[tuple[str, str, str, float]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["burst", "frame", "person", "score"])


def gather(pooled: PooledRatings) -> dict[tuple[str, str], tuple[float, float, int]]:
    return {
        (burst.path, name): (float(score), float(error), int(count))
        for burst in pooled.bursts
        for name, score, error, count in zip(
            burst.names, burst.scores.score, burst.scores.std_error, burst.scores.count, strict=True
        )
    }


def test_habits_are_taken_out() -> None:
    """Ben rates two points lower and saw only the good frames; means would put those below the bad one."""
    truth = {"0": 5.0, "1": 4.5, "2": 4.0}
    rows = [("one", frame, "anna", score) for frame, score in truth.items()]
    rows += [("one", frame, "ben", truth[frame] - 2) for frame in ("0", "1")]
    found = gather(pool_ratings(make_table(rows)))
    scores = [found["one", frame][0] for frame in truth]
    np.testing.assert_allclose(np.diff(scores), [-0.5, -0.5], atol=1e-12)
    assert pool_ratings(make_table(rows)).habits == pytest.approx({"anna": 1, "ben": -1})
    assert found["one", "0"][1] == pytest.approx(0, abs=1e-12)


def test_one_person_alone_has_no_habits() -> None:
    found = gather(
        pool_ratings(make_table([("one", "0", "anna", 3), ("one", "0", "anna", 5), ("two", "0", "anna", 1)]))
    )
    assert found == {("one", "0"): (4, 0, 1), ("two", "0"): (1, 0, 1)}


ratings = st.lists(
    st.tuples(st.sampled_from(["one", "two"]), st.sampled_from("0123"), st.sampled_from("abcd"), st.integers(1, 5)),
    min_size=1,
    max_size=24,
    unique_by=lambda row: row[:3],
)


@settings(max_examples=30)
@given(ratings)
def test_scores_are_those_of_least_squares(rows: list[tuple[str, str, str, int]]) -> None:
    table = make_table(rows)
    pooled = pool_ratings(table)
    found = gather(pooled)
    frames = sorted({row[:2] for row in rows})
    people = sorted({row[2] for row in rows})
    design = np.zeros((len(rows), len(frames) + len(people)))
    for place, row in enumerate(rows):
        design[place, frames.index(row[:2])] = design[place, len(frames) + people.index(row[2])] = 1
    values = np.array([row[3] for row in rows], float)
    best, _, rank, _ = np.linalg.lstsq(design, values, rcond=None)
    rest = values - design @ best
    own = np.array([found[row[:2]][0] + pooled.habits[row[2]] for row in rows])
    np.testing.assert_allclose(own, design @ best, atol=1e-9)
    freedom = len(rows) - rank
    deviation = np.sqrt(float(rest @ rest) / freedom) if freedom else 0.0
    assert pooled.deviation == pytest.approx(deviation, abs=1e-7)
    for frame in frames:
        count = sum(row[:2] == frame for row in rows)
        assert found[frame][1:] == (pytest.approx(deviation / np.sqrt(count), abs=1e-7), count)


def test_picks_are_shares_of_those_who_looked() -> None:
    picks = make_table(
        [("one", "0", "anna", 1), ("one", "0", "ben", 1), ("one", "1", "ben", -1), ("two", "0", "anna", 1)]
    )
    albums = [Album("one", ["0", "1", "2"]), Album("two", ["0", "1"]), Album("three", ["0"])]
    found = gather(pool_ratings(complete_picks(picks, albums), habits=False))
    assert {key: value[0] for key, value in found.items()} == {
        ("one", "0"): 1,
        ("one", "1"): -0.5,
        ("one", "2"): 0,
        ("two", "0"): 1,
        ("two", "1"): 0,
    }
    # Two people differ by 1 about one frame of three: squares of 0.5 in all, with 3 degrees of freedom.
    assert found["one", "1"][1] == pytest.approx(np.sqrt(0.5 / 3 / 2))


@pytest.mark.parametrize("flag", [2, 0.5, -2])
def test_other_flags_are_refused(flag: float) -> None:
    with pytest.raises(SourceError, match="expected 1 picked"):
        complete_picks(make_table([("one", "0", "anna", flag)]), [])
