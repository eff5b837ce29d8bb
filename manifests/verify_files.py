"""Checks of the image files that the tables name: where they lie, what they hold, and whether any is left over."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

import pandas as pd

from manifests.errors import ImageFileError, UnsafePathError
from manifests.headers import HEADER_BYTES, ImageHeader, parse_png_header, read_header
from manifests.problem import Problem
from manifests.store import resolve_inside

Progress = Callable[[int, int], None]
"""Called with the number of files checked so far and the number of all."""

_FILES_PER_TASK = 32
_BUFFER_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class ExpectedImage:
    """What a row says about a file.

    Attributes:
        table: the table that names it, `bursts` or `frames`.
        row: keys of the row.
        path: relative, POSIX.
        sha256: hex.
        header: size as stored, channels, and least number of bits.
        exact_bits: whether another number of bits is wrong, too.
    """

    table: Literal["bursts", "frames"]
    row: str
    path: str
    sha256: str
    header: ImageHeader
    exact_bits: bool


def list_expected_images(bursts: pd.DataFrame, frames: pd.DataFrame) -> list[ExpectedImage]:
    """Every file that the tables name; rows whose numbers make no sense are left to the checks of the tables.

    Args:
        bursts: the table `bursts`, `burst_id` unique.
        frames: the table `frames`.
    """
    columns = ["burst_id", "height", "width", "domain", "white_level"]
    rows = frames.merge(bursts[columns], on="burst_id")
    expected = [
        ExpectedImage(
            "frames",
            f"burst_id={burst_id}, frame_index={index}",
            path,
            sha256,
            ImageHeader(
                *((width, height) if orientation >= 5 else (height, width)),
                channels=1 if domain == "raw_bayer" else 3,
                bits=16 if white_level > 255 else 8,
            ),
            exact_bits=False,
        )
        for burst_id, index, path, sha256, orientation, height, width, domain, white_level in zip(
            *(
                rows[name].tolist()
                for name in ("burst_id", "frame_index", "path", "sha256", "orientation", *columns[1:])
            ),
            strict=True,
        )
    ]
    truths = bursts[bursts["ground_truth_path"].notna() & bursts["ground_truth_sha256"].notna()]
    expected += [
        ExpectedImage(
            "bursts",
            f"burst_id={burst_id}",
            path,
            sha256,
            ImageHeader(height * scale, width * scale, channels=3, bits=16),
            exact_bits=True,
        )
        for burst_id, path, sha256, height, width, scale in zip(
            *(truths[name].tolist() for name in ("burst_id", "ground_truth_path", "ground_truth_sha256")),
            *(truths[name].tolist() for name in ("height", "width", "scale")),
            strict=True,
        )
    ]
    return expected


def check_images(
    root: Path, images: Sequence[ExpectedImage], *, hashes: bool, on_progress: Progress | None = None
) -> Iterator[Problem]:
    """Check that every file lies inside `root`, is there, and has the header and the SHA-256 that its row states.

    Files are read once, by as many threads as there are cores to run on; reading and hashing both let other threads run.

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
    done = 0
    with ThreadPoolExecutor(max_workers=len(os.sched_getaffinity(0))) as pool:
        found = pool.map(lambda batch: _check_batch(root, batch, entries, hashes=hashes), batches)
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
    if not (root / folder).is_dir():
        return
    with os.scandir(root / folder) as entries:
        for entry in entries:
            path = f"{folder}/{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                yield from list_entries(root, path)
            else:
                yield path, entry.is_file(follow_symlinks=False)


def _check_batch(
    root: Path, images: Sequence[ExpectedImage], entries: Mapping[str, bool], *, hashes: bool
) -> list[Problem]:
    buffer = memoryview(bytearray(_BUFFER_BYTES if hashes else HEADER_BYTES))
    return [problem for image in images for problem in _check_image(root, image, entries, buffer, hashes=hashes)]


def _check_image(
    root: Path, image: ExpectedImage, entries: Mapping[str, bool], buffer: memoryview, *, hashes: bool
) -> Iterator[Problem]:
    table = f"manifests/{image.table}.parquet"
    if not entries.get(image.path, False):
        message = _explain_path(root, image.path)
        if message is not None:
            yield Problem(table, image.row, message)
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
    expected = image.header
    if (header.height, header.width, header.channels) != (expected.height, expected.width, expected.channels) or (
        header.bits != expected.bits if image.exact_bits else header.bits < expected.bits
    ):
        yield Problem(image.path, image.row, f"image header: expected {expected}, got {header}; restore the file")


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
