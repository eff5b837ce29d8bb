"""What installed packages say in their entry points, read so that a package that says it badly costs itself only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import Distribution, EntryPoint, distributions

from restorers.containment import describe_error


@dataclass(frozen=True)
class EntryPoints:
    """Entry points by name and value, and why others could not be read, one line each."""

    found: Sequence[EntryPoint]
    problems: Sequence[str]


def find_entry_points(group: str) -> EntryPoints:
    """The entry points of a group; of two packages of one name, the first on `sys.path` counts, as it does for imports."""
    found: dict[str, list[EntryPoint]] = {}
    problems: list[str] = []
    for distribution in distributions():
        try:
            # `importlib.metadata.entry_points` reads all packages, and raises for all when one is malformed.
            mine = [entry for entry in distribution.entry_points if entry.group == group]
        except Exception as error:  # noqa: BLE001  # a damaged file is parsed into anything
            name = _name(distribution)
            problems.append(
                f"package {name}: its entry points cannot be read ({describe_error(error)}); reinstall or uninstall it"
            )
            continue
        if mine:
            found.setdefault(_name(distribution), mine)
    return EntryPoints(sorted(entry for entries in found.values() for entry in entries), sorted(problems))


def _name(distribution: Distribution) -> str:
    try:
        return str(distribution.metadata["Name"])
    except Exception:  # noqa: BLE001  # without its metadata, or with damaged ones
        return "without a name"
