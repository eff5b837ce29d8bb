"""`dataset.json`: what a data set says of itself."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from manifests.confined.reading import read_file
from manifests.confined.writing import write_text
from manifests.description_form import find_form_problems
from manifests.errors import FormatVersionError, MissingManifestError, SchemaError
from manifests.plain_text import escape_controls
from manifests.schema import FORMAT_VERSION

DESCRIPTION = "dataset.json"
PACKED_FORM = "packed"
"""Under `form` in `dataset.json` of a pack; a data set of image files has no such key."""
DIGESTS = "manifests"
"""Under it stand the SHA-256 of all documents, by path."""
UNFINISHED = "unfinished"
"""True from when a build begins to write what follows from the tables until it has sealed the data set; else there is no such key."""
PART = "part"
"""Under it one of several builds that are to be merged says which it is; a whole data set has no such key."""
_CHECKSUM = "checksum"


def read_description(root: Path) -> dict[str, Any]:
    """`dataset.json`: format version, resolved recipe, software, totals, metric conventions.

    Raises:
        MissingManifestError: if `root` is no data set.
        FormatVersionError: if it was written in another version of the format.
        SchemaError: if it is no JSON, or not of the form that it should have.
    """
    description, version = read_any_version(root)
    check_format_version(version, root / DESCRIPTION)
    return description


def read_any_version(root: Path) -> tuple[dict[str, Any], int]:
    """`dataset.json` as some version wrote it, and which.

    Raises:
        MissingManifestError: if `root` is no data set.
        FormatVersionError: if it names no version.
        SchemaError: if it is no JSON object, or a key holds something else than it should.
    """
    path = root / DESCRIPTION
    try:
        text = read_file(root, DESCRIPTION)
    except (FileNotFoundError, NotADirectoryError):
        raise MissingManifestError(f"{root}: not a data set (no dataset.json); name the folder of one") from None
    try:
        description: dict[str, Any] = json.loads(text)
        found = description["format_version"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise SchemaError(
            f"{path}: expected a JSON object with format_version ({error}); restore it or build again"
        ) from error
    try:
        version = int(found)
    except (TypeError, ValueError, OverflowError):
        raise FormatVersionError(f"{path}: no format_version; it was not written by this toolkit") from None
    # What a newer version means by its keys is not known here.
    for problem in find_form_problems(description) if version <= FORMAT_VERSION else ():
        raise SchemaError(f"{path}: {escape_controls(problem)}; restore it or build again")
    return description, version


def has_sound_checksum(root: Path, description: Mapping[str, Any]) -> bool:
    """Whether `dataset.json` is, byte for byte, what this toolkit writes for a description.

    Raises:
        OSError: if it cannot be read.
    """
    try:
        return read_file(root, DESCRIPTION) == render_description(description).encode()
    except (ValueError, RecursionError):
        return False


def drop_seal(description: Mapping[str, Any]) -> dict[str, Any]:
    """What a description says of a data set, without what it says of its files."""
    return {name: value for name, value in description.items() if name not in {DIGESTS, UNFINISHED, _CHECKSUM}}


def write_description(root: Path, description: Mapping[str, Any]) -> None:
    """Write `dataset.json` with sorted keys, the format version and a checksum over all the rest."""
    write_text(root, DESCRIPTION, render_description({"format_version": FORMAT_VERSION, **description}))


def render_description(description: Mapping[str, Any]) -> str:
    """The text of `dataset.json`; its key `checksum` is the SHA-256 of the text without that key."""
    content = {name: value for name, value in description.items() if name != _CHECKSUM}
    return _to_json({**content, _CHECKSUM: hashlib.sha256(_to_json(content).encode()).hexdigest()})


def check_format_version(found: Any, path: Path) -> None:
    """Refuse what another version wrote.

    Raises:
        FormatVersionError: with the way out.
    """
    try:
        version = int(found)
    except (TypeError, ValueError, OverflowError):
        raise FormatVersionError(f"{path}: no format_version; it was not written by this toolkit") from None
    if version > FORMAT_VERSION:
        raise FormatVersionError(
            f"{path}: format {version} is newer than this version reads ({FORMAT_VERSION}): pip install --upgrade buiqa-toolkit"
        )
    if version < FORMAT_VERSION:
        raise FormatVersionError(
            f"{path}: format {version} is older than this version reads ({FORMAT_VERSION}): run `buiqa migrate DIR`"
        )


def _to_json(content: Mapping[str, Any]) -> str:
    return json.dumps(content, indent=2, sort_keys=True, allow_nan=False) + "\n"
