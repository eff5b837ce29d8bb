"""Real bursts in folders: one sub-folder each, or many in one folder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator, model_validator

from dataset_builder.decoding.levels import Levels
from dataset_builder.decoding.source_files import resolve_inside
from dataset_builder.errors import MissingSourceError, SourceError
from dataset_builder.ingest.files import FileFrames, require_frames
from dataset_builder.ingest.kinds.groups import Grouping, group_by_gap, group_by_pattern, group_by_stem
from dataset_builder.ingest.listing import (
    FolderContent,
    Place,
    Preference,
    choose_versions,
    find_places,
    name_some,
    read_folder,
)
from dataset_builder.ingest.reader import Finding, FoundBurst, RejectedBurst, Remark
from dataset_builder.ingest.source import CaptureSource
from dataset_builder.settings import require_inside
from manifests.errors import UnsafePathError


class FolderSource(CaptureSource):
    """Bursts of one file per frame: a sub-folder each, or many in one folder.

    JPEG, PNG, TIFF and HEIC, and RAW files of Bayer sensors. Frames are in order of capture where EXIF knows it to below a second, else in
    natural order of their names. Images in ROOT itself are one burst, or many with a rule for grouping.

    Attributes:
        folders: Folders below ROOT; when empty, ROOT itself and all folders there, as deep as they hold no images themselves.
        group: How the files of a folder that holds many bursts belong together: names that say so by the rules of cameras (stem), pauses
            between their EXIF times (gap), or a regular expression (pattern). Null: a folder is a burst.
        gap_seconds: Seconds of pause that begin a new burst.
        prefer: Which form to take of pictures that a camera stored both as RAW and developed (jpeg, and HEIC alike).
            Null: RAW, and a word on what was left out.
        pattern: Regular expression (RE2) with a group (?P<burst>…) and perhaps (?P<frame>…); files that do not match are passed over.
        black_level: Code that means no light in RAW files whose own levels are wrong.
        white_level: Code that means white in RAW files whose own levels are wrong, or in TIFF and PNG of fewer bits than 16 in 16.
    """

    command = "folder"

    kind: Literal["folders"]
    folders: tuple[str, ...] = ()
    group: Literal["stem", "gap", "pattern"] | None = None
    gap_seconds: float = Field(default=2.0, gt=0)
    pattern: str | None = None
    black_level: float | None = Field(default=None, ge=0, le=65535)
    white_level: float | None = Field(default=None, gt=0, le=65535)
    prefer: Preference | None = None

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
        places = find_places(root) if not self.folders else (self._read_place(root, path) for path in self.folders)
        for place in places:
            yield from _describe_content(place)
            names, left_out = choose_versions(place.content.frames, self.prefer)
            if left_out:
                yield Remark(f"{root / place.path}: {left_out}")
            if place.error is not None:
                yield RejectedBurst(place.path, place.error)
            elif place.path == "." and not names:
                continue
            elif self.group is None:
                yield _make_burst(self, root, place.path, place.path, names)
            else:
                yield from self._find_groups(root, place.path, names)

    def _read_place(self, root: Path, path: str) -> Place:
        try:
            folder = resolve_inside(root, path)
            if not folder.is_dir():
                raise MissingSourceError(f"{folder}: no such folder; correct source {self.name!r}")
            return Place(path, read_folder(folder))
        except (SourceError, UnsafePathError, OSError) as error:
            return Place(path, FolderContent(()), error)

    def _find_groups(self, root: Path, path: str, names: list[str]) -> Iterator[Finding]:
        grouping = _group(self, root / path, names)
        for name, members in grouping.groups.items():
            yield _make_burst(self, root, path, _join(path, name), members)
        for name, reason in grouping.rejected:
            yield RejectedBurst(_join(path, name), reason)
        yield from (Remark(text) for text in grouping.remarks)


def _describe_content(place: Place) -> Iterator[Finding]:
    """What of a folder is left out, whatever becomes of its frames."""
    content = place.content
    yield from (RejectedBurst(_join(place.path, name), error) for name, error in content.refused)
    for names, what in (
        (content.by_products, "folders of copies"),
        (content.videos, "videos, see `buiqa ingest stack`"),
    ):
        if names:
            yield Remark(f"{place.path}: passed over {len(names)} {what} ({name_some(names)})")


def _group(source: FolderSource, folder: Path, names: list[str]) -> Grouping:
    if source.group == "gap":
        return group_by_gap(folder, names, source.gap_seconds)
    if source.group == "pattern":
        assert source.pattern is not None
        return group_by_pattern(names, source.pattern)
    return group_by_stem(folder, names, source.gap_seconds)


def _make_burst(source: FolderSource, root: Path, folder: str, path: str, names: Sequence[str]) -> Finding:
    try:
        require_frames(root / path, len(names))
        for name in names:
            resolve_inside(root, _join(folder, name))
    except (SourceError, UnsafePathError, OSError) as error:
        return RejectedBurst(path, error)
    return FoundBurst(
        path, FileFrames(root / folder, tuple(names), levels=Levels(source.black_level, source.white_level))
    )


def _join(folder: str, name: str) -> str:
    return name if folder == "." else f"{folder}/{name}"
