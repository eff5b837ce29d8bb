"""What lies in the folders of a source: frames, folders, and what is neither, of which nothing is left out without a word."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from dataset_builder.decoding.file_kinds import (
    FRAME_SUFFIXES,
    RAW_SUFFIXES,
    READABLE,
    FileKind,
    guess_kind,
    refuse_kind,
)
from dataset_builder.decoding.natural_order import natural_key
from dataset_builder.decoding.source_files import resolve_inside
from dataset_builder.errors import SourceError
from manifests.errors import UnsafePathError

Preference = Literal["raw", "jpeg"]
BY_PRODUCTS = frozenset(
    (
        *("thumb", "thumbs", "thumbnail", "thumbnails", "_thumb", "_thumbs", "sony_thumb", "preview", "previews"),
        *(
            "@eadir",
            "__macosx",
            "captureone",
            "#recycle",
            "@recycle",
            "$recycle.bin",
            "lost+found",
            "@tmp",
            "#snapshot",
        ),
    )
)
"""Folders that programs and disks put beside pictures, in lower case: what they hold are copies."""
_DEEPEST = 16
# Pixel cameras write what they made of a picture, and the picture itself, as NAME.MOTION-01.COVER and NAME.MOTION-02.ORIGINAL; edited
# copies end in ~2.
_VERSION = re.compile(r"(?:\.(?!BURST)[A-Z_]+-\d+\.(?P<made>COVER|ORIGINAL))?(?P<edited>~\d+)?$", re.IGNORECASE)
# Of pictures developed twice, the one that was not made from the other.
_RANKS = {".heic": 0, ".heif": 0, ".hif": 0, ".avif": 0, ".tif": 1, ".tiff": 1, ".png": 2}


class LeftOutError(SourceError):
    """Pictures that lie where none belongs to a burst."""


@dataclass(frozen=True)
class FolderContent:
    """What a folder holds.

    Attributes:
        frames: names of pictures, in natural order.
        folders: names of folders, in natural order.
        refused: names of pictures of kinds that cannot be read, and why.
        by_products: names of folders of copies.
        videos: names of videos.
    """

    frames: Sequence[str]
    folders: Sequence[str] = ()
    refused: Sequence[tuple[str, Exception]] = ()
    by_products: Sequence[str] = ()
    videos: Sequence[str] = ()


@dataclass(frozen=True)
class Place:
    """A folder that may hold a burst or many.

    Attributes:
        path: relative to the root, POSIX; `.` for the root.
        content: what it holds.
        error: why its pictures are left out; None if they are not.
    """

    path: str
    content: FolderContent
    error: Exception | None = None


def read_folder(folder: Path) -> FolderContent:
    """What a folder holds; names that begin with a dot are hidden, and passed over.

    Pictures are known by their suffix, else by their content. What is no plain file but is called as a picture counts as one: a burst that
    lacks a frame without a word would be worse than one that fails.

    Raises:
        OSError: if it cannot be listed.
    """
    frames: list[str] = []
    folders: list[str] = []
    refused: list[tuple[str, Exception]] = []
    by_products: list[str] = []
    videos: list[str] = []
    for path in sorted(folder.iterdir(), key=lambda path: natural_key(path.name)):
        name = path.name
        if name.startswith("."):
            continue
        if path.is_dir():
            (by_products if name.lower() in BY_PRODUCTS else folders).append(name)
        elif path.suffix.lower() in FRAME_SUFFIXES:
            frames.append(name)
        else:
            kind = guess_kind(path)
            if kind in READABLE:
                frames.append(name)
            elif kind is FileKind.VIDEO:
                videos.append(name)
            elif kind is not FileKind.OTHER:
                refused.append((name, refuse_kind(path, kind)))
    return FolderContent(frames, folders, refused, by_products, videos)


def find_places(root: Path) -> Iterator[Place]:
    """Folders of a source that may hold bursts: the root if it holds pictures, and folders below.

    A folder is looked into as deep as it holds no pictures itself. Pictures below a burst are left out, and so is a folder whose
    pictures are called as those beside it.

    Raises:
        OSError: if the root cannot be listed.
    """
    content = read_folder(root)
    if content.frames or content.refused or content.by_products or content.videos:
        yield Place(".", content)
    for name in content.folders:
        yield from _find_below(root, name, beside=content.frames, inside=False, depth=1)


def list_frames(folder: Path) -> list[str]:
    """Pictures of a folder in natural order, which is the order of capture in the names that phones give."""
    return list(read_folder(folder).frames)


def list_folders(root: Path) -> list[str]:
    """Folders below `root` that may hold bursts, in natural order; `.` stands for the root itself."""
    return [
        place.path for place in find_places(root) if place.error is None and (place.path != "." or place.content.frames)
    ]


def choose_versions(names: Sequence[str], prefer: Preference | None) -> tuple[list[str], str]:
    """One file for each picture that a camera, or a program, stored in several forms under one name.

    Args:
        names: file names in natural order.
        prefer: RAW, which None means as well, or what was developed of it.

    Returns:
        The names that stay, and a remark on those that do not; empty if none was left out unasked.
    """
    versions: dict[str, list[str]] = {}
    for name in names:
        versions.setdefault(_VERSION.sub("", Path(name).stem).casefold(), []).append(name)
    kept = {name for group in versions.values() for name in _choose_version(group, prefer)}
    dropped = [name for name in names if name not in kept]
    raw = any(Path(name).suffix.lower() in RAW_SUFFIXES for name in names)
    if not dropped or (raw and prefer):
        return [name for name in names if name in kept], ""
    way = "; --prefer raw|jpeg chooses" if raw else ""
    text = f"{len(dropped)} other forms of the same pictures were left out ({name_some(dropped)}){way}"
    return [name for name in names if name in kept], text


def name_some(names: Iterable[str], most: int = 3) -> str:
    """The first of some names, and how many more there are."""
    listed = list(names)
    return ", ".join(listed[:most]) + (f" and {len(listed) - most} more" if len(listed) > most else "")


def _choose_version(names: Sequence[str], prefer: Preference | None) -> Sequence[str]:
    raws = [name for name in names if Path(name).suffix.lower() in RAW_SUFFIXES]
    developed = [name for name in names if name not in raws]
    if raws and (prefer != "jpeg" or not developed):
        return raws
    best = min(map(_rank_version, developed))
    return [name for name in developed if _rank_version(name) == best]


def _rank_version(name: str) -> tuple[bool, bool, int]:
    """The lower, the nearer to what the camera saw."""
    path = Path(name)
    found = _VERSION.search(path.stem)
    edited, made = (found["edited"], found["made"]) if found else (None, None)
    return edited is not None, (made or "").upper() == "COVER", _RANKS.get(path.suffix.lower(), 3)


def _find_below(root: Path, path: str, *, beside: Sequence[str], inside: bool, depth: int) -> Iterator[Place]:
    try:
        folder = resolve_inside(root, path)
        content = read_folder(folder)
    except (UnsafePathError, OSError) as error:
        yield Place(path, FolderContent(()), error)
        return
    reason = ""
    if content.frames and {*content.frames} <= {*beside}:
        reason = "its pictures are called as those beside it, so they are copies"
    elif content.frames and inside:
        reason = f"holds {len(content.frames)} pictures, but lies in the folder of a burst"
    noted = content.refused or content.by_products or content.videos
    if content.frames or noted or not (content.folders or inside):
        yield Place(
            path, content, LeftOutError(f"{folder}: {reason}; name it in folders to take it in") if reason else None
        )
    if depth < _DEEPEST and not folder.is_symlink():
        inside = inside or bool(content.frames)
        for name in content.folders:
            yield from _find_below(root, f"{path}/{name}", beside=content.frames, inside=inside, depth=depth + 1)
