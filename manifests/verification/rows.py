"""Checks of the rows of each table, and of tables against each other; nothing here opens an image."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from manifests.problem import Problem
from manifests.schema import (
    CFA_PATTERNS,
    DOMAINS,
    GROUND_TRUTH_KINDS,
    OUTLIERS,
    REFERENCE_RULES,
    SPLIT_NAMES,
    TableSchema,
)

ID = r"[a-z0-9_-]{1,32}"
SHA256 = r"[0-9a-f]{64}"
PERCEPTUAL_HASH = r"[0-9a-f]{16}"


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
            keys = ", ".join(f"{key}={row[key]}" for key in self.keys)
            yield Problem(self.file, keys, f"{column}: expected {expected}, got {row[column]!r}")

    def require_text(self, column: str, pattern: str, expected: str) -> Iterator[Problem]:
        """Text that is not null matches a pattern from end to end."""
        text = self.frame[column]
        yield from self.report(text.notna() & ~text.fillna("").str.fullmatch(pattern), column, expected)

    def require_one_of(self, column: str, values: tuple[str, ...]) -> Iterator[Problem]:
        """Text is one of some words."""
        yield from self.report(~self.frame[column].isin(values), column, f"one of {', '.join(values)}")

    def require_range(self, column: str, low: float, high: float = np.inf) -> Iterator[Problem]:
        """Numbers that are not null lie in [low, high]."""
        numbers = self.frame[column]
        text = f"at least {low:g}" if np.isinf(high) else f"{low:g}..{high:g}"
        yield from self.report(numbers.notna() & ~numbers.between(low, high), column, text)

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
    """Nulls only where they are allowed, no NaN or infinity, keys unique, rows sorted."""
    for field in kind.schema:
        column = table.column(field.name)
        if not field.nullable and column.null_count:
            yield Problem(file, "", f"column {field.name!r}: {column.null_count} values are missing")
        bad = _find_not_finite(column)
        if len(bad):
            yield Problem(
                file,
                f"row {bad[0]}",
                f"column {field.name!r}: expected finite numbers, got NaN or infinity in {len(bad)} rows",
            )
    names = list(kind.sort_by)
    keys = table.select(names)
    if kind.unique:
        counts = keys.group_by(names).aggregate([([], "count_all")])
        for row in counts.filter(pc.greater(counts["count_all"], 1)).to_pylist():
            count = row.pop("count_all")
            yield Problem(
                file,
                ", ".join(f"{name}={value}" for name, value in row.items()),
                f"expected one row with this key, got {count}",
            )
    order = pc.sort_indices(table, sort_keys=[(name, "ascending") for name in names])
    if not keys.take(order).equals(keys):
        yield Problem(file, "", f"expected rows sorted by {', '.join(names)}")


def check_bursts(rows: Rows) -> Iterator[Problem]:
    """The table `bursts` by itself."""
    bursts = rows.frame
    yield from rows.require_text("burst_id", ID, "at most 32 characters of [a-z0-9_-]")
    for column in ("origin_sha256", "burst_key", "seed", "ground_truth_sha256", "ground_truth_mask_sha256"):
        yield from rows.require_text(column, SHA256, "a SHA-256 in lower-case hex")
    yield from rows.require_text("perceptual_hash", PERCEPTUAL_HASH, "16 hex digits")
    for column in ("num_frames", "height", "width", "scale"):
        yield from rows.require_range(column, 1)
    inside = (bursts["reference_index"] >= 0) & (bursts["reference_index"] < bursts["num_frames"])
    yield from rows.report(~inside, "reference_index", "a frame of the burst")
    yield from rows.report(~(bursts["ground_truth_white"] > 0), "ground_truth_white", "a positive number")
    yield from rows.report(~(bursts["black_level"] < bursts["white_level"]), "black_level", "less than white_level")
    yield from rows.require_one_of("domain", DOMAINS)
    mosaic = bursts["domain"] == "raw_bayer"
    yield from rows.require_null("cfa", ~mosaic, "the domain is not raw_bayer")
    yield from rows.report(
        bursts["cfa"].notna() & ~bursts["cfa"].isin(CFA_PATTERNS), "cfa", f"one of {', '.join(CFA_PATTERNS)}"
    )
    for side in ("height", "width"):
        yield from rows.report(mosaic & (bursts[side] % 2 == 1), side, "an even number for raw_bayer")
    yield from rows.require_one_of("ground_truth_kind", GROUND_TRUTH_KINDS)
    for column, words in (("reference_rule", REFERENCE_RULES), ("official_split", SPLIT_NAMES)):
        known = bursts[column].isna() | bursts[column].isin(words)
        yield from rows.report(~known, column, f"one of {', '.join(words)}, or null")
    masked = bursts["ground_truth_mask_path"].notna()
    yield from rows.require_null("ground_truth_mask_sha256", ~masked, "ground_truth_mask_path is null")
    bare = masked & bursts["ground_truth_path"].isna()
    yield from rows.report(bare, "ground_truth_mask_path", "null where there is no ground truth")
    for column in ("ground_truth_path", "ground_truth_sha256"):
        yield from rows.require_null(column, bursts["ground_truth_kind"] == "none", "ground_truth_kind is none")


def check_frames(rows: Rows, bursts: Rows) -> Iterator[Problem]:
    """The table `frames`, and that every burst has the frames and the reference that it says."""
    frames = rows.frame
    yield from rows.require_known_burst(bursts.frame)
    for column in ("sha256", "mask_sha256"):
        yield from rows.require_text(column, SHA256, "a SHA-256 in lower-case hex")
    yield from rows.require_null("mask_sha256", frames["mask_path"].isna(), "mask_path is null")
    outliers = frames["outlier"].isna() | frames["outlier"].isin(OUTLIERS)
    yield from rows.report(~outliers, "outlier", f"one of {', '.join(OUTLIERS)}, or null")
    yield from rows.require_range("orientation", 1, 8)
    yield from rows.require_range("focus", 0, 1)
    yield from rows.require_range("jpeg_quality", 1, 100)
    yield from rows.require_range("occlusion", 0, 1)
    for column in (
        "shot_noise",
        "read_noise",
        "row_noise",
        "blur_length",
        "displacement",
        "defocus",
        "object_shift",
        "sharpness",
    ):
        yield from rows.require_range(column, 0)
    for column in ("exposure_ratio", "exposure_time", "iso", "f_number", "gain"):
        yield from rows.report(frames[column].notna() & ~(frames[column] > 0), column, "a positive number")
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


def check_splits(rows: Rows, bursts: Rows) -> Iterator[Problem]:
    """The table `splits`: every burst once, its scene as in `bursts`, and no scene in two splits."""
    splits = rows.frame
    yield from rows.require_known_burst(bursts.frame)
    yield from rows.require_one_of("split", SPLIT_NAMES)
    yield from rows.require_range("fold", 0)
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


def check_failures(rows: Rows) -> Iterator[Problem]:
    """The table `failures`."""
    yield from rows.require_one_of("stage", ("bursts", "labels"))
    yield from rows.require_range("attempts", 1)


def _find_not_finite(column: pa.ChunkedArray) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Rows in which a number, or a number of a list, is NaN, infinite, or, in a list, missing."""
    kind = column.type
    if pa.types.is_floating(kind):
        finite = pc.fill_null(pc.is_finite(column), fill_value=True)
        return np.flatnonzero(~finite.to_numpy())
    listed = pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind)
    if listed and pa.types.is_floating(kind.value_type):
        finite = pc.fill_null(pc.is_finite(pc.list_flatten(column)), fill_value=False)
        return np.unique(pc.list_parent_indices(column).to_numpy()[~finite.to_numpy()])
    return np.empty(0, np.int64)
