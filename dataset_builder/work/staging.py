"""Files of a unit on their way: made where no reader looks, moved into place as one by whoever holds the lock.

A worker that is killed, or that outlives its driver, so leaves nothing where the data set is.
"""

from __future__ import annotations

import re
import shutil
import uuid
from pathlib import Path

from dataset_builder.work.unit import WORK_FOLDER

_FOLDER = Path(WORK_FOLDER) / "staged"
_NAME = re.compile(r"[0-9a-f]{32}")


def open_stage(root: Path) -> tuple[str, Path]:
    """A new place for the files of one run of a unit: its name, and the folder that stands in for the data set's."""
    name = uuid.uuid4().hex
    return name, locate_stage(root, name)


def locate_stage(root: Path, name: str) -> Path:
    """The folder that stands in for the data set's."""
    return root / _FOLDER / name


def find_staged(root: Path, name: object, folder: str) -> Path | None:
    """Where `folder` of the data set waits on the stage `name`; None if there is none such."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        return None
    staged = locate_stage(root, name) / folder
    return staged if staged.is_dir() and not staged.is_symlink() else None


def clear_stages(root: Path) -> None:
    """Remove what is left of units that did not get through, once those that did are in place."""
    shutil.rmtree(root / _FOLDER, ignore_errors=True)
