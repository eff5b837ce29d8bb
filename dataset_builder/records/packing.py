"""Images of a data set in shards, and what lies in the way when they have changed."""

from __future__ import annotations

import contextlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal, Protocol

from dataset_builder.errors import OutputError
from dataset_builder.records.held import iterate_held, write_moved
from dataset_builder.records.rows import Origin
from dataset_builder.work.stopping import check_stop
from dataset_builder.work.unit import Unit, read_part, write_part
from manifests.batches import count_rows
from manifests.confined.members import Member, find_member, name_plain
from manifests.confined.reading import list_sizes, read_files
from manifests.confined.writing import remove_file, remove_tree
from manifests.images.shards import SHARDS, measure_shard, number_shard, write_shard
from manifests.schema import FRAMES
from manifests.store import table_path

_OF_BURSTS = ("ground_truth_path", "ground_truth_mask_path")
_OF_FRAMES = ("path", "mask_path")
_FOLDER = "frames"
_IMAGES_AT_ONCE = 1_000_000
"""Whose paths are in memory, about."""

Store = Literal["files", "packs"]
"""How images lie in a data set: a file each, or many in a shard."""


def choose_packs(root: Path, store: Store | None, *, are_packed: bool) -> bool:
    """Whether images belong into shards: as was asked for, else as they lie there now.

    Args:
        root: the data set.
        store: what was asked for, if anything.
        are_packed: whether images of the data set lie in shards.

    Raises:
        OutputError: if single files were asked for where there are shards.
    """
    if are_packed and store == "files":
        raise OutputError(
            f"root {root}: holds its images in packs; leave --store out, or write them as single files by `buiqa subset`"
        )
    return are_packed or store == "packs"


class PackedUnit(Unit, Protocol):
    """A unit whose result is a burst."""

    @property
    def origin(self) -> Origin:
        """Where the burst comes from."""
        ...

    @property
    def folder(self) -> str:
        """Where its files are, until they are packed."""
        ...


class PackingQueue:
    """Bursts that were just made, whose files become a shard as soon as no other burst of it is to come.

    So there are never many single files, if bursts of one shard are made one after the other. Part files are changed to say where
    images lie now: whoever goes on with a build that was killed finds them there.

    Args:
        root: the data set.
        made: bursts that have a result.
        missing: those that are to come.
    """

    def __init__(self, root: Path, made: Iterable[PackedUnit], missing: Iterable[PackedUnit]) -> None:
        self._root = root
        self._made: dict[int, list[PackedUnit]] = defaultdict(list)
        for unit in made:
            self._made[number_unit(unit)].append(unit)
        self._missing = Counter(map(number_unit, missing))

    def finish(self, unit: PackedUnit, *, is_made: bool) -> None:
        """Take note of a burst that is to come no more.

        Raises:
            ImageFileError: if an image cannot be read.
            OSError: if a shard cannot be written.
        """
        number = number_unit(unit)
        if is_made:
            self._made[number].append(unit)
        self._missing[number] -= 1
        if self._missing[number] == 0 and (units := self._made.pop(number, [])):
            self._pack(number, units)

    def _pack(self, number: int, units: Sequence[PackedUnit]) -> None:
        parts = [(unit, part) for unit in units if (part := read_part(self._root, unit)) is not None]
        rows = [(part["burst"], _OF_BURSTS) for _, part in parts]
        rows += [(frame, _OF_FRAMES) for _, part in parts for frame in part["frames"]]
        moved = _pack(self._root, number, [row[name] for row, names in rows for name in names if row[name]])
        for row, names in rows:
            row |= {name: moved[row[name]] for name in names if row[name]}
        for unit, part in parts:
            write_part(self._root, unit, {**part, "stage": None})
            with contextlib.suppress(OSError):
                remove_tree(self._root, unit.folder)


def number_unit(unit: PackedUnit) -> int:
    """Which shard the images of a burst belong into."""
    return number_shard(unit.origin.scene_id)


def pack_images(root: Path) -> None:
    """Put the images of all bursts into their shards; those that lie there already, and nothing beside them, stay.

    What held them before stays until the tables name the new places; shards that no row names are removed at last. Memory does not grow
    with the data set: the tables are read, and written where something moved, once for each million of images.

    Args:
        root: the data set.

    Raises:
        ImageFileError: if an image cannot be read.
        ManifestError: if a table cannot be read.
        OSError: if a shard cannot be written.
    """
    rounds = -(-count_rows(root, table_path(FRAMES.name), FRAMES) // _IMAGES_AT_ONCE) or 1
    sizes = list_sizes(root, _FOLDER)
    for number in range(rounds):
        moved = _pack_some(root, range(SHARDS * number // rounds, SHARDS * (number + 1) // rounds), sizes)
        if moved:
            write_moved(root, moved)
    _remove_strays(root)


def _pack_some(root: Path, numbers: range, sizes: Mapping[str, int]) -> dict[str, str]:
    """Bring some shards up to date; new paths of images by their old ones."""
    shards: dict[int, list[str]] = defaultdict(list)
    for burst in iterate_held(root):
        if (number := number_shard(burst.row["scene_id"])) in numbers:
            shards[number] += burst.files
    moved: dict[str, str] = {}
    for number, paths in sorted(shards.items()):
        check_stop()
        if not _is_packed(paths, number, sizes):
            moved |= _pack(root, number, paths)
    return moved


def _remove_strays(root: Path) -> None:
    """Remove the shards that no row names any more."""
    named = {member.shard for burst in iterate_held(root) for member in map(find_member, burst.files) if member}
    for name in list_sizes(root, _FOLDER):
        if f"{_FOLDER}/{name}" not in named:
            remove_file(root, f"{_FOLDER}/{name}")


def remove_loose(root: Path, sources: Iterable[str]) -> None:
    """Remove the folders of sources all of whose images are in shards."""
    for source in sources:
        with contextlib.suppress(OSError):
            remove_tree(root, f"{_FOLDER}/{source}")


def _pack(root: Path, number: int, paths: Sequence[str]) -> dict[str, str]:
    """Write the shard of some images; their new paths by their present ones."""
    plain = {name_plain(path).removeprefix(f"{_FOLDER}/"): path for path in paths}
    names = sorted(plain)
    places = write_shard(root, number, zip(names, read_files(root, [plain[name] for name in names]), strict=True))
    return {plain[name]: place for name, place in places.items()}


def _is_packed(paths: Sequence[str], number: int, sizes: Mapping[str, int]) -> bool:
    """Whether some images, and nothing else, make up one shard of the right number."""
    members = [find_member(path) for path in paths]
    found = [member for member in members if member is not None]
    holders = {member.shard for member in found}
    if len(found) < len(members) or len(holders) != 1:
        return False
    name = holders.pop().removeprefix(f"{_FOLDER}/")
    expected = measure_shard(member.length for member in found)
    return name.startswith(f"{number:03x}-") and sizes.get(name) == expected and _are_in_order(found)


def _are_in_order(members: Sequence[Member]) -> bool:
    by_place = sorted(members, key=lambda member: member.offset)
    return [member.name for member in by_place] == sorted(member.name for member in members)
