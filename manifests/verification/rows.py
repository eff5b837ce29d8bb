"""Checks of the rows of each table, and of tables against each other; nothing here opens an image."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from manifests.plain_text import show
from manifests.problem import Problem
from manifests.schema import FRAMES, TableSchema
from manifests.store import describe_row, describe_value, table_path
from manifests.verification.reading import iterate_pieces


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows of one file.

    Attributes:
        file: relative to the data set.
        keys: columns that name a row in a message.
        frame: the rows, index 0, 1, …
    """

    file: str
    keys: tuple[str, ...]
    frame: pd.DataFrame

    def report(self, wrong: pd.Series[bool], column: str, expected: str) -> Iterator[Problem]:
        """One problem for each row that is wrong."""
        chosen = wrong.to_numpy(dtype=bool)
        if not chosen.any():
            return
        for row in self.frame.loc[chosen, [*self.keys, *{column}.difference(self.keys)]].to_dict("records"):
            keys = ", ".join(f"{key}={show(row[key])}" for key in self.keys)
            yield Problem(self.file, keys, f"{column}: expected {expected}, got {show(row[column], quoted=True)}")

    def require_null(self, column: str, where: pd.Series[bool], condition: str) -> Iterator[Problem]:
        """A column is null exactly where a condition holds."""
        null = self.frame[column].isna()
        yield from self.report(null & ~where, column, f"a value unless {condition}")
        yield from self.report(~null & where, column, f"null where {condition}")

    def require_known_burst(self, bursts: pd.DataFrame) -> Iterator[Problem]:
        """Every row belongs to a burst of the table `bursts`."""
        yield from self.report(
            ~self.frame["burst_id"].isin(bursts["burst_id"]), "burst_id", "a burst of the table bursts"
        )


def check_values(file: str, kind: TableSchema, table: pa.Table) -> Iterator[Problem]:
    """One problem for each row that breaks a rule of the schema."""
    for violation in kind.find_violations(table):
        for row in violation.rows.tolist():
            key, value = describe_row(kind, table, row), describe_value(table, violation, row)
            yield Problem(file, key, value)


def check_frames(rows: Rows, bursts: Rows) -> Iterator[Problem]:
    """The table `frames`, and that every burst has the frames and the reference that it says."""
    frames = rows.frame
    yield from rows.require_known_burst(bursts.frame)
    yield from rows.report(frames["path"].duplicated(), "path", "a file of its own")

    facts = frames.assign(reference=frames["frame_index"].where(frames["is_reference"]))
    groups = facts.groupby("burst_id").agg(
        count=("frame_index", "nunique"),
        low=("frame_index", "min"),
        high=("frame_index", "max"),
        references=("is_reference", "sum"),
        reference=("reference", "first"),
    )
    table = bursts.frame.drop_duplicates("burst_id").set_index("burst_id").join(groups)
    count = table["count"].fillna(0)
    wrong = (count != table["num_frames"]) | (
        (count > 0) & ((table["low"] != 0) | (table["high"] != table["num_frames"] - 1))
    )
    for burst_id, row in table[wrong].iterrows():
        got = f"{row['count']:g} of them in {row['low']:g}..{row['high']:g}" if row["count"] > 0 else "none"
        yield Problem(rows.file, f"burst_id={burst_id}", f"frame_index: expected 0..{row['num_frames'] - 1}, got {got}")
    wrong = (count > 0) & ((table["references"] != 1) | (table["reference"] != table["reference_index"]))
    for burst_id, row in table[wrong].iterrows():
        got = f"{row['references']:g}, the first {row['reference']:g}" if row["references"] > 0 else "none"
        yield Problem(
            rows.file,
            f"burst_id={burst_id}",
            f"is_reference: expected one frame, reference_index {row['reference_index']}, got {got}",
        )


class FrameCheck:
    """The table `frames`, piece by piece: `check_frames` of each, and paths that occur in several."""

    def __init__(self) -> None:
        self.count = 0
        self._hashes: list[NDArray[np.uint64]] = []

    def check(self, rows: Rows, bursts: Rows) -> Iterator[Problem]:
        """Look at the next piece and its bursts."""
        self.count += len(rows.frame)
        self._hashes.append(np.unique(hash_texts(rows.frame["path"].dropna())))
        return check_frames(rows, bursts)

    def find_repeated_paths(self, root: Path) -> Iterator[Problem]:
        """Frames whose file is that of a frame in an earlier piece."""
        hashes = np.sort(np.concatenate([np.zeros(0, np.uint64), *self._hashes]))
        repeated = np.unique(hashes[1:][hashes[1:] == hashes[:-1]])
        if not len(repeated):
            return
        seen: set[str] = set()
        columns = ["burst_id", "frame_index", "path"]
        for table in iterate_pieces(root, table_path(FRAMES.name), FRAMES, columns=columns):
            rows = Rows(table_path(FRAMES.name), FRAMES.sort_by, table.to_pandas())
            paths = rows.frame["path"]
            yield from rows.report(paths.isin(seen) & ~paths.duplicated(), "path", "a file of its own")
            seen.update(paths[np.isin(hash_texts(paths), repeated)])


def hash_texts(texts: pd.Series[str]) -> NDArray[np.uint64]:
    """A number for each text, equal for equal ones."""
    found: NDArray[np.uint64] = pd.util.hash_array(texts.fillna("").to_numpy(object), categorize=False)
    return found


def check_splits(rows: Rows, bursts: Rows) -> Iterator[Problem]:
    """The table `splits`: every burst once, its scene as in `bursts`, and no scene in two splits."""
    splits = rows.frame
    yield from rows.require_known_burst(bursts.frame)
    for burst_id in bursts.frame["burst_id"][~bursts.frame["burst_id"].isin(splits["burst_id"])]:
        yield Problem(rows.file, f"burst_id={burst_id}", "expected a row for this burst; run `buiqa split`")
    scene = splits["burst_id"].map(bursts.frame.drop_duplicates("burst_id").set_index("burst_id")["scene_id"])
    yield from rows.report(scene.notna() & (scene != splits["scene_id"]), "scene_id", "the scene that bursts states")
    # The scenes of `bursts` count: two tables that agree on nothing must not hide a leak.
    scene = scene.fillna(splits["scene_id"])
    for column in ("split", "fold"):
        counts = splits.groupby(scene)[column].nunique(dropna=False)
        for scene_id in counts.index[counts > 1]:
            names = " and ".join(sorted({str(value) for value in splits[column][scene == scene_id]}))
            yield Problem(rows.file, f"scene_id={scene_id}", f"expected one {column}, got {names}; run `buiqa split`")
