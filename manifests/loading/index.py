"""All that a loader needs of `bursts` and `frames`, as flat arrays: cheap to share between processes, found by position."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from manifests.description import read_description
from manifests.matching import locate, read_burst_tables
from manifests.schema import CFA_PATTERNS


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
        paths: pyarrow string array [F], relative to the data set.
        orientation: int8 [F], EXIF.
        homography: float32 [F * 9], reference to frame pixel, by rows; NaN if unknown.
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
    paths: pa.StringArray
    orientation: NDArray[np.int8]
    homography: NDArray[np.float32]

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
    read_description(root)
    scalars = ["num_frames", "reference_index", "height", "width", "black_level", "white_level"]
    bursts, frames, starts = read_burst_tables(
        root,
        burst_columns=["burst_id", "domain", "cfa", *scalars],
        frame_columns=["burst_id", "frame_index", "is_reference", "path", "orientation", "homography"],
    )
    values = {name: bursts.column(name).to_numpy() for name in scalars}
    return BurstIndex(
        burst_ids=_join(bursts.column("burst_id")),
        starts=starts,
        reference_index=values["reference_index"],
        height=values["height"],
        width=values["width"],
        channels=np.where(pc.equal(bursts.column("domain"), "raw_bayer").to_numpy(), 1, 3).astype(np.int8),
        black_level=values["black_level"].astype(np.float32),
        white_level=values["white_level"].astype(np.float32),
        cfa=pc.fill_null(pc.index_in(bursts.column("cfa"), value_set=pa.array(CFA_PATTERNS)), -1)
        .to_numpy()
        .astype(np.int8),
        paths=_join(frames.column("path")),
        orientation=frames.column("orientation").to_numpy().astype(np.int8),
        homography=_flatten(frames.column("homography")),
    )


def _flatten(column: pa.ChunkedArray) -> NDArray[np.float32]:
    """Rows of nine numbers one after the other; NaN for a null."""
    matrices = np.full((len(column), 9), np.nan, np.float32)
    # Of a list array, `flatten` leaves out what is null.
    matrices[column.is_valid().to_numpy()] = np.reshape(pc.list_flatten(column).to_numpy(), (-1, 9))
    return matrices.ravel()


def _join(column: pa.ChunkedArray) -> pa.StringArray:
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
