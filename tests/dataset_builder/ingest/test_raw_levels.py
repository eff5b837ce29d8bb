"""Levels, geometry and shading of RAW files, against the tags as tifffile reads them and the codes that were written."""

import struct

import numpy as np
import pytest
import tifffile

from benchmarks.stand_ins.dng import to_rationals, write_dng
from dataset_builder.build import add_source
from dataset_builder.decoding.frame import LensShading
from dataset_builder.decoding.levels import Levels
from dataset_builder.decoding.raw import read_raw, read_raw_shading
from dataset_builder.errors import SourceError, UnreadableImageError, UnsupportedSensorError
from dataset_builder.ingest.crops import Window
from dataset_builder.ingest.leveling import cut_shading
from dataset_builder.recipe import parse_source
from manifests.images.pixels import apply_orientation, read_pixels
from manifests.store import read_dataset_table
from tests.places import SHARED_DATA

HEIGHT, WIDTH = 48, 64
SIGNAL = np.random.default_rng(3).uniform(0, 1, (HEIGHT, WIDTH))


def signal_of(frame):
    sensor = frame.sensor
    return (frame.pixels.astype(float) - sensor.black_level) / (sensor.white_level - sensor.black_level)


def as_codes(blacks, white=4095):
    """SIGNAL as codes over black levels of each pixel, as the specification scales them."""
    return np.rint(SIGNAL * (white - blacks.max()) + blacks).astype(np.uint16)


@pytest.mark.parametrize(("top", "left"), [(0, 0), (1, 0), (0, 3), (5, 1)])
def test_black_levels_count_from_an_odd_active_area(tmp_path, top, left):
    cell = np.array([[200, 220], [240, 290]])
    rows, columns = np.arange(HEIGHT)[:, None] - top, np.arange(WIDTH) - left
    codes = as_codes(cell[rows % 2, columns % 2].astype(float))
    area = (50829, "I", 4, (top, left, HEIGHT - 2, WIDTH - 1), True)
    path = write_dng(tmp_path / "a.dng", codes, black=cell.ravel(), white=4095, extra=[area])
    frame = read_raw(path)
    height, width = frame.pixels.shape
    # LibRaw begins at an even row and column.
    first, start = top + top % 2, left + left % 2
    expected = SIGNAL[first : first + height, start : start + width]
    assert (height, width) == (((HEIGHT - 2 - first) & ~1), ((WIDTH - 1 - start) & ~1))
    np.testing.assert_allclose(signal_of(frame), expected, atol=3e-4)
    letters = np.array([["R", "G"], ["G", "B"]])
    assert frame.sensor.cfa == "".join(
        letters[(first - top + r) % 2, (start - left + c) % 2] for r, c in np.ndindex(2, 2)
    )


def test_black_levels_of_larger_cells_and_of_rows_and_columns(tmp_path):
    random = np.random.default_rng(0)
    cell = random.integers(100, 200, (4, 4)).astype(float)
    down, across = np.linspace(0, 40, HEIGHT), np.linspace(-10, 10, WIDTH)
    blacks = np.tile(cell, (HEIGHT // 4, WIDTH // 4)) + down[:, None] + across
    extra = [
        (50713, "H", 2, (4, 4), True),
        (50714, "2I", 16, to_rationals(cell, 100), True),
        (50715, "2i", WIDTH, to_rationals(across), True),
        (50716, "2i", HEIGHT, to_rationals(down), True),
    ]
    frame = read_raw(write_dng(tmp_path / "a.dng", as_codes(blacks), white=4095, orientation=6, extra=extra))
    difference = signal_of(frame) - apply_orientation(SIGNAL, 6)
    assert np.abs(difference).max() < 5e-4
    assert abs(difference.mean()) < 2e-5


def test_the_linearization_table_goes_before_the_levels(tmp_path):
    stored = np.random.default_rng(1).integers(0, 1024, (HEIGHT, WIDTH)).astype(np.uint16)
    table = np.rint(np.linspace(0, 1, 1024) ** 2 * 50000).astype(int) + 500
    extra = [(50712, "H", 1024, tuple(table.tolist()), True)]
    path = write_dng(tmp_path / "a.dng", stored, black=(500,) * 4, white=50500, extra=extra)
    frame = read_raw(path)
    with tifffile.TiffFile(path) as tiff:
        page = tiff.pages[0]
        linear = np.asarray(page.tags[50712].value)[page.asarray()]
    np.testing.assert_allclose(signal_of(frame), (linear - 500) / 50000, atol=1e-4)


def test_float_files_of_a_burst_have_one_scale(tmp_path):
    for number, brightest in enumerate((1.0, 2.5, 9.0)):
        values = SIGNAL.astype(np.float32)
        values[5, 5 + number] = brightest
        frame = read_raw(write_dng(tmp_path / f"{number}.dng", values, black=(0,) * 4, white=1))
        assert frame.pixels.dtype == np.uint16
        expected = np.minimum(values, 1)
        np.testing.assert_allclose(signal_of(frame), expected, atol=1e-5)


def test_half_precision_is_read(tmp_path):
    frame = read_raw(write_dng(tmp_path / "a.dng", SIGNAL.astype(np.float16), black=(0,) * 4, white=1))
    np.testing.assert_allclose(signal_of(frame), SIGNAL.astype(np.float16), atol=1e-5)


def test_float_files_keep_their_black(tmp_path):
    values = (SIGNAL * 0.9 + 0.1).astype(np.float32)
    extra = [(50714, "2I", 4, to_rationals([0.1] * 4), True)]
    frame = read_raw(write_dng(tmp_path / "a.dng", values, white=1, extra=extra))
    np.testing.assert_allclose(signal_of(frame), SIGNAL, atol=3e-5)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"pattern": (4, 4), "cfa": "RRGGRRGGGGBBGGBB"}, "Quad Bayer"),
        ({"pattern": (6, 6), "cfa": "GGRGGBGGBGGRBRGRBGGGBGGRGGRGGBRBGBRG"}, "X-Trans"),
        ({"pattern": (4, 2), "cfa": "RGGBRGBG"}, "none of Bayer's"),
    ],
)
def test_other_sensors_are_refused_by_name(tmp_path, options, reason):
    codes = as_codes(np.full((HEIGHT, WIDTH), 64.0))
    with pytest.raises(UnsupportedSensorError, match=rf"a\.dng: .*{reason}"):
        read_raw(write_dng(tmp_path / "a.dng", codes, white=4095, **options))


@pytest.mark.parametrize(("channels", "reason"), [(3, "ProRAW"), (1, "monochrome")])
def test_linear_raw_is_refused_by_name(tmp_path, channels, reason):
    values = np.repeat(as_codes(np.full((HEIGHT, WIDTH), 64.0))[..., None], channels, axis=2).squeeze()
    path = tmp_path / "a.dng"
    extra = [(50706, "B", 4, b"\1\4\0\0", True)]
    tifffile.imwrite(path, values, photometric="rgb" if channels == 3 else "minisblack", extratags=extra)
    with tifffile.TiffFile(path) as tiff:
        place = tiff.pages[0].tags[262].valueoffset
    data = bytearray(path.read_bytes())
    data[place : place + 2] = struct.pack("<H", 34892)  # tifffile writes none of one channel
    path.write_bytes(data)
    with pytest.raises(UnsupportedSensorError, match=reason):
        read_raw(path)


def test_cells_that_repeat_bayers_are_bayer(tmp_path):
    codes = as_codes(np.full((HEIGHT, WIDTH), 64.0))
    path = write_dng(tmp_path / "a.dng", codes, white=4095, pattern=(4, 4), cfa="RGRGGBGBRGRGGBGB")
    assert read_raw(path).sensor.cfa == "RGGB"


def write_with_others(path, codes, *, raws=1):
    """A DNG with a preview first and the raw image, or several, below it; the last is small, with levels of its own."""

    def tags(black):
        return [
            (33421, "H", 2, (2, 2), True),
            (33422, "B", 4, b"\0\1\1\2", True),
            (50714, "H", 1, black, True),
            (50717, "I", 1, 4095, True),
        ]

    first = [(50706, "B", 4, b"\1\4\0\0", True), (50708, "s", 5, "Tiny", True), (274, "H", 1, 3, True)]
    options = {"metadata": None, "software": False}
    with tifffile.TiffWriter(path) as tiff:
        preview = np.zeros((16, 24, 3), np.uint8)
        tiff.write(preview, photometric="rgb", subfiletype=1, subifds=raws + 1, extratags=first, **options)
        for _ in range(raws):
            tiff.write(codes, photometric=32803, subfiletype=0, extratags=tags(300), **options)
        tiff.write(codes[:24], photometric=32803, subfiletype=1, extratags=tags(7), **options)
    return path


def test_of_several_images_the_raw_one_counts(tmp_path):
    codes = as_codes(np.full((HEIGHT, WIDTH), 300.0))
    frame = read_raw(write_with_others(tmp_path / "a.dng", codes))
    assert frame.sensor.black_level == 300
    np.testing.assert_allclose(signal_of(frame), np.rot90(SIGNAL, 2), atol=3e-4)
    with pytest.raises(UnreadableImageError, match="2 raw images"):
        read_raw(write_with_others(tmp_path / "b.dng", codes, raws=2))


@pytest.mark.parametrize(
    ("black", "white", "scale", "reason"),
    [(64, 900, 1, "above the white level"), (4000, 4095, 1, "below the black level"), (64, 16383, 1, "12 bits")],
)
def test_levels_that_the_pixels_deny_are_refused_unless_somebody_knows_better(tmp_path, black, white, scale, reason):
    codes = np.minimum(as_codes(np.full((HEIGHT, WIDTH), 64.0)), 3800)
    codes[:4] = 4095
    path = write_dng(tmp_path / "a.dng", codes, black=(black,) * 4, white=white)
    with pytest.raises(UnreadableImageError, match=reason):
        read_raw(path)
    sensor = read_raw(path, Levels(black=64, white=4095)).sensor
    assert (sensor.black_level, sensor.white_level) == (64, 4095)


def add(tmp_path, **settings):
    source = parse_source(name="set", kind="folders", root=str(tmp_path / "in"), **settings)
    report = add_source(tmp_path / "out", source)[0]
    return report.failures, *(read_dataset_table(tmp_path / "out", name).to_pylist() for name in ("bursts", "frames"))


def test_levels_that_drift_within_a_burst_are_brought_to_the_first(tmp_path):
    for number, (black, white) in enumerate([(64, 4095), (66, 4095), (61, 4090)]):
        codes = np.rint(SIGNAL * (white - black) + black).astype(np.uint16)
        codes[0, number] = white
        write_dng(tmp_path / f"in/b/{number}.dng", codes, black=(black,) * 4, white=white)
    failures, (burst,), frames = add(tmp_path)
    assert not failures
    assert (burst["black_level"], burst["white_level"]) == (64, 4095)
    assert [(frame["origin_black_level"], frame["origin_white_level"]) for frame in frames] == [
        (64, 4095), (66, 4095), (61, 4090)
    ]  # fmt: skip
    for number, frame in enumerate(frames):
        stored = read_pixels(tmp_path / "out", frame["path"])
        assert stored[0, number] == 4095
        assert np.abs((stored - 64) / 4031 - SIGNAL)[1:].max() < 2e-3


def test_levels_that_differ_by_more_cost_the_burst(tmp_path):
    for number, black in enumerate((64, 600)):
        write_dng(
            tmp_path / f"in/b/{number}.dng",
            as_codes(np.full((HEIGHT, WIDTH), float(black))),
            black=(black,) * 4,
            white=4095,
        )
    failures, bursts, _ = add(tmp_path)
    assert not bursts
    assert [row["error_type"] for row in failures] == ["FrameSizeError"]


def make_gain_map(gains, *, top=0, left=0, pitch=1, start=(0.0, 0.0), spacing=None, bottom=HEIGHT, right=WIDTH):
    height, width = gains.shape
    spacing = spacing or (1 / (height - 1), 1 / (width - 1))
    head = struct.pack(">10I", top, left, bottom, right, 0, 1, pitch, pitch, height, width)
    return 9, head + struct.pack(">4dI", *spacing, *start, 1) + gains.astype(">f4").tobytes()


def make_opcodes(*opcodes, flags=0):
    body = b"".join(struct.pack(">4I", kind, 0x01030000, flags, len(data)) + data for kind, data in opcodes)
    return [(51009, 7, None, struct.pack(">I", len(opcodes)) + body, True)]


def write_flat(path, opcodes, orientation=1, cfa="RGGB"):
    codes = as_codes(np.full((HEIGHT, WIDTH), 64.0))
    return write_dng(path, codes, white=4095, extra=opcodes, orientation=orientation, cfa=cfa)


GAINS = 1 + np.random.default_rng(5).uniform(0, 1, (4, 5, 7))
"""Of the pixels (0, 0), (0, 1), (1, 0), (1, 1) of a cell."""


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("cfa", ["RGGB", "GBRG"])
def test_gain_maps_become_shading_by_colour(tmp_path, orientation, cfa):
    maps = [make_gain_map(GAINS[i], top=r, left=c, pitch=2) for i, (r, c) in enumerate(np.ndindex(2, 2))]
    path = write_flat(tmp_path / "a.dng", make_opcodes(*maps), orientation, cfa)
    shading, frame = read_raw_shading(path), read_raw(path)
    found = np.reshape(shading.gains, (shading.height, shading.width, 4))
    upright = frame.sensor.cfa
    sites = apply_orientation(np.arange(4).reshape(2, 2), orientation)
    red_row = upright.index("R") // 2
    for place, letter in enumerate(upright):
        column = {"R": 0, "B": 3}.get(letter, 1 if place // 2 == red_row else 2)
        expected = apply_orientation(GAINS[sites[place // 2, place % 2]], orientation)
        np.testing.assert_allclose(found[..., column], expected, rtol=1e-6)


def test_one_gain_map_for_all_and_maps_that_begin_inside(tmp_path):
    ramp = np.outer(np.ones(3), np.array([1.0, 2.0, 3.0]))
    whole = read_raw_shading(write_flat(tmp_path / "a.dng", make_opcodes(make_gain_map(ramp))))
    np.testing.assert_allclose(np.reshape(whole.gains, (3, 3, 4))[1, :, 2], [1, 2, 3])
    inner = make_gain_map(ramp, start=(0.25, 0.25), spacing=(0.25, 0.25))
    found = read_raw_shading(write_flat(tmp_path / "b.dng", make_opcodes(inner)))
    np.testing.assert_allclose(np.reshape(found.gains, (3, 3, 4))[1, :, 2], [1, 2, 3])
    quarter = make_gain_map(ramp, start=(0.0, 0.0), spacing=(0.25, 0.25))
    found = read_raw_shading(write_flat(tmp_path / "c.dng", make_opcodes(quarter)))
    np.testing.assert_allclose(np.reshape(found.gains, (3, 3, 4))[1, :, 2], [1, 3, 3])


def test_shading_is_stored_and_cut_with_crops(tmp_path):
    ramp = np.outer(np.ones(3), np.array([1.0, 2.0, 3.0]))
    for number in range(2):
        codes = as_codes(np.full((HEIGHT, WIDTH), 64.0 + number))
        write_dng(tmp_path / f"in/b/{number}.dng", codes, white=4095, extra=make_opcodes(make_gain_map(ramp)))
    crops = {"rule": "given", "corners": [[32, 8]], "height": 32, "width": 32}
    _, bursts, _ = add(tmp_path, crops=crops)
    whole, cut = (np.reshape(burst["lens_shading"], (3, 3, 4))[0, :, 0] for burst in bursts)
    np.testing.assert_allclose(whole, [1, 2, 3])
    np.testing.assert_allclose(cut, 1 + 2 * (32 + np.array([0, 15.5, 31])) / 63, rtol=1e-6)


def test_the_whole_window_has_the_whole_shading():
    shading = LensShading(5, 7, tuple(np.moveaxis(GAINS, 0, 2).ravel().tolist()))
    cut = cut_shading(shading, Window(0, 0, WIDTH, HEIGHT), (HEIGHT, WIDTH))
    np.testing.assert_allclose(cut.gains, shading.gains)


@pytest.mark.parametrize(
    ("opcodes", "reason"),
    [
        (make_opcodes((7, bytes(20))), "MapTable"),
        (make_opcodes((13, bytes(40))), "ScalePerColumn"),
        ([(51009, 7, None, b"\0\0\0\2short", True)], "damaged list"),
        (make_opcodes((9, bytes(30))), "damaged gain map"),
        (make_opcodes(make_gain_map(GAINS[0] - 1.5)), "not positive"),
        (make_opcodes(make_gain_map(GAINS[0], bottom=20)), "a part of the frame"),
    ],
)
def test_opcodes_that_cannot_be_honoured_are_refused_by_name(tmp_path, opcodes, reason):
    path = write_flat(tmp_path / "a.dng", opcodes)
    with pytest.raises(SourceError, match=reason):
        (read_raw(path), read_raw_shading(path))


def test_opcodes_that_may_be_left_out_are(tmp_path):
    path = write_flat(tmp_path / "a.dng", make_opcodes((7, bytes(20)), flags=1))
    assert read_raw(path).sensor.white_level == 4095
    assert read_raw_shading(path) is None


@pytest.mark.skipif(
    not (SHARED_DATA / "raw_bracket_hdrmerge").is_dir(), reason="the real RAW bracket is not on this machine"
)
def test_levels_of_a_real_file_are_those_of_its_tags():
    path = SHARED_DATA / "raw_bracket_hdrmerge/sample3.dng"
    with tifffile.TiffFile(path) as tiff:
        page = next(page for page in tiff.pages.first.pages if page.photometric == 32803)
        black, white = page.tags[50714].value, page.tags[50717].value
        shape, area = page.shape, page.tags[50829].value
    assert area == (0, 0, *shape)
    frame = read_raw(path)
    assert (frame.sensor.black_level, frame.sensor.white_level) == (max(black[0::2]) / black[1], white)
    assert frame.pixels.shape == shape
    assert frame.pixels.max() == white
