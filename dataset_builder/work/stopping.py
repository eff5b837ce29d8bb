"""Signals that end a build: noted when they come, obeyed where nothing is held.

An exception raised by a handler may strike between any two instructions, in the middle of whatever holds a lock. So handlers only take
a note, and whoever works in steps asks between them. Where nobody asks in time, or the signal comes again, the process ends at once:
files appear by renaming, the lock dies with its owner, and so do its workers.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType

PATIENCE = 10.0
"""Seconds from a signal until the process ends without asking."""
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(KeyboardInterrupt):
    """A signal asked for the end.

    Args:
        number: number of the signal.
    """

    def __init__(self, number: int = signal.SIGINT) -> None:
        super().__init__(number)
        self.status = 128 + number


class _Note:
    """The signal that came first; 0 for none."""

    number = 0


_note = _Note()


@contextlib.contextmanager
def heed_signals() -> Iterator[None]:
    """Note SIGINT, SIGTERM and SIGHUP instead of what they do otherwise; those that are ignored, as by nohup, stay so."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    heeded = [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    previous = {number: signal.signal(number, _take_note) for number in heeded}
    previous[signal.SIGALRM] = signal.signal(signal.SIGALRM, _end)
    try:
        yield
        check_stop()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        _note.number = 0
        for number, handler in previous.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def stop_at_once() -> Iterator[None]:
    """Let SIGTERM and SIGHUP raise Stopped, as SIGINT raises KeyboardInterrupt, so that what is unfinished is cleared away.

    For work in one process that holds no lock; `heed_signals` takes over inside. Those that are ignored, as by nohup, stay so.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    ending = [number for number in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(number) is signal.SIG_DFL]
    for number in ending:
        signal.signal(number, _raise)
    try:
        yield
    finally:
        for number in ending:
            signal.signal(number, signal.SIG_DFL)


def check_stop() -> None:
    """Raise Stopped if a signal has asked for it; to be called between steps, where nothing is held."""
    if _note.number:
        raise Stopped(_note.number)


def _take_note(number: int, frame: FrameType | None) -> None:
    if _note.number:
        _end(number, frame)
    _note.number = number
    signal.setitimer(signal.ITIMER_REAL, PATIENCE)


def _raise(number: int, _frame: FrameType | None) -> None:
    raise Stopped(number)


def _end(_number: int, _frame: FrameType | None) -> None:
    os._exit(128 + (_note.number or signal.SIGINT))
