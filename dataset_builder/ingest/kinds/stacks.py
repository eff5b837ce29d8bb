"""Bursts of one file: TIFFs of several pages and videos."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field, field_validator

from dataset_builder.decoding.file_kinds import FileKind, count_pictures, recognise, refuse_kind
from dataset_builder.decoding.frame import Frame, SensorFacts
from dataset_builder.decoding.images import read_image
from dataset_builder.decoding.natural_order import natural_key
from dataset_builder.decoding.source_files import require_file, resolve_inside
from dataset_builder.decoding.tiff_stacks import list_frame_pages
from dataset_builder.errors import SourceError, UnreadableImageError
from dataset_builder.ingest.files import hash_files
from dataset_builder.ingest.kinds.video import VideoFrames
from dataset_builder.ingest.listing import BY_PRODUCTS, name_some
from dataset_builder.ingest.reader import Finding, FoundBurst, ReaderDefaults, RejectedBurst, Remark
from dataset_builder.ingest.source import CaptureSource
from dataset_builder.settings import require_inside
from manifests.errors import UnsafePathError
from manifests.plain_text import count
from restorers import Domain

_SUFFIXES = frozenset({".tif", ".tiff", ".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi"})
"""Whatever has one of them is expected to be a stack or video."""


@dataclass(frozen=True)
class PageFrames(ReaderDefaults):
    """A burst whose frames are the pages of a TIFF.

    Attributes:
        path: path of the file.
        white_level: value that means white; None leaves it to the file.
        pages: numbers of those that count, from 0; empty until `resolve` has looked.
        every: take one page in so many.
        start: the first.
        max_frames: pages at most.
    """

    path: Path
    every: int
    start: int
    max_frames: int
    white_level: int | None = None
    pages: tuple[int, ...] = ()
    reference_index: int | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Numbers of the pages, as `page 0`."""
        return tuple(f"page {page}" for page in self.pages)

    @property
    def settings(self) -> list[int]:
        """What the frames depend on beside the file."""
        return [self.start, self.every, self.max_frames, *([] if self.white_level is None else [self.white_level])]

    def digest(self) -> str:
        """SHA-256 over that of the file."""
        return hash_files([self.path])

    def resolve(self, *, look: bool) -> PageFrames:  # noqa: ARG002  # nothing is left to later
        """Choose the pages."""
        chosen = list_frame_pages(self.path)[self.start :: self.every][: self.max_frames]
        return replace(self, pages=chosen)

    def read(self, index: int) -> Frame:
        """Decode one page."""
        image = read_image(self.path, page=self.pages[index], white_level=self.white_level)
        sensor = SensorFacts(Domain.SRGB, white_level=float(np.iinfo(image.pixels.dtype).max))
        return Frame(image.pixels, image.facts, sensor)

    def iterate(self) -> Iterator[Frame]:
        """Decode page after page."""
        return map(self.read, range(len(self.pages)))


class StackSource(CaptureSource):
    """TIFFs of several pages and videos, one burst each.

    Files are known by their content, whatever their suffix. Pages are frames where ImageJ, OME or TIFF say nothing else of them.
    Pictures of a video that repeat the one before them do not count.

    Attributes:
        files: Files below ROOT; all of them there when empty.
        start: First frame, from 0.
        every: Take one frame in so many.
        max_frames: Frames of a burst at most.
        white_level: Value that means white in TIFFs of fewer bits than 16 in 16.
    """

    command = "stack"

    kind: Literal["stacks"]
    files: tuple[str, ...] = ()
    start: int = Field(default=0, ge=0)
    every: int = Field(default=1, ge=1)
    max_frames: int = Field(default=30, ge=2, le=1000)
    white_level: int | None = Field(default=None, gt=0, le=65535)

    @field_validator("files")
    @classmethod
    def _check_files(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return require_inside(value)

    def find_bursts(self, root: Path) -> Iterator[Finding]:
        """TIFFs of several pages and videos below a folder, in natural order; what else there is, a remark names."""
        others: list[str] = []
        for path in self.files or _list_files(root):
            try:
                located = resolve_inside(root, path)
                reader = _make_reader(self, located)
            except (SourceError, UnsafePathError, OSError) as error:
                yield RejectedBurst(path, error)
                continue
            if reader is None:
                others.append(path)
            else:
                yield FoundBurst(path, reader)
        if others:
            yield Remark(
                f"{root}: passed over {count(len(others), 'file')}, neither video nor stack ({name_some(others)})"
            )


def _make_reader(source: StackSource, path: Path) -> PageFrames | VideoFrames | None:
    """A reader of a video or stack; None for single pictures and what is none, unless the file was named."""
    settings = source.every, source.start, source.max_frames
    expected = bool(source.files) or path.suffix.lower() in _SUFFIXES
    if expected:
        require_file(path)
    kind = recognise(path)
    if kind is FileKind.VIDEO:
        return VideoFrames(path, *settings)
    if kind is FileKind.TIFF:
        return (
            PageFrames(path, *settings, source.white_level) if source.files or len(list_frame_pages(path)) > 1 else None
        )
    if kind is FileKind.HEIF and (several := count_pictures(path)) > 1:
        raise UnreadableImageError(f"{path}: holds {several} pictures or more; split it into single ones")
    if expected:
        raise refuse_kind(path, kind)
    return None


def _list_files(root: Path) -> list[str]:
    found = (path.relative_to(root) for path in root.rglob("*") if not path.is_dir())
    return sorted(
        (path.as_posix() for path in found if not any(_is_passed(part) for part in path.parts)), key=natural_key
    )


def _is_passed(name: str) -> bool:
    return name.startswith(".") or name.lower() in BY_PRODUCTS
