"""Names of BasicSR's networks, read off its source: importing the package takes seconds, a mistyped name should not."""

from __future__ import annotations

import re
from difflib import get_close_matches
from importlib.util import find_spec
from pathlib import Path

from restorers.errors import UnknownArchitectureError

_REGISTERED = re.compile(r"^@ARCH_REGISTRY\.register\(.*\)\s*^class (\w+)", re.MULTILINE)


def require_architecture(name: str) -> None:
    """Check that there is a network of a name, where BasicSR is installed; nothing of it is imported.

    Raises:
        UnknownArchitectureError: if there is none; close matches are named.
    """
    names = list_architectures()
    if names and name not in names:
        close = get_close_matches(name, names, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(close)}?" if close else f"there are {', '.join(sorted(names))}"
        raise UnknownArchitectureError(f"architecture {name!r} is not part of basicsr: {hint}")


def list_architectures() -> frozenset[str]:
    """Names of all networks that BasicSR registers; none where it is not installed."""
    package = find_spec("basicsr")
    folders = package.submodule_search_locations if package is not None else None
    sources = [path for folder in folders or () for path in Path(folder).glob("archs/*_arch.py")]
    return frozenset(name for path in sources for name in _REGISTERED.findall(path.read_text("utf-8")))
