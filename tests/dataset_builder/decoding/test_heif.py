import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from dataset_builder.decoding.heif import list_properties
from dataset_builder.decoding.images import read_image
from dataset_builder.errors import UnreadableImageError, UnsupportedColorError
from tests.dataset_builder.decoding.colour_files import (
    BT2020,
    FLIPS,
    P3,
    encode,
    encode_bt709,
    make_profile,
    make_scene,
    move,
    srgb_tag,
    to_codes,
)

pillow_heif = pytest.importorskip("pillow_heif")
SCENE = make_scene(64, 96)


def save(path, values, bits=8, **options):
    """Write values in [0, 1] as HEIC, without chroma subsampling unless told so."""
    mode = {3: "RGB", 4: "RGBA"}[values.shape[2]]
    if bits == 8:
        made = pillow_heif.from_bytes(mode=mode, size=values.shape[1::-1], data=to_codes(values, 8).tobytes())
    else:
        made = pillow_heif.from_bytes(mode=f"{mode};16", size=values.shape[1::-1], data=to_codes(values, 16).tobytes())
    made.save(path, **({"quality": -1, "chroma": 444} | options))
    return path


@pytest.fixture(autouse=True)
def ten_bits(monkeypatch):
    monkeypatch.setattr(pillow_heif.options, "SAVE_HDR_TO_12_BIT", False)


def away(path):
    found = read_image(path).pixels
    return 255 * np.abs(found / np.iinfo(found.dtype).max - SCENE).mean()


def test_ten_bits_are_kept_in_sixteen(tmp_path):
    ramp = np.repeat(np.linspace(0, 1, 1024)[None, :, None], 64, axis=0).repeat(3, axis=2)
    found = read_image(save(tmp_path / "a.heic", ramp, 10)).pixels
    assert found.dtype == np.uint16
    np.testing.assert_allclose(found[0, :, 0] / 65535, np.linspace(0, 1, 1024), atol=0.002)
    assert len(np.unique(found[..., 1])) > 1000
    assert found.max() == 65535


@pytest.mark.parametrize("bits", [8, 10])
def test_profile_and_nclx_are_converted(tmp_path, bits):
    assert away(save(tmp_path / "plain.heic", SCENE, bits)) < 1
    wide = move(SCENE, P3, encode)
    assert away(save(tmp_path / "icc.heic", wide, bits, icc_profile=make_profile(P3, srgb_tag()))) < 1.2
    codes = {"transfer_characteristics": 13, "matrix_coefficients": 6, "full_range_flag": 1}
    assert away(save(tmp_path / "nclx.heic", wide, bits, color_primaries=12, **codes)) < 1.2
    codes = {"color_primaries": 9, "transfer_characteristics": 14, "matrix_coefficients": 9, "full_range_flag": 1}
    assert away(save(tmp_path / "bt2020.heic", move(SCENE, BT2020, encode_bt709), bits, **codes)) < 1.5


@pytest.mark.parametrize(("transfer", "name"), [(16, "PQ"), (18, "HLG")])
def test_high_dynamic_range_is_refused_by_name(tmp_path, transfer, name):
    codes = {"color_primaries": 9, "matrix_coefficients": 9, "full_range_flag": 1}
    path = save(tmp_path / "a.heic", SCENE, 10, transfer_characteristics=transfer, **codes)
    with pytest.raises(UnsupportedColorError, match=rf"a\.heic: .*{name}"):
        read_image(path)


def test_alpha_of_heic(tmp_path):
    full = np.ones((*SCENE.shape[:2], 1))
    assert away(save(tmp_path / "a.heic", np.dstack([SCENE, full]))) < 1
    full[:20] = 0
    with pytest.raises(UnreadableImageError, match="wholly transparent"):
        read_image(save(tmp_path / "b.heic", np.dstack([SCENE, full])))


def test_exif_of_heic_does_not_turn_it_again(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    exif.get_ifd(0x8769)[0x8827] = 400
    path = save(tmp_path / "a.heic", SCENE, exif=exif.tobytes())
    assert b"irot" in [name for name, _ in list_properties(path.read_bytes())]
    found = read_image(path)
    assert (found.facts.orientation, found.facts.iso) == (1, 400)
    assert 255 * np.abs(found.pixels / 255 - np.rot90(SCENE, -1)).mean() < 1


def test_avif(tmp_path):
    image = Image.fromarray(to_codes(SCENE, 8))
    image.save(tmp_path / "a.avif", quality=100, subsampling="4:4:4")
    assert away(tmp_path / "a.avif") < 1.5
    wide = Image.fromarray(to_codes(move(SCENE, P3, encode), 8))
    wide.save(tmp_path / "p3.avif", quality=100, subsampling="4:4:4", icc_profile=make_profile(P3, srgb_tag()))
    assert away(tmp_path / "p3.avif") < 2
    turned = Image.Exif()
    turned[0x0112] = 8
    image.save(tmp_path / "turned.avif", quality=100, subsampling="4:4:4", exif=turned)
    found = read_image(tmp_path / "turned.avif").pixels
    assert 255 * np.abs(found / 255 - np.rot90(SCENE)).mean() < 1.5
    data = bytearray((tmp_path / "a.avif").read_bytes())
    place = data.index(b"nclx")
    data[place + 7] = 16
    (tmp_path / "pq.avif").write_bytes(data)
    with pytest.raises(UnsupportedColorError, match="PQ"):
        read_image(tmp_path / "pq.avif")
    data = bytearray((tmp_path / "a.avif").read_bytes())
    data[data.index(b"av1C") + 6] |= 0x40
    (tmp_path / "configured.avif").write_bytes(data)
    with pytest.raises(UnsupportedColorError, match="10 bits"):
        read_image(tmp_path / "configured.avif")
    data = bytearray((tmp_path / "a.avif").read_bytes())
    place = data.index(b"pixi")
    data[place + 9 : place + 12] = b"\x0a\x0a\x0a"
    (tmp_path / "deep.avif").write_bytes(data)
    with pytest.raises(UnsupportedColorError, match="10 bits"):
        read_image(tmp_path / "deep.avif")


MEANINGS = {
    "nothing": (lambda: SCENE, {}),
    "profile": (lambda: move(SCENE, P3, encode), {"icc_profile": make_profile(P3, srgb_tag())}),
    "P3": (
        lambda: move(SCENE, P3, encode),
        {"color_primaries": 12, "transfer_characteristics": 13, "matrix_coefficients": 6},
    ),
    "BT.2020": (
        lambda: move(SCENE, BT2020, encode_bt709),
        {"color_primaries": 9, "transfer_characteristics": 14, "matrix_coefficients": 9},
    ),
}


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_every_heic_means_what_its_boxes_say(tmp_path_factory, data):
    bits = data.draw(st.sampled_from([8, 10, 12]))
    name = data.draw(st.sampled_from(sorted(MEANINGS)))
    orientation = data.draw(st.integers(1, 8))
    chroma = data.draw(st.sampled_from([444, 420]))
    make, options = MEANINGS[name]
    if "matrix_coefficients" in options:
        options = options | {"full_range_flag": data.draw(st.sampled_from([0, 1]))}
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path_factory.mktemp("heic") / "a.heic"
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(pillow_heif.options, "SAVE_HDR_TO_12_BIT", bits == 12)
        save(path, make(), bits, exif=exif.tobytes(), chroma=chroma, **options)
    found = read_image(path).pixels
    assert found.dtype == (np.uint8 if bits == 8 else np.uint16)
    wanted = FLIPS[orientation](SCENE)
    assert found.shape == wanted.shape
    away = 255 * np.abs(found / np.iinfo(found.dtype).max - wanted)
    assert away.mean() < (2 if chroma == 444 else 3)


@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_every_avif_means_what_its_boxes_say(tmp_path_factory, data):
    orientation = data.draw(st.integers(1, 8))
    wide = data.draw(st.booleans())
    subsampling = data.draw(st.sampled_from(["4:4:4", "4:2:2", "4:2:0"]))
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"icc_profile": make_profile(P3, srgb_tag())} if wide else {}
    path = tmp_path_factory.mktemp("avif") / "a.avif"
    image = Image.fromarray(to_codes(move(SCENE, P3, encode) if wide else SCENE, 8))
    image.save(path, quality=100, subsampling=subsampling, exif=exif, **options)
    found = read_image(path).pixels
    wanted = FLIPS[orientation](SCENE)
    assert found.shape == wanted.shape
    assert 255 * np.abs(found / 255 - wanted).mean() < (2 if subsampling == "4:4:4" else 3)
