import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.stand_ins.dng import NEUTRAL, XYZ_TO_CAMERA, write_dng
from dataset_builder.build import add_source
from dataset_builder.camera.color import SRGB_TO_XYZ
from dataset_builder.decoding.raw import read_raw
from dataset_builder.errors import SourceError, UnreadableImageError, UnsupportedSensorError
from dataset_builder.recipe import parse_source
from dataset_builder.records.thumbnails import read_thumbnail
from dataset_builder.synthesis.photographs import read_photograph
from dataset_builder.viewing.contact_sheet import draw_contact_sheet
from manifests.images.pixels import apply_orientation
from manifests.store import read_dataset_table
from manifests.verification.verify import verify
from tests.places import SHARED_DATA

needs_bracket = pytest.mark.skipif(
    not (SHARED_DATA / "raw_bracket_hdrmerge").is_dir(), reason="the real RAW bracket is not on this machine"
)


def make_mosaic(height=24, width=32, *, top=1023, seed=0):
    return np.random.default_rng(seed).integers(0, top + 1, (height, width)).astype(np.uint16)


def colour_of(cfa, row, column):
    return cfa[2 * (row % 2) + column % 2]


@pytest.mark.parametrize("cfa", ["RGGB", "GRBG", "GBRG", "BGGR"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_code_lands_upright_under_its_colour(tmp_path, cfa, orientation):
    mosaic = make_mosaic()
    frame = read_raw(write_dng(tmp_path / "a.dng", mosaic, cfa=cfa, orientation=orientation))
    np.testing.assert_array_equal(frame.pixels, apply_orientation(mosaic, orientation))
    assert frame.facts.orientation == 1
    letters = np.array([[colour_of(cfa, row, column) for column in range(32)] for row in range(24)])
    upright = apply_orientation(letters, orientation)
    found = [[colour_of(frame.sensor.cfa, row, column) for column in range(4)] for row in range(4)]
    assert upright[:4, :4].tolist() == found


def test_all_that_the_file_says_of_the_sensor(tmp_path):
    frame = read_raw(write_dng(tmp_path / "a.dng", make_mosaic(), noise=(1e-3, 1e-6, 2e-3, 2e-6, 3e-3, 3e-6)))
    sensor, facts = frame.sensor, frame.facts
    assert (sensor.black_level, sensor.white_level) == (64, 1023)
    assert sensor.white_balance == pytest.approx([1 / value for value in NEUTRAL])
    assert (sensor.shot_noise, sensor.read_noise) == pytest.approx((2e-3, 2e-6))
    assert (facts.exposure_time, facts.iso, facts.captured_at) == (0.01, 200, "2020-01-02T03:04:05")
    matrix = np.reshape(sensor.color_matrix, (3, 3))
    np.testing.assert_allclose(matrix.sum(axis=1), 1)
    # Camera RGB of white, balanced, is grey; of the sRGB red, it comes back as red.
    camera = XYZ_TO_CAMERA @ SRGB_TO_XYZ
    red = matrix @ (camera @ [1, 0, 0] / camera.sum(axis=1))
    np.testing.assert_allclose(red, [1, 0, 0], atol=1e-3)


def test_channels_come_to_one_black_level(tmp_path):
    mosaic = make_mosaic(top=1000)
    frame = read_raw(write_dng(tmp_path / "a.dng", mosaic, black=(60, 64, 62, 70)))
    assert (frame.sensor.black_level, frame.sensor.white_level) == (70, 1023)
    for (row, column), black in zip(np.ndindex(2, 2), (60, 64, 62, 70), strict=True):
        shifted = np.minimum(mosaic[row::2, column::2].astype(int) + 70 - black, 1023)
        np.testing.assert_array_equal(frame.pixels[row::2, column::2], shifted)


def test_fractions_of_black_levels_are_kept(tmp_path):
    assert read_raw(write_dng(tmp_path / "a.dng", make_mosaic(), black=(63.75,) * 4)).sensor.black_level == 63.75


def test_codes_above_white_are_saturated(tmp_path):
    frame = read_raw(write_dng(tmp_path / "a.dng", make_mosaic(top=980), white=900))
    assert frame.pixels.max() == frame.sensor.white_level == 900


@pytest.mark.parametrize("noise", [(-1.0, 1e-6), (1e-3,), (float("nan"), 1e-6), (5.0, 5.0)])
def test_absurd_noise_is_unknown(tmp_path, noise):
    sensor = read_raw(write_dng(tmp_path / "a.dng", make_mosaic(), noise=noise)).sensor
    assert (sensor.shot_noise, sensor.read_noise) == (None, None)


def test_other_sensors_are_refused_with_the_reason(tmp_path):
    path = write_dng(
        tmp_path / "a.dng", make_mosaic(36, 36), cfa="GGRGGBGGBGGRBRGRBGGGBGGRGGRGGBRBGBRG", pattern=(6, 6)
    )
    with pytest.raises(UnsupportedSensorError, match="cells of 6 x 6"):
        read_raw(path)
    with pytest.raises(UnsupportedSensorError, match="GRGB"):
        read_raw(write_dng(tmp_path / "b.dng", make_mosaic(), cfa="GRGB"))


def test_levels_that_contradict_each_other_are_refused(tmp_path):
    with pytest.raises(UnreadableImageError, match="white level"):
        read_raw(write_dng(tmp_path / "a.dng", make_mosaic(), black=(600,) * 4, white=500))


@pytest.mark.parametrize("data", [b"", b"II*\0garbage", b"\0" * 5000])
def test_damaged_files_are_refused_in_one_line(tmp_path, data):
    (tmp_path / "a.dng").write_bytes(data)
    with pytest.raises(UnreadableImageError) as caught:
        read_raw(tmp_path / "a.dng")
    assert "\n" not in str(caught.value)


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_flipped_bytes_never_escape_as_another_error(tmp_path_factory, data):
    path = write_dng(tmp_path_factory.mktemp("flip") / "a.dng", make_mosaic(), noise=(1e-3, 1e-6))
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, min(len(content), 800) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    try:
        frame = read_raw(path)
    except SourceError as error:
        assert "\n" not in str(error)  # noqa: PT017  # either outcome is right
    else:
        assert frame.pixels.dtype == np.uint16
        assert frame.sensor.black_level < frame.sensor.white_level


def grey_dng(path, level, *, seed):
    """A grey wall as the camera of `write_dng` sees it, with a red patch, sRGB (0.8, 0.1, 0.1), in the middle."""
    camera = XYZ_TO_CAMERA @ SRGB_TO_XYZ
    to_camera = camera / camera.sum(axis=1, keepdims=True) * np.array(NEUTRAL)[:, None]
    scene = np.full((64, 64, 3), level)
    scene[20:44, 20:44] = np.array([0.6, 0.01, 0.01])
    rgb = scene @ to_camera.T
    mosaic = rgb[..., 1].copy()
    mosaic[0::2, 0::2], mosaic[1::2, 1::2] = rgb[0::2, 0::2, 0], rgb[1::2, 1::2, 2]
    noise = np.random.default_rng(seed).normal(0, 2, mosaic.shape)
    return write_dng(path, np.rint(mosaic * 959 + 64 + noise).clip(0, 1023).astype(np.uint16))


def test_a_raw_burst_is_shown_in_natural_colours(tmp_path):
    for index in range(3):
        grey_dng(tmp_path / f"in/wall/{index}.dng", 0.3, seed=index)
    add_source(tmp_path / "out", parse_source(name="raw", kind="folders", root=str(tmp_path / "in")))
    assert verify(tmp_path / "out") == []
    burst = read_dataset_table(tmp_path / "out", "bursts").to_pylist()[0]
    frame = read_dataset_table(tmp_path / "out", "frames").to_pylist()[0]
    picture = read_thumbnail(tmp_path / "out", burst, frame, 64).astype(int)
    wall = picture[2:14, 2:14].mean((0, 1))
    expected = 255 * (1.055 * 0.3 ** (1 / 2.4) - 0.055)
    np.testing.assert_allclose(wall, expected, atol=4)
    red, green, blue = picture[28:36, 28:36].mean((0, 1))
    assert red > 195
    assert max(green, blue) < 60
    assert draw_contact_sheet(tmp_path / "out", burst["burst_id"]).std() > 10


def test_what_saturates_the_sensor_is_shown_white(tmp_path):
    for index in range(2):
        mosaic = make_mosaic(64, 64, seed=index)
        mosaic[:, 32:] = 1023
        write_dng(tmp_path / f"in/sky/{index}.dng", mosaic)
    add_source(tmp_path / "out", parse_source(name="raw", kind="folders", root=str(tmp_path / "in")))
    burst = read_dataset_table(tmp_path / "out", "bursts").to_pylist()[0]
    frame = read_dataset_table(tmp_path / "out", "frames").to_pylist()[0]
    assert (read_thumbnail(tmp_path / "out", burst, frame, 64)[:, 36:] == 255).all()


def test_frames_of_other_levels_or_sensors_are_no_burst(tmp_path):
    write_dng(tmp_path / "in/a/0.dng", make_mosaic())
    write_dng(tmp_path / "in/a/1.dng", make_mosaic(seed=1), cfa="BGGR")
    reports = add_source(tmp_path / "out", parse_source(name="raw", kind="folders", root=str(tmp_path / "in")))
    assert "1.dng is 32 x 24 px of 16 bit, raw_bayer BGGR" in reports[0].failures[0]["message"]


@pytest.mark.slow
@needs_bracket
def test_a_real_bracket(tmp_path):
    values = {"crops": {"rule": "textured", "count": 1, "height": 128, "width": 128}}
    source = parse_source(name="raw", kind="folders", root=str(SHARED_DATA / "raw_bracket_hdrmerge"), **values)
    add_source(tmp_path / "out", source)
    assert verify(tmp_path / "out") == []
    bursts = read_dataset_table(tmp_path / "out", "bursts").to_pandas()
    assert bursts[["height", "width"]].values.tolist() == [[2868, 4310], [128, 128]]
    assert set(bursts.cfa) == {"GBRG"}
    assert set(bursts.white_level) == {3840}
    assert bursts.scene_id.nunique() == 1
    frames = read_dataset_table(tmp_path / "out", "frames").to_pandas()
    assert frames.exposure_ratio.tolist() == pytest.approx([1, 0.25, 4] * 2)


@pytest.mark.skipif(
    not (SHARED_DATA / "raw_single_kodak_c330").is_dir(), reason="the real RAW file is not on this machine"
)
def test_a_real_file_of_another_sensor():
    with pytest.raises(UnsupportedSensorError, match="4 values per pixel without a colour filter array"):
        read_raw(next((SHARED_DATA / "raw_single_kodak_c330").glob("*.raw")))


def test_a_raw_photograph_comes_out_in_linear_srgb(tmp_path):
    linear = read_photograph(grey_dng(tmp_path / "a.dng", 0.3, seed=0), shorter_side=None)
    assert linear.shape == (32, 32, 3)
    np.testing.assert_allclose(linear[1:9, 1:9].mean((0, 1)) / 65535, 0.3, atol=0.005)
    np.testing.assert_allclose(linear[13:19, 13:19].mean((0, 1)) / 65535, [0.6, 0.01, 0.01], atol=0.01)


def test_a_raw_photograph_is_upright(tmp_path):
    straight, turned = (
        read_photograph(
            write_dng(tmp_path / f"{orientation}.dng", make_mosaic(), orientation=orientation), shorter_side=None
        )
        for orientation in (1, 6)
    )
    assert straight.shape == (12, 16, 3)
    assert turned.shape == (16, 12, 3)
