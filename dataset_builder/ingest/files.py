"""Bursts of one file per frame: reading, listing and ordering them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from dataset_builder.decoding.exif import read_exif, read_known_tags, read_tiff_tags
from dataset_builder.decoding.frame import Frame, LensShading, SensorFacts
from dataset_builder.decoding.images import IMAGE_SUFFIXES, TIFF_SUFFIXES, natural_key, read_image
from dataset_builder.decoding.levels import AS_STATED, Levels
from dataset_builder.decoding.raw import RAW_SUFFIXES, read_raw, read_raw_shading
from dataset_builder.errors import MissingSourceError, TooFewFramesError, UnreadableImageError
from dataset_builder.ingest.reader import ReaderDefaults
from manifests.confined.plain import hash_plain, open_plain
from restorers import Domain

FRAME_SUFFIXES = IMAGE_SUFFIXES | RAW_SUFFIXES
_EXIF_FORMATS = ("JPEG", "PNG")


@dataclass(frozen=True)
class FileFrames(ReaderDefaults):
    """A burst of one file per frame, each of any kind that `read_frame` knows.

    Attributes:
        folder: folder of the files.
        names: names of the files.
        reference_index: None, unless who made the reader knows it.
        look: whether somebody will look at the pixels.
        levels: of the files, where somebody knows better than they.
    """

    folder: Path
    names: tuple[str, ...]
    reference_index: int | None = None
    look: bool = True
    levels: Levels = AS_STATED

    @property
    def settings(self) -> list[int]:
        """The levels."""
        return self.levels.settings

    def digest(self) -> str:
        """SHA-256 over the digests of the files in order."""
        return hash_files([self.folder / name for name in self.names])

    def resolve(self, *, look: bool) -> FileFrames:
        """In order of capture where the EXIF of every file knows its time to below a second; else as they are named."""
        times = []
        for name in self.names:
            moment = read_capture_time(self.folder / name)
            if moment is None or "." not in moment:
                return replace(self, look=look)
            times.append(moment)
        order = sorted(range(len(times)), key=lambda index: (times[index], index))
        given = None if self.reference_index is None else order.index(self.reference_index)
        names = tuple(self.names[index] for index in order)
        return replace(self, names=names, reference_index=given, look=look)

    def read(self, index: int) -> Frame:
        """Decode one file."""
        return read_frame(self.folder / self.names[index], look=self.look, levels=self.levels)

    def read_shading(self, reference: int) -> LensShading | None:
        """Where the reference is a RAW file that states it."""
        path = self.folder / self.names[reference]
        return read_raw_shading(path) if path.suffix.lower() in RAW_SUFFIXES else None

    def iterate(self) -> Iterator[Frame]:
        """Decode file after file."""
        return map(self.read, range(len(self.names)))


def read_frame(path: Path, *, look: bool = True, levels: Levels = AS_STATED) -> Frame:
    """Decode one file: a RAW mosaic, or anything that `read_image` knows; `look` as there, `levels` as in `read_raw`.

    Raises:
        SourceError: if it cannot be read.
    """
    if path.suffix.lower() in RAW_SUFFIXES:
        return read_raw(path, levels)
    white = None if levels.white is None else round(levels.white)
    if levels.black is not None:
        raise UnreadableImageError(f"{path}: black_level {levels.black:g} is only for RAW files; leave it out")
    image = read_image(path, look=look, white_level=white)
    sensor = SensorFacts(Domain.SRGB, white_level=float(2 ** (8 * image.picture.itemsize) - 1))
    return Frame(image.picture, image.facts, sensor, image.file, path)


def list_frames(folder: Path) -> list[str]:
    """Image and RAW files of a folder in natural order, which is the order of capture in the names that phones give."""
    # What is no plain file counts as well: a burst that lacks a frame without a word would be worse than one that fails.
    found = (path.name for path in folder.iterdir() if path.suffix.lower() in FRAME_SUFFIXES and not path.is_dir())
    return sorted((name for name in found if not name.startswith(".")), key=natural_key)


def list_folders(root: Path) -> list[str]:
    """Sub-folders of `root` in natural order; `.` if it has none but holds images itself."""
    found = (path.name for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    return sorted(found, key=natural_key) or (["."] if list_frames(root) else [])


def hash_files(paths: Sequence[Path]) -> str:
    """SHA-256 (hex) over the digests of files in order: the identity of a burst, whatever its files are called.

    Raises:
        MissingSourceError: if a file cannot be read.
    """
    with ThreadPoolExecutor(2) as pool:
        return hashlib.sha256(b"".join(pool.map(_hash_file, paths))).hexdigest()


def _hash_file(path: Path) -> bytes:
    try:
        return bytes.fromhex(hash_plain(path))
    except OSError as error:
        raise MissingSourceError(f"{path}: cannot be read ({error.strerror}); correct it or its permissions") from error


def require_frames(where: Path, count: int) -> None:
    """Raise TooFewFramesError unless there are at least two frames."""
    if count < 2:
        raise TooFewFramesError(f"{where}: a burst needs at least 2 frames, found {count}; add frames or remove it")


def read_capture_time(path: Path) -> str | None:
    """Time of capture in a file's EXIF, ISO 8601 without zone; None if it has none. Nothing is decoded."""
    try:
        if path.suffix.lower() in RAW_SUFFIXES | TIFF_SUFFIXES:
            import tifffile

            with open_plain(path) as stream, tifffile.TiffFile(stream) as tiff:
                return read_tiff_tags(read_known_tags(tiff.pages.first.tags)).captured_at
        from PIL import Image

        with open_plain(path) as stream, Image.open(stream, formats=_EXIF_FORMATS) as image:
            # Without an early EXIF chunk, Pillow would decode a whole PNG in search of a late one.
            return read_exif(image.getexif()).captured_at if "exif" in image.info else None
    except Exception:  # noqa: BLE001  # whoever decodes the file will say what is wrong with it
        return None
