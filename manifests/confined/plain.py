"""Plain files only: to open a pipe or a device may wait for ever, or do something to it."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import io
import os
import stat
from pathlib import Path

from manifests.errors import FileTooLargeError, UnsafePathError

# Whoever opens a pipe waits for its other end unless told not to, and whoever opens a terminal may be given it.
_CAREFUL = os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_KINDS = {stat.S_IFDIR: "folder", stat.S_IFIFO: "pipe", stat.S_IFCHR: "device", stat.S_IFBLK: "device"}


def open_plain(path: Path) -> io.BufferedReader:
    """Open a file of the user's own choice to read it; links are followed.

    Raises:
        UnsafePathError: if it is no plain file.
        OSError: if it cannot be opened.
    """
    return open_stream(open_descriptor(path, os.O_RDONLY, shown=str(path)))


def read_plain(path: Path, *, most: int) -> bytes:
    """The bytes of a file of the user's own choice.

    Raises:
        FileTooLargeError: if it has more than `most`.
        UnsafePathError: as `open_plain`.
        OSError: if it cannot be read.
    """
    with open_plain(path) as stream:
        data = stream.read(most + 1)
    if len(data) > most:
        raise FileTooLargeError(f"{path}: has more than {most:,} bytes; name another file")
    return data


def hash_plain(path: Path) -> str:
    """SHA-256 (hex) of a file of the user's own choice, read in blocks.

    Raises:
        UnsafePathError: as `open_plain`.
        OSError: if it cannot be read.
    """
    with open_plain(path) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def open_descriptor(path: str | Path, flags: int, *, shown: str, folder: int | None = None) -> int:
    """Open a plain file; whoever calls closes the descriptor.

    Args:
        path: path of the file, relative to `folder` if that is given.
        flags: flags of open(2).
        shown: what to call it in errors.
        folder: descriptor of an open folder.

    Raises:
        UnsafePathError: if it is no plain file.
        OSError: if it cannot be opened.
    """
    try:
        descriptor = os.open(path, flags | _CAREFUL, 0o666, dir_fd=folder)
    except OSError as error:
        if error.errno == errno.ENXIO:  # what cannot be opened without somebody at the other end
            raise UnsafePathError(f"{shown}: expected a plain file, got a socket or device; remove it") from None
        raise
    kind = stat.S_IFMT(os.fstat(descriptor).st_mode)
    if kind != stat.S_IFREG:
        os.close(descriptor)
        raise UnsafePathError(f"{shown}: expected a plain file, got a {_KINDS.get(kind, 'socket')}; remove it")
    return descriptor


def open_stream(descriptor: int) -> io.BufferedReader:
    """A stream over what `open_descriptor` gave, which waits as any other does."""
    fcntl.fcntl(descriptor, fcntl.F_SETFL, 0)
    return os.fdopen(descriptor, "rb")
