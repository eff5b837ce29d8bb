"""Tables that somebody changed by hand: made anew, or refused, but never sealed as if they were the toolkit's own."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from dataset_builder.errors import AlteredError
from manifests.confined.reading import has_file, list_folder
from manifests.confined.writing import remove_file
from manifests.description import DESCRIPTION, has_sound_checksum, read_description
from manifests.journal import open_journal
from manifests.schema import LABELS, TABLES
from manifests.seal import find_altered
from manifests.store import list_label_files, table_path

RECIPE = "recipe.toml"
_AUDIT = "audit"


def take_stock(root: Path, remakes: Collection[str]) -> list[str]:
    """Compare tables and recipe with the seal, remove those that were changed and will be made anew, and note from now on what is written.

    To be called by whoever holds the lock and will seal the data set.

    Args:
        root: the data set.
        remakes: tables that the command makes anew where they are missing, as paths in it; those of the report are in any case.

    Returns:
        What was removed, one line each.

    Raises:
        AlteredError: if a file was changed that the command does not make anew, or `dataset.json` was.
        ManifestError: if `dataset.json` cannot be read, or a file is no plain file.
        OSError: if a file cannot be read or removed.
    """
    if has_file(root, DESCRIPTION) and not has_sound_checksum(root, read_description(root)):
        raise AlteredError(
            f"{root / DESCRIPTION}: was changed by hand (its checksum does not fit); restore it, or delete it and build again, "
            "which computes everything anew"
        )
    altered = find_altered(root, _list_sealed(root))
    cached = set(_list_cached(root))
    for path in altered:
        if path not in remakes and path not in cached:
            raise AlteredError(
                f"{root / path}: was changed since it was sealed; restore it, or delete it and run the command that makes it, "
                "such as `buiqa build`"
            )
    removed = [path for path in altered if path != RECIPE]  # which may be the very file that the user builds from
    for path in removed:
        remove_file(root, path)
    open_journal(root)
    return [f"{path}: was changed since it was sealed, and is made anew" for path in removed]


def drop_altered_caches(root: Path) -> None:
    """Remove what is kept for the report, where it was changed since it was sealed; raises as `take_stock`, but for AlteredError."""
    for path in find_altered(root, _list_cached(root)):
        remove_file(root, path)


def list_altered(root: Path, remakes: Collection[str]) -> list[str]:
    """What `take_stock` would remove, one line each; changes nothing."""
    tables = [path for path in remakes if path != RECIPE]
    altered = find_altered(root, tables) if root.is_dir() else []
    return [f"{path}: was changed since it was sealed, and will be made anew" for path in altered]


def _list_sealed(root: Path) -> list[str]:
    tables = [table_path(name) for name in TABLES if name != LABELS.name]
    return [RECIPE, *tables, *list_label_files(root), *_list_cached(root)]


def _list_cached(root: Path) -> list[str]:
    return [f"{_AUDIT}/{name}" for name in list_folder(root, _AUDIT) if name.endswith(".parquet") and name[0] != "."]
