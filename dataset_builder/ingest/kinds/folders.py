"""Real bursts in folders: one sub-folder each, or many in one folder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator, model_validator

from dataset_builder.decoding.source_files import resolve_inside
from dataset_builder.errors import MissingSourceError, SourceError
from dataset_builder.ingest.files import FileFrames, list_folders, list_frames, require_frames
from dataset_builder.ingest.kinds.groups import Grouping, group_by_gap, group_by_pattern, group_by_stem
from dataset_builder.ingest.reader import Finding, FoundBurst, RejectedBurst, Remark
from dataset_builder.ingest.source import CaptureSource
from dataset_builder.settings import require_inside
from manifests.errors import UnsafePathError


class FolderSource(CaptureSource):
    """Bursts of one file per frame: a sub-folder each, or many in one folder.

    JPEG, PNG, TIFF and HEIC, and RAW files of Bayer sensors. Frames are in order of capture where EXIF knows it to below a second, else in
    natural order of their names. If ROOT has no sub-folders, its own images are one burst, or many with a rule for grouping.

    Attributes:
        folders: Folders below ROOT; all sub-folders there when empty, or ROOT itself if it has none.
        group: How the files of a folder that holds many bursts belong together: names that differ in their last number (stem), pauses
            between their EXIF times (gap), or a regular expression (pattern). Null: a folder is a burst.
        gap_seconds: Seconds of pause that begin a new burst.
        pattern: Regular expression with a group (?P<burst>…) and perhaps (?P<frame>…); files that do not match are passed over.
    """

    command = "folder"

    kind: Literal["folders"]
    folders: tuple[str, ...] = ()
    group: Literal["stem", "gap", "pattern"] | None = None
    gap_seconds: float = Field(default=2.0, gt=0)
    pattern: str | None = None

    @field_validator("folders")
    @classmethod
    def _check_folders(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return require_inside(value)

    @model_validator(mode="after")
    def _check_pattern(self) -> FolderSource:
        if (self.group == "pattern") != (self.pattern is not None):
            raise ValueError("pattern: expected one for the group pattern, and none for other groups")
        return self

    def find_bursts(self, root: Path) -> Iterator[Finding]:
        """Bursts in the folders of a source, in natural order."""
        for path in self.folders or list_folders(root):
            try:
                folder = resolve_inside(root, path)
                if not folder.is_dir():
                    raise MissingSourceError(f"{folder}: no such folder; correct source {self.name!r}")
                names = list_frames(folder)
            except (SourceError, UnsafePathError, OSError) as error:
                yield RejectedBurst(path, error)
                continue
            if self.group is None:
                yield _make_burst(root, path, path, names)
                continue
            grouping = _group(self, folder, names)
            for name, members in grouping.groups.items():
                yield _make_burst(root, path, _join(path, name), members)
            for name, reason in grouping.rejected:
                yield RejectedBurst(_join(path, name), reason)
            yield from (Remark(text) for text in grouping.remarks)


def _group(source: FolderSource, folder: Path, names: list[str]) -> Grouping:
    if source.group == "gap":
        return group_by_gap(folder, names, source.gap_seconds)
    if source.group == "pattern":
        assert source.pattern is not None
        return group_by_pattern(names, source.pattern)
    return group_by_stem(folder, names, source.gap_seconds)


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
