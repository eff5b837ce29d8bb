"""Whether the images that a row names are still there."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from manifests.confined.members import Member, find_member
from manifests.confined.reading import list_files, open_file
from manifests.errors import UnsafePathError


def exist(root: Path, paths: Iterable[str]) -> bool:
    """Whether all paths are files inside the data set. Folders are listed: asking for file after file takes seconds in a large one."""
    names: dict[str, set[str]] = defaultdict(set)
    members = []
    for path in paths:
        if (member := find_member(path)) is not None:
            members.append(member)
            continue
        folder, _, name = path.rpartition("/")
        names[folder].add(name)
    try:
        return _are_held(root, members) and all(wanted <= list_files(root, folder) for folder, wanted in names.items())
    except UnsafePathError:
        return False  # what a link leads to is not the data set's


def _are_held(root: Path, members: Iterable[Member]) -> bool:
    """Whether the shards of some files are there, and long enough."""
    ends: dict[str, int] = {}
    for member in members:
        ends[member.shard] = max(ends.get(member.shard, 0), member.offset + member.length)
    try:
        return all(_measure(root, shard) >= end for shard, end in ends.items())
    except (FileNotFoundError, NotADirectoryError):
        return False


def _measure(root: Path, path: str) -> int:
    with open_file(root, path) as stream:
        return os.fstat(stream.fileno()).st_size
