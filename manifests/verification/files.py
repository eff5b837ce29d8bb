"""Checks of the image files that the tables name: where they lie, what they hold, and whether any is left over."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import pandas as pd

from manifests.errors import ImageFileError, UnsafePathError
from manifests.images.headers import HEADER_BYTES, ImageHeader, parse_png_header, read_header
from manifests.problem import Problem, Progress
from manifests.store import resolve_inside

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


def iterate_expected_images(bursts: pd.DataFrame, frames: pd.DataFrame) -> Iterator[ExpectedImage]:
    """Every file that the tables name, one by one; frames of unknown bursts are left to the checks of the tables.

    Args:
        bursts: the table `bursts`, `burst_id` unique.
        frames: the table `frames`.
    """
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
        "ground_truth_mask_path",
        "ground_truth_mask_sha256",
    ]
    for row in _iterate_rows(bursts, facts):
        burst_id, height, width, domain, white_level, scale, path, sha256, mask, mask_sha256 = row
        form = {"channels": 1 if domain == "raw_bayer" else 3, "bits": 16 if white_level > 255 else 8}
        headers[burst_id] = ImageHeader(height, width, **form), ImageHeader(width, height, **form)
        if isinstance(path, str) and isinstance(sha256, str):
            truth = ImageHeader(height * scale, width * scale, channels=3, bits=16)
            yield ExpectedImage(burst_id, None, path, sha256, truth)
            if isinstance(mask, str) and isinstance(mask_sha256, str):
                yield ExpectedImage(burst_id, None, mask, mask_sha256, truth._replace(channels=1, bits=8))
    known = frames[frames["burst_id"].isin(bursts["burst_id"])]
    for burst_id, index, path, sha256, orientation in _iterate_rows(
        known, ["burst_id", "frame_index", "path", "sha256", "orientation"]
    ):
        # EXIF orientations from 5 up swap rows and columns.
        yield ExpectedImage(burst_id, index, path, sha256, headers[burst_id][orientation >= 5])
    masked = known[known["mask_path"].notna() & known["mask_sha256"].notna()]
    for burst_id, index, path, sha256 in _iterate_rows(masked, ["burst_id", "frame_index", "mask_path", "mask_sha256"]):
        yield ExpectedImage(burst_id, index, path, sha256, headers[burst_id][0]._replace(channels=1, bits=8))


def _iterate_rows(table: pd.DataFrame, columns: list[str]) -> Iterator[tuple[Any, ...]]:
    return zip(*(table[name].tolist() for name in columns), strict=True)


def check_images(
    root: Path, images: Iterable[ExpectedImage], *, hashes: bool, total: int, on_progress: Progress | None = None
) -> Iterator[Problem]:
    """Check that every file lies inside `root`, is there, and has the header and the SHA-256 that its row states.

    Every file is read once.

    Args:
        root: the data set.
        images: what the tables say; kept no longer than needed, for there may be millions.
        hashes: whether to read whole files; otherwise only headers are read.
        total: their number, for `on_progress`.
        on_progress: called as files are done.

    Yields:
        Problems, then the files below `frames/` that no row names.
    """
    entries = dict(list_entries(root, "frames"))
    unnamed = set(entries)
    threads = _choose_threads(root, list(entries)) if hashes else 1
    done = 0

    def check(batch: Sequence[ExpectedImage]) -> tuple[Sequence[ExpectedImage], list[Problem]]:
        return batch, _check_batch(root, batch, entries, hashes=hashes)

    with ThreadPoolExecutor(threads) as pool:
        # A pool of one thread would only add its hand-overs.
        for batch, problems in (pool.map if threads > 1 else map)(check, _cut_batches(images)):
            yield from problems
            unnamed.difference_update(image.path for image in batch)
            done += len(batch)
            if on_progress is not None:
                on_progress(done, total)
    for path in sorted(unnamed):
        yield Problem(path, "", "no row names this file; delete it, or build the data set again")


def _cut_batches(images: Iterable[ExpectedImage]) -> Iterator[Sequence[ExpectedImage]]:
    rest = iter(images)
    while batch := tuple(itertools.islice(rest, _FILES_PER_TASK)):
        yield batch


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


def _choose_threads(root: Path, paths: Sequence[str]) -> int:
    """As many threads as there are cores to run on, but one where files are so small that threads wait for each other."""
    sizes = []
    for path in paths[:: max(1, len(paths) // _SAMPLE)]:
        with contextlib.suppress(OSError, ValueError):
            sizes.append((root / path).stat().st_size)
    small = sum(sizes) < _SMALL_FILE * len(sizes)
    return 1 if small or not sizes else len(os.sched_getaffinity(0))


def _check_batch(
    root: Path, images: Sequence[ExpectedImage], entries: Mapping[str, bool], *, hashes: bool
) -> list[Problem]:
    buffer = memoryview(bytearray(_BUFFER_BYTES if hashes else HEADER_BYTES))
    headers: dict[tuple[bytes, ImageHeader], ImageHeader] = {}
    problems: list[Problem] = []
    for image in images:
        if not entries.get(image.path, False):
            message = _explain_path(root, image.path)
            if message is not None:
                problems.append(Problem(image.table, image.row, message))
                continue
        path = f"{root}/{image.path}"
        try:
            start, digest = _read_file(path, buffer, hashes=hashes)
            # Frames of a burst begin alike; what begins as a sound one did is not taken apart again.
            if headers.get((start, image.header)) is None:
                header = parse_png_header(start)
                if header is None:
                    header = read_header(Path(path))
                elif image.fits(header):
                    headers[start, image.header] = header
                if not image.fits(header):
                    message = f"image header: expected {image.header}, got {header}; restore the file"
                    problems.append(Problem(image.path, image.row, message))
        except (OSError, ImageFileError) as error:
            problems.append(Problem(image.path, image.row, str(error)))
            continue
        if digest is not None and digest != image.sha256:
            message = f"SHA-256: expected {image.sha256}, got {digest}; restore the file"
            problems.append(Problem(image.path, image.row, message))
    return problems


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
        digest = hashlib.sha256(buffer[:count])
        # Most files fit the buffer; a short read is the end of a plain file only once another reads nothing.
        while count and os.fstat(descriptor).st_size > os.lseek(descriptor, 0, os.SEEK_CUR):
            count = os.readv(descriptor, [buffer])
            digest.update(buffer[:count])
        return start, digest.hexdigest()
    finally:
        os.close(descriptor)
