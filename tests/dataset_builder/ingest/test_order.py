"""Order and timestamps: one reader of times, and names where times are silent."""

import io
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from dataset_builder.build import add_source
from dataset_builder.decoding.exif import CaptureFacts, build_facts, parse_time
from dataset_builder.decoding.headers import merge_facts, read_headers
from dataset_builder.decoding.natural_order import natural_key
from dataset_builder.ingest.files import FileFrames
from dataset_builder.ingest.order import order_frames, sort_names, tell_pause, tell_seconds
from dataset_builder.ingest.storing import relate_captures, store_frame
from dataset_builder.recipe import parse_source
from manifests.store import read_dataset_table
from manifests.verification.verify import verify
from tests.dataset_builder.decoding.test_images import save
from tests.photographs import make_photograph

SECOND = "2024-05-05T10:00:0"


def order(frames):
    """Names in order, and their seconds, of a mapping from name to time."""
    found = order_frames(list(frames), list(frames.values()))
    return [list(frames)[index] for index in found.order], list(found.seconds), found.remarks


@pytest.mark.parametrize(
    "names",
    [
        ["A.jpg", "A (1).jpg", "A (2).jpg", "A (10).jpg"],
        ["A.jpg", "A-1.jpg", "A~2.jpg"],
        ["A(1).jpg", "A(2).jpg"],
        ["x/2.png", "x/10.png", "x1/1.png"],
        ["²1.jpg", "①1.jpg", "①2.jpg"],
    ],
)
def test_natural_names(names):
    backwards = names[::-1]
    assert sorted(backwards, key=natural_key) == names


@given(st.lists(st.text(), max_size=5))
def test_any_name_has_a_place(names):
    backwards = names[::-1]
    assert sorted(names, key=natural_key) == sorted(backwards, key=natural_key)
    assert sorted(sort_names(names)) == sorted(names)


@pytest.mark.parametrize(
    "names",
    [
        ["IMG_9998.JPG", "IMG_9999.JPG", "IMG_0001.JPG", "IMG_0002.JPG"],
        ["DSC09999.ARW", "DSC00001.ARW"],
        ["_DSC9997.NEF", "_DSC0002.NEF"],
        ["IMG_0001.JPG", "IMG_0002.JPG", "IMG_9000.JPG"],
        ["PXL_20231026_205750100.jpg", "PXL_20231026_205759900.jpg"],
        ["a_0001.png", "b_9999.png"],
    ],
)
def test_a_counter_begins_again_after_9999(names):
    assert sort_names(sorted(names)) == names


def test_whole_seconds_then_fractions_then_names():
    frames = {"1": f"{SECOND}3.10", "2": f"{SECOND}2.90", "3": f"{SECOND}2.05", "4": f"{SECOND}2.05"}
    assert order(frames)[:2] == (["3", "4", "2", "1"], [0, 0, 0.85, 1.05])
    assert order({"9": f"{SECOND}1", "1": f"{SECOND}2", "2": f"{SECOND}1"})[:2] == (["2", "9", "1"], [None] * 3)
    assert order({"2": f"{SECOND}1.5", "1": f"{SECOND}1"})[0] == ["1", "2"]
    assert order({"2": f"{SECOND}1.5", "1": None})[:2] == (["1", "2"], [None] * 2)


@pytest.mark.parametrize(
    ("digits", "seconds"),
    [
        (["7", "45", "120", "998"], [0, 0.038, 0.113, 0.991]),  # a number of milliseconds: decimals would end without 0
        (["05", "3", "45", "998"], [0, 0.25, 0.4, 0.948]),  # decimals: a number would begin without 0
        (["10", "20", "30"], [0, 0.1, 0.2]),
        (["50", "100", "150"], [0, 0.05, 0.1]),
        (["00", "00", "00"], [None] * 3),
        (["0", "00", "000"], [None] * 3),
        (["1", "12", "123"], [None] * 3),  # either
        (["5", "12", "123"], [0, 0.007, 0.118]),  # only as numbers do they rise as the names do
        (["12", "4", "9"], [0, 0.28, 0.78]),  # only as decimals
        (["5", "43", "9"], [None] * 3),  # neither
    ],
)
def test_fractions_as_cameras_write_them(digits, seconds):
    frames = {f"IMG_{index}": f"{SECOND}0.{text}" for index, text in enumerate(digits)}
    names, found, _ = order(frames)
    assert names == list(frames)
    assert found == (pytest.approx(seconds) if None not in seconds else seconds)


def test_offsets_from_utc():
    frames = {
        "a": "2023-10-29T02:59:59.7+02:00",
        "b": "2023-10-29T02:59:59.9+02:00",
        "c": "2023-10-29T02:00:00.1+01:00",
    }
    assert order(frames)[:2] == (list(frames), [0, pytest.approx(0.2), pytest.approx(0.4)])
    mixed = {**frames, "d": f"{SECOND}0.5"}
    assert order(mixed)[:2] == (list(mixed), [None] * 4)
    same = {"1": f"{SECOND}1.5+02:00", "2": f"{SECOND}1.2"}
    assert order(same)[0] == ["2", "1"]
    assert tell_pause("2023-10-29T02:59:59+02:00", "2023-10-29T02:00:01+01:00") == 2
    assert tell_pause(f"{SECOND}0.123456789", f"{SECOND}1") == pytest.approx(0.876544)


def test_the_end_of_summer_time_without_offsets():
    frames = {f"IMG_{n}": f"2023-10-29T0{t}" for n, t in enumerate(("2:59:58", "2:59:59", "2:00:00", "2:00:01"))}
    names, _, remarks = order(frames)
    assert names == list(frames)
    assert "hour" in remarks[0]


def test_contradictions_are_remarked():
    _, _, remarks = order({"IMG_1.jpg": f"{SECOND}5.2", "IMG_2.jpg": f"{SECOND}3.4"})
    assert remarks == ("IMG_2.jpg was taken before IMG_1.jpg, as their times say; their names say otherwise",)


def test_timestamps_of_frames_whose_order_is_known():
    assert tell_seconds([f"{SECOND}1.50", f"{SECOND}2.25"]) == [0, 0.75]
    assert tell_seconds([f"{SECOND}2.25", f"{SECOND}1.50"]) == [None, None]
    assert tell_seconds([f"{SECOND}2", f"{SECOND}3"]) == [None, None]


@given(st.lists(st.tuples(st.integers(0, 59), st.integers(0, 999)), min_size=1, max_size=8, unique=True))
def test_times_never_run_backwards(times):
    frames = {f"{index}": f"2024-05-05T10:00:{s:02d}.{ms:03d}" for index, (s, ms) in enumerate(times)}
    _, seconds, _ = order(frames)
    assert None in seconds or (seconds == sorted(seconds) and seconds[0] == 0)
    spread = len({ms for _, ms in times}) > 1 or len(times) == 1
    assert (None in seconds) == (not spread)


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ({0x0132: "2024:05:05 10:00:00"}, "2024-05-05T10:00:00"),
        ({0x0132: "2024:05:05 10:00:00", 0x9290: "25"}, "2024-05-05T10:00:00.25"),
        ({0x9004: "2024:05:05 10:00:00", 0x9292: "5"}, "2024-05-05T10:00:00.5"),
        ({0x9003: "2024:05:05 10:00:00", 0x0132: "2024:05:05 10:00:00", 0x9290: "07"}, "2024-05-05T10:00:00.07"),
        ({0x9003: "2024:05:05 10:00:00", 0x0132: "2025:01:01 00:00:00", 0x9290: "07"}, "2024-05-05T10:00:00"),
        ({0x9003: "0000:00:00 00:00:00", 0x0132: "2024:05:05 10:00:00"}, "2024-05-05T10:00:00"),
        ({0x9003: "2024:05:05 10:00:00", 0x9010: "+05:30"}, "2024-05-05T10:00:00+05:30"),
        ({0x9003: b"2024:05:05 10:00:00\0", 0x9291: b"250\0"}, "2024-05-05T10:00:00.250"),
        ({0x9003: "2024:02:30 10:00:00"}, None),
        ({0x9003: "2024:05:05 10:00:00", 0x9291: "1" * 5000}, "2024-05-05T10:00:00.111111111"),
    ],
)
def test_times_of_exif(tags, expected):
    assert build_facts(tags).captured_at == expected


def test_times_of_xmp_and_the_column():
    text = parse_time("2024-05-05T10:00:00.25Z")
    assert text == "2024-05-05T10:00:00.25+00:00"
    assert build_facts({0x9003: "2024:05:05 10:00:00", 0x9291: "250", 0x9011: "+02:00"}).clock == f"{SECOND}0.250"


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def make_exif():
    exif = Image.Exif()
    exif[0x0112] = 1  # Pillow takes one without entries of its own for empty
    exif.get_ifd(0x8769).update({0x9003: "2024:05:05 10:00:00", 0x9291: "123"})
    return exif


XMP = b'<x:xmpmeta><rdf:Description exif:DateTimeOriginal="2024-05-05T10:00:00.123"/></x:xmpmeta>'


def write_late_png(path):
    data = io.BytesIO()
    Image.new("RGB", (40, 30)).save(data, "PNG")
    path.write_bytes(data.getvalue()[:-12] + chunk(b"eXIf", make_exif().tobytes()[6:]) + data.getvalue()[-12:])


def write_xmp_png(path):
    data = io.BytesIO()
    Image.new("RGB", (40, 30)).save(data, "PNG")
    packet = chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP)
    path.write_bytes(data.getvalue()[:-12] + packet + data.getvalue()[-12:])


def write_raw_profile(path):
    data = io.BytesIO()
    Image.new("RGB", (40, 30)).save(data, "PNG")
    block = make_exif().tobytes()
    text = f"\nexif\n{len(block):8d}\n{block.hex()}\n".encode()
    extra = chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(text))
    path.write_bytes(data.getvalue()[:33] + extra + data.getvalue()[33:])


def write_plain(path):
    Image.new("RGB", (40, 30)).save(path, exif=make_exif())


def write_xmp_jpeg(path):
    Image.new("RGB", (40, 30)).save(path, xmp=XMP)


def write_heic(path):
    pillow_heif = pytest.importorskip("pillow_heif")
    pillow_heif.from_pillow(Image.new("RGB", (64, 64))).save(path, exif=make_exif().tobytes())


def write_heic_xmp(path):
    pillow_heif = pytest.importorskip("pillow_heif")
    pillow_heif.from_pillow(Image.new("RGB", (64, 64))).save(path, xmp=XMP)


def write_tiff(path):
    save(path, taken="2024:05:05 10:00:00", subsecond="123")


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("a.jpg", write_plain),
        ("a.png", write_plain),
        ("late.png", write_late_png),
        ("xmp.png", write_xmp_png),
        ("profile.png", write_raw_profile),
        ("xmp.jpg", write_xmp_jpeg),
        ("a.webp", write_plain),
        ("a.tif", write_tiff),
        ("a.heic", write_heic),
        ("xmp.heic", write_heic_xmp),
        ("heic_called.jpg", write_heic),
    ],
)
def test_headers_of_every_kind_tell_the_time(tmp_path, name, write):
    write(tmp_path / name)
    assert read_headers(tmp_path / name).captured_at == f"{SECOND}0.123"


def test_headers_that_are_damaged_tell_nothing(tmp_path):
    for name, data in (
        ("a.jpg", b"\xff\xd8\xff\xe1\0\x10Exif\0\0garbage!"),
        ("b.png", b""),
        ("c.tif", b"II*\0\xff\xff"),
    ):
        (tmp_path / name).write_bytes(data)
        assert read_headers(tmp_path / name).captured_at is None
    assert read_headers(tmp_path / "none.jpg").captured_at is None


def test_order_and_timestamps_agree_in_the_data_set(tmp_path):
    """A late chunk was once seen by one reader of times and not by the other, and times ran below zero."""
    (tmp_path / "in/b").mkdir(parents=True)
    for index, fraction in enumerate(("900", "500", "100")):
        save(
            tmp_path / f"in/b/{index}.jpg",
            make_photograph(48, 64, seed=index),
            taken="2024:05:05 10:00:00",
            subsecond=fraction,
        )
    reports = add_source(tmp_path / "out", parse_source(name="set", kind="folders", root=str(tmp_path / "in")))
    assert verify(tmp_path / "out") == []
    frames = read_dataset_table(tmp_path / "out", "frames").to_pandas()
    assert frames.origin_name.tolist() == ["2.jpg", "1.jpg", "0.jpg"]
    assert frames.timestamp.tolist() == [0, 0.4, 0.8]
    assert any("2.jpg was taken before 1.jpg" in remark for remark in reports[0].remarks)


def test_a_reader_tells_frames_what_headers_say(tmp_path):
    names = ("1.jpg", "2.jpg")
    for index, name in enumerate(names):
        save(tmp_path / name, make_photograph(48, 64, seed=index), taken="2024:05:05 10:00:00", subsecond="00")
    frames = FileFrames(tmp_path, names).resolve(look=False)
    assert frames.seconds == (None, None)
    assert tell_seconds([frame.facts.captured_at for frame in frames.iterate()]) == [None, None]


@pytest.mark.parametrize(
    ("tags", "iso"),
    [
        ({0x8827: 200}, 200),
        ({0x8827: (100, 100)}, 100),
        ({0x8827: (0, 400, 50)}, 400),
        ({0x8827: 65535, 0x8830: 2, 0x8832: 102400}, 102400),
        ({0x8827: 65535, 0x8830: 3, 0x8832: 5, 0x8833: 204800}, 204800),
        ({0x8827: 65535, 0x8830: 1, 0x8831: 80000}, 80000),
        ({0x8827: 65535, 0x8833: 409600}, 409600),
        ({0x8833: 800}, 800),
        ({0x8827: 65535}, None),
        ({0x8827: 0}, None),
        ({0x8827: "many"}, None),
        ({}, None),
    ],
)
def test_sensitivities(tags, iso):
    assert build_facts(tags).iso == iso


def test_the_limit_of_a_field_is_no_sensitivity_whoever_says_it():
    assert merge_facts(CaptureFacts(), CaptureFacts(iso=65535.0)).iso is None
    assert merge_facts(CaptureFacts(iso=100.0), CaptureFacts(iso=200.0, f_number=2.0)) == CaptureFacts(
        iso=100.0, f_number=2.0
    )


@pytest.mark.parametrize("missing", ["exposure", "iso", "f_number"])
def test_no_ratio_where_one_factor_of_one_frame_is_unknown(tmp_path, missing):
    for index in range(3):
        known = {"exposure": 0.01 * 2**index, "iso": 100, "f_number": 2.0}
        if index == 1:
            del known[missing]
        save(tmp_path / f"{index}.jpg", make_photograph(16, 16, seed=index), **known)
    frames = FileFrames(tmp_path, ("0.jpg", "1.jpg", "2.jpg")).resolve(look=False).iterate()
    stored = [
        store_frame(frame, tmp_path, "out", index, origin_name=str(index), window=None)
        for index, frame in enumerate(frames)
    ]
    assert [capture["exposure_ratio"] for capture in relate_captures(stored, 0)] == [None] * 3
    assert [capture["exposure_ratio"] for capture in relate_captures(stored[::2], 0)] == pytest.approx([1, 4])
