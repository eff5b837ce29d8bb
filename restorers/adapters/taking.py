"""Models of a fixed number of frames, on bursts of more: which frames they are given."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

from restorers.base import BatchRestorer, Restorer, RestorerInfo, check_accepts
from restorers.burst import Burst, FloatImage
from restorers.errors import InvalidRestorerError

Rule = Literal["nearest", "first", "spread"]
RULES: tuple[Rule, ...] = get_args(Rule)


@dataclass(eq=False)
class Taking:
    """What `fuse` restores from.

    Attributes:
        burst: the whole of it.
        images: the last restoration, by the frames that it was made from: what is left out among the others gives it again.
    """

    burst: Burst
    images: dict[tuple[int, ...], FloatImage] = field(default_factory=dict)


class TakingRestorer:
    """A restorer that takes the reference and so many other frames, and of longer bursts the ones that a rule names.

    A subset of a burst is treated as a burst: whichever frame is left out, the next in line takes its place, and the restored image follows
    from the frames of the subset alone. A `SubsetRestorer`, for subsets of which the same frames are taken are restored once.

    Args:
        restorer: what restores.
        number: T that it takes, the reference included.
        rule: which frames of a longer burst it is given (`choose_frames`).
    """

    def __init__(self, restorer: Restorer, number: int, rule: Rule) -> None:
        self._restorer, self._number, self._rule = restorer, number, rule
        info = restorer.info
        taken = f"of more than {number} frames the reference and {number - 1} others ({rule})"
        self._info = dataclasses.replace(
            info, max_frames=None, network_input="; ".join(filter(None, (info.network_input, taken)))
        )

    @property
    def info(self) -> RestorerInfo:
        """Facts for callers."""
        return self._info

    def restore(self, burst: Burst) -> FloatImage:
        """Restore from the frames that are taken."""
        return self.fuse(self.prepare(burst), burst.others)

    def restore_many(self, bursts: Sequence[Burst]) -> list[FloatImage]:
        """The same of several bursts."""
        if not isinstance(self._restorer, BatchRestorer):
            return [self.restore(burst) for burst in bursts]
        return self._restorer.restore_many([burst.subset(self._choose(burst, burst.others)) for burst in bursts])

    def prepare(self, burst: Burst) -> Taking:
        """Nothing is computed yet."""
        check_accepts(self._info, burst)
        return Taking(burst)

    def fuse(self, prepared: Taking, members: Sequence[int]) -> FloatImage:
        """Restore from the reference and those of the frames `members` that are taken."""
        chosen = self._choose(prepared.burst, members)
        if chosen not in prepared.images:
            image = self._restorer.restore(prepared.burst.subset(chosen))
            prepared.images.clear()
            prepared.images[chosen] = image
        return prepared.images[chosen]

    def _choose(self, burst: Burst, members: Sequence[int]) -> tuple[int, ...]:
        return choose_frames(burst.reference_index, members, self._number, self._rule)


def _nearest(reference: int, members: Sequence[int], wanted: int) -> list[int]:
    before = [index for index in members if index < reference]
    after = [index for index in members if index > reference]
    # As many on either side as there may be; what one side lacks, the other makes up.
    early = min(len(before), max(wanted // 2, wanted - len(after)))
    return [*before[len(before) - early :], *after[: wanted - early]]


def _first(_reference: int, members: Sequence[int], wanted: int) -> list[int]:
    return list(members[:wanted])


def _spread(_reference: int, members: Sequence[int], wanted: int) -> list[int]:
    return [members[(2 * place + 1) * len(members) // (2 * wanted)] for place in range(wanted)]


_CHOICES: Mapping[Rule, Callable[[int, Sequence[int], int], list[int]]] = {
    "nearest": _nearest,
    "first": _first,
    "spread": _spread,
}


def choose_frames(reference: int, members: Sequence[int], number: int, rule: Rule) -> tuple[int, ...]:
    """Which frames besides the reference a model of fixed length is given.

    Args:
        reference: index of the reference, which is always given.
        members: indices of the frames that there are besides.
        number: how many the model takes, the reference included.
        rule: `nearest` in the order of capture, as many on either side of the reference as there are; `first`; or `spread` evenly.

    Returns:
        Indices in order: all members where these are few enough.
    """
    ordered = sorted(set(members) - {reference})
    wanted = number - 1
    return tuple(ordered if len(ordered) <= wanted else _CHOICES[rule](reference, ordered, wanted))


def take_frames(restorer: Restorer, rule: str, *, number: int | None = None) -> TakingRestorer:
    """Let a restorer of a fixed number of frames take longer bursts.

    Args:
        restorer: of a model that takes several frames.
        rule: one of `RULES`.
        number: frames to take of a model that takes any number; None for as many as the model takes.

    Raises:
        InvalidRestorerError: if there is no such rule, or the model's number is not fixed, or another.
    """
    if rule not in RULES:
        raise InvalidRestorerError(f"take={rule}: expected {', '.join(RULES)}")
    fixed = restorer.info.max_frames
    if restorer.info.single_frame:
        raise InvalidRestorerError(f"take={rule}: the model takes one frame; say frames=N if it takes a burst")
    if fixed is None and number is None:
        raise InvalidRestorerError(
            f"take={rule}: the model takes any number of frames; leave take out, or say frames=N"
        )
    if None not in (fixed, number) and fixed != number:
        raise InvalidRestorerError(f"frames={number}: the model takes {fixed}; leave frames out")
    chosen = next(rule_ for rule_ in RULES if rule_ == rule)
    return TakingRestorer(restorer, fixed or number or 1, chosen)
