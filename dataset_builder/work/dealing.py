"""One build dealt out to several that know nothing of each other: each makes the scenes whose hashes fall to it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

from manifests.images.shards import SHARDS, number_shard

MOST_PARTS = 512
"""A table of each is open while they are merged, and systems allow a process 1,024 open files."""
_FORM = re.compile(r"([0-9]{1,6})/([0-9]{1,6})")


@dataclass(frozen=True)
class BuildPart:
    """One of several builds that together are one.

    Attributes:
        number: from 1 to `total`.
        total: how many there are.
    """

    number: int
    total: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """The part that `K/N` names.

        Raises:
            ValueError: if it names none.
        """
        found = _FORM.fullmatch(text)
        number, total = map(int, found.groups()) if found else (0, 0)
        if not 1 <= number <= total <= MOST_PARTS:
            raise ValueError(f"expected K/N with K from 1 to N and N up to {MOST_PARTS}, such as 2/8, got {text!r}")
        return cls(number, total)

    def holds(self, name: str) -> bool:
        """Whether a scene, or what else has a name, falls to this part. Parts have whole shards, whether or not images are packed."""
        return number_shard(name) * self.total // SHARDS == self.number - 1

    def __str__(self) -> str:
        return f"part {self.number} of {self.total}"
