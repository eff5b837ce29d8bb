"""What numbers mean is in the container, and is read."""

import io
import struct
import zlib

import cv2
import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageOps

from dataset_builder.decoding.icc import read_profile
from dataset_builder.decoding.images import read_image
from dataset_builder.errors import SourceError, UnreadableImageError, UnsupportedColorError
from dataset_builder.synthesis.photographs import read_photograph
from tests.dataset_builder.decoding.colour_files import (
    ADOBE,
    BT2020,
    FLIPS,
    P3,
    SRGB,
    chunk,
    decode,
    encode,
    encode_bt709,
    gamma_tag,
    make_png,
    make_profile,
    make_scene,
    move,
    srgb_tag,
    table_tag,
    to_codes,
)

SCENE = make_scene()
LINEAR = b"curv\0\0\0\0\0\0\0\0"
SPACES = {
    "p3": (make_profile(P3, srgb_tag()), lambda: move(SCENE, P3, encode)),
    "adobe": (make_profile(ADOBE, gamma_tag(563 / 256)), lambda: move(SCENE, ADOBE, lambda x: x ** (256 / 563))),
    "linear": (make_profile(SRGB, LINEAR), lambda: decode(SCENE)),
    "table": (make_profile(P3, table_tag(decode(np.linspace(0, 1, 1024)))), lambda: move(SCENE, P3, encode)),
}


def save_with_profile(path, codes, profile):
    if path.suffix == ".tif":
        tifffile.imwrite(path, codes, photometric="rgb", extratags=[(34675, 7, None, profile, True)])
    elif path.suffix == ".png":
        path.write_bytes(make_png(codes, chunk(b"iCCP", b"own\0\0" + zlib.compress(profile))))
    else:
        Image.fromarray(codes).save(path, icc_profile=profile, quality=100, subsampling=0)


def difference(found, expected):
    """Mean and largest distance in codes of 8 bits."""
    away = 255 * np.abs(found / np.iinfo(found.dtype).max - expected)
    return away.mean(), away.max()


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize(("suffix", "bits"), [(".jpg", 8), (".png", 8), (".png", 16), (".tif", 8), (".tif", 16)])
def test_profiles_are_converted_at_the_depth_of_the_file(tmp_path, space, suffix, bits):
    profile, make = SPACES[space]
    path = tmp_path / f"a{suffix}"
    save_with_profile(path, to_codes(make(), bits), profile)
    found = read_image(path)
    assert found.file is None
    assert found.pixels.dtype == (np.uint8 if bits == 8 else np.uint16)
    mean, largest = difference(found.pixels, SCENE)
    # A code of 8 linear bits is up to 13 codes of sRGB where it is dark.
    assert mean < (2 if suffix == ".jpg" else 0.6 if bits == 8 else 0.02)
    assert bits == 8 or largest < 0.2


@pytest.mark.parametrize("space", ["p3", "adobe", "linear", "table"])
def test_matrices_and_curves_agree_with_littlecms(space):
    profile, _ = SPACES[space]
    codes = np.random.default_rng(0).integers(0, 256, (32, 32, 3)).astype(np.uint8)
    reference = ImageCms.profileToProfile(
        Image.fromarray(codes),
        io.BytesIO(profile),
        ImageCms.createProfile("sRGB"),
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        outputMode="RGB",
    )
    assert np.abs(read_profile(profile).convert(codes).astype(int) - np.asarray(reference)).max() <= 1


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
@pytest.mark.parametrize(
    "profile", [make_profile(SRGB, srgb_tag()), ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()]
)
def test_what_means_srgb_already_keeps_its_bytes(tmp_path, suffix, profile):
    path = tmp_path / f"a{suffix}"
    save_with_profile(path, to_codes(SCENE, 8), profile)
    assert read_image(path).file == path.read_bytes()


def test_a_grey_profile_is_applied_to_grey(tmp_path):
    ramp = np.repeat(np.linspace(0, 1, 256)[None], 8, axis=0)
    Image.fromarray(to_codes(ramp, 8)).save(
        tmp_path / "a.png", icc_profile=make_profile(SRGB, gamma_tag(1.8), grey=True)
    )
    expected = np.repeat(encode(ramp**1.8)[..., None], 3, axis=2)
    assert difference(read_image(tmp_path / "a.png").pixels, expected)[1] < 0.6


def test_mixed_spaces_are_converted_each(tmp_path):
    save_with_profile(tmp_path / "a.png", to_codes(move(SCENE, P3, encode), 8), SPACES["p3"][0])
    (tmp_path / "b.png").write_bytes(make_png(to_codes(SCENE, 8)))
    first, second = (read_image(tmp_path / name).pixels for name in ("a.png", "b.png"))
    assert np.abs(first.astype(int) - second).mean() < 0.6


def test_a_profile_of_tables_is_left_to_littlecms_at_8_bits_and_refused_at_16(tmp_path):
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    # An A2B0 tag that nothing can read: what counts is that the matrix beside it does not take its place.
    tables = make_profile(P3, srgb_tag(), more=[(b"A2B0", b"mft2" + bytes(60))])
    save_with_profile(tmp_path / "a.png", to_codes(SCENE, 16), tables)
    with pytest.raises(UnsupportedColorError, match=r"a\.png: .*tables under 16 bits"):
        read_image(tmp_path / "a.png")
    assert read_profile(lab).is_srgb


def make_ink_profile():
    """A profile of tables from CMYK to Lab at the sixteen corners, of the plain inks: each takes away its complement."""
    inks = np.array(list(np.ndindex(2, 2, 2, 2)))
    linear = decode((1 - inks[:, :3]) * (1 - inks[:, 3:]))
    white = np.array([0.9642, 1.0, 0.8249])
    to_xyz = np.array([[0.4360, 0.3851, 0.1431], [0.2225, 0.7169, 0.0606], [0.0139, 0.0971, 0.7141]])  # sRGB under D50
    ratio = linear @ to_xyz.T / white
    f = np.where(ratio > (6 / 29) ** 3, np.cbrt(ratio), ratio / (3 * (6 / 29) ** 2) + 4 / 29)
    lab = np.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], axis=1)
    codes = np.rint(np.clip((lab + np.array([0, 128, 128])) * [652.8, 256, 256], 0, 65535)).astype(">u2")
    ends = np.array([0, 65535], ">u2").tobytes()
    table = b"mft2" + bytes(4) + bytes([4, 3, 2, 0]) + (65536 * np.eye(3)).astype(">i4").tobytes()
    table += struct.pack(">2H", 2, 2) + ends * 4 + codes.tobytes() + ends * 3
    profile = bytearray(make_profile(SRGB, srgb_tag(), more=[(b"A2B0", table)]))
    profile[12:24] = b"prtrCMYKLab "
    return bytes(profile)


@pytest.mark.parametrize("suffix", [".tif", ".jpg"])
def test_inks_are_converted_by_their_profile(tmp_path, suffix):
    inks = np.array(list(np.ndindex(2, 2, 2, 2))).reshape(2, 8, 4).repeat(8, axis=0).repeat(8, axis=1)
    path = tmp_path / f"a{suffix}"
    options = {"quality": 100, "subsampling": 0} if suffix == ".jpg" else {}
    picture = Image.fromarray((inks * 255).astype(np.uint8), "CMYK")
    picture.save(path, icc_profile=make_ink_profile(), **options)
    expected = (1 - inks[..., :3]) * (1 - inks[..., 3:])
    assert difference(read_image(path).pixels, expected)[1] < 6


@pytest.mark.parametrize(
    "profile",
    [b"", b"nonsense" * 40, make_profile(P3, srgb_tag())[:300], make_profile(P3, b"what" + bytes(20))],
)
def test_damaged_profiles_are_refused_by_name(tmp_path, profile):
    save_with_profile(tmp_path / "a.png", to_codes(SCENE, 8), profile)
    with pytest.raises(UnsupportedColorError, match=r"a\.png: has a .*profile"):
        read_image(tmp_path / "a.png")


def test_a_profile_of_the_wrong_channels_is_refused(tmp_path):
    save_with_profile(tmp_path / "a.jpg", to_codes(SCENE, 8), make_profile(SRGB, gamma_tag(1.0), grey=True))
    assert read_image(tmp_path / "a.jpg").pixels.shape[2] == 3  # three equal curves
    Image.fromarray(to_codes(SCENE, 8)).convert("CMYK").save(tmp_path / "b.jpg", icc_profile=SPACES["p3"][0])
    with pytest.raises(UnsupportedColorError, match="4 channels"):
        read_image(tmp_path / "b.jpg")


def gama(value):
    return chunk(b"gAMA", struct.pack(">I", value))


def chrm(primaries):
    numbers = [0.3127, 0.3290, *np.ravel(primaries)]
    return chunk(b"cHRM", struct.pack(">8I", *(round(number * 100_000) for number in numbers)))


def cicp(*code):
    return chunk(b"cICP", bytes(code))


def iccp(profile):
    return chunk(b"iCCP", b"own\0\0" + zlib.compress(profile))


SRGB_CHUNK = chunk(b"sRGB", b"\0")
PNG_CASES = {
    "linear gamma": ([gama(100_000)], lambda: decode(SCENE)),
    "gamma of 1.8": ([gama(55_556)], lambda: decode(SCENE) ** (1 / 1.8)),
    "wide primaries": ([gama(100_000), chrm(P3)], lambda: move(SCENE, P3, lambda x: x)),
    "cICP of P3": ([cicp(12, 13, 0, 1)], lambda: move(SCENE, P3, encode)),
    "cICP of BT.2020": ([cicp(9, 1, 0, 1)], lambda: move(SCENE, BT2020, encode_bt709)),
    "cICP of linear light": ([cicp(1, 8, 0, 1)], lambda: decode(SCENE)),
    "cICP of narrow range": ([cicp(1, 13, 0, 0)], lambda: (16 + 219 * SCENE) * 256 / 65535),
    "sRGB before gAMA": ([SRGB_CHUNK, gama(100_000)], lambda: SCENE),
    "iCCP before sRGB": ([iccp(SPACES["linear"][0]), SRGB_CHUNK], lambda: decode(SCENE)),
    "cICP before iCCP": ([cicp(1, 13, 0, 1), iccp(SPACES["linear"][0])], lambda: SCENE),
}


@pytest.mark.parametrize("case", PNG_CASES)
def test_png_chunks_in_the_order_of_the_standard(tmp_path, case):
    chunks, make = PNG_CASES[case]
    path = tmp_path / "a.png"
    path.write_bytes(make_png(to_codes(make(), 16), *chunks))
    assert difference(read_image(path).pixels, SCENE)[1] < 0.3


@pytest.mark.parametrize("chunks", [[], [SRGB_CHUNK], [gama(45_455)], [gama(45_455), chrm(SRGB)], [cicp(1, 13, 0, 1)]])
def test_png_chunks_that_say_srgb_keep_the_bytes(tmp_path, chunks):
    (tmp_path / "a.png").write_bytes(make_png(to_codes(SCENE, 8), *chunks))
    assert read_image(tmp_path / "a.png").file is not None


@pytest.mark.parametrize(
    ("code", "reason"),
    [((9, 16, 0, 1), "PQ"), ((9, 18, 0, 1), "HLG"), ((1, 13, 1, 1), "not of RGB"), ((77, 13, 0, 1), "primaries 77")],
)
def test_what_srgb_cannot_hold_is_refused_by_name(tmp_path, code, reason):
    (tmp_path / "a.png").write_bytes(make_png(to_codes(SCENE, 16), cicp(*code)))
    with pytest.raises(UnsupportedColorError, match=rf"a\.png: .*{reason}"):
        read_image(tmp_path / "a.png")


def test_a_profile_by_the_name_of_pq_is_refused(tmp_path):
    profile = chunk(b"iCCP", b"ITUR_2100_PQ_FULL\0\0" + zlib.compress(SPACES["p3"][0]))
    (tmp_path / "a.png").write_bytes(make_png(to_codes(SCENE, 16), profile))
    with pytest.raises(UnsupportedColorError, match="PQ"):
        read_image(tmp_path / "a.png")


def test_adobe_rgb_of_cameras_that_embed_no_profile(tmp_path):
    codes = to_codes(SPACES["adobe"][1](), 8)
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0xA001] = 0xFFFF
    exif.get_ifd(0x8769)[0xA005] = {1: "R03"}
    Image.fromarray(codes).save(tmp_path / "a.jpg", exif=exif, quality=100, subsampling=0)
    assert difference(read_image(tmp_path / "a.jpg").pixels, SCENE)[0] < 2


@pytest.mark.parametrize("bits", [8, 16])
def test_alpha_is_dropped_divided_out_or_refused(tmp_path, bits):
    full = 2**bits - 1
    half = np.full(SCENE.shape[:2], full // 2 + 1, np.uint8 if bits == 8 else np.uint16)
    share = (full // 2 + 1) / full
    plain, multiplied = to_codes(SCENE, bits), to_codes(SCENE * share, bits)
    tifffile.imwrite(
        tmp_path / "assoc.tif", np.dstack([multiplied, half]), photometric="rgb", extrasamples=["assocalpha"]
    )
    tifffile.imwrite(tmp_path / "apart.tif", np.dstack([plain, half]), photometric="rgb", extrasamples=["unassalpha"])
    (tmp_path / "apart.png").write_bytes(make_png(np.dstack([plain, half])))
    assert difference(read_image(tmp_path / "assoc.tif").pixels, SCENE)[1] < 1.6
    for name in ("apart.tif", "apart.png"):
        np.testing.assert_array_equal(read_image(tmp_path / name).pixels, plain)
    half[0, 0] = 0
    (tmp_path / "hole.png").write_bytes(make_png(np.dstack([plain, half])))
    with pytest.raises(UnreadableImageError, match="wholly transparent"):
        read_image(tmp_path / "hole.png")


PALETTE = np.random.default_rng(1).integers(0, 256, (256, 3))
DEPTHS = {"grey": (1, 2, 4, 8, 16), "palette": (1, 2, 4, 8), "rgb": (8, 16), "grey_alpha": (8, 16), "rgba": (8, 16)}


def make_combination(kind, bits, seed):
    """Random codes of a kind, and the RGB in [0, 1] that they mean."""
    random = np.random.default_rng(seed)
    channels = {"grey": 1, "palette": 1, "rgb": 3, "grey_alpha": 2, "rgba": 4}[kind]
    codes = random.integers(0, 2**bits, (9, 13, channels)).astype(np.uint8 if bits <= 8 else np.uint16)
    if kind.endswith("a"):
        codes[..., -1] |= 1
    if kind == "palette":
        return codes, PALETTE[codes[..., 0]] / 255
    colour = codes[..., :3] if channels > 2 else codes[..., :1]
    return codes, np.broadcast_to(colour / (2**bits - 1), (9, 13, 3))


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_every_png_means_what_its_header_says(tmp_path_factory, data):
    kind = data.draw(st.sampled_from(sorted(DEPTHS)))
    bits = data.draw(st.sampled_from(DEPTHS[kind]))
    orientation = data.draw(st.integers(1, 8))
    linear = data.draw(st.booleans())
    codes, expected = make_combination(kind, bits, data.draw(st.integers(0, 99)))
    exif = Image.Exif()
    exif[0x0112] = orientation
    chunks = [chunk(b"eXIf", exif.tobytes()[6:])] + ([gama(100_000)] if linear else [])
    palette = PALETTE[: 2**bits] if kind == "palette" else None
    path = tmp_path_factory.mktemp("png") / "a.png"
    path.write_bytes(
        make_png(codes, *chunks, bits=bits, colour_type=3 if palette is not None else None, palette=palette)
    )
    found = read_image(path).pixels
    assert found.dtype == (np.uint16 if bits == 16 else np.uint8)
    # Pillow's own decoder and its own turn are the independent reference of the geometry.
    turned = Image.fromarray(np.rint(expected * 255).astype(np.uint8))
    turned.getexif()[0x0112] = orientation
    reference = np.asarray(ImageOps.exif_transpose(turned)) / 255
    assert found.shape == reference.shape
    wanted = encode(reference) if linear else reference
    away = np.abs(found / np.iinfo(found.dtype).max - wanted)
    # The reference has 8 bits; in the dark, linear light spreads half a code of them over many.
    assert away.max() <= (0.03 if linear and bits == 16 else 0.0021)


JPEG_PROFILES = {
    "RGB": {"none": None, **{name: profile for name, (profile, _) in SPACES.items()}},
    "L": {"none": None, "grey": make_profile(SRGB, LINEAR, grey=True)},
}


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_every_jpeg_means_what_its_markers_say(tmp_path_factory, data):
    mode = data.draw(st.sampled_from(sorted(JPEG_PROFILES)))
    name = data.draw(st.sampled_from(sorted(JPEG_PROFILES[mode])))
    orientation = data.draw(st.integers(1, 8))
    options = {
        "quality": data.draw(st.sampled_from([60, 85, 100])),
        "subsampling": data.draw(st.sampled_from([0, 1, 2])),
        "progressive": data.draw(st.booleans()),
        "restart_marker_blocks": data.draw(st.sampled_from([0, 2])),
    }
    exif = Image.Exif()
    exif[0x0112] = orientation
    values = SCENE if mode == "RGB" else SCENE[..., 0]
    path = tmp_path_factory.mktemp("jpeg") / "a.jpg"
    profile = JPEG_PROFILES[mode][name]
    Image.fromarray(to_codes(values, 8)).save(path, exif=exif, icc_profile=profile or b"", **options)
    # OpenCV decodes by a library of its own, turns nothing, and knows no profiles.
    decoded = cv2.imread(str(path), cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION)
    codes = (decoded[..., None].repeat(3, axis=2) if decoded.ndim == 2 else decoded[..., ::-1]) / 255
    found = read_image(path).pixels
    wanted = FLIPS[orientation](encode(codes) if name == "grey" else codes)
    assert found.shape == wanted.shape
    if name in ("none", "grey"):
        assert np.abs(found / 255 - wanted).max() <= 0.51 / 255
    else:
        turned = Image.fromarray(np.rint(255 * wanted).astype(np.uint8))
        target = ImageCms.createProfile("sRGB")
        converted = ImageCms.profileToProfile(turned, ImageCms.ImageCmsProfile(io.BytesIO(profile)), target)
        assert np.abs(found.astype(int) - np.asarray(converted)).max() <= (3 if name == "linear" else 2)


PHOTOMETRIC = ("minisblack", "miniswhite", "rgb", "separated")


def write_as(photometric, rgb, full):
    """Samples that mean an RGB image."""
    if photometric == "separated":
        return np.dstack([full - rgb, np.zeros_like(rgb[..., :1])])
    if photometric == "rgb":
        return rgb
    return full - rgb[..., 0] if photometric == "miniswhite" else rgb[..., 0]


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_every_tiff_means_what_its_tags_say(tmp_path_factory, data):
    photometric = data.draw(st.sampled_from(PHOTOMETRIC))
    bits = data.draw(st.sampled_from([8, 16]))
    orientation = data.draw(st.integers(1, 8))
    planar = data.draw(st.sampled_from(["contig", "separate"]))
    linear = data.draw(st.booleans()) and photometric != "separated"
    compression = data.draw(st.sampled_from([None, "zlib"]))
    random = np.random.default_rng(data.draw(st.integers(0, 99)))
    full = 2**bits - 1
    rgb = random.integers(0, full + 1, (9, 13, 3)).astype(np.uint8 if bits == 8 else np.uint16)
    stored = write_as(photometric, rgb, full).astype(rgb.dtype)
    if stored.ndim == 2:
        rgb = np.repeat(rgb[..., :1], 3, axis=2)
    elif planar == "separate":
        stored = np.ascontiguousarray(stored.transpose(2, 0, 1))
    tags = [(274, 3, 1, orientation, True)]
    if linear:
        grey = photometric != "rgb"
        tags.append((34675, 7, None, make_profile(SRGB, LINEAR, grey=grey), True))
    path = tmp_path_factory.mktemp("tiff") / "a.tif"
    tifffile.imwrite(
        path,
        stored,
        photometric=photometric,
        planarconfig=planar if stored.ndim == 3 else None,
        extratags=tags,
        compression=compression,
    )
    found = read_image(path).pixels
    assert found.dtype == rgb.dtype
    wanted = encode(rgb / full) if linear else rgb / full
    wanted = FLIPS[orientation](wanted)
    assert found.shape == wanted.shape
    assert np.abs(found / full - wanted).max() <= 0.51 / full + 1e-6 * linear


def test_palettes_lab_and_ycbcr_of_tiff(tmp_path):
    codes = to_codes(SCENE, 8)
    paletted = Image.fromarray(codes).quantize(64)
    paletted.save(tmp_path / "p.tif")
    np.testing.assert_array_equal(read_image(tmp_path / "p.tif").pixels, np.asarray(paletted.convert("RGB")))
    to_lab = ImageCms.buildTransform(ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB")
    ImageCms.applyTransform(Image.fromarray(codes), to_lab).save(tmp_path / "lab.tif")
    assert difference(read_image(tmp_path / "lab.tif").pixels, SCENE)[0] < 1.5
    ycbcr = np.asarray(Image.fromarray(codes).convert("YCbCr"))
    tifffile.imwrite(tmp_path / "y.tif", ycbcr, photometric="ycbcr")
    reference = np.asarray(Image.fromarray(ycbcr, "YCbCr").convert("RGB"))
    assert np.abs(read_image(tmp_path / "y.tif").pixels.astype(int) - reference).max() <= 1


def test_primaries_and_transfer_function_of_tiff(tmp_path):
    curve = np.rint(np.linspace(0, 1, 256) ** 1.8 * 65535).astype(int)
    tags = [
        (301, 3, 256, tuple(curve.tolist()), True),
        (318, 5, 2, (3127, 10000, 3290, 10000), True),
        (319, 5, 6, tuple(int(v) for point in P3 for xy in point for v in (round(xy * 10000), 10000)), True),
    ]
    stored = to_codes(move(SCENE, P3, lambda x: x ** (1 / 1.8)), 8)
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="rgb", extratags=tags)
    assert difference(read_image(tmp_path / "a.tif").pixels, SCENE)[0] < 0.6


@pytest.mark.parametrize(
    ("values", "options", "reason"),
    [
        (np.zeros((8, 8, 3), np.float32), {"photometric": "rgb"}, "float"),
        (np.zeros((8, 8), np.int16), {"photometric": "minisblack"}, "signed"),
        (np.zeros((8, 8), np.uint32), {"photometric": "minisblack"}, "32 bit"),
        (np.zeros((8, 8, 3), np.uint16), {"photometric": 34892}, "photometric interpretation 34892"),
    ],
)
def test_tiffs_that_are_no_pictures_are_refused_by_name(tmp_path, values, options, reason):
    tifffile.imwrite(tmp_path / "a.tif", values, **options)
    with pytest.raises(UnreadableImageError, match=reason):
        read_image(tmp_path / "a.tif")


COMPRESSED = [
    *(
        (compression, mode)
        for compression in ("tiff_lzw", "packbits")
        for mode in ("RGB", "L", "CMYK", "P", "1", "RGBA")
    ),
    *(("jpeg", mode) for mode in ("RGB", "L", "CMYK")),
]


@pytest.mark.parametrize(("compression", "mode"), COMPRESSED)
def test_compressed_tiffs_as_editors_write_them(tmp_path, compression, mode):
    image = Image.fromarray(to_codes(SCENE, 8)).convert(mode)
    image.save(tmp_path / "a.tif", compression=compression)
    found = read_image(tmp_path / "a.tif").pixels
    away = np.abs(found.astype(int) - np.asarray(image.convert("RGB")))
    assert away.max() <= (60 if compression == "jpeg" else 1)
    assert away.mean() < 4


def test_16_bit_lzw_keeps_every_bit(tmp_path):
    codes = to_codes(SCENE, 16)
    cv2.imwrite(str(tmp_path / "a.tif"), codes[..., ::-1], [cv2.IMWRITE_TIFF_COMPRESSION, 5])
    with tifffile.TiffFile(tmp_path / "a.tif") as tiff:
        assert tiff.pages[0].compression == 5
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif").pixels, codes)


def test_white_level_for_12_bits_in_16(tmp_path):
    codes = np.random.default_rng(0).integers(0, 4096, (8, 9, 3)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", codes, photometric="rgb")
    found = read_image(tmp_path / "a.tif", white_level=4095).pixels
    np.testing.assert_array_equal(found, np.rint(codes * (65535 / 4095)))


def test_photographs_are_read_the_same_way(tmp_path):
    save_with_profile(tmp_path / "a.tif", to_codes(decode(SCENE), 16), SPACES["linear"][0])
    found = read_photograph(tmp_path / "a.tif", shorter_side=None)
    assert np.abs(found / 65535 - decode(SCENE)).max() < 2e-4


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_damaged_descriptions_of_colour_never_escape_as_another_error(tmp_path_factory, data):
    profile = bytearray(SPACES[data.draw(st.sampled_from(sorted(SPACES)))][0])
    for _ in range(data.draw(st.integers(1, 6))):
        profile[data.draw(st.integers(0, min(len(profile), 400) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("flip") / "a.png"
    save_with_profile(path, to_codes(SCENE, data.draw(st.sampled_from([8, 16]))), bytes(profile))
    try:
        assert read_image(path).pixels.shape == SCENE.shape
    except SourceError as error:
        assert "\n" not in str(error)  # noqa: PT017  # either outcome is right
