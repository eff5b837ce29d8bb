"""Measures of the frames of a data set, kept beside the report, keyed by content."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from dataset_builder.audit.pixels import FEATURE_NAMES, UNKNOWN, measure_burst
from dataset_builder.audit.tables import to_rows
from dataset_builder.records.reading import pick_frames, read_frames
from dataset_builder.work.local import ONE_WORKER, Workers
from manifests.confined.reading import has_file
from manifests.errors import ManifestError
from manifests.schema import Column, TableSchema
from manifests.schema.rules import NUMBER, SHA256
from manifests.schema.table import REAL, TEXT_TYPE
from manifests.store import read_or_empty, write_table

MAX_PIXELS = 50_000_000
"""Pixels read for one report; of larger data sets the bursts that are measured are drawn by a hash of their ids."""

_NAME = "features.parquet"
_PATH = f"audit/{_NAME}"
FEATURES = TableSchema(
    "features",
    (
        Column("sha256", TEXT_TYPE, "SHA-256 of the frame's file.", SHA256),
        Column("brightness", REAL, "Mean grey, gamma encoded, 0 black to 1 white.", NUMBER, nullable=True),
        Column("contrast", REAL, "Standard deviation of grey, gamma encoded.", NUMBER, nullable=True),
        Column("sharpness", REAL, "Variance of the Laplacian of grey, gamma encoded.", NUMBER, nullable=True),
        Column("noise", REAL, "Standard deviation of the noise, linear, 1 = white.", NUMBER, nullable=True),
        Column("signal", REAL, "Median signal of the plane that noise was measured in.", NUMBER, nullable=True),
    ),
    ("sha256",),
)


@dataclass(frozen=True, eq=False)
class MeasuredFrames:
    """Frames with what their pixels say.

    Attributes:
        frames: the table `frames` with the columns of `FEATURE_NAMES`, NaN where a frame was not drawn or cannot be read.
        unreadable: bursts with a frame that was drawn and cannot be read, sorted.
        remarks: which bursts cost their worker, or more time or memory than it may take.
    """

    frames: pd.DataFrame
    unreadable: tuple[str, ...]
    remarks: tuple[str, ...] = ()


def measure_frames(
    root: Path,
    bursts: pd.DataFrame,
    frames: pd.DataFrame,
    *,
    max_pixels: int = MAX_PIXELS,
    workers: Workers = ONE_WORKER,
    out: Path | None = None,
) -> MeasuredFrames:
    """Measure the frames of a data set.

    What was measured before is read from `audit/features.parquet`, and what is new is added there, or in another folder.

    Args:
        root: the data set.
        bursts: the table `bursts`.
        frames: the table `frames`.
        max_pixels: bound on the pixels of the frames drawn.
        workers: who reads the frames; the result does not depend on it.
        out: another folder for `features.parquet`, where the data set is not to be written to.
    """
    drawn = draw_bursts(bursts, max_pixels=max_pixels)
    wanted = to_rows(frames[frames["burst_id"].isin(drawn)].drop_duplicates("sha256"))
    # Nobody looks after what lies beside a report that is only read: another folder goes by its own measures.
    place = (root, _PATH) if out is None else (out, _NAME)
    known = _read_known(*place)
    measured: dict[str, tuple[float | None, ...]] = dict.fromkeys((frame["sha256"] for frame in wanted), UNKNOWN)
    missing: dict[str, list[dict[str, Any]]] = {}
    for frame in wanted:
        if frame["sha256"] in known and _is_there(root, frame["path"]):
            measured[frame["sha256"]] = known[frame["sha256"]]
        else:
            missing.setdefault(frame["burst_id"], []).append(frame)
    rows = {row["burst_id"]: row for row in to_rows(bursts[bursts["burst_id"].isin(missing)])}
    pieces = [pick_frames(rows[burst_id], group) for burst_id, group in missing.items()]
    results, remarks = read_frames(measure_burst, pieces, root, workers, purpose="measured for the report", results=out)
    for group, values in zip(missing.values(), results, strict=True):
        if values is not None:
            measured |= zip((frame["sha256"] for frame in group), values, strict=True)
    table = pd.DataFrame.from_dict(measured, orient="index", columns=list(FEATURE_NAMES)).astype("float64")
    table = table.rename_axis("sha256").reset_index().astype({"sha256": object})
    write_table(*place, FEATURES, pa.Table.from_pandas(table, FEATURES.schema, preserve_index=False))
    merged = frames.drop(columns=list(FEATURE_NAMES), errors="ignore").merge(table, on="sha256", how="left")
    merged.index = frames.index
    lost = table.loc[table["brightness"].isna(), "sha256"]
    unreadable = frames.loc[frames["burst_id"].isin(drawn) & frames["sha256"].isin(lost), "burst_id"]
    return MeasuredFrames(merged, tuple(sorted(set(unreadable))), remarks)


def draw_bursts(bursts: pd.DataFrame, *, max_pixels: int) -> set[str]:
    """As many bursts as the pixels allow, in the order of a hash of their ids; at least one."""
    order = sorted(
        zip(bursts["burst_id"], bursts["num_frames"] * bursts["height"] * bursts["width"], strict=True),
        key=lambda item: hashlib.sha256(item[0].encode()).digest(),
    )
    drawn: set[str] = set()
    total = 0
    for burst_id, pixels in order:
        total += int(pixels)
        if drawn and total > max_pixels:
            break
        drawn.add(burst_id)
    return drawn


def _is_there(root: Path, path: str) -> bool:
    try:
        return has_file(root, path)
    except (ManifestError, OSError):
        return False


def _read_known(root: Path, path: str) -> dict[str, tuple[float, ...]]:
    try:
        rows = read_or_empty(root, path, FEATURES).to_pandas()
    except ManifestError:
        return {}  # of another version, or damaged: measured anew
    rows = rows.dropna()
    return dict(zip(rows["sha256"], rows[list(FEATURE_NAMES)].itertuples(index=False, name=None), strict=True))
