"""Check a data set on disk: files, tables, keys, and the rules that tie them together."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from manifests.confined.reading import has_file, hash_file, walk_files
from manifests.description import DIGESTS, PART, UNFINISHED, has_sound_checksum, read_description
from manifests.errors import ManifestError
from manifests.loading.pack_files import check_packs
from manifests.problem import Problem, Progress
from manifests.schema import BURSTS, FAILURES, FRAMES, LABELS, RELIABILITY, SPLITS, TableSchema
from manifests.seal import list_documents
from manifests.store import (
    LABEL_FOLDER,
    list_label_files,
    table_path,
)
from manifests.verification.duplicates import ReadThumbnails, check_near_duplicates, read_here
from manifests.verification.files import check_images, iterate_expected_images
from manifests.verification.labels import LABEL_KEYS, check_labels
from manifests.verification.pieces import check_pieces
from manifests.verification.reading import iterate_pieces
from manifests.verification.rows import FrameCheck, Rows, check_splits, check_values

__all__ = ["Problem", "Progress", "verify"]

_BURST_COLUMNS = [
    "burst_id", "scene_id", "num_frames", "reference_index", "height", "width", "domain", "black_level", "white_level", "scale",
    "ground_truth_path", "ground_truth_sha256", "ground_truth_mask_path", "ground_truth_mask_sha256", "perceptual_hash",
]  # fmt: skip
"""Of `bursts`, what is held while the rest is checked."""
_IMAGE_COLUMNS = ["burst_id", "frame_index", "path", "sha256", "orientation", "mask_path", "mask_sha256"]
_REFERENCE_COLUMNS = ["burst_id", "is_reference", "path", "orientation"]


def verify(
    root: Path | str,
    *,
    hashes: bool = True,
    on_progress: Progress | None = None,
    read: ReadThumbnails | None = None,
) -> list[Problem]:
    """Check a data set, and return everything that is wrong with it.

    A flipped byte is found in every file: `dataset.json` holds a checksum of itself and the SHA-256 of every other document, the
    tables hold those of the images, and what none of these names is reported as left over. Out of reach are hidden files (`.work/`)
    and someone who changes a file and its digests together. Where the key `manifests` of `dataset.json` is missing, that is a problem,
    for damage to a table then shows only as far as its page checksums, its schema or the rules between the tables are broken.

    Args:
        root: folder of the data set.
        hashes: whether to compare SHA-256 digests of all files; without, images are still opened for their headers.
        on_progress: called with the number of images checked and the number of all.
        read: how to read the pictures that look alike by their hashes; None for reading them here, one after the other, and passing
            over large ones.

    Returns:
        Problems, in a fixed order; none means that the data set is sound. Whatever is wrong with the files of the data set
        is returned, not raised.
    """
    root = Path(root)
    problems = list(_check_description(root, hashes=hashes))
    bursts, found = _load_rows(root, table_path(BURSTS.name), BURSTS, _BURST_COLUMNS)
    problems += found
    frames = FrameCheck()
    wrong, mismatches, readable = check_pieces(
        root, table_path(FRAMES.name), FRAMES, FRAMES.sort_by, check=frames.check, bursts=bursts
    )
    problems += wrong
    absent = (RELIABILITY, SPLITS) if _is_part(root) else (RELIABILITY,)
    tables = {}
    for kind in (SPLITS, FAILURES, RELIABILITY):
        if kind in absent and not _may_have(root, table_path(kind.name)):
            continue
        rows, found = _load_rows(root, table_path(kind.name), kind)
        problems += found
        if rows is not None:
            tables[kind.name] = rows
    splits = tables.get(SPLITS.name)
    problems += mismatches
    if bursts is not None and readable:
        problems += frames.find_repeated_paths(root)
    if bursts is not None and splits is not None:
        problems += check_splits(splits, bursts)
    label_files, found = _list_label_files(root)
    problems += found
    for path in label_files:
        wrong, found, _ = check_pieces(root, path, LABELS, LABEL_KEYS, check=check_labels, bursts=bursts)
        problems += [*wrong, *found]
    if _may_have(root, table_path("packs")):
        # Digests of whole shards are compared above; those of bursts tell which one is damaged.
        damaged = any(problem.file.startswith("shards/") for problem in problems)
        problems += _check_packs(root, hashes=damaged, on_progress=on_progress)
    elif bursts is not None and readable:
        named = bursts.frame.drop_duplicates("burst_id")
        images = iterate_expected_images(named, _iterate_frames(root, _IMAGE_COLUMNS))
        total = frames.count + int(named["ground_truth_path"].notna().sum())
        problems += check_images(root, images, hashes=hashes, total=total, on_progress=on_progress)
        if splits is not None:
            problems += check_near_duplicates(
                bursts.frame,
                _iterate_frames(root, _REFERENCE_COLUMNS),
                splits.frame,
                read=partial(read_here, root) if read is None else read,
            )
    return problems


def _is_part(root: Path) -> bool:
    try:
        return PART in read_description(root)
    except (ManifestError, OSError):
        return False


def _may_have(root: Path, path: str) -> bool:
    """Whether there is such a file, or something else in its place that whoever reads it will complain of."""
    try:
        return has_file(root, path)
    except (ManifestError, OSError):
        return True


def _list_label_files(root: Path) -> tuple[list[str], list[Problem]]:
    try:
        return list_label_files(root), []
    except (ManifestError, OSError) as error:
        return [], [Problem(LABEL_FOLDER, "", str(error))]


def _check_packs(root: Path, *, hashes: bool, on_progress: Progress | None) -> Iterator[Problem]:
    try:
        yield from check_packs(root, hashes=hashes, on_progress=on_progress)
    except (ManifestError, pa.ArrowException, OSError) as error:
        yield Problem("manifests/packs.parquet", "", str(error))


def _iterate_frames(root: Path, columns: list[str]) -> Iterator[pd.DataFrame]:
    for table in iterate_pieces(root, table_path(FRAMES.name), FRAMES, columns=columns):
        yield table.to_pandas()


def _check_description(root: Path, *, hashes: bool) -> Iterator[Problem]:
    try:
        description = read_description(root)
        sound = has_sound_checksum(root, description)
    except (ManifestError, OSError) as error:
        yield Problem("dataset.json", "", str(error))
        return
    if not sound:
        yield Problem(
            "dataset.json", "", "checksum: does not fit the content; restore the file, or build the data set again"
        )
    if UNFINISHED in description:
        yield Problem("dataset.json", "", f"{UNFINISHED}: a build was interrupted; run the same command again")
    digests = description.get(DIGESTS, {})
    if not digests and UNFINISHED not in description:
        yield Problem(
            "dataset.json",
            "",
            "manifests: missing, so nobody can tell whether tables were changed; build the data set again",
        )
    for path, expected in sorted(digests.items()):
        yield from _check_digest(root, path, expected, hashes=hashes)
    if digests:
        # Within `manifests` hidden files count too: there, the next build would trip over them.
        for path in sorted({*list_documents(root), *(path for path, _ in walk_files(root, "manifests"))}):
            if path not in digests:
                yield Problem(path, "", "dataset.json does not list this file; delete it, or build the data set again")


def _check_digest(root: Path, relative: str, expected: Any, *, hashes: bool) -> Iterator[Problem]:
    try:
        if not has_file(root, relative):
            yield Problem(relative, "", "listed in dataset.json, but there is no such file; restore it, or build again")
        elif hashes and (found := hash_file(root, relative)) != expected:
            yield Problem(relative, "", f"SHA-256: expected {expected}, got {found}; restore the file, or build again")
    except (ManifestError, OSError) as error:
        yield Problem("dataset.json", f"manifests={relative}", str(error))


def _load_rows(
    root: Path, file: str, kind: TableSchema, columns: list[str] | None = None
) -> tuple[Rows | None, list[Problem]]:
    """The rows of a table, if it can be read, of them some columns; and what is wrong with them by themselves."""
    problems: list[Problem] = []
    frames = []
    try:
        for table in iterate_pieces(root, file, kind):
            problems += check_values(file, kind, table)
            frames.append(table.select(columns or table.column_names).to_pandas())
    except (ManifestError, pa.ArrowException, OSError) as error:
        return None, [Problem(file, "", str(error))]
    return Rows(file, kind.sort_by, pd.concat(frames, ignore_index=True) if len(frames) > 1 else frames[0]), problems
