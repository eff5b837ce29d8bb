"""Photographs to train on, to choose the best weights by, and to test with: no photograph is of two kinds."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

Use = Literal["train", "validation", "test"]
_LIST = Path(__file__).parent / "photographs.toml"


@dataclass(frozen=True)
class Photograph:
    """One file.

    Attributes:
        file: its name.
        use: what it is for.
        collection: what it is part of.
        license: SPDX identifier, or words.
    """

    file: str
    use: Use
    collection: str
    license: str


@cache
def list_photographs(use: Use) -> tuple[Photograph, ...]:
    """All photographs of one use, by collection and name."""
    collections = tomllib.loads(_LIST.read_text(encoding="utf-8"))["collections"]
    found = [
        Photograph(file, use, collection["name"], collection["license"])
        for collection in collections
        for file in collection.get(use, ())
    ]
    return tuple(sorted(found, key=lambda each: (each.collection, each.file)))


def find_photographs(use: Use, folders: Sequence[Path]) -> tuple[Path, ...]:
    """The files of one use, in the order of the list.

    Args:
        use: what for.
        folders: where they lie, at any depth; those of scikit-image are found by themselves.

    Raises:
        FileNotFoundError: if some are not there; the first of them are named.
    """
    spec = find_spec("skimage")
    assert spec is not None
    assert spec.origin is not None
    roots = [*folders, Path(spec.origin).parent / "data"]
    there = {path.name: path for root in reversed(roots) for path in sorted(root.rglob("*")) if path.is_file()}
    wanted = list_photographs(use)
    missing = [each for each in wanted if each.file not in there]
    if missing:
        raise FileNotFoundError(
            f"{len(missing)} of {len(wanted)} photographs for {use} are not below {', '.join(map(str, folders)) or 'any folder'}: "
            f"{missing[0].file} of {missing[0].collection}; training/restorers/photographs.toml says where they come from"
        )
    return tuple(there[each.file] for each in wanted)
