"""Checks of the image files that the tables name: where they lie, what they hold, and whether any is left over."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from manifests.confined.members import find_shard_digest, name_holder
from manifests.confined.reading import FileOpener, hash_file, list_files, walk_files
from manifests.errors import FileTooLargeError, ImageFileError, UnsafePathError
from manifests.images.headers import HEADER_BYTES, ImageHeader, parse_png_header, read_header
from manifests.problem import Problem, Progress
from manifests.seal import IMAGE_FOLDER

_FILES_PER_TASK = 32
_BUFFER_BYTES = 1 << 20
_SMALL_FILE = 1 << 16
_SAMPLE = 32
_LOOKED_AT = 65_536
# Rows without these are reported as such; nothing can be asked of their files.
_NEEDED_OF_BURSTS = ["burst_id", "height", "width", "scale"]
_NEEDED_OF_FRAMES = ["burst_id", "frame_index", "path", "sha256", "orientation"]


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


def iterate_expected_images(bursts: pd.DataFrame, frames: Iterable[pd.DataFrame]) -> Iterator[ExpectedImage]:
    """Every file that the tables name, one by one; rows that lack a fact and frames of unknown bursts are left to the checks of the tables.

    Args:
        bursts: the table `bursts`, `burst_id` unique.
        frames: the table `frames`, in pieces.
    """
    bursts = bursts.dropna(subset=_NEEDED_OF_BURSTS)
    yield from _iterate_truths(bursts)
    places = pd.Series(range(len(bursts)), index=bursts["burst_id"])
    facts = [bursts[name].tolist() for name in ("height", "width", "domain", "white_level")]
    for piece in frames:
        known = piece[piece["burst_id"].isin(places.index)].dropna(subset=_NEEDED_OF_FRAMES)
        headers: dict[str, tuple[ImageHeader, ImageHeader]] = {}
        for burst_id in known["burst_id"].unique():
            height, width, domain, white_level = (column[places[burst_id]] for column in facts)
            form = {"channels": 1 if domain == "raw_bayer" else 3, "bits": 16 if white_level > 255 else 8}
            headers[burst_id] = ImageHeader(height, width, **form), ImageHeader(width, height, **form)
        for burst_id, index, path, sha256, orientation in _iterate_rows(known, _NEEDED_OF_FRAMES):
            # EXIF orientations from 5 up swap rows and columns.
            yield ExpectedImage(burst_id, index, path, sha256, headers[burst_id][orientation >= 5])
        masked = known[known["mask_path"].notna() & known["mask_sha256"].notna()]
        for burst_id, index, path, sha256 in _iterate_rows(
            masked, ["burst_id", "frame_index", "mask_path", "mask_sha256"]
        ):
            yield ExpectedImage(burst_id, index, path, sha256, headers[burst_id][0]._replace(channels=1, bits=8))


def _iterate_truths(bursts: pd.DataFrame) -> Iterator[ExpectedImage]:
    facts = [
        "burst_id",
        "height",
        "width",
        "scale",
        "ground_truth_path",
        "ground_truth_sha256",
        "ground_truth_mask_path",
        "ground_truth_mask_sha256",
    ]
    for burst_id, height, width, scale, path, sha256, mask, mask_sha256 in _iterate_rows(bursts, facts):
        if isinstance(path, str) and isinstance(sha256, str):
            truth = ImageHeader(height * scale, width * scale, channels=3, bits=16)
            yield ExpectedImage(burst_id, None, path, sha256, truth)
            if isinstance(mask, str) and isinstance(mask_sha256, str):
                yield ExpectedImage(burst_id, None, mask, mask_sha256, truth._replace(channels=1, bits=8))


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
        Problems, then shards whose bytes are not those of their names, then the files below `frames/` that no row names.
    """
    some = list(itertools.islice((path for path, _ in walk_files(root, IMAGE_FOLDER)), _LOOKED_AT))
    threads = _choose_threads(root, some) if hashes else 1
    named: list[NDArray[np.int64]] = []
    done = 0

    def check(batch: Sequence[ExpectedImage]) -> tuple[Sequence[ExpectedImage], list[Problem]]:
        return batch, _check_batch(root, batch, hashes=hashes)

    with ThreadPoolExecutor(threads) as pool:
        # A pool of one thread would only add its hand-overs.
        for batch, problems in (pool.map if threads > 1 else map)(check, _cut_batches(images)):
            yield from problems
            named.append(np.fromiter({hash(name_holder(image.path)) for image in batch}, np.int64))
            done += len(batch)
            if on_progress is not None:
                on_progress(done, total)
    known = np.unique(np.concatenate([np.zeros(0, np.int64), *named]))
    unnamed = sorted(_find_unnamed(root, known))
    if hashes:
        yield from _check_shards(root, set(unnamed))
    for path in unnamed:
        yield Problem(path, "", "no row names this file; delete it, or build the data set again")


def _check_shards(root: Path, unnamed: Collection[str]) -> Iterator[Problem]:
    for name in sorted(list_files(root, IMAGE_FOLDER)):
        path = f"{IMAGE_FOLDER}/{name}"
        digest = find_shard_digest(path)
        if digest is not None and path not in unnamed and hash_file(root, path) != digest:
            yield Problem(path, "", "SHA-256: differs from its name; restore the file, or delete it and build again")


def _find_unnamed(root: Path, named: NDArray[np.int64]) -> Iterator[str]:
    """Files that no row names. Of those that are, 8 bytes are kept: of 10 million, a further file is missed once in 2 billion times."""
    walk = (path for path, _ in walk_files(root, IMAGE_FOLDER))
    while paths := list(itertools.islice(walk, _LOOKED_AT)):
        wanted = np.fromiter(map(hash, paths), np.int64, len(paths))
        places = np.searchsorted(named, wanted).clip(0, max(len(named) - 1, 0))
        found = named[places] == wanted if len(named) else np.zeros(len(paths), bool)
        yield from itertools.compress(paths, ~found)


def _cut_batches(images: Iterable[ExpectedImage]) -> Iterator[Sequence[ExpectedImage]]:
    rest = iter(images)
    while batch := tuple(itertools.islice(rest, _FILES_PER_TASK)):
        yield batch


def _choose_threads(root: Path, paths: Sequence[str]) -> int:
    """As many threads as there are cores to run on, but one where files are so small that threads wait for each other."""
    sizes = []
    for path in paths[:: max(1, len(paths) // _SAMPLE)]:
        with contextlib.suppress(OSError, ValueError):
            sizes.append((root / path).lstat().st_size)
    small = sum(sizes) < _SMALL_FILE * len(sizes)
    return 1 if small or not sizes else len(os.sched_getaffinity(0))


def _check_batch(root: Path, images: Sequence[ExpectedImage], *, hashes: bool) -> list[Problem]:
    buffer = memoryview(bytearray(_BUFFER_BYTES if hashes else HEADER_BYTES))
    known: set[tuple[bytes, ImageHeader]] = set()
    problems: list[Problem] = []
    with closing(FileOpener(root)) as opener:
        for image in images:
            try:
                descriptor = opener.open(image.path)
            except (UnsafePathError, FileTooLargeError) as error:
                problems.append(Problem(image.table, image.row, f"path {error}"))
                continue
            except FileNotFoundError:
                message = f"{image.path}: no such file; restore it, or build the data set again"
                problems.append(Problem(image.table, image.row, message))
                continue
            except OSError as error:
                problems.append(Problem(image.path, image.row, str(error)))
                continue
            try:
                messages = list(_check_file(descriptor, image, buffer, known, hashes=hashes))
            finally:
                os.close(descriptor)
            problems += [Problem(image.path, image.row, message) for message in messages]
    return problems


def _check_file(
    descriptor: int, image: ExpectedImage, buffer: memoryview, known: set[tuple[bytes, ImageHeader]], *, hashes: bool
) -> Iterator[str]:
    """What is wrong with a file; what sound ones began with is noted in `known`."""
    try:
        start, digest = _read_file(descriptor, buffer, hashes=hashes)
        # Frames of a burst begin alike; what begins as a sound one did is not taken apart again.
        if (start, image.header) not in known:
            header = parse_png_header(start)
            if header is None:
                os.lseek(descriptor, 0, os.SEEK_SET)
                with os.fdopen(os.dup(descriptor), "rb") as stream:
                    header = read_header(stream, image.path)
            elif image.fits(header):
                known.add((start, image.header))
            if not image.fits(header):
                yield f"image header: expected {image.header}, got {header}; restore the file"
    except (OSError, ImageFileError) as error:
        yield str(error)
        return
    if digest is not None and digest != image.sha256:
        yield f"SHA-256: expected {image.sha256}, got {digest}; restore the file"


def _read_file(descriptor: int, buffer: memoryview, *, hashes: bool) -> tuple[bytes, str | None]:
    """First bytes of a file and, if wanted, its SHA-256; plain system calls, for most files are small."""
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
