"""In which order the frames of a burst were taken, and when, as far as their files and names can tell.

Whole seconds decide first, then fractions of a second where all frames have some that tell them apart, then names. Fractions are digits
that cameras write in two ways, as `SubSecTimeOriginal` means them (`05` is 0.05 s) or as a number of milliseconds without leading
zeros (`50`); which one it is shows in the digits of all frames together, or it is unknown.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from dataset_builder.decoding.natural_order import natural_key

_COUNTER = re.compile(r"^(?P<before>(?:.*[^0-9])?)(?P<number>0?[0-9]{4})[^0-9]*$", re.DOTALL)
_COUNTED = 10_000
"""Cameras count to 9999 (DCF 2.0, 3.2.1) and begin again."""
_WRAP = 9_000
_HOUR = 3600.0
Digits = Sequence[str]


@dataclass(frozen=True)
class CaptureOrder:
    """How frames follow each other.

    Attributes:
        order: indices of the frames as given, in order of capture.
        seconds: times in that order, seconds since the first; all None unless each is known below a second.
        remarks: what contradicts itself, and what was made of it.
    """

    order: tuple[int, ...]
    seconds: tuple[float | None, ...]
    remarks: tuple[str, ...] = ()


def sort_names(names: Sequence[str]) -> list[str]:
    """In natural order; where a camera's counter began anew at 0001 after 9999, what it counted before comes first."""
    ordered = sorted(names, key=natural_key)
    found = [_COUNTER.match(name.rpartition("/")[2].partition(".")[0]) for name in ordered]
    counters = [match for match in found if match is not None]
    if len(counters) < len(ordered) or len({(match["before"], len(match["number"])) for match in counters}) != 1:
        return ordered
    numbers = [int(match["number"]) for match in counters]
    jumps = [after - before for before, after in pairwise(numbers)]
    if not jumps or max(jumps) < _WRAP or max(numbers) >= _COUNTED:
        return ordered
    start = jumps.index(max(jumps)) + 1
    return ordered[start:] + ordered[:start]


def order_frames(names: Sequence[str], taken: Sequence[str | None]) -> CaptureOrder:
    """The order of capture.

    Args:
        names: names of the files, any order.
        taken: `captured_at` of each, as in `CaptureFacts`.
    """
    rank = {name: place for place, name in enumerate(sort_names(names))}
    by_name = sorted(range(len(names)), key=lambda index: rank[names[index]])
    clock = _read_clock([taken[index] for index in by_name])
    if clock is None:
        return CaptureOrder(tuple(by_name), (None,) * len(names))
    places = sorted(range(len(by_name)), key=lambda place: (clock.seconds[place], place))
    order = tuple(by_name[place] for place in places)
    remarks = list(clock.remarks)
    swapped = next((late for early, late in pairwise(places) if late < early), None)
    if swapped is not None:
        before = by_name[places[places.index(swapped) - 1]]
        remarks.append(
            f"{names[before]} was taken before {names[by_name[swapped]]}, as their times say; their names say otherwise"
        )
    known = [clock.seconds[place] for place in places] if clock.exact else []
    seconds = tuple(_subtract(time, known[0]) for time in known) or (None,) * len(names)
    return CaptureOrder(order, seconds, tuple(remarks))


def tell_seconds(taken: Sequence[str | None]) -> list[float | None]:
    """Seconds since the first of frames whose order is known; all None unless each is known below a second and none steps back."""
    clock = _read_clock(taken)
    if clock is None or not clock.exact or list(clock.seconds) != sorted(clock.seconds):
        return [None] * len(taken)
    return [_subtract(time, clock.seconds[0]) for time in clock.seconds]


def tell_pause(before: str | None, after: str | None) -> float | None:
    """Seconds from one time of capture to another, to the second at least; None unless both are known."""
    first, second = (None if text is None else datetime.fromisoformat(_normalise(text)) for text in (before, after))
    if first is None or second is None:
        return None
    if first.tzinfo is None or second.tzinfo is None:
        first, second = first.replace(tzinfo=None), second.replace(tzinfo=None)
    return (second - first).total_seconds()


@dataclass(frozen=True)
class _Clock:
    seconds: Sequence[float]
    exact: bool
    remarks: tuple[str, ...]


def _read_clock(taken: Sequence[str | None]) -> _Clock | None:
    """Times of frames in the order of their names; None if one has none, or they cannot be compared."""
    moments = [datetime.fromisoformat(_normalise(text)) for text in taken if text is not None]
    if len(moments) < len(taken) or not moments:
        return None
    offsets = {moment.utcoffset() for moment in moments}
    if None in offsets and len(offsets) > 2:
        return None
    if None in offsets:
        moments = [moment.replace(tzinfo=None) for moment in moments]
    whole = [(moment.replace(microsecond=0) - moments[0].replace(microsecond=0)).total_seconds() for moment in moments]
    remarks: list[str] = []
    if offsets == {None} and (turn := _find_end_of_summer(whole)) is not None:
        whole = [second + _HOUR * (place >= turn) for place, second in enumerate(whole)]
        remarks.append("the camera's clock went back by an hour within the burst; names say where")
    digits = [re.sub(r"^[^.]*\.?", "", re.sub(r"[+-]\d\d:\d\d$", "", text or "")) for text in taken]
    fractions = _read_fractions(digits, whole)
    if fractions is None:
        return _Clock(whole, exact=False, remarks=tuple(remarks))
    return _Clock([a + b for a, b in zip(whole, fractions[0], strict=True)], exact=fractions[1], remarks=tuple(remarks))


def _find_end_of_summer(seconds: Sequence[float]) -> int | None:
    """Where the only step back, in the order of names, is by an hour but for what passed meanwhile."""
    steps = [after - before for before, after in pairwise(seconds)]
    back = [place for place, step in enumerate(steps) if step < 0]
    if len(back) != 1 or not -_HOUR <= steps[back[0]] <= -_HOUR + 60:
        return None
    return back[0] + 1


def _read_fractions(digits: Digits, whole: Sequence[float]) -> tuple[list[float], bool] | None:
    """Fractions of a second, and whether their scale is known; None where they do not tell frames apart, or not what they mean.

    Args:
        digits: the digits as written, in the order of names.
        whole: whole seconds of each.
    """
    alike = len(digits) > 1 and len({int(text) for text in digits if text}) == 1
    if alike or not all(digits):
        return None
    decimal = [int(text) / 10 ** len(text) for text in digits]
    if len({len(text) for text in digits}) == 1 or any(text[0] == "0" and len(text) > 1 for text in digits):
        return decimal, True
    longest = max(len(text) for text in digits)
    counted = [int(text) / 10**longest for text in digits]
    if any(text[-1] == "0" and len(text) > 1 for text in digits):
        # Whoever leaves out zeros at the end would not have written this one; so it is a number, of milliseconds if of three digits.
        return counted, longest == 3
    agree = [_is_sorted(times, whole) for times in (decimal, counted)]
    if agree == [True, True]:
        return counted, False
    if agree == [False, True]:
        return counted, longest == 3
    return (decimal, True) if agree == [True, False] else None


def _is_sorted(fractions: Sequence[float], whole: Sequence[float]) -> bool:
    times = [a + b for a, b in zip(whole, fractions, strict=True)]
    return times == sorted(times)


def _subtract(late: float, early: float) -> float:
    """Without what binary fractions add to nine digits."""
    return round(late - early, 9)


def _normalise(text: str) -> str:
    """Fractions with six digits, which is what `datetime` keeps."""
    return re.sub(r"\.(\d+)", lambda found: f".{found[1][:6]:0<6}", text)
