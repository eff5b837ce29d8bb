"""Nothing below a folder leads out of it, and nothing in it hangs whoever reads, writes, lists or removes."""

from __future__ import annotations

import contextlib
import hashlib
import os
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from manifests.confined import reading
from manifests.confined.plain import hash_plain, open_plain
from manifests.confined.reading import (
    has_file,
    has_folder,
    hash_file,
    list_files,
    list_folder,
    open_file,
    read_file,
    read_files,
    walk_files,
)
from manifests.confined.writing import (
    append_to_file,
    copy_file,
    open_to_lock,
    remove_file,
    remove_tree,
    replace_file,
    write_file,
    write_new_file,
    write_text,
)
from manifests.errors import FileTooLargeError, ImageFileError, UnsafePathError

SECRET = b"secret"
Act = Callable[[Path, str], object]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with files, and with a way out of every kind; `tmp_path/outside` holds what must neither be read nor changed."""
    outside, root = tmp_path / "outside", tmp_path / "root"
    outside.mkdir()
    (outside / "file").write_bytes(SECRET)
    (root / "a/b").mkdir(parents=True)
    (root / "a/b/file").write_bytes(b"inside")
    (root / "a/other").write_bytes(b"other")
    (root / "link").symlink_to(outside / "file")
    (root / "a/inner").symlink_to("b/file")
    (root / "a/nowhere").symlink_to("gone")
    (root / "a/loop").symlink_to("loop")
    (root / "folder").symlink_to(outside)
    (root / "a/up").symlink_to("..")
    os.mkfifo(root / "pipe")
    os.mkfifo(root / "a/pipe")
    return root


def outside_is_untouched(root: Path) -> bool:
    outside = root.parent / "outside"
    return os.listdir(outside) == ["file"] and (outside / "file").read_bytes() == SECRET  # noqa: PTH208


LEADS_OUT = [
    "/etc/passwd",
    "../outside/file",
    "a/../../outside/file",
    "a/../a/other",
    "./a/other",
    "a//other",
    "a/other/",
    "",
    ".",
    "a\\other",
    "a/other\0",
    "link",
    "a/inner",
    "a/nowhere",
    "a/loop",
    "folder/file",
    "a/up/a/other",
    "a/other/file",
]
NO_FILES = ["pipe", "a/pipe", "a/b"]

READERS: list[Act] = [
    lambda root, path: open_file(root, path).close(),
    read_file,
    lambda root, path: list(read_files(root, ["a/other", path])),
    hash_file,
    has_file,
    lambda root, path: copy_file(root, path, root.parent / "copy"),
]


@pytest.mark.parametrize("act", READERS)
@pytest.mark.parametrize("path", [*LEADS_OUT, *NO_FILES])
def test_nothing_else_than_plain_files_inside_is_read(root: Path, act: Act, path: str) -> None:
    with pytest.raises(UnsafePathError):
        act(root, path)
    assert outside_is_untouched(root)


def test_plain_files_are_read(root: Path) -> None:
    assert read_file(root, "a/b/file") == b"inside"
    assert list(read_files(root, ["a/other", "a/b/file", "a/b/file", "a/other"])) == [
        b"other",
        b"inside",
        b"inside",
        b"other",
    ]
    assert hash_file(root, "a/other") == hash_plain(root / "a/other") == hashlib.sha256(b"other").hexdigest()
    assert has_file(root, "a/other")
    with open_file(root, "a/other") as stream:
        assert os.get_blocking(stream.fileno())
    (root.parent / "also").symlink_to(root)
    assert read_file(root.parent / "also", "a/other") == b"other"  # the user named the link


@pytest.mark.parametrize("path", ["gone", "a/gone", "gone/file"])
def test_what_is_not_there(root: Path, path: str) -> None:
    assert not has_file(root, path)
    assert not has_folder(root, path)
    assert not has_file(root / "gone", path)
    assert not has_file(root / "a/other", path)
    assert list_folder(root, path) == []
    assert list_files(root, path) == set()
    assert list(walk_files(root, path)) == []
    with pytest.raises(FileNotFoundError):
        read_file(root, path)
    with pytest.raises(ImageFileError, match="No such file"):
        list(read_files(root, [path]))
    remove_file(root, path)
    remove_tree(root, path)


def test_sockets_and_devices_are_no_files(root: Path) -> None:
    with socket.socket(socket.AF_UNIX) as door:
        place = os.open(root, os.O_DIRECTORY)
        try:
            door.bind(f"/proc/self/fd/{place}/door")  # its own path may be too long for a socket
        finally:
            os.close(place)
        with pytest.raises(UnsafePathError, match="socket or device"):
            read_file(root, "door")
    for device in ("/dev/null", "/dev/zero"):
        with pytest.raises(UnsafePathError, match="got a device"):
            open_plain(Path(device))
    with pytest.raises(UnsafePathError, match="got a pipe"):
        hash_plain(root / "pipe")
    with pytest.raises(UnsafePathError, match="got a folder"):
        hash_plain(root)


def test_what_is_too_large_is_not_read(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_BYTES", 5)
    assert read_file(root, "a/other") == b"other"
    for act in (read_file, lambda root, path: list(read_files(root, [path]))):
        with pytest.raises(FileTooLargeError, match="6 bytes is more than 5"):
            act(root, "a/b/file")


def test_no_descriptor_is_left_open(root: Path) -> None:
    def count() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    before = count()
    for path in (*LEADS_OUT, *NO_FILES, "gone", "a/gone/x"):
        for act in (*READERS, *WRITERS, *REMOVERS):
            with contextlib.suppress(UnsafePathError, OSError, ImageFileError):
                act(root, path)
    assert count() == before


# ----------------------------------------------------------------------------------------------------------- writing

WRITERS: list[Act] = [
    lambda root, path: write_file(root, path, b"new"),
    lambda root, path: write_text(root, path, "new"),
    lambda root, path: write_new_file(root, path, b"new"),
    lambda root, path: os.close(open_to_lock(root, path)),
]
REMOVERS: list[Act] = [remove_file, remove_tree]
WAYS_OUT = [path for path in LEADS_OUT if path.rpartition("/")[2] not in {"link", "inner", "nowhere", "loop"}]


@pytest.mark.parametrize("act", [*WRITERS, *REMOVERS])
@pytest.mark.parametrize("path", [*WAYS_OUT, "folder/new", "a/up/new", "folder/new/file"])
def test_nothing_outside_is_written_or_removed(root: Path, act: Act, path: str) -> None:
    with pytest.raises(UnsafePathError):
        act(root, path)
    assert outside_is_untouched(root)
    assert (root / "a/other").read_bytes() == b"other"


@pytest.mark.parametrize("path", ["link", "a/inner", "a/nowhere", "a/loop", "pipe"])
def test_a_link_is_replaced_or_removed_itself(root: Path, path: str) -> None:
    write_file(root, path, b"new")
    assert (root / path).read_bytes() == b"new"
    assert not (root / path).is_symlink()
    (root / path).unlink()
    for remove in (remove_file, remove_tree):
        (root / path).symlink_to(root.parent / "outside")
        remove(root, path)
        assert not os.path.lexists(root / path)
    assert outside_is_untouched(root)
    assert (root / "a/b/file").read_bytes() == b"inside"


@pytest.mark.parametrize("path", ["link", "a/inner", "a/nowhere", "a/loop", "pipe", "a/b"])
def test_what_is_there_is_neither_locked_nor_written_through(root: Path, path: str) -> None:
    with pytest.raises((UnsafePathError, IsADirectoryError)):
        os.close(open_to_lock(root, path))
    with pytest.raises((UnsafePathError, FileExistsError)):
        write_new_file(root, path, b"new")
    assert outside_is_untouched(root)


def test_folders_are_made_as_needed(tmp_path: Path) -> None:
    write_file(tmp_path / "new/root", "a/b/file", b"1")
    write_new_file(tmp_path / "new/root", "a/c/file", b"2")
    os.close(open_to_lock(tmp_path / "new/root", "d/lock"))
    assert sorted(walk_files(tmp_path / "new/root", "")) == [("a/b/file", True), ("a/c/file", True), ("d/lock", True)]


def test_a_lock_keeps_what_the_file_holds(root: Path) -> None:
    os.close(open_to_lock(root, "a/other"))
    assert (root / "a/other").read_bytes() == b"other"


def test_a_stream_can_be_read_before_it_gets_its_name(root: Path) -> None:
    with replace_file(root, "a/other") as stream:
        stream.write(b"written")
        stream.seek(0)
        assert stream.read() == b"written"
        assert (root / "a/other").read_bytes() == b"other"
    assert (root / "a/other").read_bytes() == b"written"


def test_the_mask_of_the_user_holds(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        write_file(tmp_path, "private", b"")
    finally:
        os.umask(before)
    assert (tmp_path / "private").stat().st_mode & 0o777 == 0o600


def test_a_tree_goes_without_what_its_links_lead_to(root: Path) -> None:
    remove_tree(root, "a")
    assert not (root / "a").exists()
    assert outside_is_untouched(root)


# ----------------------------------------------------------------------------------------------------------- listing


def test_links_are_listed_and_not_entered(root: Path) -> None:
    found = dict(walk_files(root, ""))
    assert {path for path, plain in found.items() if plain} == {"a/b/file", "a/other"}
    assert {path for path, plain in found.items() if not plain} == {
        "link",
        "folder",
        "pipe",
        "a/inner",
        "a/nowhere",
        "a/loop",
        "a/up",
        "a/pipe",
    }
    assert list(walk_files(root, "folder")) == [("folder", False)]
    assert list_files(root, "a") == {"other"}
    assert list_folder(root, "a") == ["b", "inner", "loop", "nowhere", "other", "pipe", "up"]
    assert list_folder(root) == ["a", "folder", "link", "pipe"]
    for ask in (list_folder, list_files, has_folder):
        for path in ("folder", "link", "a/up", "../outside", "a/other"):
            with pytest.raises(UnsafePathError):
                ask(root, path)


@pytest.mark.slow
@pytest.mark.parametrize("depth", [40, 3000])
def test_folders_of_any_depth_end(tmp_path: Path, depth: int) -> None:
    place = os.open(tmp_path, os.O_DIRECTORY)
    for _ in range(depth):
        os.mkdir("d", dir_fd=place)
        inner = os.open("d", os.O_DIRECTORY, dir_fd=place)
        os.close(place)
        place = inner
    os.close(place)
    assert list(walk_files(tmp_path, "")) == [("/".join("d" * 33), False)]
    try:
        remove_tree(tmp_path, "d")
        assert list_folder(tmp_path) == []
    except (UnsafePathError, OSError):
        assert depth > 500
        subprocess.run(["rm", "-rf", tmp_path / "d"], check=True)  # pytest itself cannot


@pytest.mark.parametrize("path", ["link", "a/inner", "folder/file", "pipe", "a/b", "../outside/file"])
def test_nothing_is_added_to_what_is_no_file_inside(root: Path, path: str) -> None:
    with pytest.raises((UnsafePathError, IsADirectoryError)):
        append_to_file(root, path, b"more")
    assert outside_is_untouched(root)


def test_files_are_added_to_but_not_made(root: Path) -> None:
    append_to_file(root, "a/other", b" and more")
    assert read_file(root, "a/other") == b"other and more"
    for path in ("a/new", "new/file"):
        append_to_file(root, path, b"more")
        assert not has_file(root, path)
