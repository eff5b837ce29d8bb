"""Files of a unit on their way: made where no reader looks, moved into place as one by whoever holds the lock.

A worker that is killed, or that outlives its driver, so leaves nothing where the data set is.
"""

from __future__ import annotations

import contextlib
import os
import re
import uuid
from pathlib import Path

from dataset_builder.work.unit import WORK_FOLDER
from manifests.confined.reading import has_folder
from manifests.confined.writing import make_folder, remove_tree
from manifests.errors import UnsafePathError

_FOLDER = f"{WORK_FOLDER}/staged"
_NAME = re.compile(r"[0-9a-f]{32}")


def open_stage(root: Path) -> tuple[str, Path]:
    """A new place for the files of one run of a unit: its name, and the folder that stands in for the data set's.

    Raises:
        UnsafePathError: if the way there goes through a link.
        OSError: if it cannot be made.
    """
    name = uuid.uuid4().hex
    os.close(make_folder(root, f"{_FOLDER}/{name}"))
    return name, locate_stage(root, name)


def locate_stage(root: Path, name: str) -> Path:
    """The folder that stands in for the data set's."""
    return root / _FOLDER / name


def find_staged(root: Path, name: object, folder: str) -> str | None:
    """Where `folder` of the data set waits on the stage `name`, as a path in the data set; None if there is none such."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        return None
    staged = f"{_FOLDER}/{name}/{folder}"
    with contextlib.suppress(UnsafePathError):
        return staged if has_folder(root, staged) else None
    return None


def clear_stages(root: Path) -> None:
    """Remove what is left of units that did not get through, once those that did are in place."""
    with contextlib.suppress(OSError):
        remove_tree(root, _FOLDER)
