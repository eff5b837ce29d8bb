import io
import os
import pickle
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from benchmarks.stand_ins.burstsr import write_crop
from benchmarks.stand_ins.dng import write_dng
from benchmarks.stand_ins.exifread_pickles import Ratio2, Ratio3, Tag, dump
from benchmarks.stand_ins.spaq import write_spaq
from dataset_builder.build import add_source
from dataset_builder.decoding.unpickle import read_pickle
from dataset_builder.errors import HostileFileError, SourceError, UnreadableImageError
from dataset_builder.ingest.files import read_frame
from dataset_builder.ingest.kinds.meta_info import read_exif_values, read_noise_profile
from dataset_builder.ingest.kinds.spaq import read_scores
from dataset_builder.recipe import parse_source
from manifests.store import read_dataset_table
from manifests.verification.verify import verify
from tests.data.kpn import write_kpn
from tests.dataset_builder.decoding.test_images import save
from tests.photographs import make_photograph


class Planted:
    """Unpickling it would run a command."""

    def __init__(self, command):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


def add(root, folder, **values):
    reports = add_source(root, parse_source(name="set", root=str(folder), **{"kind": "folders", **values}))
    assert verify(root) == []
    return reports


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_a_planted_command_is_refused_and_not_run(tmp_path, protocol):
    content = {"black_level": [0, 0, 0, 0], "exif_data": Planted(f"touch {tmp_path}/pwned")}
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(content, protocol=protocol))
    with pytest.raises(HostileFileError, match=r"asks for \w+\.system; nothing was run"):
        read_pickle(tmp_path / "a.pkl")
    assert not (tmp_path / "pwned").exists()


def test_a_planted_command_costs_its_own_burst(tmp_path):
    for name in ("train/0001_0000", "train/0002_0000"):
        write_crop(tmp_path / "in" / name, seed=len(name) + int(name[9]))
    bad = tmp_path / "in/train/0001_0000/samsung_01/meta_info.pkl"
    bad.write_bytes(pickle.dumps(Planted(f"touch {tmp_path}/pwned")))
    reports = add(tmp_path / "out", tmp_path / "in", kind="burstsr")
    assert [row["error_type"] for row in reports[0].failures] == ["HostileFileError"]
    assert reports[0].counts["created"] == 1
    assert not (tmp_path / "pwned").exists()
    failures = read_dataset_table(tmp_path / "out", "failures").to_pylist()
    assert "asks for posix.system" in failures[0]["message"]


def build_opcodes(*parts):
    return b"\x80\x02" + b"".join(parts) + b"."


HOSTILE = {
    "a function of this module": b"cdataset_builder.decoding.unpickle\nread_pickle\n",
    "a dotted name": b"\x80\x04\x8c\x05numpy\x8c\x0bdtype.__mro\x93",
    "builtins": b"c__builtin__\neval\n(S'1'\ntR",
    "getattr": b"cbuiltins\ngetattr\n",
    "an object array": pickle.dumps(np.array([{"a": 1}], object), protocol=2)[2:-1],
    "a structured array": pickle.dumps(np.zeros(2, [("a", "i4")]), protocol=2)[2:-1],
    "the state of a function": b"c_codecs\nencode\n}(S'__defaults__'\nN.b"[:-2] + b"ub",
    "an extension": b"\x82\x01",
    "a persistent object": b"Pname\n",
    "a memo far away": b"}r\xff\xff\xff\x7f" + b"cos\nsystem\n",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_other_hostile_pickles_are_refused(tmp_path, name):
    (tmp_path / "a.pkl").write_bytes(build_opcodes(HOSTILE[name]))
    with pytest.raises((HostileFileError, UnreadableImageError)) as caught:
        read_pickle(tmp_path / "a.pkl")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("kind", ["<u2", ">f8", "|b1", "<f4"])
def test_honest_pickles_come_back(tmp_path, version, kind):
    ratio = Ratio2 if version == 2 else Ratio3
    array = np.arange(6).reshape(2, 3).astype(kind)
    content = {
        "array": array,
        "scalar": np.float64(2.5),
        "wb": [1.0, 2, 3],
        "exif": {"Image ExposureTime": Tag([ratio(1, 50)]), "Image ISOSpeedRatings": Tag([200])},
        "noise": {"Image Tag 0xC761": Tag([[1e-3], [1e-6]])},
    }
    found = read_pickle(dump(content, tmp_path / "a.pkl", version=version))
    np.testing.assert_array_equal(found["array"], array)
    assert found["scalar"] == 2.5
    facts = read_exif_values(found["exif"])
    assert (facts.exposure_time, facts.iso) == (0.02, 200)
    assert read_noise_profile(found["noise"]) == (1e-3, 1e-6)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_flipped_pickles_give_plain_values_or_one_error(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("pickle")
    content = {
        "array": np.arange(4, dtype="u2"),
        "exif": {"Image ISOSpeedRatings": Tag([Ratio2(1, 2)])},
        "wb": (1.0, 2),
    }
    path = dump(content, folder / "a.pkl")
    damaged = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(damaged)
    try:
        read_pickle(path)
    except SourceError as error:
        assert "\n" not in str(error)  # noqa: PT017  # either outcome is right
    assert [found.name for found in folder.iterdir()] == ["a.pkl"]


def make_png_bomb(side):
    """A PNG of side x side black pixels in a few kilobytes, valid to the last byte."""

    def chunk(name, content):
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 1000))
        + chunk(b"IEND", b"")
    )


def test_each_hostile_folder_is_one_clear_failure_and_the_rest_is_taken_in(tmp_path):
    root = tmp_path / "in"

    def burst(name, count=2, start=0):
        (root / name).mkdir(parents=True)
        for index in range(count):
            save(root / name / f"{index}.png", make_photograph(40, 60, seed=start + index))

    burst("good", 3)
    burst("bomb", 2, 10)
    (root / "bomb/9.png").write_bytes(make_png_bomb(60_000))
    burst("sizes", 2, 20)
    save(root / "sizes/9.png", make_photograph(60, 40))
    burst("twice", 2, 30)
    (root / "twice/9.png").write_bytes((root / "twice/0.png").read_bytes())
    burst("cut", 2, 40)
    (root / "cut/9.png").write_bytes((root / "cut/0.png").read_bytes()[:-300])
    burst("empty", 2, 50)
    (root / "empty/9.png").touch()
    burst("one", 1, 60)
    burst("text", 2, 70)
    (root / "text/9.jpg").write_text("#!/bin/sh\nrm -rf /\n")
    burst("link", 2, 80)
    (tmp_path / "secret.png").write_bytes((root / "link/0.png").read_bytes())
    (root / "link/9.png").symlink_to(tmp_path / "secret.png")
    (root / "outside").symlink_to(tmp_path)
    burst("copy", 0)
    for path in (root / "good").iterdir():
        (root / "copy" / path.name).write_bytes(path.read_bytes())
    reports = add(tmp_path / "out", root)
    found = {row["message"]: row["error_type"] for row in reports[0].failures}
    expected = {
        "bomb": ("UnreadableImageError", "bomb"),
        "sizes": ("FrameSizeError", "frames of a burst must agree"),
        "twice": ("DuplicateFrameError", "holds the same pixels as 0.png"),
        "cut": ("UnreadableImageError", "is cut off"),
        "empty": ("UnreadableImageError", "empty"),
        "one": ("TooFewFramesError", "at least 2 frames"),
        "text": ("UnreadableImageError", "is no picture of any known kind"),
        "link": ("UnsafePathError", "inside"),
        "outside": ("UnsafePathError", "inside"),
        "copy": ("DuplicateOriginError", "remove one"),
    }
    assert len(found) == len(expected)
    for name, (kind, words) in expected.items():
        matching = [message for message, error in found.items() if name in message and error == kind]
        assert len(matching) == 1, (name, found)
        assert words in matching[0]
        assert "\n" not in matching[0]
    assert reports[0].counts["created"] == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_unreadable_permissions_are_a_failure(tmp_path):
    for index in range(2):
        (tmp_path / "in/a").mkdir(parents=True, exist_ok=True)
        save(tmp_path / f"in/a/{index}.png", make_photograph(40, 60, seed=index))
    (tmp_path / "in/a/0.png").chmod(0)
    assert add(tmp_path / "out", tmp_path / "in")[0].counts["failed"] == 1


def test_unreadable_files_are_reported(tmp_path, monkeypatch):
    """As the test above, for those who are root: what the system refuses to open is a row that names it."""
    (tmp_path / "in/a").mkdir(parents=True)
    (tmp_path / "in/b").mkdir()
    for index in range(4):
        save(tmp_path / f"in/{'ab'[index // 2]}/{index}.png", make_photograph(40, 60, seed=index))
    from dataset_builder.ingest import files

    real = files.hash_plain

    def refuse(path):
        if path.name == "0.png":
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(files, "hash_plain", refuse)
    reports = add(tmp_path / "out", tmp_path / "in")
    assert reports[0].counts["created"] == 1
    assert "0.png: cannot be read (Permission denied)" in reports[0].failures[0]["message"]


def test_names_that_are_no_utf8(tmp_path):
    folder = tmp_path / "in" / os.fsdecode(b"caf\xe9")
    folder.mkdir(parents=True)
    for index in range(2):
        buffer = io.BytesIO()
        Image.fromarray(make_photograph(40, 60, seed=index)).save(buffer, "PNG")
        (folder / os.fsdecode(b"\xff%d.png" % index)).write_bytes(buffer.getvalue())
    for index in range(2):
        (tmp_path / "in/good").mkdir(exist_ok=True)
        save(tmp_path / f"in/good/{index}.png", make_photograph(40, 60, seed=9 + index))
    reports = add(tmp_path / "out", tmp_path / "in")
    assert reports[0].counts["created"] == 1
    assert [row["error_type"] for row in reports[0].failures] == ["UnsafePathError"]
    assert "UTF-8" in reports[0].failures[0]["message"]


def test_absurd_exif_costs_nothing(tmp_path):
    (tmp_path / "in/a").mkdir(parents=True)
    for index, (taken, subsecond) in enumerate((("9999:99:99 99:99:99", "x" * 100), ("2020:01:01 00:00:00", "9" * 50))):
        save(
            tmp_path / f"in/a/{index}.jpg",
            make_photograph(40, 60, seed=index),
            taken=taken,
            subsecond=subsecond,
            iso=65535,
        )
    assert add(tmp_path / "out", tmp_path / "in")[0].counts["created"] == 1


def test_an_archive_that_unpacks_to_too_much_is_refused(tmp_path):
    write_spaq(tmp_path / "in")
    path = tmp_path / "in/Annotations/MOS and Image attribute scores.xlsx"
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/bomb.xml", b"\0" * 300_000_000)
    with pytest.raises(UnreadableImageError, match="unpacks to"):
        read_scores(tmp_path / "in")


def test_names_in_a_table_do_not_leave_its_folder(tmp_path):
    import openpyxl

    write_spaq(tmp_path / "in")
    path = tmp_path / "in/Annotations/MOS and Image attribute scores.xlsx"
    book = openpyxl.load_workbook(path)
    book.active.append(["../../secret.jpg", 50, 0, 0, 0, 0, 0])
    book.save(path)
    with pytest.raises(UnreadableImageError, match=r"\.\./\.\./secret\.jpg"):
        read_scores(tmp_path / "in")


@pytest.mark.parametrize(
    "arrays",
    [
        {"noisy": np.zeros((2, 8, 8, 3)), "truth": np.zeros((2, 9, 8))},
        {"noisy": np.zeros((2, 8, 8)), "truth": np.zeros((2, 8, 8))},
        {"noisy": np.array([{}], object), "truth": np.zeros((2, 8, 8))},
        {"truth": np.zeros((2, 8, 8))},
    ],
)
def test_wrong_npz_files_are_rejected(tmp_path, arrays):
    np.savez(tmp_path / "a.npz", **arrays)
    source = parse_source(name="a", kind="kpn", root=str(tmp_path))
    assert [type(found.error).__name__ for found in source.find_bursts(tmp_path)] == ["UnreadableImageError"]


def test_readers_of_npz_survive_flipped_bytes(tmp_path):
    write_kpn(tmp_path / "in")
    (tmp_path / "in/grey.npz").unlink()
    path = tmp_path / "in/color_testset/1.npz"
    content = path.read_bytes()
    source = parse_source(name="a", kind="kpn", root=str(tmp_path / "in"))
    rng = np.random.default_rng(0)
    for _ in range(60):
        damaged = bytearray(content)
        for place in rng.integers(0, len(damaged), 3):
            damaged[place] = rng.integers(0, 256)
        path.write_bytes(damaged)
        for found in source.find_bursts(tmp_path / "in"):
            try:
                found.reader.digest()
                list(found.reader.iterate())
                found.reader.read_truth()
            except SourceError as error:
                assert "\n" not in str(error)  # noqa: PT017  # either outcome is right
            except AttributeError:
                assert found.error  # rejected before anything was read


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_readers_of_files_write_nothing_and_raise_one_kind_of_error(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("fuzz")
    suffix = data.draw(st.sampled_from([".dng", ".png", ".jpg", ".tif"]))
    path = folder / f"a{suffix}"
    if suffix == ".dng":
        write_dng(path, np.arange(24 * 32, dtype=np.uint16).reshape(24, 32), noise=(1e-3, 1e-6))
    else:
        save(path, make_photograph(24, 32), taken="2020:01:01 00:00:00", subsecond="5", exposure=0.1, iso=100)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 5))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    try:
        assert read_frame(path).pixels.size
    except SourceError as error:
        assert "\n" not in str(error)  # noqa: PT017  # either outcome is right
    assert [found.name for found in Path(folder).iterdir()] == [path.name]
