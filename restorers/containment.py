"""Code that others wrote: whatever it raises becomes one line, and what stands beside it is found while it is imported only."""

from __future__ import annotations

import re
import signal
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from restorers.errors import InvalidRestorerError

_LONGEST = 300
"""Characters of a message that others wrote."""
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def shorten(text: str) -> str:
    """What others wrote, in one line: whole sentences as far as they fit, else whole words; without the colours of a terminal."""
    line = " ".join(_COLOURS.sub("", text).split())
    if len(line) <= _LONGEST:
        return line
    sentences, stop, _ = line[:_LONGEST].rpartition(". ")
    return f"{sentences}." if stop else f"{line[:_LONGEST].rpartition(' ')[0] or line[:_LONGEST]} …"


def describe_error(error: BaseException) -> str:
    """Type and message in one line of printable characters."""
    try:
        message = shorten(str(error))
    except Exception:  # noqa: BLE001  # its own __str__ may raise anything
        message = ""
    name = type(error).__name__
    return f"{name}: {message if message.isprintable() else ascii(message)}" if message else name


@contextmanager
def contain_exits(target: str) -> Iterator[None]:
    """Make what would end the process, such as SystemExit or a KeyboardInterrupt that nobody typed, an error; Ctrl-C passes.

    Args:
        target: what runs inside.

    Raises:
        InvalidRestorerError: in place of what is no Exception.
    """
    with _note_interrupts() as interrupts:
        try:
            yield
        except Exception:
            raise
        except BaseException as error:
            if interrupts:
                raise
            raise InvalidRestorerError(f"{target}: it would end the program ({describe_error(error)})") from error


@contextmanager
def _note_interrupts() -> Iterator[list[int]]:
    """The interrupts that come meanwhile; they are handled as ever."""
    interrupts: list[int] = []
    handler = signal.getsignal(signal.SIGINT)

    def note(number: int, frame: FrameType | None) -> None:
        interrupts.append(number)
        if callable(handler):
            handler(number, frame)

    # Signals come to the main thread, and only that may say how they are handled.
    if threading.current_thread() is not threading.main_thread() or not callable(handler):
        yield interrupts
        return
    signal.signal(signal.SIGINT, note)
    try:
        yield interrupts
    finally:
        signal.signal(signal.SIGINT, handler)


@contextmanager
def import_from(folders: Iterable[Path]) -> Iterator[None]:
    """Let modules be imported from some folders, too, after all others, until the block ends."""
    added = [folder for folder in map(str, folders) if folder not in sys.path]
    sys.path.extend(added)
    try:
        yield
    finally:
        # What was imported may have changed the list.
        sys.path[:] = [folder for folder in sys.path if folder not in added]
