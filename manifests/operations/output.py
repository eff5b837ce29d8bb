"""The folder that an operation writes into."""

from __future__ import annotations

from pathlib import Path

from manifests.errors import OutputExistsError


def require_new_folder(out: Path) -> None:
    """Refuse a folder that holds something, before anything is read for it.

    Raises:
        OutputExistsError: if it does.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise OutputExistsError(f"{out}: is not empty; name a new folder")


def make_new_folder(out: Path) -> None:
    """Create the folder of an export or of another form of a data set.

    Raises:
        OutputExistsError: if it holds something.
    """
    require_new_folder(out)
    out.mkdir(parents=True, exist_ok=True)
