"""Frames of a video, chosen exactly: by their place in the stream, each repeated picture once."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from dataset_builder.decoding.exif import CaptureFacts
from dataset_builder.decoding.extras import MissingReaderError
from dataset_builder.decoding.frame import Frame, SensorFacts
from dataset_builder.decoding.pictures import explain, require_size
from dataset_builder.decoding.source_files import require_file
from dataset_builder.decoding.video_pictures import read_picture
from dataset_builder.errors import SourceError, UnreadableImageError
from dataset_builder.ingest.files import hash_files
from dataset_builder.ingest.kinds.containers import require_whole
from dataset_builder.ingest.reader import ReaderDefaults
from restorers import Domain

_ADDRESS = re.compile(r" ?@? ?0x[0-9a-fA-F]+")
MAX_VIDEO_FRAMES = 100_000
"""So many pictures are decoded at most in search of those that count."""


@dataclass(frozen=True)
class VideoFrames(ReaderDefaults):
    """A burst whose frames are pictures of a video, in the order in which they are shown.

    A picture equal to the one shown before it, as constant frame rates repeat them, does not count.

    Attributes:
        path: path of the file.
        every: take one counted picture in so many.
        start: the first, from 0.
        max_frames: pictures at most.
        places: places of the chosen pictures in the stream, from 0, repeated ones included; empty until `resolve` has looked.
    """

    path: Path
    every: int
    start: int
    max_frames: int
    places: tuple[int, ...] = ()
    reference_index: int | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Places in the stream, as `frame 0`."""
        return tuple(f"frame {place}" for place in self.places)

    @property
    def settings(self) -> list[int]:
        """What the frames depend on beside the file."""
        return [self.start, self.every, self.max_frames]

    def digest(self) -> str:
        """SHA-256 over that of the file."""
        return hash_files([self.path])

    def resolve(self, *, look: bool) -> VideoFrames:  # noqa: ARG002  # nothing is left to later
        """Decode the video once to choose the pictures."""
        places: list[int] = []
        counted, last = 0, b""
        for place, frame in enumerate(self._decode()):
            digest = hashlib.sha256(frame.pixels.data).digest()
            if digest == last:
                continue
            last = digest
            if counted >= self.start and (counted - self.start) % self.every == 0:
                places.append(place)
            counted += 1
            if len(places) == self.max_frames:
                break
        return replace(self, places=tuple(places))

    def read(self, index: int) -> Frame:
        """Decode up to one of the chosen pictures."""
        for number, frame in enumerate(self.iterate()):
            if number == index:
                return frame
        raise UnreadableImageError(f"{self.path}: has no frame {self.places[index]}; it changed while it was read")

    def iterate(self) -> Iterator[Frame]:
        """Decode the chosen pictures."""
        chosen = set(self.places)
        for place, frame in enumerate(self._decode()):
            if place in chosen:
                yield frame
            if place == self.places[-1]:
                return

    def _decode(self) -> Iterator[Frame]:
        require_file(self.path)
        require_whole(self.path)
        try:
            import av
        except ImportError as error:
            raise MissingReaderError(str(self.path), "av", "video") from error
        place = 0
        try:
            with av.open(str(self.path), metadata_errors="ignore") as container:
                stream = _choose_stream(self.path, container)
                coder = stream.codec_context
                require_size(self.path, coder.width, coder.height)
                if coder.sample_aspect_ratio not in (None, 0, 1):
                    raise UnreadableImageError(  # noqa: TRY301  # gets the name of the file below
                        f"has pixels of {coder.sample_aspect_ratio} width to height; scale it to square ones"
                    )
                coder.thread_count = 1
                coder.options = {"err_detect": "crccheck+bitstream+buffer+explode"}
                for picture in _decode_strictly(container, stream):
                    yield self._make_frame(place, picture)
                    place += 1
        except SourceError as error:
            if str(error).startswith(str(self.path)):
                raise
            raise type(error)(f"{self.path}: frame {place} {error}") from error
        except Exception as error:  # FFmpeg's own errors, and no stream at all
            raise UnreadableImageError(
                f"{self.path}: cannot be decoded as video ({explain(error)}); copy it again or remove it"
            ) from error

    def _make_frame(self, place: int, picture: Any) -> Frame:
        if place >= MAX_VIDEO_FRAMES:
            raise UnreadableImageError(f"{self.path}: more than {MAX_VIDEO_FRAMES:,} frames; cut it, or choose fewer")
        require_size(self.path, picture.width, picture.height)
        pixels = read_picture(picture)
        time = None if picture.time is None else float(picture.time)
        sensor = SensorFacts(Domain.SRGB, white_level=float(np.iinfo(pixels.dtype).max))
        return Frame(pixels, CaptureFacts(), sensor, timestamp=time)


def _decode_strictly(container: Any, stream: Any) -> Iterator[Any]:
    """Pictures of a stream, as long as neither file nor pictures are damaged.

    FFmpeg conceals what it can and says so in its log only, so its log is read.
    """
    from av import logging

    packets = container.demux(stream)
    while True:
        before = logging.get_level()
        logging.set_level(logging.ERROR)
        try:
            with logging.Capture() as messages:
                packet = next(packets, None)
                pictures = [] if packet is None else packet.decode()
        finally:
            logging.set_level(before)
        damage = [text.strip() for level, _, text in messages if level <= logging.ERROR]
        if damage or any(picture.is_corrupt for picture in pictures):
            told = damage[0] if damage else "a picture that leans on what is missing"
            raise UnreadableImageError(f"is damaged ({_ADDRESS.sub('', told)}); copy it again or remove it")
        yield from pictures
        if packet is None:
            return


def _choose_stream(path: Path, container: Any) -> Any:
    """The stream of pictures, cover art left aside; a file with several says of none that it is the one."""
    from av.stream import Disposition

    streams = [stream for stream in container.streams.video if not stream.disposition & Disposition.attached_pic]
    if len(streams) != 1:
        raise UnreadableImageError(
            f"{path}: expected one stream of pictures, got {len(streams)}; write the one that is meant to a file of its own"
        )
    return streams[0]
