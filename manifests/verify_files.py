"""Checks of the image files that the tables name: where they lie, what they hold, and whether any is left over."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import pandas as pd

from manifests.errors import ImageFileError, UnsafePathError
from manifests.headers import HEADER_BYTES, ImageHeader, parse_png_header, read_header
from manifests.problem import Problem
from manifests.store import resolve_inside

Progress = Callable[[int, int], None]
"""Called with the number of files checked so far and the number of all."""

_FILES_PER_TASK = 32
_BUFFER_BYTES = 1 << 20
_SMALL_FILE = 1 << 16
_SAMPLE = 32


class ExpectedImage(NamedTuple):
    """What a row says about a file; a tuple, for there are as many as frames.

    Attributes:
        burst_id: burst of the row.
        frame_index: frame of the row; None for the ground truth, which stands in `bursts`.
        path: relative, POSIX.
        sha256: hex.
        header: size as stored, channels, and bits: exactly so many for the ground truth, at least so many for a frame.
    """

    burst_id: str
    frame_index: int | None
    path: str
    sha256: str
    header: ImageHeader

    @property
    def row(self) -> str:
        """Keys of the row, for messages."""
        return f"burst_id={self.burst_id}" + ("" if self.frame_index is None else f", frame_index={self.frame_index}")

    @property
    def table(self) -> str:
        """File of the table that names the image."""
        return "manifests/bursts.parquet" if self.frame_index is None else "manifests/frames.parquet"

    def fits(self, found: ImageHeader) -> bool:
        """Whether a file's header is as the row says."""
        more_bits = self.frame_index is not None and found.bits > self.header.bits
        return found == self.header or (more_bits and found[:3] == self.header[:3])


def list_expected_images(bursts: pd.DataFrame, frames: pd.DataFrame) -> list[ExpectedImage]:
    """Every file that the tables name; frames of unknown bursts are left to the checks of the tables.

    Args:
        bursts: the table `bursts`, `burst_id` unique.
        frames: the table `frames`.
    """
    truths: list[ExpectedImage] = []
    headers: dict[str, tuple[ImageHeader, ImageHeader]] = {}
    facts = [
        "burst_id",
        "height",
        "width",
        "domain",
        "white_level",
        "scale",
        "ground_truth_path",
        "ground_truth_sha256",
    ]
    for burst_id, height, width, domain, white_level, scale, path, sha256 in _iterate_rows(bursts, facts):
        form = {"channels": 1 if domain == "raw_bayer" else 3, "bits": 16 if white_level > 255 else 8}
        headers[burst_id] = ImageHeader(height, width, **form), ImageHeader(width, height, **form)
        if isinstance(path, str) and isinstance(sha256, str):
            truth = ImageHeader(height * scale, width * scale, channels=3, bits=16)
            truths.append(ExpectedImage(burst_id, None, path, sha256, truth))
    known = frames[frames["burst_id"].isin(bursts["burst_id"])]
    rows = _iterate_rows(known, ["burst_id", "frame_index", "path", "sha256", "orientation"])
    images = [
        # EXIF orientations from 5 up swap rows and columns.
        ExpectedImage(burst_id, index, path, sha256, headers[burst_id][orientation >= 5])
        for burst_id, index, path, sha256, orientation in rows
    ]
    return images + truths


def _iterate_rows(table: pd.DataFrame, columns: list[str]) -> Iterator[tuple[Any, ...]]:
    return zip(*(table[name].tolist() for name in columns), strict=True)


def check_images(
    root: Path, images: Sequence[ExpectedImage], *, hashes: bool, on_progress: Progress | None = None
) -> Iterator[Problem]:
    """Check that every file lies inside `root`, is there, and has the header and the SHA-256 that its row states.

    Every file is read once.

    Args:
        root: the data set.
        images: what the tables say.
        hashes: whether to read whole files; otherwise only headers are read.
        on_progress: called as files are done.

    Yields:
        Problems, then the files below `frames/` that no row names.
    """
    entries = dict(list_entries(root, "frames"))
    batches = [images[start : start + _FILES_PER_TASK] for start in range(0, len(images), _FILES_PER_TASK)]
    threads = _choose_threads(root, images) if hashes else 1
    done = 0
    with ThreadPoolExecutor(threads) as pool:
        # A pool of one thread would only add its hand-overs.
        found = (pool.map if threads > 1 else map)(
            lambda batch: _check_batch(root, batch, entries, hashes=hashes), batches
        )
        for batch, problems in zip(batches, found, strict=True):
            yield from problems
            done += len(batch)
            if on_progress is not None:
                on_progress(done, len(images))
    for path in sorted(entries.keys() - {image.path for image in images}):
        yield Problem(path, "", "no row names this file; delete it, or build the data set again")


def list_entries(root: Path, folder: str) -> Iterator[tuple[str, bool]]:
    """All that is no folder below `root/folder`: relative POSIX path, and whether it is a plain file.

    Symbolic links are not followed, so that a plain file found here certainly lies inside `root`.
    """
    folders = [folder] if (root / folder).is_dir() else []
    while folders:
        current = folders.pop()
        with os.scandir(root / current) as entries:
            for entry in entries:
                path = f"{current}/{entry.name}"
                if entry.is_dir(follow_symlinks=False):
                    folders.append(path)
                else:
                    yield path, entry.is_file(follow_symlinks=False)


def _choose_threads(root: Path, images: Sequence[ExpectedImage]) -> int:
    """As many threads as there are cores to run on, but one where files are so small that threads wait for each other."""
    sizes = []
    for image in images[:: max(1, len(images) // _SAMPLE)]:
        with contextlib.suppress(OSError, ValueError):
            sizes.append((root / image.path).stat().st_size)
    small = sum(sizes) < _SMALL_FILE * len(sizes)
    return 1 if small or not sizes else len(os.sched_getaffinity(0))


def _check_batch(
    root: Path, images: Sequence[ExpectedImage], entries: Mapping[str, bool], *, hashes: bool
) -> list[Problem]:
    buffer = memoryview(bytearray(_BUFFER_BYTES if hashes else HEADER_BYTES))
    return [problem for image in images for problem in _check_image(root, image, entries, buffer, hashes=hashes)]


def _check_image(
    root: Path, image: ExpectedImage, entries: Mapping[str, bool], buffer: memoryview, *, hashes: bool
) -> Iterator[Problem]:
    if not entries.get(image.path, False):
        message = _explain_path(root, image.path)
        if message is not None:
            yield Problem(image.table, image.row, message)
            return
    path = f"{root}/{image.path}"
    try:
        start, digest = _read_file(path, buffer, hashes=hashes)
        header = parse_png_header(start) or read_header(Path(path))
    except (OSError, ImageFileError) as error:
        yield Problem(image.path, image.row, str(error))
        return
    if digest is not None and digest != image.sha256:
        yield Problem(image.path, image.row, f"SHA-256: expected {image.sha256}, got {digest}; restore the file")
    if not image.fits(header):
        yield Problem(image.path, image.row, f"image header: expected {image.header}, got {header}; restore the file")


def _explain_path(root: Path, relative: str) -> str | None:
    """Why a path that is no plain file below `frames/` is wrong; None if it is an allowed file after all."""
    try:
        path = resolve_inside(root, relative)
        found = path.is_file()
    except UnsafePathError as error:
        return f"path {error}"
    except (OSError, ValueError) as error:
        return f"path {relative!r}: cannot be followed ({error})"
    if str(PurePosixPath(relative)) != relative:
        return f"path {relative!r}: expected its plain form {str(PurePosixPath(relative))!r}"
    return None if found else f"{relative}: no such file; restore it, or build the data set again"


def _read_file(path: str, buffer: memoryview, *, hashes: bool) -> tuple[bytes, str | None]:
    """First bytes of a file and, if wanted, its SHA-256; plain system calls, for most files are small."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        count = os.readv(descriptor, [buffer])
        start = bytes(buffer[: min(count, HEADER_BYTES)])
        if not hashes:
            return start, None
        digest = hashlib.sha256()
        while count:
            digest.update(buffer[:count])
            count = os.readv(descriptor, [buffer])
        return start, digest.hexdigest()
    finally:
        os.close(descriptor)
