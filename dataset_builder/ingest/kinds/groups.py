"""Many bursts in one folder: which files belong together."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from dataset_builder.decoding.images import natural_key
from dataset_builder.errors import RecipeError, SourceError
from dataset_builder.ingest.files import read_capture_time

Groups = Mapping[str, Sequence[str]]
"""Name of a burst -> its files in order."""


class NoCaptureTimeError(SourceError):
    """A file that was to be grouped by its time has none."""


def group_by_stem(names: Sequence[str]) -> Groups:
    """Files whose names differ in their last number alone: `IMG_7_BURST1.jpg` and `IMG_7_BURST12.jpg`.

    Args:
        names: in natural order.
    """
    groups: dict[str, list[str]] = {}
    for name in names:
        stem = re.sub(r"[\s._-]*[0-9]+\D*$", "", Path(name).stem)
        groups.setdefault(stem or "burst", []).append(name)
    return groups


def group_by_pattern(names: Sequence[str], pattern: str) -> Groups:
    """Files whose names match a regular expression, by its group `burst`, in natural order of its group `frame` if it has one.

    Args:
        names: in natural order; those that do not match belong to no burst.
        pattern: must have a named group `burst`; is searched for anywhere in the name.

    Raises:
        RecipeError: if it is no regular expression or lacks the group.
    """
    expression = compile_pattern(pattern)
    groups: dict[str, list[tuple[object, str]]] = {}
    for name in names:
        match = expression.search(name)
        if match is None or match["burst"] is None:
            continue
        frame = match.groupdict().get("frame") or name
        groups.setdefault(match["burst"], []).append((natural_key(frame), name))
    return {burst: [name for _, name in sorted(found)] for burst, found in groups.items()}


def compile_pattern(pattern: str) -> re.Pattern[str]:
    """Check a regular expression for `group_by_pattern`.

    Raises:
        RecipeError: if it is none or lacks the group.
    """
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise RecipeError(f"pattern: {pattern!r} is no regular expression ({error})") from error
    if "burst" not in expression.groupindex:
        raise RecipeError(f"pattern: {pattern!r} has no group (?P<burst>…), which names the burst of a file")
    return expression


def group_by_gap(folder: Path, names: Sequence[str], seconds: float) -> tuple[Groups, list[tuple[str, Exception]]]:
    """Files in order of their EXIF time, cut where two lie more than `seconds` apart.

    Returns:
        Groups, each called after its first file; and the files without a time, with the error to report.
    """
    timed: list[tuple[datetime, int, str]] = []
    rejected: list[tuple[str, Exception]] = []
    for index, name in enumerate(names):
        moment = read_capture_time(folder / name)
        if moment is None:
            rejected.append(
                (name, NoCaptureTimeError(f"{folder / name}: no time in its EXIF; group by stem or pattern instead"))
            )
        else:
            timed.append((datetime.fromisoformat(moment), index, name))
    return dict(_cut(sorted(timed), timedelta(seconds=seconds))), rejected


def _cut(timed: Sequence[tuple[datetime, int, str]], gap: timedelta) -> Iterator[tuple[str, list[str]]]:
    start = 0
    for end in range(1, len(timed) + 1):
        if end == len(timed) or timed[end][0] - timed[end - 1][0] > gap:
            members = [name for _, _, name in timed[start:end]]
            yield Path(members[0]).stem, members
            start = end
