"""Check a data set on disk: files, tables, keys, and the rules that tie them together."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

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
    read_unchecked,
    table_path,
)
from manifests.verification.duplicates import check_near_duplicates
from manifests.verification.files import check_images, iterate_expected_images
from manifests.verification.labels import check_labels
from manifests.verification.rows import Rows, check_frames, check_splits, check_values

__all__ = ["Problem", "Progress", "verify"]

_LABEL_KEYS = ("burst_id", "estimator", "metric", "frame_index")


def verify(root: Path, *, hashes: bool = True, on_progress: Progress | None = None) -> list[Problem]:
    """Check a data set, and return everything that is wrong with it.

    A flipped byte is found in every file: `dataset.json` holds a checksum of itself and the SHA-256 of every other document, the
    tables hold those of the images, and what none of these names is reported as left over. Out of reach are hidden files (`.work/`)
    and someone who changes a file and its digests together. Where the key `manifests` of `dataset.json` is missing, that is a problem,
    for damage to a table then shows only as far as its page checksums, its schema or the rules between the tables are broken.

    Args:
        root: folder of the data set.
        hashes: whether to compare SHA-256 digests of all files; without, images are still opened for their headers.
        on_progress: called with the number of images checked and the number of all.

    Returns:
        Problems, in a fixed order; none means that the data set is sound. Whatever is wrong with the files of the data set
        is returned, not raised.
    """
    problems = list(_check_description(root, hashes=hashes))
    absent = (RELIABILITY, SPLITS) if _is_part(root) else (RELIABILITY,)
    tables = {}
    for kind in (BURSTS, FRAMES, SPLITS, FAILURES, RELIABILITY):
        if kind in absent and not _may_have(root, table_path(kind.name)):
            continue
        rows, found = _load_rows(root, table_path(kind.name), kind, kind.sort_by)
        problems += found
        if rows is not None:
            tables[kind.name] = rows
    problems += _check_tables(tables)
    bursts = tables.get("bursts")
    label_files, found = _list_label_files(root)
    problems += found
    for path in label_files:
        rows, found = _load_rows(root, path, LABELS, _LABEL_KEYS)
        problems += found
        if rows is not None and bursts is not None:
            problems += check_labels(rows, bursts)
    if _may_have(root, table_path("packs")):
        # Digests of whole shards are compared above; those of bursts tell which one is damaged.
        damaged = any(problem.file.startswith("shards/") for problem in problems)
        problems += _check_packs(root, hashes=damaged, on_progress=on_progress)
    elif bursts is not None and "frames" in tables:
        named = bursts.frame.drop_duplicates("burst_id")
        images = iterate_expected_images(named, tables["frames"].frame)
        total = len(tables["frames"].frame) + int(named["ground_truth_path"].notna().sum())
        problems += check_images(root, images, hashes=hashes, total=total, on_progress=on_progress)
        if "splits" in tables:
            problems += check_near_duplicates(root, bursts.frame, tables["frames"].frame, tables["splits"].frame)
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


def _check_tables(tables: dict[str, Rows]) -> Iterator[Problem]:
    """The tables that could be read, against each other."""
    bursts = tables.get("bursts")
    if bursts is None:
        return
    if "frames" in tables:
        yield from check_frames(tables["frames"], bursts)
    if "splits" in tables:
        yield from check_splits(tables["splits"], bursts)


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


def _load_rows(root: Path, file: str, kind: TableSchema, keys: tuple[str, ...]) -> tuple[Rows | None, list[Problem]]:
    """The rows of a table, if it can be read, and what is wrong with them by themselves."""
    try:
        table = read_unchecked(root, file, kind)
        problems = list(check_values(file, kind, table))
        return Rows(file, keys, table.to_pandas()), problems
    except (ManifestError, pa.ArrowException, OSError) as error:
        return None, [Problem(file, "", str(error))]
