"""Stored frames as pictures of the report. Small, for workers import it."""

from __future__ import annotations

from pathlib import Path

from dataset_builder.records.reading import FramesToRead
from dataset_builder.records.thumbnails import encode_picture, read_thumbnail
from manifests.errors import ManifestError

THUMBNAIL_SIZE = 112
"""Longest side of a thumbnail, pixels."""


def read_pictures(root: Path, wanted: FramesToRead) -> list[str | None]:
    """Thumbnails of frames as `data:` URIs, in a worker; None where the file cannot be read."""
    pictures: list[str | None] = []
    for frame in wanted.frames:
        # A report on a damaged data set is worth more than none; `verify` is there to complain.
        try:
            pictures.append(encode_picture(read_thumbnail(root, wanted.burst, frame, THUMBNAIL_SIZE)))
        except ManifestError:
            pictures.append(None)
    return pictures
