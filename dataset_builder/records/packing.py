"""Images of a data set in shards, and what lies in the way when they have changed."""

from __future__ import annotations

import contextlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from dataset_builder.errors import OutputError
from dataset_builder.records.rows import Origin
from dataset_builder.work.stopping import check_stop
from dataset_builder.work.unit import Unit, read_part, write_part
from manifests.confined.members import Member, find_member, name_holder, name_plain
from manifests.confined.reading import list_sizes, read_files
from manifests.confined.writing import remove_file, remove_tree
from manifests.images.shards import measure_shard, number_shard, write_shard

_OF_BURSTS = ("ground_truth_path", "ground_truth_mask_path")
_OF_FRAMES = ("path", "mask_path")
_FOLDER = "frames"


Store = Literal["files", "packs"]
"""How images lie in a data set: a file each, or many in a shard."""


def choose_packs(root: Path, store: Store | None, paths: Iterable[str]) -> bool:
    """Whether images belong into shards: as was asked for, else as they lie there now.

    Args:
        root: the data set.
        store: what was asked for, if anything.
        paths: of images that the data set has.

    Raises:
        OutputError: if single files were asked for where there are shards.
    """
    packed = any(find_member(path) is not None for path in paths)
    if packed and store == "files":
        raise OutputError(
            f"root {root}: holds its images in packs; leave --store out, or write them as single files by `buiqa subset`"
        )
    return packed or store == "packs"


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


def pack_images(root: Path, bursts: Sequence[dict[str, Any]], frames: pa.Table) -> pa.Table:
    """Put the images of all bursts into their shards; those that lie there already, and nothing beside them, stay.

    What held them before is left where it is, for the tables still name it.

    Args:
        root: the data set.
        bursts: rows of `bursts`, whose paths are changed.
        frames: their rows of `frames`.

    Returns:
        The rows of `frames` with the new paths.

    Raises:
        ImageFileError: if an image cannot be read.
        OSError: if a shard cannot be written.
    """
    scenes = {burst["burst_id"]: burst["scene_id"] for burst in bursts}
    shards: dict[int, list[str]] = defaultdict(list)
    for burst in bursts:
        shards[number_shard(burst["scene_id"])] += [burst[name] for name in _OF_BURSTS if burst[name]]
    columns = (frames.column(name).to_pylist() for name in ("burst_id", *_OF_FRAMES))
    for burst_id, *paths in zip(*columns, strict=True):
        shards[number_shard(scenes[burst_id])] += [path for path in paths if path]
    sizes = list_sizes(root, _FOLDER)
    moved: dict[str, str] = {}
    for number in sorted(shards):
        check_stop()
        if not _is_packed(shards[number], number, sizes):
            moved |= _pack(root, number, shards[number])
    for burst in bursts:
        burst |= {name: moved.get(burst[name], burst[name]) for name in _OF_BURSTS}
    for name in _OF_FRAMES:
        paths = [moved.get(path, path) for path in frames.column(name).to_pylist()]
        place = frames.schema.get_field_index(name)
        frames = frames.set_column(place, frames.schema.field(name), pa.array(paths, pa.string()))
    return frames


def remove_strays(root: Path, bursts: Iterable[Mapping[str, Any]], frames: pa.Table) -> None:
    """Remove the shards that no row names any more."""
    named = {name_holder(burst[name]) for burst in bursts for name in _OF_BURSTS if burst[name]}
    for name in _OF_FRAMES:
        named |= {name_holder(path) for path in pc.unique(frames.column(name)).to_pylist() if path}
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
