"""What pictures tell of people and places, and the same pictures without it."""

import contextlib
import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from manifests.images.personal import count_personal, find_personal, strip_metadata
from tests.photographs import make_photograph

PICTURE = Image.fromarray(make_photograph(40, 56))
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def make_exif(*, orientation=1):
    exif = Image.Exif()
    exif[0x0112], exif[0x013B] = orientation, "A. Person"
    exif.get_ifd(0x8769).update({0xA431: "SERIAL", 0x927C: b"SERIAL of the maker"})
    exif.get_ifd(0x8825).update({1: "N", 2: (47.0, 22.0, 0.0)})
    return exif


def write(form, **options):
    data = io.BytesIO()
    PICTURE.save(data, form, **options)
    return data.getvalue()


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def find(tmp_path, data):
    (tmp_path / "a").write_bytes(data)
    with (tmp_path / "a").open("rb") as stream:
        return set(find_personal(stream))


ALL = {"location", "serial number", "name of a person", "notes of the maker"}
XMP = b'<rdf:Description exif:GPSLatitude="47,22N" aux:SerialNumber="1"/>'
TELLING = {
    "jpeg": (write("JPEG", exif=make_exif(), icc_profile=PROFILE, comment=b"SERIAL"), ALL),
    "progressive": (write("JPEG", exif=make_exif(orientation=6), progressive=True), ALL),
    "xmp": (write("JPEG", xmp=XMP), {"location", "serial number"}),
    "video behind": (write("JPEG") + b"\0\0\0\x18ftypmp42 SERIAL", {"further data"}),
    "png": (write("PNG", exif=make_exif(), icc_profile=PROFILE), ALL),
    "late png": (write("PNG")[:-12] + chunk(b"eXIf", make_exif().tobytes()[6:]) + write("PNG")[-12:], ALL),
    "png behind": (write("PNG") + b"SERIAL", {"further data"}),
}


@pytest.mark.parametrize("name", TELLING)
def test_what_is_told_is_found_and_left_out(tmp_path, name):
    data, told = TELLING[name]
    assert find(tmp_path, data) == told
    stripped = strip_metadata(data)
    assert find(tmp_path, stripped) == set()
    for word in (b"SERIAL", b"A. Person", b"SerialNumber"):
        assert word not in stripped
    with Image.open(io.BytesIO(data)) as before, Image.open(io.BytesIO(stripped)) as after:
        np.testing.assert_array_equal(np.asarray(before), np.asarray(after))
        assert after.info.get("icc_profile") == before.info.get("icc_profile")
        if before.format == "JPEG":
            assert after.getexif().get(0x0112, 1) == before.getexif().get(0x0112, 1)
    assert strip_metadata(stripped) == stripped


@pytest.mark.parametrize("form", ["JPEG", "PNG"])
def test_where_nothing_is_told_the_bytes_are_the_same(tmp_path, form):
    data = write(form)
    assert strip_metadata(data) == data
    assert find(tmp_path, data) == set()


def test_other_modes_keep_their_colours():
    for mode in ("L", "CMYK", "RGB"):
        data = io.BytesIO()
        PICTURE.convert(mode).save(data, "JPEG", exif=make_exif())
        with Image.open(io.BytesIO(strip_metadata(data.getvalue()))) as after, Image.open(data) as before:
            np.testing.assert_array_equal(np.asarray(before), np.asarray(after))


def test_files_are_counted(tmp_path):
    for index, name in enumerate(("jpeg", "xmp")):
        (tmp_path / f"{index}.jpg").write_bytes(TELLING[name][0])
    counts = count_personal(tmp_path, ["0.jpg", "1.jpg"])
    assert counts == {"location": 2, "name of a person": 1, "notes of the maker": 1, "serial number": 2}


@settings(max_examples=60)
@given(data=st.data(), name=st.sampled_from(sorted(TELLING)))
def test_damage_is_an_error_of_one_kind(tmp_path_factory, data, name):
    content = bytearray(TELLING[name][0])
    for _ in range(3):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    find(tmp_path_factory.getbasetemp(), bytes(content))
    with contextlib.suppress(ValueError):
        assert len(strip_metadata(bytes(content))) <= len(content) + 40
