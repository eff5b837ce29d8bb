"""Directories and lists of items, read without a decoder, against decoders."""

import io
import os
import time

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.TiffImagePlugin import IFDRational

from dataset_builder.decoding.exif import KNOWN_TAGS, build_facts
from dataset_builder.decoding.exif_directory import read_directory
from dataset_builder.decoding.headers import read_headers
from dataset_builder.decoding.heif_items import list_items

TAGS = {0x9003: "2024:05:05 10:00:00", 0x9291: "123", 0x8827: (100, 200), 0x829A: 0.01, 0x829D: 2.8, 0x8832: 102400}


def make_block():
    exif = Image.Exif()
    exif[0x0112] = 6
    exif.get_ifd(0x8769).update(TAGS)
    return exif.tobytes()[6:]


def read(block):
    return read_directory(lambda place, size: block[place : place + size], KNOWN_TAGS)


def test_directories_are_those_that_pillow_reads():
    exif = Image.Exif()
    exif.load(make_block())
    expected = {**exif, **exif.get_ifd(0x8769)}
    found = read(make_block())
    assert found.keys() == expected.keys()
    assert found == expected


def test_rationals_are_numerator_and_denominator():
    exif = Image.Exif()
    exif.get_ifd(0x8769).update({0x829A: IFDRational(1, 60), 0x829D: IFDRational(28, 10)})
    exif[0x0112] = 1
    found = read(exif.tobytes()[6:])
    assert (found[0x829A], found[0x829D]) == ((1, 60), (14, 5))
    assert build_facts(found).f_number == 2.8


@pytest.mark.parametrize("options", [{}, {"bigtiff": True}, {"byteorder": ">"}, {"byteorder": ">", "bigtiff": True}])
def test_tiff_of_every_form(tmp_path, options):
    tags = [(306, "s", 20, "2024:05:05 10:00:00", True), (33434, "2I", 1, (1, 50), True)]
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((8, 8), np.uint8), extratags=tags, metadata=None, **options)
    facts = read_headers(tmp_path / "a.tif")
    assert (facts.captured_at, facts.exposure_time) == ("2024-05-05T10:00:00", 0.02)


@settings(max_examples=100)
@given(data=st.data())
def test_damaged_directories_are_an_error_of_one_kind(data):
    block = bytearray(make_block())
    for _ in range(data.draw(st.integers(1, 4))):
        block[data.draw(st.integers(0, len(block) - 1))] = data.draw(st.integers(0, 255))
    try:
        assert isinstance(read(bytes(block)), dict)
    except ValueError as error:
        assert "TIFF" in str(error) or "unpack" in str(error)  # noqa: PT017  # either is fine, another kind is not


def test_tags_that_claim_a_huge_file_cost_nothing(tmp_path):
    """Each of thousands of tags points to all of the file."""
    entries = b"".join(
        (0x9000).to_bytes(2, "little") + b"\7\0" + (1 << 28).to_bytes(4, "little") + bytes(4) for _ in range(4000)
    )
    (tmp_path / "a.tif").write_bytes(b"II*\0\x08\0\0\0" + (4000).to_bytes(2, "little") + entries + bytes(4))
    start = time.process_time()
    assert read_headers(tmp_path / "a.tif").captured_at is None
    assert time.process_time() - start < 5


def save_heif(path, count, **options):
    pillow_heif = pytest.importorskip("pillow_heif")
    pictures = [Image.new("RGB", (64 + 16 * index, 64), (40 * index, 90, 120)) for index in range(count)]
    file = pillow_heif.from_pillow(pictures[0])
    for picture in pictures[1:]:
        file.add_from_pillow(picture)
    file.save(path, **options)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_pictures_of_heic_are_those_that_its_decoder_counts(tmp_path, count):
    save_heif(tmp_path / "a.heic", count, exif=b"Exif\0\0" + make_block())
    with (tmp_path / "a.heic").open("rb") as stream:
        assert list_items(stream.fileno()).pictures == count
    assert read_headers(tmp_path / "a.heic").captured_at == "2024-05-05T10:00:00.123"


def test_damaged_lists_of_items_are_an_error_of_one_kind(tmp_path):
    save_heif(tmp_path / "a.heic", 2, exif=b"Exif\0\0" + make_block())
    whole = (tmp_path / "a.heic").read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(200):
        content = bytearray(whole)
        for place in rng.integers(0, min(len(content), 900), 3):
            content[place] = rng.integers(0, 256)
        (tmp_path / "b.heic").write_bytes(content)
        descriptor = os.open(tmp_path / "b.heic", os.O_RDONLY)
        try:
            assert list_items(descriptor).pictures >= 0
        except ValueError as error:
            assert "items" in str(error)  # noqa: PT017  # either is fine, another kind is not
        finally:
            os.close(descriptor)
        read_headers(tmp_path / "b.heic")


def test_blocks_end_where_they_end():
    with pytest.raises(ValueError, match="TIFF"):
        read(io.BytesIO(b"II*\0").getvalue())
