"""Real bursts in folders: one sub-folder each, or many in one folder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from dataset_builder.errors import MissingSourceError, SourceError
from dataset_builder.ingest.files import FileFrames, list_folders, list_frames, require_frames
from dataset_builder.ingest.groups import Groups, group_by_gap, group_by_pattern, group_by_stem
from dataset_builder.ingest.reader import Finding, FoundBurst, RejectedBurst
from dataset_builder.ingest.source import FolderSource
from manifests.errors import UnsafePathError
from manifests.store import resolve_inside


def find_bursts(source: FolderSource, root: Path) -> Iterator[Finding]:
    """Bursts in the folders of a source, in natural order."""
    for path in source.folders or list_folders(root):
        try:
            folder = resolve_inside(root, path)
            if not folder.is_dir():
                raise MissingSourceError(f"{folder}: no such folder; correct source {source.name!r}")
            names = list_frames(folder)
        except (SourceError, UnsafePathError, OSError) as error:
            yield RejectedBurst(path, error)
            continue
        if source.group is None:
            yield _make_burst(root, path, path, names)
            continue
        groups, rejected = _group(source, folder, names)
        for name, members in groups.items():
            yield _make_burst(root, path, _join(path, name), members)
        for name, reason in rejected:
            yield RejectedBurst(_join(path, name), reason)


def _group(source: FolderSource, folder: Path, names: list[str]) -> tuple[Groups, list[tuple[str, Exception]]]:
    if source.group == "gap":
        return group_by_gap(folder, names, source.gap_seconds)
    if source.group == "pattern":
        assert source.pattern is not None
        return group_by_pattern(names, source.pattern), []
    return group_by_stem(names), []


def _make_burst(root: Path, folder: str, path: str, names: Sequence[str]) -> Finding:
    try:
        require_frames(root / path, len(names))
        for name in names:
            resolve_inside(root, _join(folder, name))
    except (SourceError, UnsafePathError, OSError) as error:
        return RejectedBurst(path, error)
    return FoundBurst(path, FileFrames(root / folder, tuple(names)))


def _join(folder: str, name: str) -> str:
    return name if folder == "." else f"{folder}/{name}"
