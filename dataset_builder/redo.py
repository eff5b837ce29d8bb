"""What is written anew of a data set that is there: splits, documents, audit. No burst is made and no label computed."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from dataset_builder.finish import finish_dataset, keep_recipe, read_built_recipe
from dataset_builder.recipe import SplitChoice
from dataset_builder.work.altered import drop_altered_caches, take_stock
from dataset_builder.work.local import ONE_WORKER, Workers
from dataset_builder.work.lock import lock_dataset
from dataset_builder.work.unit import WORK_FOLDER
from manifests.confined.reading import hash_file, list_folder
from manifests.confined.writing import remove_tree
from manifests.description import DIGESTS, read_description, write_description
from manifests.store import table_path

if TYPE_CHECKING:
    from dataset_builder.audit.audit import Audit


def redo_splits(root: Path, splits: SplitChoice) -> list[str]:
    """Assign the splits of a data set anew.

    Returns:
        What the report lacks and why, one line each.

    Raises:
        ManifestError: if `root` is no data set, or the choice does not fit it.
    """
    read_description(root)
    with lock_dataset(root):
        altered = take_stock(root, [table_path("splits")])
        recipe = read_built_recipe(root).model_copy(update={"splits": splits})
        keep_recipe(root, recipe)
        return [*altered, *finish_dataset(root, recipe, keep_splits=False)]


def redo_reports(root: Path, *, named: Collection[str] = ()) -> list[str]:
    """Write description, card and audit of a data set anew, after its tables were put together in another way.

    Args:
        root: the data set.
        named: scenarios that the user named; of the others, those run that are built in or installed.

    Returns:
        What the report lacks and why, one line each.

    Raises:
        ManifestError: if `root` is no data set.
    """
    read_description(root)
    with lock_dataset(root):
        take_stock(root, [])
        return finish_dataset(root, read_built_recipe(root), anew=True, named=named)


def redo_audit(
    root: Path,
    *,
    against: Path | None = None,
    named: Collection[str] = (),
    workers: Workers = ONE_WORKER,
    out: Path | None = None,
) -> tuple[Audit, list[str]]:
    """Write the audit of a data set anew and change nothing else: what is wrong must still be wrong when it is looked at.

    Args:
        root: the data set.
        against: another build to compare with.
        named: scenarios that the user named; of the others, those run that are built in or installed.
        workers: who reads and restores the bursts that are shown.
        out: another folder for the report, made if need be; the data set then is only read, and no burst restored.

    Returns:
        The audit, and what the report lacks and why, one line each.

    Raises:
        ManifestError: if a folder is no data set, or its bursts or frames are missing or damaged.
    """
    from dataset_builder.audit.stage import restore_bursts, write_audit

    description = read_description(root)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        audit = write_audit(root, against=against, workers=workers, out=out)
        _remove_work(out)
        note = "of restored images the report has those that the data set's own report left; none are made for another folder"
        return audit, [note, *audit.remarks]
    with lock_dataset(root):
        drop_altered_caches(root)
        remarks = restore_bursts(root, named=named, workers=workers)
        audit = write_audit(root, against=against, workers=workers)
        if DIGESTS in description:
            digests = {path: hash_file(root, path) for path in (f"audit/{name}" for name in list_folder(root, "audit"))}
            write_description(root, {**description, DIGESTS: {**description[DIGESTS], **digests}})
    return audit, [*remarks, *audit.remarks]


def look_at_dataset(root: Path, *, against: Path | None = None, workers: Workers = ONE_WORKER) -> Audit:
    """The audit of a data set that is only read; nothing of it is kept.

    Raises:
        ManifestError: as `redo_audit`.
    """
    from dataset_builder.audit.audit import audit_dataset

    with tempfile.TemporaryDirectory() as folder:
        return audit_dataset(root, against=against, workers=workers, out=Path(folder))


def _remove_work(out: Path) -> None:
    """Remove what workers left where their results waited."""
    with contextlib.suppress(OSError):
        remove_tree(out, f"{WORK_FOLDER}/pieces")
        (out / WORK_FOLDER).rmdir()
