"""The parts of one build joined to what a single build would have made, in little memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pyarrow as pa

from manifests.batches import iterate_slices
from manifests.confined.members import find_member, find_shard_digest
from manifests.confined.reading import hash_file, list_files
from manifests.confined.writing import copy_file
from manifests.description import DESCRIPTION, DIGESTS, PART, drop_seal, read_description, write_description
from manifests.errors import ImageFileError, MergeConflictError, SchemaError
from manifests.images.listing import StoredFile, list_image_files
from manifests.operations.combine import Finish, copy_images, read_facts
from manifests.operations.output import require_new_folder, write_new_folder
from manifests.operations.streams import merge_tables
from manifests.schema import BURSTS, FAILURES, FRAMES, LABELS
from manifests.seal import IMAGE_FOLDER
from manifests.store import list_label_files, read_table, table_path, write_table

_RECIPE = "recipe.toml"
_ROWS_AT_ONCE = 1024
"""Whose images are copied before the next rows are read."""
_NOT_SHARED = ("personal", "provenance", "totals", "estimators", "metrics", "scenarios")
"""What a description says that follows from tables."""


@dataclass(frozen=True)
class PartFacts:
    """What a part says of itself.

    Attributes:
        number: which part it is, from 1.
        total: how many there are.
        plan_sha256: of what all parts together make.
        code_sha256: of the code that built it.
    """

    number: int
    total: int
    plan_sha256: str
    code_sha256: str


def read_part_facts(root: Path) -> PartFacts | None:
    """Which part of a build a folder holds; None for a whole data set.

    Raises:
        ManifestError: if it holds neither.
    """
    return _parse_facts(root, read_description(root))


def _parse_facts(root: Path, description: Mapping[str, Any]) -> PartFacts | None:
    facts = description.get(PART)
    names = [field.name for field in fields(PartFacts)]
    if facts is None:
        return None
    if sorted(facts) != sorted(names):
        raise SchemaError(
            f"{root / DESCRIPTION}: {PART}: expected {', '.join(names)}; run the build of this part again"
        )
    return PartFacts(**facts)


def merge_parts(parts: Sequence[Path], out: Path, *, finish: Finish) -> None:
    """Write the data set whose parts some builds made; what follows from all scenes, as splits do, is left to `finish`.

    Tables are read a piece at a time and images one after the other: memory does not grow with the number of bursts.

    Args:
        parts: folders of all parts of one build, in any order.
        out: new folder.
        finish: what else is done to the data set before it gets its place.

    Raises:
        MergeConflictError: if they are not the parts of one build, each once; says which is wrong, and the way out.
        ManifestError: if `out` holds something, or a table or file is damaged.
    """
    descriptions = {root: read_description(root) for root in parts}
    roots = _order({root: _parse_facts(root, description) for root, description in descriptions.items()}, parts)
    for root in roots:
        _require_one_build(root, descriptions[root], roots[0], descriptions[roots[0]])
        _require_sealed(root, descriptions[root])
    require_new_folder(out)
    first = descriptions[roots[0]]
    with write_new_folder(out) as folder:
        for kind in (FRAMES, BURSTS):
            merge_tables(roots, table_path(kind.name), kind, folder)
        failures = [read_table(root, table_path(FAILURES.name), FAILURES) for root in roots]
        write_table(folder, table_path(FAILURES.name), FAILURES, pa.concat_tables(failures))
        for path, owners in _list_owners(roots).items():
            merge_tables(owners, path, LABELS, folder, metadata=_share_facts(owners, path))
        for root in roots:
            for files in _list_images(root):
                copy_images(root, files, folder)
            for name in list_files(root, IMAGE_FOLDER):
                _copy_shard(root, f"{IMAGE_FOLDER}/{name}", folder)
        copy_file(roots[0], _RECIPE, folder)
        known = {name: value for name, value in drop_seal(first).items() if name not in {PART, *_NOT_SHARED}}
        write_description(folder, known)
        finish(folder)


def _order(facts: Mapping[Path, PartFacts | None], parts: Sequence[Path]) -> list[Path]:
    """All parts by their numbers."""
    known = {root: found for root, found in facts.items() if found is not None}
    if whole := [root for root in parts if root not in known]:
        raise MergeConflictError(f"{whole[0]}: is a whole data set, not a part of a build; name the parts alone")
    total = known[parts[0]].total
    by_number: dict[int, Path] = {}
    for root in parts:
        if known[root].total != total:
            raise MergeConflictError(
                f"{root}: is one of {known[root].total} parts, {parts[0]} one of {total}; name the parts of one build"
            )
        number = known[root].number
        if number in by_number:
            raise MergeConflictError(f"{by_number[number]} and {root}: are both part {number}; name each part once")
        by_number[number] = root
    missing = sorted(set(range(1, total + 1)) - by_number.keys())
    if missing:
        more = f", nor are {len(missing) - 1} others" if len(missing) > 1 else ""
        raise MergeConflictError(
            f"part {missing[0]} of {total}: is not among the folders{more}; name those of all parts"
        )
    return [by_number[number] for number in sorted(by_number)]


def _require_one_build(root: Path, description: Mapping[str, Any], first: Path, known: Mapping[str, Any]) -> None:
    """Raise MergeConflictError if a part was not built from what the first was built from."""
    versions = [(one[PART]["code_sha256"], one.get("software")) for one in (description, known)]
    for there, expected, what, way_out in (
        (description.get("recipe"), known.get("recipe"), "another recipe", "build all parts from one"),
        (hash_file(root, _RECIPE), hash_file(first, _RECIPE), "another file of the recipe", "build all parts from one"),
        (*versions, "other versions of the software", "run the builds again with one, which keep what is finished"),
        (
            description[PART]["plan_sha256"],
            known[PART]["plan_sha256"],
            "other sources",
            "let all parts see the same files",
        ),
    ):
        if there != expected:
            raise MergeConflictError(f"{root}: was built from {what} than {first}; {way_out}")


def _require_sealed(root: Path, description: Mapping[str, Any]) -> None:
    """What is merged gets a new seal, so it must keep the one that it has."""
    paths = [_RECIPE, *(table_path(kind.name) for kind in (BURSTS, FRAMES, FAILURES)), *list_label_files(root)]
    for path in paths:
        if description.get(DIGESTS, {}).get(path) != hash_file(root, path):
            raise MergeConflictError(f"{root / path}: is not as it was sealed; run the build of this part again")


def _list_images(root: Path) -> Iterator[list[StoredFile]]:
    """The images of a data set that are files of their own, those of some rows at a time."""
    for bursts in iterate_slices(root, table_path(BURSTS.name), BURSTS, rows=_ROWS_AT_ONCE):
        yield _drop_members(list_image_files(bursts, FRAMES.schema.empty_table()))
    for frames in iterate_slices(root, table_path(FRAMES.name), FRAMES, rows=_ROWS_AT_ONCE):
        yield _drop_members(list_image_files(BURSTS.schema.empty_table(), frames))


def _drop_members(files: Iterable[StoredFile]) -> list[StoredFile]:
    return [file for file in files if find_member(file.path) is None]


def _copy_shard(root: Path, path: str, out: Path) -> None:
    """Copy a file of many images as it is: parts have whole shards."""
    copy_file(root, path, out)
    digest = find_shard_digest(path)
    if digest is None or hash_file(out, path) != digest:
        raise ImageFileError(f"{root / path}: SHA-256 differs from its name; run the build of this part again")


def _list_owners(roots: Iterable[Path]) -> dict[str, list[Path]]:
    """Label files, and the data sets that have them."""
    owners: dict[str, list[Path]] = {}
    for root in roots:
        for path in list_label_files(root):
            owners.setdefault(path, []).append(root)
    return owners


def _share_facts(roots: Sequence[Path], path: str) -> dict[str, str]:
    facts = [read_facts(root, path) for root in roots]
    for root, found in zip(roots, facts, strict=True):
        if found != facts[0]:
            raise MergeConflictError(
                f"{root / path}: is of another restorer or settings than that of {roots[0]}; run the builds again with one restorer"
            )
    return facts[0]
