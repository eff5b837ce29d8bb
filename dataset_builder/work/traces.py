"""Where an error of code that others wrote came from: file, line and function, in a form that is the same on every machine."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from pathlib import PurePath
from types import FrameType, TracebackType

from dataset_builder.errors import BuildError
from manifests.errors import ManifestError
from restorers.errors import RestorerError

_OURS = ("assessors", "dataset_builder", "manifests", "restorers")
_MOST_NAMED = 3
_MOST_SHOWN = 20
"""Innermost calls of a traceback that is shown in full."""
_LONGEST = 120
"""Characters of a file or function that others named."""


def name_place(error: BaseException) -> str:
    """Where an error was raised and what called that, innermost first: `at a.py:3 in f, called from mymodule.py:12 in restore`.

    Calls of this toolkit that lead to the code of others are left out; of many calls, the innermost ones and the outermost stand for all.
    Empty for errors that this toolkit raises on purpose: they say themselves what is wrong.
    """
    if isinstance(error, (BuildError, ManifestError, RestorerError)) or error.__traceback__ is None:
        return ""
    calls = list(_walk(error.__traceback__))
    first = next((place for place, (frame, _) in enumerate(calls) if not _is_ours(frame)), None)
    named = [_name(frame, line) for frame, line in (calls[-1:] if first is None else calls[first:])]
    if len(named) > _MOST_NAMED:
        named = [named[0], *named[1 - _MOST_NAMED :]]
    return "at " + ", called from ".join(reversed(named))


def format_traceback(error: BaseException) -> str:
    """The calls that led to an error, with their source, for people who mend the code; empty where `name_place` is."""
    if not name_place(error):
        return ""
    return "".join(traceback.format_tb(error.__traceback__, limit=-_MOST_SHOWN))


def _walk(trace: TracebackType | None) -> Iterator[tuple[FrameType, int]]:
    while trace is not None:
        yield trace.tb_frame, trace.tb_lineno
        trace = trace.tb_next


def _is_ours(frame: FrameType) -> bool:
    return _find_module(frame).partition(".")[0] in _OURS


def _find_module(frame: FrameType) -> str:
    name = frame.f_globals.get("__name__")
    return name if isinstance(name, str) else ""


def _name(frame: FrameType, line: int) -> str:
    """File, line and function; a file goes by its module, since where that is installed is not the error's."""
    code = frame.f_code
    file = PurePath(code.co_filename)
    packages = _find_module(frame).split(".")
    if file.name != "__init__.py":
        packages = packages[:-1]
    folder = "/".join(part for part in packages if part)
    place = f"{folder}/{file.name}" if folder else file.name
    return f"{place[-_LONGEST:]}:{line} in {code.co_name[:_LONGEST]}"
