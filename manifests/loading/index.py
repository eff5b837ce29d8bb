"""All that a loader needs of `bursts` and `frames`, as flat arrays: cheap to share between processes, found by position."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from manifests.batches import count_rows
from manifests.description import read_description
from manifests.loading.shared_arrays import ArrayFile, SharedArrays
from manifests.matching import BurstTables, iterate_burst_tables, locate
from manifests.schema import BURSTS, CFA_PATTERNS, DOMAINS, FRAMES
from manifests.store import table_path

_KNOWN = ("exposure_ratio", "exposure_time", "iso", "shot_noise", "read_noise", "timestamp")
"""Columns of `frames` that a camera knows."""
_SCALARS = ("num_frames", "reference_index", "height", "width", "black_level", "white_level", "scale")
_BURST_COLUMNS = [
    "burst_id", "scene_id", "preset", "domain", "cfa", "ground_truth_path", *_SCALARS, "white_balance", "color_matrix",
    "ground_truth_white",
]  # fmt: skip
_FRAME_COLUMNS = [
    "burst_id", "frame_index", "is_reference", "path", "orientation", "homography", "estimated", *_KNOWN
]  # fmt: skip
_OF_FRAMES = frozenset({"paths", "orientation", "homography", *_KNOWN})
_WIDTHS = {"white_balance": 3, "color_matrix": 9, "homography": 9}


@dataclass(frozen=True, eq=False)
class BurstIndex:
    """B bursts and their F frames; frame t of burst b is row `starts[b] + t`.

    Attributes:
        burst_ids: pyarrow string array [B], sorted.
        starts: int64 [B + 1].
        reference_index: int32 [B].
        height: int32 [B], upright.
        width: int32 [B], upright.
        channels: int8 [B]; 1 for a mosaic, else 3.
        black_level: float32 [B].
        white_level: float32 [B].
        cfa: int8 [B]; position in `CFA_PATTERNS`, −1 for RGB.
        domain: int8 [B]; position in `DOMAINS`.
        preset: pyarrow string array [B].
        scene_id: pyarrow string array [B].
        white_balance: float32 [B * 3]; NaN if unknown.
        color_matrix: float32 [B * 9], by rows; NaN if unknown.
        scale: int32 [B]; pixels of the truth per pixel of a frame, along each side.
        truth_path: pyarrow string array [B]; empty without truth.
        truth_white: float32 [B]; signal that the truth's largest value means.
        paths: pyarrow string array [F], relative to the data set.
        orientation: int8 [F], EXIF.
        homography: float32 [F * 9], reference to frame pixel, by rows; NaN if unknown, or estimated from the pixels.
        exposure_ratio: float32 [F]; this and what follows is NaN where unknown.
        exposure_time: float32 [F].
        iso: float32 [F].
        shot_noise: float32 [F]; unknown for developed pictures, whose noise is not the sensor's.
        read_noise: float32 [F]; likewise.
        timestamp: float32 [F].
    """

    burst_ids: pa.StringArray
    starts: NDArray[np.int64]
    reference_index: NDArray[np.int32]
    height: NDArray[np.int32]
    width: NDArray[np.int32]
    channels: NDArray[np.int8]
    black_level: NDArray[np.float32]
    white_level: NDArray[np.float32]
    cfa: NDArray[np.int8]
    domain: NDArray[np.int8]
    preset: pa.StringArray
    scene_id: pa.StringArray
    white_balance: NDArray[np.float32]
    color_matrix: NDArray[np.float32]
    scale: NDArray[np.int32]
    truth_path: pa.StringArray
    truth_white: NDArray[np.float32]
    paths: pa.StringArray
    orientation: NDArray[np.int8]
    homography: NDArray[np.float32]
    exposure_ratio: NDArray[np.float32]
    exposure_time: NDArray[np.float32]
    iso: NDArray[np.float32]
    shot_noise: NDArray[np.float32]
    read_noise: NDArray[np.float32]
    timestamp: NDArray[np.float32]

    def locate(self, burst_ids: pa.ChunkedArray, table: Path) -> NDArray[np.int64]:
        """Positions of bursts that another table names.

        Raises:
            SchemaError: if one is not there.
        """
        return locate(burst_ids, self.burst_ids, table)


def load_burst_index(root: Path) -> BurstIndex:
    """Read the index of a data set.

    Raises:
        ManifestError: if `root` is no data set of this format, a table cannot be read, or the frames do not fit the bursts.
    """
    pieces = list(iterate_burst_index(root))
    columns: dict[str, Any] = {}
    for field in fields(BurstIndex):
        values = [getattr(piece, field.name) for piece in pieces]
        joined = pa.concat_arrays(values) if isinstance(values[0], pa.Array) else np.concatenate(values)
        columns[field.name] = joined
    lengths = [np.diff(piece.starts) for piece in pieces]
    return BurstIndex(
        **{**columns, "starts": np.concatenate([[0], np.cumsum(np.concatenate(lengths))]).astype(np.int64)}
    )


def iterate_burst_index(root: Path) -> Iterator[BurstIndex]:
    """The index of some thousand bursts after the other; one of none where there are none.

    Raises:
        ManifestError: as `load_burst_index`.
    """
    read_description(root)
    found = False
    for tables in iterate_burst_tables(root, burst_columns=_BURST_COLUMNS, frame_columns=_FRAME_COLUMNS):
        found = True
        yield _make_index(tables)
    if not found:
        bursts, frames = (kind.schema.empty_table() for kind in (BURSTS, FRAMES))
        yield _make_index(BurstTables(bursts, frames, np.zeros(1, np.int64)))


def write_burst_index(root: Path) -> SharedArrays:
    """The index of a data set in a file, piece by piece: arrays by the names of its fields, paths as large strings.

    Raises:
        ManifestError: as `load_burst_index`.
    """
    pieces = iterate_burst_index(root)
    first = next(pieces)
    bursts, frames = (count_rows(root, table_path(kind.name), kind) for kind in (BURSTS, FRAMES))
    own = {name: frames if name in _OF_FRAMES else bursts for name in (field.name for field in fields(BurstIndex))}
    texts = [name for name in own if isinstance(getattr(first, name), pa.Array)]
    file = ArrayFile()
    file.allocate("starts", bursts + 1, np.int64)
    for name in own.keys() - {"starts", *texts}:
        file.allocate(name, own[name] * _WIDTHS.get(name, 1), getattr(first, name).dtype)
    small: dict[str, list[pa.Array]] = {name: [] for name in texts if name not in _OF_FRAMES}
    file.begin_text("paths", frames, large=True)
    burst = frame = 0
    for piece in chain([first], pieces):
        for name in own:
            values = getattr(piece, name)
            start = frame if name in _OF_FRAMES else burst
            if name == "starts":
                file.write(name, burst, frame + values)
            elif name in small:
                small[name].append(values)
            elif name == "paths":
                file.append_text(name, start, values)
            else:
                file.write(name, start * _WIDTHS.get(name, 1), values)
        burst, frame = burst + len(piece.burst_ids), frame + len(piece.paths)
    for name, parts in small.items():
        file.begin_text(name, bursts)
        file.append_text(name, 0, pa.concat_arrays(parts))
    return SharedArrays(file)


def _make_index(tables: BurstTables) -> BurstIndex:
    bursts, frames, starts = tables
    values = {name: bursts.column(name).to_numpy() for name in _SCALARS}
    domain = pc.index_in(bursts.column("domain"), value_set=pa.array(DOMAINS)).to_numpy().astype(np.int8)
    known = {name: pc.fill_null(frames.column(name), np.nan).to_numpy().astype(np.float32) for name in _KNOWN}
    developed = np.repeat(domain == DOMAINS.index("srgb"), np.diff(starts))
    for name in ("shot_noise", "read_noise"):
        known[name] = np.where(developed, np.float32(np.nan), known[name])
    homography = _flatten(frames.column("homography"), 9)
    homography[_lists(frames.column("estimated"), "homography")] = np.nan
    return BurstIndex(
        burst_ids=_join(bursts.column("burst_id")),
        starts=starts,
        reference_index=values["reference_index"],
        height=values["height"],
        width=values["width"],
        channels=np.where(domain == DOMAINS.index("raw_bayer"), 1, 3).astype(np.int8),
        black_level=values["black_level"].astype(np.float32),
        white_level=values["white_level"].astype(np.float32),
        cfa=pc.fill_null(pc.index_in(bursts.column("cfa"), value_set=pa.array(CFA_PATTERNS)), -1)
        .to_numpy()
        .astype(np.int8),
        domain=domain,
        preset=_join(bursts.column("preset")),
        scene_id=_join(bursts.column("scene_id")),
        white_balance=_flatten(bursts.column("white_balance"), 3).ravel(),
        color_matrix=_flatten(bursts.column("color_matrix"), 9).ravel(),
        scale=values["scale"],
        truth_path=_join(pc.fill_null(bursts.column("ground_truth_path"), "")),
        truth_white=bursts.column("ground_truth_white").to_numpy().astype(np.float32),
        paths=_join(frames.column("path")),
        orientation=frames.column("orientation").to_numpy().astype(np.int8),
        homography=homography.ravel(),
        **known,
    )


def _flatten(column: pa.ChunkedArray, size: int) -> NDArray[np.float32]:
    """Lists of so many numbers as rows; NaN for a null."""
    rows = np.full((len(column), size), np.nan, np.float32)
    # Of a list array, `flatten` leaves out what is null.
    rows[column.is_valid().to_numpy()] = np.reshape(pc.list_flatten(column).to_numpy(), (-1, size))
    return rows


def _lists(column: pa.ChunkedArray, name: str) -> NDArray[np.int64]:
    """Rows whose list of texts has one of this name."""
    lists = column.combine_chunks()
    parents, texts = pc.list_parent_indices(lists), pc.list_flatten(lists)
    found: NDArray[np.int64] = parents.filter(pc.equal(texts, name)).to_numpy()
    return found


def _join(column: pa.ChunkedArray) -> pa.StringArray:
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
