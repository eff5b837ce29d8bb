"""Decoded is not sound: what is wrong with a JPEG although decoders give a picture."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from dataset_builder.build import add_source
from dataset_builder.decoding.images import read_image
from dataset_builder.errors import UnreadableImageError
from dataset_builder.recipe import parse_source
from tests.photographs import make_photograph

PICTURE = np.clip(
    make_photograph(192, 256, seed=4) + np.random.default_rng(0).normal(0, 8, (192, 256, 3)), 0, 255
).astype(np.uint8)
FORMS = {
    "4:4:4": {"subsampling": 0},
    "4:2:0": {"subsampling": 2},
    "optimised": {"optimize": True},
    "progressive": {"progressive": True},
    "restarts": {"restart_marker_blocks": 20},
}


def encode(picture, **options):
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "JPEG", quality=90, **options)
    return stream.getvalue()


def find_data(data):
    """Places between which entropy-coded data lie for sure."""
    start = data.index(b"\xff\xda") + 20
    return start, len(data) - 20


def punch(data):
    start, end = find_data(data)
    place = start + (end - start) // 2
    return data[:place] + bytes(200) + data[place + 200 :]


def cut(share):
    def harm(data):
        start, end = find_data(data)
        return data[: start + int(share * (end - start))] + b"\xff\xd9"

    return harm


def fill(data):
    start, end = find_data(data)
    place = start + (end - start) // 2
    return data[:place] + b"\xff" * 200 + data[place + 200 :]


def take_out(data):
    start, end = find_data(data)
    place = start + (end - start) // 2
    return data[:place] + data[place + 300 :]


def put_in(data):
    start, end = find_data(data)
    place = start + (end - start) // 2
    return data[:place] + data[place - 300 : place] + data[place:]


HARMS = {
    "a stretch of zeros": punch,
    "a stretch of ones": fill,
    "half": cut(0.5),
    "nearly all": cut(0.97),
    "a missing stretch": take_out,
    "a doubled stretch": put_in,
}
# In these forms a decoder finds its way again at the next restart, or reads other passes.
UNSEEN = {("progressive", "a missing stretch"), ("progressive", "a doubled stretch")}
UNSEEN |= {("restarts", "a missing stretch"), ("restarts", "a doubled stretch")}


@pytest.mark.parametrize("look", [True, False])
@pytest.mark.parametrize(("form", "harm"), [(f, h) for f in FORMS for h in HARMS if (f, h) not in UNSEEN])
def test_damage_that_decoders_pass_over_is_found(tmp_path, form, harm, look):
    data = encode(PICTURE, **FORMS[form])
    path = tmp_path / "a.jpg"
    path.write_bytes(HARMS[harm](data))
    with pytest.raises(UnreadableImageError, match=r"a\.jpg: .*(damaged|cut off)"):
        read_image(path, look=look)


@pytest.mark.parametrize("harm", ["half", "nearly all", "a stretch of zeros"])
def test_decoders_do_pass_over_it(harm):
    """What makes the checks worth their while: Pillow gives a picture."""
    with Image.open(io.BytesIO(HARMS[harm](encode(PICTURE)))) as image:
        assert np.asarray(image).shape == PICTURE.shape


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_sound_files_are_never_refused(tmp_path_factory, data):
    height, width = data.draw(st.integers(1, 70)), data.draw(st.integers(1, 70))
    seed = data.draw(st.integers(0, 9))
    random = np.random.default_rng(seed)
    picture = {
        "photograph": lambda: make_photograph(height, width, seed=seed),
        "noise": lambda: random.integers(0, 256, (height, width, 3)).astype(np.uint8),
        "flat": lambda: np.full((height, width, 3), random.integers(0, 256), np.uint8),
    }[data.draw(st.sampled_from(["photograph", "noise", "flat"]))]()
    options = {
        "subsampling": data.draw(st.sampled_from([0, 1, 2])),
        "progressive": data.draw(st.booleans()),
        "optimize": data.draw(st.booleans()),
        "quality": data.draw(st.sampled_from([10, 75, 100])),
        "restart_marker_blocks": data.draw(st.sampled_from([0, 1, 3, 40])),
    }
    mode = data.draw(st.sampled_from(["RGB", "L", "CMYK"]))
    path = tmp_path_factory.mktemp("sound") / "a.jpg"
    Image.fromarray(picture).convert(mode).save(path, **options)
    trailer = data.draw(st.sampled_from([b"", b"\0" * 40, b"\xff\xd8 something of the camera's own"]))
    path.write_bytes(path.read_bytes() + trailer)
    with Image.open(path) as reference:
        expected = np.asarray(reference.convert("RGB"))
    look = data.draw(st.booleans())
    np.testing.assert_array_equal(read_image(path, look=look).pixels, expected)


@pytest.mark.parametrize("padding", [b"\0" * 50, b"\xff" * 9, b"\0"])
def test_what_encoders_pad_with_is_no_damage(tmp_path, padding):
    data = encode(PICTURE)
    (tmp_path / "a.jpg").write_bytes(data[:-2] + padding + data[-2:])
    assert read_image(tmp_path / "a.jpg", look=False).pixels.shape == PICTURE.shape


def add(tmp_path):
    source = parse_source(name="set", kind="folders", root=str(tmp_path / "in"))
    return add_source(tmp_path / "out", source)[0].failures


def test_equal_pixels_are_noticed_whatever_the_metadata(tmp_path):
    first, other = make_photograph(48, 64, seed=0), make_photograph(48, 64, seed=1)
    for folder, suffix in (("jpegs", "jpg"), ("pngs", "png"), ("turned", "jpg")):
        (tmp_path / "in" / folder).mkdir(parents=True)
        for number, picture in enumerate((first, other, first)):
            exif = Image.Exif()
            exif.get_ifd(0x8769)[0x9286] = f"number {number}"
            if folder == "turned" and number == 2:
                exif[0x0112] = 3
            Image.fromarray(picture).save(tmp_path / f"in/{folder}/{number}.{suffix}", exif=exif)
    failures = add(tmp_path)
    assert [(row["burst_id"].split("-")[0], row["error_type"]) for row in failures] == [
        ("jpegs", "DuplicateFrameError"),
        ("pngs", "DuplicateFrameError"),
    ]
    assert "2.jpg holds the same pixels as 0.jpg" in failures[0]["message"]
