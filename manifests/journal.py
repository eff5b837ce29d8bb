"""What was written since the seal.

While a journal is open, the digest of every table is noted before the table gets its name. So whoever goes on with a build that was
killed can tell tables that it wrote from tables that somebody changed.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from manifests.confined.reading import has_file, read_file
from manifests.confined.writing import append_to_file, remove_file, write_file

JOURNAL = ".work/journal"


def open_journal(root: Path) -> None:
    """Begin to note what is written, or go on after an interruption.

    Raises:
        UnsafePathError: if the way there goes through a link.
        OSError: if it cannot be written.
    """
    if not has_file(root, JOURNAL):
        write_file(root, JOURNAL, b"")


def close_journal(root: Path) -> None:
    """Forget what was noted, once a seal holds it; raises as `open_journal`."""
    remove_file(root, JOURNAL)


def note_digest(root: Path, path: str, sha256: str) -> None:
    """Note the SHA-256 (hex) that a file of the data set is about to have, if a journal is open; raises as `open_journal`."""
    # Begun with a line of its own: the one before may be torn.
    append_to_file(root, JOURNAL, f"\n{json.dumps([path, sha256])}\n".encode())


def read_journal(root: Path) -> Mapping[str, set[str]]:
    """Digests by path; none where no journal is open.

    Raises:
        UnsafePathError: as `open_journal`.
        OSError: if it cannot be read.
    """
    try:
        lines = read_file(root, JOURNAL).splitlines()
    except (FileNotFoundError, NotADirectoryError):
        return {}
    digests: dict[str, set[str]] = defaultdict(set)
    for line in lines:
        try:
            path, sha256 = json.loads(line)
            digests[path].add(sha256)
        except (ValueError, TypeError, RecursionError):
            continue  # torn by an interruption, before the file got its name
    return digests
