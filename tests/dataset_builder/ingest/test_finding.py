"""Nothing that a folder holds is left out without a word."""

import contextlib
import hashlib
import io
import struct
from types import SimpleNamespace

import numpy as np
import pytest
import tifffile
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, UnidentifiedImageError

from benchmarks.stand_ins.dng import write_dng
from dataset_builder.build import add_source
from dataset_builder.bursts import plan_source
from dataset_builder.cli.main import main
from dataset_builder.decoding.file_kinds import FileKind, recognise
from dataset_builder.decoding.tiff_stacks import UnsupportedStackError, list_frame_pages
from dataset_builder.errors import ChangedSourceError, UnreadableImageError
from dataset_builder.ingest.kinds.containers import require_whole
from dataset_builder.ingest.listing import choose_versions
from dataset_builder.ingest.reader import FoundBurst, RejectedBurst, Remark
from dataset_builder.recipe import parse_source
from dataset_builder.synthesis.photographs import read_hashed_photograph
from dataset_builder.work.local import ONE_WORKER
from dataset_builder.work.unit import Desk, Failure
from manifests.store import read_dataset_table
from manifests.verification.verify import verify
from tests.dataset_builder.decoding.test_images import save
from tests.photographs import make_photograph


def find(root, kind="folders", **values):
    found = list(parse_source(name="set", kind=kind, root=str(root), **values).find_bursts(root))
    return SimpleNamespace(
        bursts={one.path: list(one.reader.names) for one in found if isinstance(one, FoundBurst)},
        rejected={one.path: str(one.error) for one in found if isinstance(one, RejectedBurst)},
        remarks=" ".join(one.text for one in found if isinstance(one, Remark)),
    )


def write(root, *names):
    for index, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        save(root / name, make_photograph(8, 8, seed=index))


@pytest.mark.parametrize("folder", ["thumbs", "@eaDir", "CaptureOne", "__MACOSX", "Thumbnails"])
def test_folders_of_copies_never_replace_a_burst(tmp_path, folder):
    write(tmp_path, "1.png", "2.png", f"{folder}/1.png", f"{folder}/2.png")
    found = find(tmp_path)
    assert found.bursts == {".": ["1.png", "2.png"]}
    assert folder in found.remarks


def test_pictures_beside_and_below_bursts(tmp_path):
    write(
        tmp_path,
        *("loose1.png", "loose2.png", "small/loose1.png", "small/loose2.png"),
        *("a/1.png", "a/2.png", "a/edited/1.png", "a/edited/3.png", "a/copies/1.png", "a/copies/2.png"),
        *("day/b/1.png", "day/b/2.png", "day/c/1.png", "day/c/2.png"),
    )
    found = find(tmp_path)
    assert {*found.bursts} == {".", "a", "day/b", "day/c"}
    assert {*found.rejected} == {"small", "a/edited", "a/copies"}
    assert "copies" in found.rejected["small"]
    assert "lies in the folder of a burst" in found.rejected["a/edited"]
    assert find(tmp_path, folders=["small"]).bursts == {"small": ["loose1.png", "loose2.png"]}


def test_a_folder_without_pictures_is_named(tmp_path):
    write(tmp_path, "a/1.png", "a/2.png")
    (tmp_path / "b").mkdir()
    (tmp_path / "a/notes").mkdir()
    found = find(tmp_path)
    assert "found 0" in found.rejected["b"]
    assert {*found.rejected} == {"b"}


def test_files_are_known_by_content(tmp_path):
    write(tmp_path, *(f"b/{index}.png" for index in range(4)))
    (tmp_path / "b/1.png").rename(tmp_path / "b/1.jfif")
    (tmp_path / "b/2.png").rename(tmp_path / "b/2")
    (tmp_path / "b/3.png").rename(tmp_path / "b/3.dat")
    (tmp_path / "b/notes.txt").write_text("notes")
    Image.new("RGB", (8, 8)).save(tmp_path / "b/4.webp")
    Image.new("RGB", (8, 8)).save(tmp_path / "b/5.gif")
    (tmp_path / "b/6.mp4").write_bytes(b"\0\0\0\x18ftypmp42" + bytes(20))
    found = find(tmp_path)
    assert found.bursts == {"b": ["0.png", "1.jfif", "2", "3.dat"]}
    assert {*found.rejected} == {"b/4.webp", "b/5.gif"}
    assert "is WebP, which cannot be read; convert it" in found.rejected["b/4.webp"]
    assert "6.mp4" in found.remarks


@pytest.mark.parametrize("suffix", [".jpe", ".jfif", ".JPG"])
def test_other_suffixes_are_read(tmp_path, suffix):
    (tmp_path / "in/b").mkdir(parents=True)
    for index in range(2):
        save(tmp_path / f"in/b/{index}{suffix}", make_photograph(32, 40, seed=index), format="JPEG")
    add_source(tmp_path / "out", parse_source(name="set", kind="folders", root=str(tmp_path / "in")))
    assert read_dataset_table(tmp_path / "out", "bursts").column("num_frames").to_pylist() == [2]
    assert verify(tmp_path / "out") == []


@pytest.mark.parametrize(
    ("head", "name", "kind"),
    [
        (b"\xff\xd8\xff\xe0", "a.heic", FileKind.JPEG),
        (b"\x89PNG\r\n\x1a\n", "a.jpg", FileKind.PNG),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "a.jpg", FileKind.HEIF),
        (b"\0\0\0\x18ftypheix\0\0\0\0mif1heix", "a.HIF", FileKind.HEIF),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1avif", "a.jpg", FileKind.AVIF),
        (b"\0\0\0\x18ftypcrx \0\0\0\x01crx isom", "a.CR3", FileKind.RAW),
        (b"\0\0\0\x14ftypqt  \0\0\0\0qt  ", "a.mov", FileKind.VIDEO),
        (b"II*\0\x08\0\0\0", "a.nef", FileKind.RAW),
        (b"II*\0\x10\0\0\0CR\x02\0", "a.jpg", FileKind.RAW),
        (b"II*\0\x08\0\0\0", "a.jpg", FileKind.TIFF),
        (b"IIU\0\x18\0\0\0", "a.rw2", FileKind.RAW),
        (b"FUJIFILMCCD-RAW 0201", "a.raf", FileKind.RAW),
        (b"RIFF\0\0\0\0WEBPVP8 ", "a.jpg", FileKind.WEBP),
        (b"RIFF\0\0\0\0AVI LIST", "a.avi", FileKind.VIDEO),
        (b"RIFF\0\0\0\0WAVEfmt ", "a.wav", FileKind.OTHER),
        (b"BMW is a car", "a.txt", FileKind.OTHER),
        (b"", "a.jpg", FileKind.OTHER),
        (b"\x47" + bytes(187) + b"\x47", "a.mts", FileKind.VIDEO),
        (b"unknown", "a.kdc", FileKind.RAW),
    ],
)
def test_kinds(tmp_path, head, name, kind):
    (tmp_path / name).write_bytes(head)
    assert recognise(tmp_path / name) is kind


def test_a_dng_called_tif_is_raw(tmp_path):
    write_dng(tmp_path / "a.tif", np.full((8, 8), 100, np.uint16))
    tifffile.imwrite(tmp_path / "b.tif", np.zeros((8, 8), np.uint8))
    assert recognise(tmp_path / "a.tif") is FileKind.RAW
    assert recognise(tmp_path / "b.tif") is FileKind.TIFF


@settings(max_examples=50)
@given(data=st.binary(max_size=300), start=st.sampled_from([b"II*\0", b"\0\0\0\x18ftyp", b"RIFF", b""]))
def test_any_bytes_are_of_some_kind(tmp_path_factory, data, start):
    path = tmp_path_factory.getbasetemp() / "any.bin"
    path.write_bytes(start + data)
    assert isinstance(recognise(path), FileKind)


@pytest.mark.parametrize(
    ("names", "prefer", "kept", "told"),
    [
        (["1.CR2", "1.JPG", "2.CR2", "2.JPG"], None, ["1.CR2", "2.CR2"], True),
        (["1.CR2", "1.JPG", "2.CR2", "2.JPG"], "raw", ["1.CR2", "2.CR2"], False),
        (["1.CR2", "1.JPG", "2.CR2", "2.JPG"], "jpeg", ["1.JPG", "2.JPG"], False),
        (["1.dng", "2.dng"], "jpeg", ["1.dng", "2.dng"], False),
        (["IMG_1.HEIC", "IMG_1.JPG", "IMG_2.HEIC", "IMG_2.JPG"], None, ["IMG_1.HEIC", "IMG_2.HEIC"], True),
        (["PXL_1.RAW-01.COVER.jpg", "PXL_1.RAW-02.ORIGINAL.dng"], "jpeg", ["PXL_1.RAW-01.COVER.jpg"], False),
        (["PXL_1.MOTION-01.COVER.jpg", "PXL_1.MOTION-02.ORIGINAL.jpg"], None, ["PXL_1.MOTION-02.ORIGINAL.jpg"], True),
        (
            ["PXL_1.BURST-01.COVER.jpg", "PXL_1.BURST-02.jpg"],
            None,
            ["PXL_1.BURST-01.COVER.jpg", "PXL_1.BURST-02.jpg"],
            False,
        ),
        (["PXL_1.MP.jpg", "PXL_1.MP~2.jpg"], None, ["PXL_1.MP.jpg"], True),
        (["1.jpg", "2.png"], None, ["1.jpg", "2.png"], False),
        (["1.jpg", "1.jpeg"], None, ["1.jpg", "1.jpeg"], False),
    ],
)
def test_one_form_of_each_picture(names, prefer, kept, told):
    chosen, remark = choose_versions(names, prefer)
    assert chosen == kept
    assert bool(remark) == told


def test_prefer_is_an_option(tmp_path):
    for index in range(2):
        write_dng(tmp_path / f"b/{index}.dng", np.full((8, 8), 100 + index, np.uint16))
        save(tmp_path / f"b/{index}.jpg")
    assert find(tmp_path).bursts == {"b": ["0.dng", "1.dng"]}
    assert "--prefer" in find(tmp_path).remarks
    assert find(tmp_path, prefer="jpeg").bursts == {"b": ["0.jpg", "1.jpg"]}


def test_axes_of_stacks(tmp_path):
    grey = np.arange(4 * 3 * 16 * 20, dtype=np.uint16).reshape(4, 3, 16, 20)
    pages = grey[:, 0]
    written = {
        "time.tif": (pages, {"imagej": True, "metadata": {"axes": "TYX"}}, (0, 1, 2, 3)),
        "depth.tif": (pages, {"ome": True, "metadata": {"axes": "ZYX"}}, (0, 1, 2, 3)),
        "plain.tif": (pages, {"photometric": "minisblack", "metadata": None}, (0, 1, 2, 3)),
        "single.tif": (pages[0], {"photometric": "minisblack"}, (0,)),
        "planes.tif": (grey[0], {"photometric": "rgb", "planarconfig": "separate"}, (0,)),
        "channels.tif": (grey, {"imagej": True, "metadata": {"axes": "TCYX"}}, "3 channels"),
        "channels.ome.tif": (
            grey,
            {"ome": True, "photometric": "minisblack", "metadata": {"axes": "TCYX"}},
            "channels",
        ),
        "both.tif": (grey, {"imagej": True, "metadata": {"axes": "TZYX"}}, "could be time"),
        "volume.tif": (pages, {"volumetric": True, "photometric": "minisblack"}, "1 directory"),
    }
    for name, (image, options, expected) in written.items():
        tifffile.imwrite(tmp_path / name, image, **options)
        if isinstance(expected, str):
            with pytest.raises(UnsupportedStackError, match=expected):
                list_frame_pages(tmp_path / name)
        else:
            assert list_frame_pages(tmp_path / name) == expected, name
    found = find(tmp_path, "stacks")
    assert {*found.bursts} == {"time.tif", "depth.tif", "plain.tif"}
    assert {*found.rejected} == {"channels.tif", "channels.ome.tif", "both.tif", "volume.tif"}
    assert "planes.tif, single.tif" in found.remarks


def test_reduced_copies_are_no_frames(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        for index in range(2):
            writer.write(np.full((16, 20), index, np.uint8), photometric="minisblack", metadata=None)
            writer.write(np.full((8, 10), index, np.uint8), photometric="minisblack", subfiletype=1, metadata=None)
    assert list_frame_pages(tmp_path / "a.tif") == (0, 2)


def test_heic_of_several_pictures_is_named(tmp_path):
    pillow_heif = pytest.importorskip("pillow_heif")
    several = pillow_heif.from_pillow(Image.new("RGB", (64, 64)))
    several.add_from_pillow(Image.new("RGB", (64, 64), "red"))
    (tmp_path / "in/b").mkdir(parents=True)
    for index in range(2):
        several.save(tmp_path / f"in/b/{index}.heic")
    reports = add_source(tmp_path / "out", parse_source(name="set", kind="folders", root=str(tmp_path / "in")))
    assert "holds 2 pictures" in reports[0].failures[0]["message"]
    assert "holds 2 pictures" in find(tmp_path / "in", "stacks").rejected["b/0.heic"]


@pytest.mark.parametrize("name", ["a.mkv", "a.mp4", "a.avi"])
def test_videos_that_were_cut_off(tmp_path, name):
    av = pytest.importorskip("av")
    with av.open(str(tmp_path / name), "w", options={"movflags": "faststart"} if name == "a.mp4" else {}) as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for index in range(12):
            picture = av.VideoFrame.from_ndarray(make_photograph(48, 64, seed=index), format="rgb24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    require_whole(tmp_path / name)
    data = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(data[: int(len(data) * 0.7)])
    with pytest.raises(UnreadableImageError, match="was cut off"):
        require_whole(tmp_path / name)


@pytest.mark.parametrize(
    "data",
    [
        b"\x1a\x45\xdf\xa3\x80" + b"\x18\x53\x80\x67\x01" + b"\xff" * 7 + b"\x1f\x43\xb6\x75\xff" + b"\xa3\x81x",
        b"RIFF\0\0\0\0AVI ",
        struct.pack(">I4s4sI", 16, b"ftyp", b"mp42", 0) + struct.pack(">I4s", 0, b"mdat") + b"to the end",
        struct.pack(">I4s4sI", 16, b"ftyp", b"mp42", 0) + struct.pack(">I4s", 8, b"mdat") + b"what a camera adds",
        b"\x1a\x45\xdf\xa3\x80" + b"\x18\x53\x80\x67\x80" + b"what a camera adds",
        b"FLV\x01 and more",
    ],
    ids=["matroska", "avi", "mp4", "mp4 and more", "matroska and more", "flv"],
)
def test_lengths_that_are_not_told_are_not_missed(tmp_path, data):
    (tmp_path / "live").write_bytes(data)
    require_whole(tmp_path / "live")


def write_streams(path, codecs, *, cover=False):
    """A video of several streams, of which the first may be cover art."""
    av = pytest.importorskip("av")
    with av.open(str(path), "w") as container:
        streams = [container.add_stream(codec, rate=25) for codec, _ in codecs]
        for stream, (_, form) in zip(streams, codecs, strict=True):
            stream.width, stream.height, stream.pix_fmt = 64, 48, form
        if cover:
            streams[0].disposition = av.stream.Disposition.attached_pic
        for stream in streams:
            for index in range(1 if cover and stream is streams[0] else 3):
                picture = av.VideoFrame.from_ndarray(make_photograph(48, 64, seed=index), format="rgb24")
                container.mux(stream.encode(picture))
            container.mux(stream.encode())


def test_cover_art_is_no_video_and_two_streams_are_one_too_many(tmp_path):
    (tmp_path / "in").mkdir()
    write_streams(tmp_path / "in/cover.mp4", [("mjpeg", "yuvj420p"), ("mpeg4", "yuv420p")], cover=True)
    write_streams(tmp_path / "in/two.mkv", [("ffv1", "bgr0"), ("ffv1", "bgr0")])
    report = add_source(tmp_path / "out", parse_source(name="set", kind="stacks", root=str(tmp_path / "in")))[0]
    bursts = read_dataset_table(tmp_path / "out", "bursts").to_pylist()
    assert [(burst["origin_path"], burst["num_frames"]) for burst in bursts] == [("cover.mp4", 3)]
    assert "two.mkv: expected one stream of pictures, got 2" in report.failures[0]["message"]


@settings(max_examples=40, deadline=None)
@given(
    names=st.lists(
        st.text(st.characters(exclude_characters="/\0", exclude_categories=[]), min_size=1, max_size=20), max_size=4
    ),
    group=st.sampled_from([None, "stem", "gap"]),
)
def test_no_name_ends_the_run(tmp_path_factory, names, group):
    root = tmp_path_factory.mktemp("names")
    (root / "a.jpg").touch()
    for index, name in enumerate(names):
        with contextlib.suppress(OSError, UnicodeEncodeError):  # of names that no disk would hold
            (root / f"{name}.jpg").write_bytes(bytes([index]))
    source = parse_source(name="set", kind="folders", root=str(root), **({"group": group} if group else {}))
    plan = plan_source(source, root, root, seed=0, presets={}, workers=ONE_WORKER)
    assert plan.units or plan.rejected
    for _, _, failure in plan.rejected:
        assert failure.message.encode()
        assert "\n" not in failure.message


def test_messages_tell_no_address():
    """Equal builds gave other tables: the message of an unknown file held where a buffer lay in memory."""
    with pytest.raises(UnidentifiedImageError) as caught:
        Image.open(io.BytesIO(b"nothing"))
    assert "0x" in str(caught.value)
    message = Failure.from_exception(caught.value).message
    assert message.startswith("cannot identify image file … (at PIL/Image.py:")
    assert Failure.from_exception(ValueError("[matroska @ 0x55d0c8a0f2c0] EBML")).message == "[matroska @ …] EBML"
    assert Failure.from_exception(ValueError("tag 0x9003 of 0x12")).message == "tag 0x9003 of 0x12"


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif"])
def test_a_frame_that_is_replaced_between_hashing_and_reading(tmp_path, suffix):
    """New pixels were stored under the old digest, and found again when the old file was back."""
    (tmp_path / "in/b").mkdir(parents=True)
    for index in range(2):
        save(tmp_path / f"in/b/{index}{suffix}", make_photograph(32, 40, seed=index))
    source = parse_source(name="set", kind="folders", root=str(tmp_path / "in"))
    (unit,) = plan_source(source, tmp_path, tmp_path, seed=0, presets={}, workers=ONE_WORKER).units
    assert unit.run(tmp_path / "out", Desk())["burst"]["num_frames"] == 2
    save(tmp_path / f"in/b/1{suffix}", make_photograph(32, 40, seed=7))
    with pytest.raises(ChangedSourceError, match="replaced while they were read; run the same command again"):
        unit.run(tmp_path / "out", Desk())


def test_a_photograph_that_is_replaced_after_it_was_hashed(tmp_path):
    path = save(tmp_path / "a.png")
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    assert read_hashed_photograph(path, shorter_side=None, sha256=sha256).shape == (20, 30, 3)
    save(path, make_photograph(20, 30, seed=9))
    with pytest.raises(ChangedSourceError):
        read_hashed_photograph(path, shorter_side=None, sha256=sha256)


@pytest.mark.slow
def test_metadata_are_left_out_of_stored_files(tmp_path):
    (tmp_path / "in/b").mkdir(parents=True)
    for index in range(2):
        picture = make_photograph(32, 40, seed=index)
        save(
            tmp_path / f"in/b/{index}.jpg",
            picture,
            orientation=6,
            taken=f"2024:05:05 10:00:0{index}",
            tags={0xA431: "SERIAL"},
        )
    for name, options in (("kept", []), ("stripped", ["--strip-metadata"])):
        command = ["ingest", "folder", str(tmp_path / "in"), "--out", str(tmp_path / name), *options]
        assert CliRunner().invoke(main, command).exit_code == 0
    kept, stripped = (read_dataset_table(tmp_path / name, "frames").to_pylist() for name in ("kept", "stripped"))
    card = (tmp_path / "kept/DATASET.md").read_text(encoding="utf-8")
    assert "serial number: 2" in card
    assert "serial number" not in (tmp_path / "stripped/DATASET.md").read_text(encoding="utf-8")
    for frame, other in zip(kept, stripped, strict=True):
        assert {**frame, "sha256": ""} == {**other, "sha256": ""} | {
            "burst_id": frame["burst_id"],
            "path": frame["path"],
        }
        assert b"SERIAL" in (tmp_path / "kept" / frame["path"]).read_bytes()
        assert b"SERIAL" not in (tmp_path / "stripped" / other["path"]).read_bytes()
    assert verify(tmp_path / "stripped") == []
