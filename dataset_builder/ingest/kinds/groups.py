"""Many bursts in one folder: which files belong together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dataset_builder.decoding.exif import CaptureFacts
from dataset_builder.decoding.headers import read_headers
from dataset_builder.decoding.natural_order import natural_key
from dataset_builder.decoding.pictures import explain
from dataset_builder.errors import RecipeError, SourceError
from dataset_builder.ingest.kinds.burst_names import ReadName, read_name
from dataset_builder.ingest.order import order_frames, sort_names, tell_pause
from manifests.plain_text import count

Groups = Mapping[str, Sequence[str]]
"""Name of a burst -> its files in order."""
_MINUTE = 60.0
"""Seconds apart at which frames are not of one burst, whatever their names."""


class NoCaptureTimeError(SourceError):
    """A file that was to be grouped by its time has none."""


@dataclass(frozen=True)
class Grouping:
    """Which files of a folder belong together.

    Attributes:
        groups: name of a burst -> its files.
        rejected: files of no burst, and why.
        remarks: what was taken on trust.
    """

    groups: Groups
    rejected: Sequence[tuple[str, Exception]] = ()
    remarks: Sequence[str] = ()


def group_by_stem(folder: Path, names: Sequence[str], seconds: float) -> Grouping:
    """Files whose names say that they are of one burst, by the rules of `burst_names`, and whose times do not deny it.

    Args:
        folder: folder of the files.
        names: file names in natural order.
        seconds: of pause that begin a new burst where names alone do not tell.
    """
    read = {name: read_name(_drop_suffix(name)) for name in names}
    families: dict[tuple[str, str], list[str]] = {}
    for name, told in read.items():
        families.setdefault((told.how, told.burst), []).append(name)
    groups: dict[str, Sequence[str]] = {}
    remarks: list[str] = []
    for (how, burst), members in families.items():
        facts = {name: read_headers(folder / name) if len(members) > 1 else CaptureFacts() for name in members}
        parts = list(_cut_family(members, read, facts, seconds))
        if how == "counted" and len(members) > 1 and any(fact.captured_at is None for fact in facts.values()):
            remarks.append(
                f"{folder}: {members[0]} to {members[-1]} are numbered on and not all tell their time; what no time parts is one burst"
            )
        for part in parts:
            shared = how in ("shared", "numbered") and len(parts) == 1
            groups[_choose_name(burst if shared else "", part, groups)] = part
    return Grouping(groups, remarks=remarks)


def _cut_family(
    members: Sequence[str], read: Mapping[str, ReadName], facts: Mapping[str, CaptureFacts], seconds: float
) -> Iterator[list[str]]:
    """Parts of files that the rule of their names joins, cut where times, theirs or those in the names, leave a pause."""
    taken = [facts[name].captured_at for name in members]
    timed = None not in taken
    ordered = [members[index] for index in order_frames(members, taken).order] if timed else sort_names(members)
    how = read[members[0]].how
    longest = seconds if how in ("counted", "stamped") else max(seconds, _MINUTE)
    part, clock = ordered[:1], CaptureFacts()
    for before, after in pairwise(ordered):
        # A file without a time does not hide how far apart those around it are.
        clock = facts[before] if facts[before].captured_at is not None else clock
        pauses = [_tell_rest(clock, facts[after])]
        told, next_told = read[before].time, read[after].time
        if told is not None and next_told is not None:
            pauses.append(abs((next_told - told).total_seconds()))
        anew = how == "stamped" and read[after].frame == 0 and told != next_told
        if anew or any(pause is not None and pause > longest for pause in pauses):
            yield part
            part, clock = [], CaptureFacts()
        part.append(after)
    yield part


def _tell_rest(before: CaptureFacts, after: CaptureFacts) -> float | None:
    """Seconds from the end of one exposure to the beginning of the next; None if a time is unknown."""
    pause = tell_pause(before.captured_at, after.captured_at)
    return None if pause is None else abs(pause) - (before.exposure_time or 0.0)


def _drop_suffix(name: str) -> str:
    return Path(name).stem


def _choose_name(wished: str, members: Sequence[str], taken: Mapping[str, object]) -> str:
    """A name for a burst that no other has: the wished one, else that of its first file."""
    return next(name for name in (wished, _drop_suffix(members[0]), members[0]) if name and name not in taken)


def group_by_pattern(names: Sequence[str], pattern: str) -> Grouping:
    """Files whose names match a regular expression, by its group `burst`, in natural order of its group `frame` if it has one.

    Args:
        names: file names in natural order; those that do not match belong to no burst.
        pattern: an expression in the syntax of RE2, all groups named, one of them `burst`; is searched for anywhere in the name.

    Raises:
        RecipeError: if it is no such expression or lacks the group.
    """
    groups: dict[str, list[tuple[object, str]]] = {}
    unmatched = []
    for name, found in zip(names, _search(names, pattern), strict=True):
        if found is None or not found["burst"]:
            unmatched.append(name)
            continue
        frame = found.get("frame") or name
        groups.setdefault(found["burst"], []).append((natural_key(frame), name))
    remarks = [f"{count(len(unmatched), 'file')} outside the pattern: {', '.join(unmatched[:3])}"] if unmatched else []
    return Grouping(
        {burst: [name for _, name in sorted(members)] for burst, members in groups.items()}, remarks=remarks
    )


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


def group_by_gap(folder: Path, names: Sequence[str], seconds: float) -> Grouping:
    """Files in order of their time of capture, cut where more than `seconds` pass from the end of one exposure to the next."""
    facts = {name: read_headers(folder / name) for name in names}
    timed = [name for name in names if facts[name].captured_at is not None]
    rejected = [
        (name, NoCaptureTimeError(f"{folder / name}: no time in its EXIF; group by stem or pattern instead"))
        for name in names
        if facts[name].captured_at is None
    ]
    order = order_frames(timed, [facts[name].captured_at for name in timed]).order
    ordered = [timed[index] for index in order]
    groups: dict[str, Sequence[str]] = {}
    start = 0
    for end in range(1, len(ordered) + 1):
        rest = _tell_rest(facts[ordered[end - 1]], facts[ordered[end]]) if end < len(ordered) else None
        if end == len(ordered) or (rest is not None and rest > seconds):
            part = ordered[start:end]
            groups[_choose_name("", part, groups)] = part
            start = end
    return Grouping(groups, rejected)
