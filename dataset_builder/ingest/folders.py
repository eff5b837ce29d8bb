"""A real burst from a folder of images, one file per frame."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from dataset_builder.errors import FrameSizeError, MissingSourceError, TooFewFramesError
from dataset_builder.ingest.images import IMAGE_SUFFIXES, CaptureFacts, SourceImage, natural_key, read_image
from manifests.pixels import encode_png
from manifests.store import hash_file, write_bytes

INGEST_VERSION = "1"
"""Changes whenever equal files would be stored or described differently."""


@dataclass(frozen=True)
class StoredFrame:
    """A frame as it was written to the data set."""

    name: str
    sha256: str
    orientation: int
    height: int
    width: int
    bits: int
    facts: CaptureFacts


def list_bursts(root: Path) -> list[str]:
    """Sub-folders of `root` in natural order; `.` if it has none but holds images itself."""
    folders = sorted(
        (path.name for path in root.iterdir() if path.is_dir() and not path.name.startswith(".")), key=natural_key
    )
    return folders or (["."] if list_frames(root) else [])


def list_frames(folder: Path) -> list[str]:
    """Image files of a folder in natural order, which is the order of capture in the names that phones give."""
    found = (path.name for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file())
    return sorted((name for name in found if not name.startswith(".")), key=natural_key)


def hash_folder(folder: Path, names: Sequence[str]) -> str:
    """SHA-256 (hex) over the digests of the frames in order: the identity of a burst, whatever its files are called.

    Raises:
        MissingSourceError: if a frame is not there.
    """
    digest = hashlib.sha256()
    for name in names:
        try:
            digest.update(bytes.fromhex(hash_file(folder / name)))
        except OSError as error:
            raise MissingSourceError(f"{folder / name}: cannot be read ({error.strerror})") from error
    return digest.hexdigest()


def require_frames(folder: Path, names: Sequence[str]) -> None:
    """Raise TooFewFramesError unless there are at least two frames."""
    if len(names) < 2:
        raise TooFewFramesError(
            f"{folder}: a burst needs at least 2 frames, found {len(names)}; add frames or remove the folder"
        )


def store_frames(folder: Path, names: Sequence[str], target: Path) -> list[StoredFrame]:
    """Check every frame and store it below `target`.

    RGB JPEG and upright RGB PNG are copied byte for byte; anything else becomes an upright PNG of the same bit depth.

    Raises:
        SourceError: if a frame cannot be read, or differs from the first in size or bit depth.
    """
    stored: list[StoredFrame] = []
    for index, name in enumerate(names):
        image = read_image(folder / name)
        frame = _store_frame(folder / name, image, target, index)
        if stored and (frame.height, frame.width, frame.bits) != (stored[0].height, stored[0].width, stored[0].bits):
            raise FrameSizeError(
                f"{folder / name}: {frame.width} x {frame.height} px of {frame.bits} bit, but {names[0]} has "
                f"{stored[0].width} x {stored[0].height} px of {stored[0].bits} bit; frames of a burst must agree"
            )
        stored.append(frame)
    return stored


def _store_frame(path: Path, image: SourceImage, target: Path, index: int) -> StoredFrame:
    if image.stored_plainly:
        suffix, data, orientation = (
            ".png" if path.suffix.lower() == ".png" else ".jpg",
            path.read_bytes(),
            image.facts.orientation,
        )
    else:
        suffix, data, orientation = ".png", encode_png(image.pixels), 1
    name = f"{index:02d}{suffix}"
    write_bytes(target / name, data)
    height, width = image.pixels.shape[:2]
    return StoredFrame(
        name, hashlib.sha256(data).hexdigest(), orientation, height, width, image.pixels.itemsize * 8, image.facts
    )


def relate_captures(frames: Sequence[StoredFrame], reference: int) -> list[dict[str, Any]]:
    """Per frame: time since the first, and exposure relative to the reference, as far as EXIF tells."""
    moments = [datetime.fromisoformat(frame.facts.captured_at) if frame.facts.captured_at else None for frame in frames]
    # Whole seconds say nothing about a burst; only a camera that records fractions tells frames apart.
    precise = all(frame.facts.captured_at and "." in frame.facts.captured_at for frame in frames)
    base = frames[reference].facts.exposure
    rows = []
    for frame, moment in zip(frames, moments, strict=True):
        exposure = frame.facts.exposure
        rows.append(
            {
                "timestamp": (moment - moments[0]).total_seconds() if precise and moment and moments[0] else None,
                "exposure_ratio": exposure / base if exposure and base else None,
                "captured_at": frame.facts.captured_at,
                "exposure_time": frame.facts.exposure_time,
                "iso": frame.facts.iso,
                "f_number": frame.facts.f_number,
            }
        )
    return rows
