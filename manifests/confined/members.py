"""Files within shards: what their paths look like, and how their bytes become a file again.

A shard is a tar archive that holds the images of many bursts. Where a table would name `frames/SOURCE/BURST/00.png`, it names
`frames/SHARD.tar/OFFSET+LENGTH/SOURCE/BURST/00.png`: LENGTH bytes of the shard from OFFSET on.
"""

from __future__ import annotations

import errno
import os
import re
import tempfile
from typing import NamedTuple

_SHARD = r"frames/[0-9a-f]{3}-([0-9a-f]{64})\.tar"
_MEMBER = re.compile(rf"({_SHARD})/([0-9]{{1,15}})\+([0-9]{{1,10}})/([^/].*)")


class Member(NamedTuple):
    """A file within a shard.

    Attributes:
        shard: path of the shard in the data set.
        offset: its first byte there.
        length: how many bytes it has.
        name: what it is called in the archive: its path in a data set of single files, without `frames/`.
    """

    shard: str
    offset: int
    length: int
    name: str

    @property
    def path(self) -> str:
        """As tables have it."""
        return f"{self.shard}/{self.offset}+{self.length}/{self.name}"


def find_member(path: str) -> Member | None:
    """What the path of a file within a shard says; None for that of any other file."""
    found = _MEMBER.fullmatch(path) if ".tar/" in path else None
    return found and Member(found[1], int(found[3]), int(found[4]), found[5])


def name_plain(path: str) -> str:
    """Path of the same file in a data set without shards."""
    member = find_member(path)
    return path if member is None else f"frames/{member.name}"


def name_holder(path: str) -> str:
    """Path of the file on disk that holds a file: its shard, or itself."""
    member = find_member(path)
    return path if member is None else member.shard


def find_shard_digest(path: str) -> str | None:
    """SHA-256 (hex) that a shard has by its name; None for what is no shard."""
    found = re.fullmatch(_SHARD, path)
    return found and found[1]


def read_range(descriptor: int, offset: int, length: int) -> bytes:
    """Bytes of an open file.

    Raises:
        OSError: if it ends before them.
    """
    data = os.pread(descriptor, length, offset)
    while len(data) < length and (more := os.pread(descriptor, length - len(data), offset + len(data))):
        data += more
    if len(data) < length:
        raise OSError(errno.EIO, "ends before it should")
    return data


def hold_bytes(data: bytes) -> int:
    """Descriptor of a file without a name that holds some bytes, at its start; whoever calls closes it."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("member", os.MFD_CLOEXEC)
    else:
        with tempfile.TemporaryFile() as stream:
            descriptor = os.dup(stream.fileno())
    with os.fdopen(os.dup(descriptor), "wb") as stream:
        stream.write(data)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor
