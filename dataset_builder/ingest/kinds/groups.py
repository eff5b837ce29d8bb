"""Many bursts in one folder: which files belong together."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dataset_builder.decoding.images import natural_key
from dataset_builder.decoding.pictures import explain
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
        pattern: in the syntax of RE2, all groups named, one of them `burst`; is searched for anywhere in the name.

    Raises:
        RecipeError: if it is no such expression or lacks the group.
    """
    groups: dict[str, list[tuple[object, str]]] = {}
    for name, found in zip(names, _search(names, pattern), strict=True):
        if found is not None and found["burst"]:
            frame = found.get("frame") or name
            groups.setdefault(found["burst"], []).append((natural_key(frame), name))
    return {burst: [name for _, name in sorted(members)] for burst, members in groups.items()}


def _search(names: Sequence[str], pattern: str) -> list[dict[str, str] | None]:
    """What the groups of a regular expression match in names, None where it does not match, in time linear in their length (RE2)."""
    try:
        found: Any = pc.extract_regex(pa.array(names, pa.string()), pattern)
    except (pa.ArrowInvalid, UnicodeEncodeError) as error:
        raise RecipeError(
            f"pattern: {pattern!r} is no regular expression of RE2 whose groups have names ({explain(error)}); "
            "write (?:…) for groups without"
        ) from error
    if found.type.get_field_index("burst") < 0:
        raise RecipeError(f"pattern: {pattern!r} has no group (?P<burst>…), which names the burst of a file")
    matches: list[dict[str, str] | None] = found.to_pylist()
    return matches


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
