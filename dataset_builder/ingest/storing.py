"""Frames as they lie in the data set: written once, described for the manifest."""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from dataset_builder.decoding.exif import CaptureFacts
from dataset_builder.decoding.frame import Frame, SensorFacts
from dataset_builder.errors import FrameSizeError
from dataset_builder.ingest.crops import Window
from dataset_builder.ingest.order import tell_seconds
from manifests.confined.plain import open_plain
from manifests.confined.writing import replace_file, write_file
from manifests.images.personal import strip_metadata
from manifests.images.pixels import encode_png

STORE_VERSION = "4"
"""Changes whenever equal files would be stored or described differently."""
_PNG_SIGNATURE = b"\x89PNG"


class BackgroundWriter:
    """Writes files while others are decoded: waiting for the disk needs no processor. At most two wait at a time."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(2)
        self._waiting: deque[Future[None]] = deque()

    def write(self, root: Path, path: str, data: bytes, origin: Path | None) -> None:
        """Begin to write a file atomically, as a copy of `origin` if that still holds the same; raises what an earlier one met."""
        while len(self._waiting) >= 2:
            self._waiting.popleft().result()
        self._waiting.append(self._pool.submit(_write, root, path, data, origin))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        """Wait until all files are there."""
        self._pool.shutdown()
        if kind is None:
            for waiting in self._waiting:
                waiting.result()


@dataclass(frozen=True)
class StoredFrame:
    """A frame as it was written to the data set.

    Attributes:
        name: name of the file.
        sha256: SHA-256 of the file.
        sample: digest of some of the pixels, as `Frame.sample`; empty for a window.
        origin_name: what the origin calls the frame.
        orientation: EXIF orientation still to be applied to the file's pixels.
        height: rows, upright.
        width: columns, upright.
        full_height: rows of the frame that it was cut out of.
        full_width: columns of the same.
        bits: per sample.
        facts: facts of its capture.
        sensor: what its numbers mean.
        timestamp: seconds, as in `Frame`.
        own_levels: the same as in `Frame`.
        copied: whether the file is that of the origin, byte for byte.
    """

    name: str
    sha256: str
    sample: str
    origin_name: str
    orientation: int
    height: int
    width: int
    full_height: int
    full_width: int
    bits: int
    facts: CaptureFacts
    sensor: SensorFacts
    timestamp: float | None
    own_levels: tuple[float, float] | None
    copied: bool

    @property
    def form(self) -> tuple[object, ...]:
        """What must agree within a burst."""
        return self.height, self.width, self.full_height, self.full_width, self.bits, self.sensor.form

    @property
    def words(self) -> str:
        """The same, for messages."""
        sensor = self.sensor
        cfa = f" {sensor.cfa}" if sensor.cfa else ""
        levels = "" if sensor.cfa is None else f", levels {sensor.black_level:g} to {sensor.white_level:g}"
        return f"{self.full_width} x {self.full_height} px of {self.bits} bit, {sensor.domain}{cfa}{levels}"

    def cut(self, frame: Frame, window: Window) -> Frame:
        """The part of a decoded frame that was stored."""
        return replace(frame, picture=window.cut(frame.pixels), file=None)

    def describe_sensor(self) -> dict[str, Any]:
        """Columns of `bursts` that the reference frame fills."""
        sensor = self.sensor
        return {
            "height": self.height,
            "width": self.width,
            "domain": str(sensor.domain),
            "cfa": None if sensor.cfa is None else str(sensor.cfa),
            "black_level": sensor.black_level,
            "white_level": sensor.white_level,
            "white_balance": None if sensor.white_balance is None else list(sensor.white_balance),
            "color_matrix": None if sensor.color_matrix is None else list(sensor.color_matrix),
        }

    def describe(self) -> dict[str, Any]:
        """Columns of `frames` that the frame fills by itself."""
        sensor = self.sensor
        own = None if sensor.cfa is None else self.own_levels or (sensor.black_level, sensor.white_level)
        return {
            "origin_name": self.origin_name,
            "orientation": self.orientation,
            "captured_at": self.facts.clock,
            "exposure_time": self.facts.exposure_time,
            "iso": self.facts.iso,
            "f_number": self.facts.f_number,
            "origin_black_level": None if own is None else own[0],
            "origin_white_level": None if own is None else own[1],
            "shot_noise": sensor.shot_noise,
            "read_noise": sensor.read_noise,
        }


def store_frame(
    frame: Frame,
    root: Path,
    folder: str,
    index: int,
    *,
    origin_name: str,
    window: Window | None,
    write: Callable[[Path, str, bytes, Path | None], None] | None = None,
) -> StoredFrame:
    """Write a frame, or a window of it, to the data set.

    RGB JPEG and upright RGB PNG are copied byte for byte; anything else becomes an upright PNG of the same bit depth.

    Args:
        frame: the frame as decoded.
        root: the data set.
        folder: the folder in it.
        index: index of the frame in its burst.
        origin_name: what the origin calls it.
        window: part to store; None for all of it.
        write: puts bytes into a file that is a copy of another, and may come back before they are there; None waits for them.

    Raises:
        FrameSizeError: if the window does not fit, or a mosaic has odd sides.
    """
    if frame.file is not None and window is None:
        data, orientation = frame.file, frame.facts.orientation
        suffix = ".png" if data.startswith(_PNG_SIGNATURE) else ".jpg"
        height, width = frame.shape
    else:
        pixels = frame.pixels if window is None else window.cut(frame.pixels)
        data, orientation, suffix = encode_png(pixels), 1, ".png"
        height, width = pixels.shape[:2]
    if frame.sensor.cfa is not None and (height % 2 or width % 2):
        raise FrameSizeError(f"{origin_name}: a mosaic of {width} x {height} px; expected even sides")
    name = f"{index:02d}{suffix}"
    (write or _write)(root, f"{folder}/{name}", data, frame.origin if data is frame.file else None)
    return StoredFrame(
        name=name,
        sha256=hashlib.sha256(data).hexdigest(),
        sample=frame.sample if window is None else "",
        origin_name=origin_name,
        orientation=orientation,
        height=height,
        width=width,
        full_height=frame.shape[0],
        full_width=frame.shape[1],
        bits=frame.bits,
        facts=frame.facts,
        sensor=frame.sensor,
        timestamp=frame.timestamp,
        own_levels=frame.own_levels,
        copied=data is frame.file and frame.origin is not None,
    )


def strip_frame(frame: Frame) -> Frame:
    """The same frame; where it is stored as it came, the file tells nothing but its pixels."""
    if frame.file is None:
        return frame
    try:
        stripped = strip_metadata(frame.file)
    except ValueError:  # of a kind of damage that its decoder does not mind
        return replace(frame, picture=frame.pixels, file=None, origin=None)
    return frame if stripped == frame.file else replace(frame, file=stripped, origin=None)


def _write(root: Path, path: str, data: bytes, origin: Path | None) -> None:
    if origin is None:
        write_file(root, path, data)
        return
    with replace_file(root, path) as stream:
        # The kernel copies a file at a fraction of what it takes to hand it the bytes.
        _copy(origin, stream.fileno(), len(data))
        stream.seek(0)
        if stream.read() != data:
            stream.seek(0)
            stream.truncate()
            stream.write(data)


def _copy(origin: Path, target: int, size: int) -> None:
    """Copy a file to a descriptor, as far as the system can do it by itself."""
    with contextlib.suppress(OSError), open_plain(origin) as source:
        done = 0
        while done < size and (sent := os.sendfile(target, source.fileno(), done, size - done)):
            done += sent


def relate_captures(frames: Sequence[StoredFrame], reference: int) -> list[dict[str, Any]]:
    """Per frame: time since the first, and exposure relative to the reference, where origin or EXIF tell all of both for every frame."""
    times = _read_times(frames)
    exposures = [frame.facts.exposure for frame in frames]
    known = [exposure for exposure in exposures if exposure is not None]
    ratios = [exposure / known[reference] for exposure in known] if len(known) == len(frames) else [None] * len(frames)
    return [{"timestamp": time, "exposure_ratio": ratio} for time, ratio in zip(times, ratios, strict=True)]


def _read_times(frames: Sequence[StoredFrame]) -> list[float | None]:
    """Seconds since the first frame; None unless all are known, and none is before the one that came before it."""
    given = [frame.timestamp for frame in frames if frame.timestamp is not None]
    if len(given) < len(frames):
        return tell_seconds([frame.facts.captured_at for frame in frames])
    if any(map(math.isnan, given)) or given != sorted(given):
        return [None] * len(frames)
    return [time - given[0] for time in given]
