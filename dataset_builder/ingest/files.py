"""Bursts of one file per frame: reading and ordering them."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from dataset_builder.decoding.exif import CaptureFacts
from dataset_builder.decoding.file_kinds import READABLE, FileKind, count_pictures, recognise, refuse_kind
from dataset_builder.decoding.frame import Frame, LensShading, SensorFacts
from dataset_builder.decoding.headers import merge_facts, read_headers
from dataset_builder.decoding.images import read_image
from dataset_builder.decoding.levels import AS_STATED, Levels
from dataset_builder.decoding.raw import read_raw, read_raw_shading
from dataset_builder.decoding.source_files import require_file
from dataset_builder.errors import MissingSourceError, TooFewFramesError, UnreadableImageError
from dataset_builder.ingest.order import order_frames
from dataset_builder.ingest.reader import ReaderDefaults
from manifests.confined.plain import hash_plain
from restorers import Domain


@dataclass(frozen=True)
class FileFrames(ReaderDefaults):
    """A burst of one file per frame, each of any kind that `read_frame` knows.

    Attributes:
        folder: folder of the files.
        names: names of the files.
        reference_index: None, unless who made the reader knows it.
        look: whether somebody will look at the pixels.
        levels: of the files, where somebody knows better than they.
        facts: what the headers of each file say; empty until `resolve` has looked.
        seconds: since the first frame, None where unknown; empty until `resolve` has looked.
        remarks: what is worth knowing of their order.
    """

    folder: Path
    names: tuple[str, ...]
    reference_index: int | None = None
    look: bool = True
    facts: tuple[CaptureFacts, ...] = ()
    seconds: tuple[float | None, ...] = ()
    remarks: tuple[str, ...] = ()
    levels: Levels = AS_STATED

    @property
    def settings(self) -> list[int]:
        """The levels."""
        return self.levels.settings

    def digest(self) -> str:
        """SHA-256 over the digests of the files in order."""
        return hash_files([self.folder / name for name in self.names])

    def has_digest(self, sha256: str, copied: Mapping[str, str]) -> bool:
        """Whether the files still have that digest; what was copied was hashed as it was read."""
        return _combine(copied.get(name) or _hash_file(self.folder / name) for name in self.names) == sha256

    def resolve(self, *, look: bool) -> FileFrames:
        """In order of capture, as far as the headers of the files and their names tell it."""
        facts = [read_headers(self.folder / name) for name in self.names]
        found = order_frames(self.names, [fact.captured_at for fact in facts])
        given = None if self.reference_index is None else found.order.index(self.reference_index)
        return replace(
            self,
            names=tuple(self.names[index] for index in found.order),
            reference_index=given,
            look=look,
            facts=tuple(facts[index] for index in found.order),
            seconds=found.seconds,
            remarks=found.remarks,
        )

    def read(self, index: int) -> Frame:
        """Decode one file."""
        frame = read_frame(self.folder / self.names[index], look=self.look, levels=self.levels)
        if not self.facts:
            return frame
        facts = merge_facts(replace(self.facts[index], orientation=frame.facts.orientation), frame.facts)
        seconds = self.seconds[index]
        return replace(frame, facts=facts, timestamp=math.nan if seconds is None else seconds)

    def read_shading(self, reference: int) -> LensShading | None:
        """Where the reference is a RAW file that states it."""
        path = self.folder / self.names[reference]
        return read_raw_shading(path) if recognise(path) is FileKind.RAW else None

    def iterate(self) -> Iterator[Frame]:
        """Decode file after file."""
        return map(self.read, range(len(self.names)))


def read_frame(path: Path, *, look: bool = True, levels: Levels = AS_STATED) -> Frame:
    """Decode one file: a RAW mosaic, or anything that `read_image` knows; `look` as there, `levels` as in `read_raw`.

    Raises:
        SourceError: if it cannot be read.
    """
    require_file(path)
    kind = recognise(path)
    if kind is FileKind.RAW:
        return read_raw(path, levels)
    if kind not in READABLE:
        raise refuse_kind(path, kind)
    if kind is FileKind.HEIF and (several := count_pictures(path)) > 1:
        raise UnreadableImageError(f"{path}: holds {several} pictures or more; split it into single ones")
    white = None if levels.white is None else round(levels.white)
    if levels.black is not None:
        raise UnreadableImageError(f"{path}: black_level {levels.black:g} is only for RAW files; leave it out")
    image = read_image(path, look=look, white_level=white)
    sensor = SensorFacts(Domain.SRGB, white_level=float(2 ** (8 * image.picture.itemsize) - 1))
    return Frame(image.picture, image.facts, sensor, image.file, path)


def hash_files(paths: Sequence[Path]) -> str:
    """SHA-256 (hex) over the digests of files in order: the identity of a burst, whatever its files are called.

    Raises:
        MissingSourceError: if a file cannot be read.
    """
    with ThreadPoolExecutor(2) as pool:
        return _combine(pool.map(_hash_file, paths))


def _combine(digests: Iterable[str]) -> str:
    return hashlib.sha256(b"".join(map(bytes.fromhex, digests))).hexdigest()


def _hash_file(path: Path) -> str:
    try:
        return hash_plain(path)
    except OSError as error:
        raise MissingSourceError(f"{path}: cannot be read ({error.strerror}); correct it or its permissions") from error


def require_frames(where: Path, count: int) -> None:
    """Raise TooFewFramesError unless there are at least two frames."""
    if count < 2:
        raise TooFewFramesError(f"{where}: a burst needs at least 2 frames, found {count}; add frames or remove it")
