"""Stored frames developed by workers, under their limits, for people to look at."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np

from dataset_builder.records.reading import FramesToRead
from dataset_builder.records.thumbnails import read_thumbnail
from dataset_builder.work.local import Workers
from dataset_builder.work.pieces import do_pieces, do_pieces_aside
from dataset_builder.work.unit import Failure
from manifests.errors import ImageFileError
from manifests.images.listing import require_digest
from manifests.images.pixels import read_image_file

Suffix = Literal[".png", ".jpg"]
_OPTIONS: dict[Suffix, tuple[int, int]] = {
    ".png": (cv2.IMWRITE_PNG_COMPRESSION, 1),
    ".jpg": (cv2.IMWRITE_JPEG_QUALITY, 92),
}
_PIXELS_AT_ONCE = 4_000_000
"""Of the frames of a unit of work."""


@dataclass(frozen=True)
class DevelopedPicture:
    """A picture to look at.

    Attributes:
        data: its file.
        height: rows.
        width: columns.
    """

    data: bytes
    height: int
    width: int


@dataclass(frozen=True)
class PictureToDevelop:
    """One frame, with what it takes to read it.

    Attributes:
        wanted: the burst, and the frame.
        size: longest side of the picture, pixels.
        suffix: of its file.
        sha256: that the frame's file must have; empty for any.
    """

    wanted: FramesToRead
    size: int
    suffix: Suffix
    sha256: str = ""

    @property
    def cost(self) -> int:
        """Pixels."""
        return self.wanted.cost


def develop_frames(
    root: Path,
    wanted: Sequence[FramesToRead],
    size: int,
    suffix: Suffix,
    *,
    workers: Workers,
    digests: Sequence[str] | None = None,
    scratch: Path | None = None,
) -> list[DevelopedPicture]:
    """Frames as `read_thumbnail` develops them.

    Args:
        root: the data set; nothing is written there.
        wanted: one frame each.
        size: longest side, pixels.
        suffix: of the files to make.
        workers: who decodes and develops.
        digests: SHA-256 that the files must have, for who passes on what they show; None for any.
        scratch: folder in which results wait; None for one in the system's folder for temporary files.

    Raises:
        ImageFileError: if one is not that which it should be, or cannot be read within the limits of the workers.
    """
    known = [""] * len(wanted) if digests is None else digests
    pieces = [PictureToDevelop(each, size, suffix, digest) for each, digest in zip(wanted, known, strict=True)]
    if scratch is None:
        outcomes = do_pieces_aside(develop_picture, pieces, root, workers, cost=_PIXELS_AT_ONCE)
    else:
        outcomes = do_pieces(develop_picture, pieces, root, workers, cost=_PIXELS_AT_ONCE, results=scratch)
    return [_unpack(root, piece, outcome) for piece, outcome in zip(pieces, outcomes, strict=True)]


def develop_picture(root: Path, piece: PictureToDevelop) -> list[Any]:
    """File in base64, height and width of a picture, in a worker.

    Raises:
        ManifestError: if the frame cannot be read.
    """
    frame = piece.wanted.frames[0]
    if piece.sha256:
        require_digest(read_image_file(root, frame["path"]), piece.sha256, root / frame["path"])
    picture = read_thumbnail(root, piece.wanted.burst, frame, piece.size)
    done, data = cv2.imencode(piece.suffix, np.ascontiguousarray(picture[..., ::-1]), _OPTIONS[piece.suffix])
    if not done:
        raise ImageFileError(f"{frame['path']}: cannot be written as {piece.suffix}")
    return [base64.b64encode(data.tobytes()).decode(), *picture.shape[:2]]


def _unpack(root: Path, piece: PictureToDevelop, outcome: Sequence[Any] | Failure) -> DevelopedPicture:
    if not isinstance(outcome, Failure):
        data, height, width = outcome
        return DevelopedPicture(base64.b64decode(data), height, width)
    path = str(root / piece.wanted.frames[0]["path"])
    known = outcome.message.startswith(path)
    raise ImageFileError(outcome.message if known else f"{path}: {outcome.message}")
