"""Images of many bursts in a few files: each shard holds the scenes whose hashes begin alike, in the order of their names.

What a shard holds, and so its bytes and its name, follows from the images alone, not from when or by whom they were made.
"""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Iterable
from pathlib import Path

from manifests.confined.members import Member
from manifests.confined.writing import move_file, replace_file

SHARDS = 4096
"""How many there are at most, in data sets of any size."""
_BLOCK = 512
_END = 2 * _BLOCK


def number_shard(scene_id: str) -> int:
    """Which shard the images of a scene belong into: the first 12 bits of SHA-256 of `shard:SCENE`."""
    return int.from_bytes(hashlib.sha256(f"shard:{scene_id}".encode()).digest()[:2], "big") >> 4


def write_shard(root: Path, number: int, files: Iterable[tuple[str, bytes]]) -> dict[str, str]:
    """Write a shard, of which one file is in memory at a time, and return the path of each file in it by its name.

    Args:
        root: the data set.
        number: of the shard.
        files: name, as `Member.name`, and bytes of each, in the order of their names.

    Raises:
        ValueError: if a name is longer than a tar archive can hold.
        OSError: if it cannot be written.
    """
    unfinished = f"frames/{number:03x}.tar"
    places: list[tuple[str, int, int]] = []
    with replace_file(root, unfinished) as stream:
        for name, data in files:
            stream.write(_make_header(name, len(data)))
            places.append((name, stream.tell(), len(data)))
            stream.write(data + bytes(-len(data) % _BLOCK))
        stream.write(bytes(_END))
        stream.seek(0)
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    shard = f"frames/{number:03x}-{digest}.tar"
    move_file(root, unfinished, shard)
    return {name: Member(shard, offset, length, name).path for name, offset, length in places}


def measure_shard(lengths: Iterable[int]) -> int:
    """Bytes of a shard that holds files of these lengths and nothing else."""
    return sum(_BLOCK + length + -length % _BLOCK for length in lengths) + _END


def _make_header(name: str, length: int) -> bytes:
    facts = tarfile.TarInfo(name)
    facts.size = length
    return facts.tobuf(tarfile.USTAR_FORMAT)
