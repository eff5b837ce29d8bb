"""Where the files of a source lie: its root, by path or by name, and whether a folder has the layout that is expected there."""

from __future__ import annotations

import glob
import importlib.util
import os
import re
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path, PurePosixPath
from types import MappingProxyType

from dataset_builder.errors import MissingSourceError, RecipeError, UnsetRootError

PACKAGE_PREFIX, NAMED_PREFIX = "package:", "$"
ROOT_VARIABLE, RESTORER_VARIABLE = "BUIQA_ROOT_", "BUIQA_RESTORER_"
"""What the environment's names of roots and restorers begin with."""
NO_ROOTS: Mapping[str, Path] = MappingProxyType({})
Layout = Sequence[Sequence[str]]
"""Glob patterns below a root: of each group, one must match something."""
_NAMED = re.compile(r"\$([a-z0-9][a-z0-9_-]{0,31})(?:/(.+))?")
_ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".7z", ".rar")
_DEEPEST, _MOST_FOLDERS, _MOST_NAMES = 3, 2000, 3


def split_root(root: str) -> tuple[str, str] | None:
    """Name of a named root and the folder below it, perhaps empty; None for a root that is a path.

    Raises:
        ValueError: if it begins like a named root and is none, or leaves it.
    """
    if not root.startswith(NAMED_PREFIX):
        return None
    found = _NAMED.fullmatch(root)
    if found is None or ".." in PurePosixPath(found[2] or "").parts or "\\" in root:
        raise ValueError(f"expected $NAME or $NAME/FOLDER, such as $zurich/test/canon, got {root!r}")
    return found[1], found[2] or ""


def find_root(source: str, root: str, base: Path, roots: Mapping[str, Path]) -> Path:
    """The folder that a root means.

    Args:
        source: name of the source, for messages.
        root: a path relative to `base`, `package:NAME/FOLDER`, or `$NAME/FOLDER`.
        base: folder of the recipe.
        roots: folders of the named roots.

    Raises:
        UnsetRootError: if nobody said which folder a named root is.
        MissingSourceError: if it is not there.
    """
    what = f"source {source!r}"
    if (named := split_root(root)) is not None:
        name, inner = named
        if name not in roots:
            raise UnsetRootError(f"{what}: root ${name} is not set; say --root {name}=DIR, or set {_variable(name)}")
        if not roots[name].is_dir():
            raise MissingSourceError(f"{what}: root: no folder {roots[name]}; correct --root {name}=DIR")
        if inner:
            require_layout(what, roots[name], [[glob.escape(inner)]])
        folder = roots[name] / inner
    elif root.startswith(PACKAGE_PREFIX):
        package, _, inner = root.removeprefix(PACKAGE_PREFIX).partition("/")
        try:
            folder = _find_package(package) / inner
        except ModuleNotFoundError as error:
            raise MissingSourceError(f"{what}: root: {error}") from None
    else:
        folder = base / root
    if not folder.is_dir():
        raise MissingSourceError(f"{what}: root: no folder {folder}; correct the path (relative to {base})")
    return folder.resolve()


def read_named(flag: str, given: Sequence[str], known: Sequence[str], variable: str) -> dict[str, str]:
    """Values that a person gave to names, on the command line as `NAME=VALUE`, else in the environment.

    Args:
        flag: of the command line, for messages.
        given: what followed it.
        known: names that the recipe has.
        variable: what the names of variables begin with.

    Raises:
        RecipeError: for a name that the recipe does not have, that stands twice, or that has no value.
    """
    found: dict[str, str] = {}
    for text in given:
        name, _, value = text.partition("=")
        if not value or name in found:
            raise RecipeError(f"{flag} {text}: expected NAME=VALUE, each name once")
        if name not in known:
            raise RecipeError(f"{flag} {name}: the recipe has {', '.join(known) or 'no such names'}")
        found[name] = value
    environment = {name: value for name in known if (value := os.environ.get(_variable(name, variable), ""))}
    return {**environment, **found}


def require_layout(what: str, root: Path, layout: Layout) -> None:
    """Raise MissingSourceError unless a folder has a layout; it says what was expected, what was found, and where that is, if it is near.

    Args:
        what: what needs it, for the message.
        root: the folder.
        layout: what is expected in it.
    """
    missing = [" or ".join(group) for group in layout if not _has(root, [group])]
    if missing:
        raise MissingSourceError(
            f"{what}: root: expected {' and '.join(missing)} in {root}, found {_list_names(root)}; {_advise(root, layout)}"
        )


def _variable(name: str, prefix: str = ROOT_VARIABLE) -> str:
    return prefix + name.upper().replace("-", "_")


def _has(folder: Path, layout: Layout) -> bool:
    return all(any(next(folder.glob(pattern), None) is not None for pattern in group) for group in layout)


def _advise(root: Path, layout: Layout) -> str:
    """The way out: another folder, an archive to be unpacked, or to look again."""
    near = next((folder for folder in _list_near(root) if _has(folder, layout)), None)
    if near is not None:
        return f"{near} has that: name it"
    archive = next((path.name for path in _list_visible(root) if path.name.lower().endswith(_ARCHIVES)), None)
    return f"unpack {archive}" if archive else "correct root, or get the files"


def _list_near(root: Path) -> Iterator[Path]:
    """Folders above and below, the nearest first; of large trees not all."""
    yield from islice(root.resolve().parents, 2)
    waiting = deque([(root, 0)])
    seen = 0
    while waiting and seen < _MOST_FOLDERS:
        folder, depth = waiting.popleft()
        for path in _list_visible(folder):
            if path.is_dir() and not path.is_symlink():
                seen += 1
                yield path
                if depth + 1 < _DEEPEST:
                    waiting.append((path, depth + 1))


def _list_visible(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError:
        return []


def _list_names(folder: Path) -> str:
    names = [ascii(path.name)[1:-1] + ("/" if path.is_dir() else "") for path in _list_visible(folder)]
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return ", ".join(names[:_MOST_NAMES]) + more if names else "nothing"


def _find_package(package: str) -> Path:
    """The folder of an installed package, which is not imported: a recipe may stand in a data set of others.

    Raises:
        ModuleNotFoundError: if there is none.
    """
    # To find what is inside a package, Python would import it.
    if not package.isidentifier():
        raise ModuleNotFoundError(
            f"expected {PACKAGE_PREFIX}NAME/FOLDER, such as {PACKAGE_PREFIX}skimage/data, got the name {package!r}"
        )
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):  # of a package that was imported and changed itself
        spec = None
    if spec is None:
        raise ModuleNotFoundError(f"the package {package!r} is not installed")
    if spec.origin is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(f"{package!r} is a module without a folder; name an installed package that holds one")
    return Path(spec.origin).parent
