"""Shards are tar archives that follow from what they hold; what lies in them reads as a file of its own."""

from __future__ import annotations

import hashlib
import tarfile
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.confined.members import find_member, find_shard_digest, name_holder, name_plain
from manifests.confined.reading import FileOpener, has_file, hash_file, open_file, read_file, read_files
from manifests.errors import ImageFileError, UnsafePathError
from manifests.images.shards import SHARDS, measure_shard, number_shard, write_shard

FILES = {
    "a/one/00.png": b"",
    "a/one/01.png": b"1",
    "a/two/00.jpg": bytes(range(256)) * 5,
    "b/x/ground_truth.png": b"z" * 512,
}


@pytest.fixture
def places(tmp_path):
    return write_shard(tmp_path, 0x0AB, sorted(FILES.items()))


def test_a_shard_is_a_tar_archive_of_its_files(tmp_path, places):
    (shard,) = (tmp_path / "frames").iterdir()
    assert shard.name == f"0ab-{hashlib.sha256(shard.read_bytes()).hexdigest()}.tar"
    assert find_shard_digest(f"frames/{shard.name}") == hash_file(tmp_path, f"frames/{shard.name}")
    assert shard.stat().st_size == measure_shard(map(len, FILES.values()))
    with tarfile.open(shard) as archive:
        assert {name: archive.extractfile(name).read() for name in archive.getnames()} == FILES
    for name, path in places.items():
        member = find_member(path)
        assert shard.read_bytes()[member.offset :][: member.length] == FILES[name]
        assert (name_plain(path), name_holder(path)) == (f"frames/{name}", f"frames/{shard.name}")


def test_what_lies_in_a_shard_reads_as_a_file(tmp_path, places):
    assert list(read_files(tmp_path, list(places.values()))) == [FILES[name] for name in places]
    for name, path in places.items():
        assert read_file(tmp_path, path) == FILES[name]
        assert hash_file(tmp_path, path) == hashlib.sha256(FILES[name]).hexdigest()
        assert has_file(tmp_path, path)
        with open_file(tmp_path, path) as stream:
            assert (stream.read(3), stream.seek(1), stream.read()) == (FILES[name][:3], 1, FILES[name][1:])


def test_a_file_beyond_the_end_of_its_shard(tmp_path, places):
    path = places["b/x/ground_truth.png"].replace("+512/", "+99999/")
    with pytest.raises(ImageFileError, match="ends before it should"):
        list(read_files(tmp_path, [path]))
    with closing(FileOpener(tmp_path)) as opener, pytest.raises(OSError, match="ends before it should"):
        opener.open(path)


def test_a_shard_that_is_a_link_is_not_followed(tmp_path, places):
    shard = next((tmp_path / "frames").iterdir())
    outside = shard.rename(tmp_path / "outside.tar")
    shard.symlink_to(outside)
    with pytest.raises(UnsafePathError):
        read_file(tmp_path, places["a/one/01.png"])


@pytest.mark.parametrize(
    "path",
    [
        "frames/s/b/00.png",
        "frames/abc.tar/0+1/00.png",
        f"shards/0ab-{'0' * 64}.tar/0+1/x",
        f"frames/0ab-{'0' * 64}.tar/0+1/",
    ],
)
def test_paths_of_plain_files_stay_as_they_are(path):
    assert find_member(path) is None
    assert name_plain(path) == name_holder(path) == path


def test_a_name_that_no_archive_can_hold(tmp_path):
    with pytest.raises(ValueError, match="name"):
        write_shard(tmp_path, 0, [("x" * 300, b"")])
    assert list((tmp_path / "frames").iterdir()) == []


@given(st.text(min_size=1, max_size=32))
def test_every_scene_has_a_shard(scene_id):
    digest = hashlib.sha256(f"shard:{scene_id}".encode()).hexdigest()
    assert number_shard(scene_id) == int(digest[:3], 16) < SHARDS
