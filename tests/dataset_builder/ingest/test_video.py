"""Videos: colours, depth, geometry, damage."""

import numpy as np
import pytest

from dataset_builder.errors import UnreadableImageError, UnsupportedColorError
from dataset_builder.ingest.kinds.video import VideoFrames
from tests.dataset_builder.decoding.colour_files import BT2020, encode_bt709, make_scene, move, to_codes

av = pytest.importorskip("av")
SCENES = [make_scene(64, 96, seed=seed) for seed in range(6)]
_MATRIX_NAMES = {0: "DEFAULT", 1: "ITU709", 2: "DEFAULT", 6: "ITU601", 9: 9}


def write(path, scenes, *, codec="ffv1", layout="yuv444p", code=(2, 2, 2), limited=1, deep=False, options=None):
    """Write scenes in [0, 1]; `code` is primaries, transfer characteristics and matrix (H.273)."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.height, stream.width = scenes[0].shape[:2]
        stream.pix_fmt, stream.options = layout, options or {}
        coder = stream.codec_context
        coder.color_primaries, coder.color_trc, coder.colorspace = code
        coder.color_range = limited
        for scene in scenes:
            codes = to_codes(scene, 16 if deep else 8)
            picture = av.VideoFrame.from_ndarray(codes, format="rgb48le" if deep else "rgb24")
            picture = picture.reformat(format=layout, dst_colorspace=_MATRIX_NAMES[code[2]], dst_color_range=limited)
            picture.colorspace = code[2]
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    return path


def read(path, count=30):
    reader = VideoFrames(path, every=1, start=0, max_frames=count).resolve(look=True)
    return [frame.pixels for frame in reader.iterate()]


def away(found, scene):
    return 255 * np.abs(found / np.iinfo(found.dtype).max - scene).mean()


@pytest.mark.parametrize("matrix", [1, 6, 9])
@pytest.mark.parametrize("limited", [1, 2])
def test_matrix_and_range_are_honoured(tmp_path, matrix, limited):
    path = write(tmp_path / "a.mkv", SCENES[:2], code=(1, 13, matrix), limited=limited)
    assert away(read(path)[0], SCENES[0]) < 1


def test_primaries_and_transfer_are_honoured(tmp_path):
    scenes = [move(scene, BT2020, encode_bt709) for scene in SCENES[:2]]
    assert away(read(write(tmp_path / "a.mkv", scenes, code=(9, 14, 9)))[0], SCENES[0]) < 1.5
    scenes = [encode_bt709(((scene + 0.055) / 1.055) ** 2.4) for scene in SCENES[:2]]
    bright = SCENES[0] > 0.05
    found = read(write(tmp_path / "b.mkv", scenes, code=(1, 1, 1)))[0] / 255
    assert 255 * np.abs(found - SCENES[0])[bright].mean() < 1


@pytest.mark.parametrize(("transfer", "name"), [(16, "PQ"), (18, "HLG")])
def test_high_dynamic_range_is_refused_by_name(tmp_path, transfer, name):
    path = write(tmp_path / "a.mkv", SCENES[:2], layout="yuv420p10le", code=(9, transfer, 9), deep=True)
    with pytest.raises(UnsupportedColorError, match=rf"a\.mkv: frame 0 .*{name}"):
        read(path)


RAMP = np.repeat(np.arange(1024, dtype=np.uint16)[None], 16, axis=0)
DEEP = {
    "gray10le": RAMP,
    "gbrp10le": np.repeat(RAMP[..., None], 3, axis=2),
    "yuv420p10le": np.concatenate([RAMP.ravel(), np.full(RAMP.size // 2, 512, np.uint16)]).reshape(24, 1024),
}


@pytest.mark.parametrize("layout", DEEP)
def test_ten_bits_are_kept_in_sixteen(tmp_path, layout):
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 1024, 16, layout
        stream.codec_context.color_range = 2
        container.mux(stream.encode(av.VideoFrame.from_ndarray(DEEP[layout], format=layout)))
        container.mux(stream.encode())
    (found,) = read(path)
    assert found.dtype == np.uint16
    assert len(np.unique(found[..., 1])) == 1024
    np.testing.assert_allclose(found[0, :, 1] / 65535, np.linspace(0, 1, 1024), atol=0.001)
    if "yuv" not in layout:
        assert found.max() == 65535


def place_matrix(path, numbers):
    """Put a display matrix into the header of the track of an MP4."""
    data = bytearray(path.read_bytes())
    start = data.find(b"tkhd") + 4 + 4 + 4 * 5 + 8 + 8
    values = (numbers[0], numbers[1], 0, numbers[2], numbers[3], 0, 0, 0)
    data[start : start + 36] = b"".join(
        round(value * scale).to_bytes(4, "big", signed=True)
        for value, scale in zip((*values, 1), (*[65536] * 8, 1 << 30), strict=True)
    )
    path.write_bytes(data)


TURNS = {
    (0, 1, -1, 0): lambda stored: np.rot90(stored, -1),
    (-1, 0, 0, -1): lambda stored: np.rot90(stored, 2),
    (0, -1, 1, 0): np.rot90,
    (-1, 0, 0, 1): np.fliplr,
    (1, 0, 0, -1): np.flipud,
    (0, 1, 1, 0): lambda stored: stored.transpose(1, 0, 2),
    (0, -1, -1, 0): lambda stored: np.rot90(stored, 2).transpose(1, 0, 2),
}


@pytest.mark.parametrize("matrix", TURNS)
def test_the_display_matrix_is_carried_out(tmp_path, matrix):
    path = write(tmp_path / "a.mp4", SCENES[:2], codec="libx264", options={"crf": "4", "preset": "ultrafast"})
    place_matrix(path, matrix)
    expected = TURNS[matrix](SCENES[0])
    found = read(path)[0]
    assert found.shape == expected.shape
    assert away(found, expected) < 2


def test_other_angles_are_refused(tmp_path):
    path = write(tmp_path / "a.mp4", SCENES[:2], codec="libx264", options={"preset": "ultrafast"})
    place_matrix(path, (0.8, 0.6, -0.6, 0.8))
    with pytest.raises(UnreadableImageError, match="neither turns by quarters"):
        read(path)


@pytest.mark.parametrize(
    ("codec", "suffix"), [("libx264", ".mp4"), ("mpeg4", ".mp4"), ("mjpeg", ".mkv"), ("ffv1", ".mkv")]
)
def test_damage_that_a_decoder_would_conceal_is_refused(tmp_path, codec, suffix):
    layout = {"mjpeg": "yuvj420p", "ffv1": "yuv444p"}.get(codec, "yuv420p")
    random = np.random.default_rng(0)
    scenes = [np.clip(make_scene(192, 256, seed) + random.normal(0, 0.03, (192, 256, 3)), 0, 1) for seed in range(5)]
    path = write(tmp_path / f"a{suffix}", scenes, codec=codec, layout=layout, options={"g": "3"})
    assert len(read(path)) == len(scenes)
    data = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        packet = next(packet for number, packet in enumerate(container.demux(video=0)) if number == 3)
        start, size = packet.pos, packet.size
    harmed = range(start + size // 3, start + 2 * size // 3)
    data[harmed.start : harmed.stop] = random.bytes(len(harmed))
    path.write_bytes(data)
    with pytest.raises(UnreadableImageError, match=r"is damaged|cannot be decoded") as caught:
        read(path)
    assert "0x" not in str(caught.value)


def test_a_file_that_was_cut_off_is_refused(tmp_path):
    path = write(tmp_path / "a.mkv", SCENES)
    data = path.read_bytes()
    path.write_bytes(data[: int(0.55 * len(data))])
    with pytest.raises(UnreadableImageError):
        read(path)


def test_interlaced_pictures_are_refused(tmp_path):
    path = write(
        tmp_path / "a.mp4", SCENES[:2], codec="libx264", layout="yuv420p", options={"x264-params": "interlaced=1"}
    )
    with pytest.raises(UnreadableImageError, match="interlaced"):
        read(path)
