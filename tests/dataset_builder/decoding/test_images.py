import shutil
import zlib

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from dataset_builder.decoding.images import read_image
from dataset_builder.decoding.natural_order import natural_key
from dataset_builder.errors import (
    MissingSourceError,
    SourceError,
    TooFewFramesError,
    UnreadableImageError,
)
from dataset_builder.ingest.files import FileFrames, require_frames
from dataset_builder.ingest.listing import list_folders, list_frames
from dataset_builder.ingest.storing import relate_captures, store_frame
from dataset_builder.synthesis.photographs import list_photographs, read_photograph
from manifests.images.pixels import apply_orientation, read_pixels, write_png
from tests.dataset_builder.decoding.colour_files import chunk, make_png
from tests.photographs import make_photograph

IMAGE = make_photograph(20, 30)
EXIF_IFD = 0x8769


def save(
    path,
    image=IMAGE,
    *,
    orientation=None,
    taken=None,
    subsecond=None,
    exposure=None,
    iso=None,
    f_number=None,
    tags=None,
    **options,
):
    picture = Image.fromarray(image) if isinstance(image, np.ndarray) else image
    exif = picture.getexif()
    if orientation:
        exif[0x0112] = orientation
    facts = {0x9003: taken, 0x9291: subsecond, 0x829A: exposure, 0x8827: iso, 0x829D: f_number, **(tags or {})}
    exif.get_ifd(EXIF_IFD).update({tag: value for tag, value in facts.items() if value is not None})
    exif[EXIF_IFD] = 0  # without an entry of its own, TIFF files lose it
    picture.save(path, exif=exif, **options)
    return path


def test_natural_order_of_phone_names():
    names = [f"IMG_20160402_210944_BURST{i}.jpg" for i in (1, 10, 11, 2, 20, 3)]
    assert [name[25:-4] for name in sorted(names, key=natural_key)] == ["1", "2", "3", "10", "11", "20"]


@given(st.lists(st.text("aA01b_", max_size=4), max_size=6))
def test_natural_order_is_total(names):
    backwards = list(reversed(names))
    assert sorted(backwards, key=natural_key) == sorted(names, key=natural_key)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_images_come_out_upright(tmp_path, suffix, orientation):
    options = {"quality": 100, "subsampling": 0} if suffix == ".jpg" else {}
    found = read_image(save(tmp_path / f"a{suffix}", orientation=orientation, **options))
    expected = apply_orientation(IMAGE, orientation)
    assert found.facts.orientation == orientation
    assert found.pixels.shape == expected.shape
    assert np.abs(found.pixels.astype(int) - expected).max() <= (40 if suffix == ".jpg" else 0)
    assert np.abs(found.pixels.astype(int) - expected).mean() < 3


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_16_bit_keeps_every_bit_and_the_order_of_channels(tmp_path, suffix):
    image = make_photograph(20, 30, bits=16)
    path = tmp_path / f"a{suffix}"
    write_png(path.parent, path.name, image) if suffix == ".png" else tifffile.imwrite(path, image, photometric="rgb")
    found = read_image(path)
    assert found.pixels.dtype == np.uint16
    np.testing.assert_array_equal(found.pixels, image)


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA", "P", "CMYK", "1"])
def test_other_modes_become_rgb(tmp_path, mode):
    path = tmp_path / ("a.jpg" if mode == "CMYK" else "a.png")
    Image.fromarray(IMAGE).convert(mode).save(path)
    found = read_image(path)
    assert found.pixels.shape == IMAGE.shape
    assert found.file is None


def test_a_transparent_colour_is_dropped_where_no_pixel_has_it(tmp_path):
    absent = next(value for value in range(256) if value not in IMAGE[..., 0])
    Image.fromarray(IMAGE).save(tmp_path / "a.png", transparency=(absent, 0, 0))
    found = read_image(tmp_path / "a.png")
    assert found.file is None
    np.testing.assert_array_equal(found.pixels, IMAGE)
    Image.fromarray(IMAGE).save(tmp_path / "b.png", transparency=tuple(int(value) for value in IMAGE[0, 0]))
    with pytest.raises(UnreadableImageError, match="wholly transparent"):
        read_image(tmp_path / "b.png")


def test_files_are_what_their_content_says(tmp_path):
    Image.fromarray(IMAGE).save(tmp_path / "a.png")
    (tmp_path / "a.png").rename(tmp_path / "a.jpg")
    np.testing.assert_array_equal(read_image(tmp_path / "a.jpg").pixels, IMAGE)
    Image.fromarray(IMAGE).save(tmp_path / "b.png", "WEBP")
    with pytest.raises(UnreadableImageError, match="is WebP, which cannot be read"):
        read_image(tmp_path / "b.png")


def test_capture_facts_are_kept(tmp_path):
    path = save(tmp_path / "a.jpg", taken="2016:04:02 21:09:44", subsecond="250", exposure=0.1, iso=3153, f_number=2.0)
    facts = read_image(path).facts
    assert facts.captured_at == "2016-04-02T21:09:44.250"
    assert facts.exposure_time == pytest.approx(0.1)
    assert facts.iso == 3153
    assert facts.f_number == 2
    assert facts.exposure == pytest.approx(315.3 / 4)


@pytest.mark.parametrize("taken", ["0000:00:00 00:00:00", "yesterday", ""])
def test_absurd_exif_is_no_fact(tmp_path, taken):
    assert read_image(save(tmp_path / "a.jpg", taken=taken, exposure=0.0, iso=0)).facts.captured_at is None


def damage_nothing(data):
    return b""


def truncate(data):
    return data[: len(data) // 2]


def scribble(data):
    return b"not an image at all" * 10


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif"])
@pytest.mark.parametrize("damage", [damage_nothing, truncate, scribble])
def test_damaged_files_are_refused_in_one_line(tmp_path, suffix, damage):
    path = save(tmp_path / f"a{suffix}", make_photograph(120, 120))
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(UnreadableImageError) as caught:
        read_image(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_animated_and_huge_files_are_refused(tmp_path):
    with pytest.raises(MissingSourceError, match="no such file"):
        read_image(tmp_path / "none.png")
    frames = [Image.fromarray(IMAGE), Image.fromarray(255 - IMAGE)]
    frames[0].save(tmp_path / "a.png", save_all=True, append_images=frames[1:])
    with pytest.raises(UnreadableImageError, match="animated"):
        read_image(tmp_path / "a.png")
    tifffile.imwrite(tmp_path / "pages.tif", np.zeros((2, 9, 9, 3), np.uint8), photometric="rgb")
    with pytest.raises(UnreadableImageError, match="pages"):
        read_image(tmp_path / "pages.tif")
    Image.new("1", (20000, 20000)).save(tmp_path / "bomb.png")
    with pytest.raises(UnreadableImageError):
        read_image(tmp_path / "bomb.png")


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_flipped_bytes_never_escape_as_another_error(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("flip")
    suffix = data.draw(st.sampled_from([".png", ".jpg", ".tif"]))
    path = save(folder / f"a{suffix}", orientation=3, taken="2016:04:02 21:09:44", exposure=0.1, iso=100)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    try:
        found = read_image(path).pixels.ndim
    except SourceError as error:
        found = str(error)
    assert found == 3 or "\n" not in found


def test_photographs_are_reduced_in_linear_light(tmp_path):
    board = np.indices((64, 96)).sum(axis=0) % 2 * 255
    write_png(tmp_path, "board.png", np.repeat(board[..., None], 3, axis=2).astype(np.uint8))
    linear = read_photograph(tmp_path / "board.png", shorter_side=30)
    assert linear.shape == (32, 48, 3)
    np.testing.assert_array_equal(linear, 32768)
    assert read_photograph(tmp_path / "board.png", shorter_side=None).shape == (64, 96, 3)


def test_photographs_are_listed_in_natural_order(tmp_path):
    for name in ("b10.png", "b9.PNG", "sub/a.jpg", ".hidden.png", ".cache/c.png", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "b11.avif.png").mkdir()
    assert list_photographs(tmp_path) == ["b9.PNG", "b10.png", "sub/a.jpg"]
    Image.new("RGB", (4, 4)).save(tmp_path / "b8.picture", "PNG")
    assert list_photographs(tmp_path) == ["b8.picture", "b9.PNG", "b10.png", "sub/a.jpg"]


def make_folder(tmp_path, suffixes=(".jpg", ".png", ".tif"), **options):
    folder = tmp_path / "in" / "burst"
    folder.mkdir(parents=True)
    for index, suffix in enumerate(suffixes):
        save(
            folder / f"f{index}{suffix}",
            taken="2020:01:01 00:00:00",
            subsecond=f"{index}50",
            exposure=0.01 * 2**index,
            iso=100,
            f_number=1.8,
            **options,
        )
    return folder


def test_frames_are_stored_without_loss(tmp_path):
    folder = make_folder(tmp_path, orientation=6)
    names = list_frames(folder)
    frames = FileFrames(folder, tuple(names)).iterate()
    stored = [
        store_frame(frame, tmp_path, "out", index, origin_name=names[index], window=None)
        for index, frame in enumerate(frames)
    ]
    assert [frame.name for frame in stored] == ["00.jpg", "01.png", "02.png"]
    assert (tmp_path / "out/00.jpg").read_bytes() == (folder / "f0.jpg").read_bytes()
    for frame, name in zip(stored, names, strict=True):
        upright = apply_orientation(read_pixels(tmp_path / "out", frame.name), frame.orientation)
        assert upright.shape[:2] == (frame.height, frame.width) == (30, 20)
        difference = upright.astype(int) - read_image(folder / name).pixels
        assert np.abs(difference).max() <= (3 if name.endswith("jpg") else 0)
    captures = relate_captures(stored, 1)
    assert [capture["exposure_ratio"] for capture in captures] == pytest.approx([0.5, 1, 2])
    assert captures[2]["timestamp"] - captures[0]["timestamp"] == pytest.approx(0.2)


def test_a_burst_needs_two_frames(tmp_path):
    with pytest.raises(TooFewFramesError, match="at least 2 frames, found 1"):
        require_frames(tmp_path, 1)


def test_bursts_are_subfolders_or_the_folder_itself(tmp_path):
    folder = make_folder(tmp_path)
    assert list_folders(folder.parent) == ["burst"]
    assert list_folders(folder) == ["."]
    shutil.rmtree(folder)
    assert list_folders(folder.parent) == []


def filter_row(row, kind):
    """A row of RGB pixels [W, 3] below nothing, filtered (W3C PNG, section 9)."""
    left = np.vstack([np.zeros((1, 3), np.uint8), row[:-1]])
    return row - {0: 0, 1: left, 2: 0, 3: left >> 1, 4: left}[kind]


@pytest.mark.parametrize("kind", range(5))
def test_a_png_that_nobody_looks_at_is_sound_and_known_by_its_first_row(tmp_path, kind):
    first = filter_row(IMAGE[0], kind).astype(np.uint8)
    rows = bytes([kind]) + first.tobytes() + b"".join(b"\0" + row.tobytes() for row in IMAGE[1:])
    data = make_png(IMAGE)
    pixels = chunk(b"IDAT", zlib.compress(rows))
    (tmp_path / "a.png").write_bytes(data[:33] + pixels + chunk(b"IEND", b""))
    found = read_image(tmp_path / "a.png", look=False)
    np.testing.assert_array_equal(found.picture.sample()[0], IMAGE[0])
    np.testing.assert_array_equal(found.pixels, IMAGE)


@pytest.mark.parametrize(
    "rows",
    [
        b"\0" * (20 * 91 - 1),
        b"\0" * (20 * 91 + 1),
        b"\7" + b"\0" * (20 * 91 - 1),
    ],
)
def test_a_png_of_other_rows_than_its_header_says_is_refused(tmp_path, rows):
    data = make_png(IMAGE)
    (tmp_path / "a.png").write_bytes(data[:33] + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))
    with pytest.raises(UnreadableImageError, match=r"a\.png: .*(cut off|damaged)"):
        read_image(tmp_path / "a.png", look=False)


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_every_changed_byte_of_a_png_is_noticed(tmp_path_factory, data):
    content = bytearray(make_png(IMAGE))
    place = data.draw(st.integers(8, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    path = tmp_path_factory.mktemp("png") / "a.png"
    path.write_bytes(content)
    with pytest.raises(UnreadableImageError):
        read_image(path, look=data.draw(st.booleans()))
