"""Model files as restorers: every kind against what the model computes, fixed lengths, wrong dimensions, unsafe files."""

from __future__ import annotations

import pickle
from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest
import torch
from torch import nn

from dataset_builder.recipe import parse_scenario
from manifests.store import labels_path
from restorers import Domain, create
from restorers.adapters.basicsr_compat import load_architecture
from restorers.adapters.files import parse_model_name
from restorers.adapters.network import Signature, arrange_frames
from restorers.base import check_image
from restorers.burst import CFA
from restorers.errors import InvalidRestorerError, RestorationError, UnsafeWeightsError, UnsupportedBurstError
from restorers.imaging.color import encode_srgb
from restorers.imaging.mosaic import demosaic
from restorers.registry import fingerprint_scenario
from tests.synthetic import make_burst, make_colour_burst

needs_onnx = pytest.mark.skipif(not (find_spec("onnx") and find_spec("onnxruntime")), reason="needs onnx, onnxruntime")
needs_basicsr = pytest.mark.skipif(not find_spec("basicsr"), reason="needs basicsr")
needs_spandrel = pytest.mark.skipif(not find_spec("spandrel"), reason="needs spandrel")


class Brighten(nn.Module):
    """Doubles the size, and the values."""

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return 2 * image.repeat_interleave(2, -1).repeat_interleave(2, -2)


class FirstMinusMean(nn.Module):
    """Tells the place of the reference from that of the others."""

    def forward(self, burst: torch.Tensor) -> torch.Tensor:
        return burst[:, 0] + 0.1 * burst.mean(1)


class AllFrames(nn.Module):
    def forward(self, burst: torch.Tensor) -> torch.Tensor:
        return 0.5 * burst


def script(module: nn.Module, path) -> str:
    torch.jit.script(module).save(str(path))
    return str(path)


@pytest.fixture
def burst():
    return replace(
        make_burst("coffee", height=40, width=48, num_frames=4, reference_index=1).burst,
        white_balance=np.array([1.5, 1.0, 1.2]),
    )


def test_names_are_taken_apart():
    name = parse_model_name("basicsr:EDVR?weights=/a%3Fb.pth&num_feat=64")
    assert (name.kind, name.target, name.options) == ("basicsr", "EDVR", {"weights": "/a?b.pth", "num_feat": "64"})
    for wrong in ("onnx:", "onnx:a?b", "onnx:a?b=1&b=2"):
        with pytest.raises(InvalidRestorerError, match="expected"):
            parse_model_name(wrong)


def test_display_networks_see_developed_frames_and_return_linear_ones(tmp_path, burst):
    restorer = create(f"torchscript:{script(nn.Identity(), tmp_path / 'a.pt')}")
    assert restorer.info.single_frame
    expected = demosaic(burst.reference, CFA.RGGB) * [1.5, 1, 1.2]
    image = restorer.restore(burst.single(1))
    check_image(restorer.info, burst, image)
    inside = (expected > 0.01) & (expected < 0.99)
    np.testing.assert_allclose((image * [1.5, 1, 1.2])[inside], expected[inside], atol=2e-4)


def test_scale_and_task_are_found_out(tmp_path):
    restorer = create(f"torchscript:{script(Brighten(), tmp_path / 'a.pt')}?domain=linear_rgb&license=MIT")
    assert (restorer.info.task, restorer.info.scale, restorer.info.weights_license) == ("sr", 2, "MIT")
    burst = make_colour_burst(height=40, width=48, num_frames=1).burst
    expected = 2 * burst.reference.repeat(2, 0).repeat(2, 1)
    np.testing.assert_array_equal(restorer.restore(burst), expected)
    shown = replace(burst, frames=encode_srgb(burst.frames), domain=Domain.SRGB, shot_noise=None, read_noise=None)
    np.testing.assert_allclose(restorer.restore(shown), np.maximum(expected, 0), atol=1e-5)


@pytest.mark.parametrize(("channels", "cfa"), [(1, CFA.RGGB), *((4, cfa) for cfa in CFA)])
def test_raw_networks(tmp_path, channels, cfa):
    restorer = create(f"torchscript:{script(nn.Identity(), tmp_path / 'a.pt')}?domain=raw_bayer&channels={channels}")
    burst = make_burst(height=32, width=40, num_frames=1, cfa=cfa).burst
    assert restorer.info.input_domains == {Domain.RAW_BAYER}
    np.testing.assert_array_equal(restorer.restore(burst), burst.reference)
    with pytest.raises(UnsupportedBurstError, match="expected raw_bayer"):
        restorer.restore(make_colour_burst(height=32, width=32, num_frames=1).burst)


def test_planes_come_in_one_order_whatever_the_filter(tmp_path):
    class Red(nn.Module):
        def forward(self, planes: torch.Tensor) -> torch.Tensor:
            return planes[:, :1].repeat(1, 3, 1, 1).repeat_interleave(2, -1).repeat_interleave(2, -2)

    restorer = create(f"torchscript:{script(Red(), tmp_path / 'a.pt')}?domain=raw_bayer&channels=4")
    assert (restorer.info.output_domain, restorer.info.scale) == (Domain.LINEAR_RGB, 1)
    for cfa in CFA:
        frame = np.zeros((16, 16), np.float32)
        dy, dx = divmod(cfa.channels.index(0), 2)
        frame[dy::2, dx::2] = 0.5
        burst = replace(make_burst(height=16, width=16, num_frames=1, cfa=cfa).burst, frames=frame[None])
        np.testing.assert_array_equal(restorer.restore(burst), 0.5)


def test_bursts_of_any_length(tmp_path):
    restorer = create(f"torchscript:{script(FirstMinusMean(), tmp_path / 'a.pt')}?domain=linear_rgb&frames=any")
    assert (restorer.info.max_frames, restorer.info.missing_frames) == (None, "any_length")
    burst = make_colour_burst(height=32, width=32, num_frames=5).burst.with_reference(3)
    np.testing.assert_allclose(restorer.restore(burst), burst.reference + 0.1 * burst.frames.mean(0), atol=1e-6)


def test_bursts_of_fixed_length_are_filled_with_the_reference(tmp_path):
    restorer = create(f"torchscript:{script(FirstMinusMean(), tmp_path / 'a.pt')}?domain=linear_rgb&frames=4")
    assert (restorer.info.max_frames, restorer.info.missing_frames) == (4, "repeat_reference")
    burst = make_colour_burst(height=32, width=32, num_frames=5).burst
    with pytest.raises(UnsupportedBurstError, match="expected 1 to 4, got 5"):
        restorer.restore(burst)
    some = burst.subset([2])
    expected = burst.frames[0] + 0.1 * (3 * burst.frames[0] + burst.frames[2]) / 4
    np.testing.assert_allclose(restorer.restore(some), expected, atol=1e-6)


def test_of_networks_that_return_all_frames_the_reference_counts(tmp_path):
    burst = make_colour_burst(height=32, width=32, num_frames=5).burst.with_reference(3)
    for options in ("frames=any", "frames=5&position=centre", "frames=7&position=centre"):
        restorer = create(f"torchscript:{script(AllFrames(), tmp_path / 'a.pt')}?domain=linear_rgb&{options}")
        np.testing.assert_allclose(restorer.restore(burst), 0.5 * burst.reference, atol=1e-6)


def test_the_order_of_frames():
    burst = make_burst(height=16, width=16, num_frames=4, reference_index=1).burst
    orders = {
        (None, "first"): [1, 0, 2, 3],
        (None, "centre"): [0, 2, 1, 3],
        (5, "centre"): [0, 2, 1, 3, 1],
        (7, "centre"): [1, 0, 2, 1, 3, 1, 1],
        (6, "first"): [1, 0, 2, 3, 1, 1],
    }
    for (frames, position), order in orders.items():
        signature = Signature(burst=True, frames=frames, position=position)
        arranged = arrange_frames(burst, signature)
        assert sorted(arranged) == sorted(order)
        assert arranged[len(arranged) // 2 if position == "centre" else 0] == 1
        assert [index for index in arranged if index != 1] == [0, 2, 3]


def test_sides_are_made_up_to_a_multiple(tmp_path):
    class Picky(nn.Module):
        def forward(self, image: torch.Tensor) -> torch.Tensor:
            if image.shape[-1] % 16 or image.shape[-2] % 16:
                raise ValueError("sides")
            return image

    restorer = create(f"torchscript:{script(Picky(), tmp_path / 'a.pt')}?domain=linear_rgb&multiple=16")
    burst = make_colour_burst(height=40, width=56, num_frames=1).burst
    np.testing.assert_array_equal(restorer.restore(burst), burst.reference)


def save_onnx(path, shape, *, operator="Identity", output=None, number="FLOAT", **attributes) -> str:
    from onnx import TensorProto, helper, save

    node = helper.make_node(operator, ["x"], ["y"], **attributes)
    values = [
        helper.make_tensor_value_info(name, getattr(TensorProto, number), sizes)
        for name, sizes in (("x", shape), ("y", output))
    ]
    graph = helper.make_graph([node], "graph", values[:1], values[1:])
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), str(path))
    return str(path)


@needs_onnx
def test_onnx(tmp_path):
    path = save_onnx(tmp_path / "a.onnx", ["n", 3, "h", "w"], operator="Identity")
    restorer = create(f"onnx:{path}?domain=linear_rgb")
    burst = make_colour_burst(height=24, width=32, num_frames=3).burst
    np.testing.assert_array_equal(restorer.restore(burst.single(0)), burst.frames[0])
    path = save_onnx(tmp_path / "b.onnx", [1, "t", 3, "h", "w"], operator="ReduceMean", axes=[1], keepdims=0)
    restorer = create(f"onnx:{path}?domain=linear_rgb")
    assert restorer.info.max_frames is None
    np.testing.assert_allclose(restorer.restore(burst), burst.frames.mean(0), atol=1e-6)
    path = save_onnx(tmp_path / "c.onnx", [1, 5, 3, 32, 32], operator="ReduceMean", axes=[1], keepdims=0)
    restorer = create(f"onnx:{path}?domain=linear_rgb")
    assert (restorer.info.max_frames, restorer.info.missing_frames) == (5, "repeat_reference")
    expected = (3 * burst.frames[0] + burst.frames[1] + burst.frames[2]) / 5
    np.testing.assert_allclose(restorer.restore(burst), expected, atol=1e-6)
    with pytest.raises(
        RestorationError, match=r"dimension 4 \(width\) of the model's input: it takes 32, the burst has 40"
    ):
        restorer.restore(make_colour_burst(height=24, width=40, num_frames=2).burst)


@needs_onnx
def test_onnx_of_half_precision(tmp_path):
    path = save_onnx(tmp_path / "a.onnx", ["n", 3, "h", "w"], number="FLOAT16")
    burst = make_colour_burst(height=24, width=32, num_frames=1).burst
    found = create(f"onnx:{path}?domain=linear_rgb").restore(burst)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, burst.reference.astype(np.float16))
    path = save_onnx(tmp_path / "b.onnx", ["n", 3, "h", "w"], number="INT32")
    with pytest.raises(InvalidRestorerError, match="expected an input float32 or float16"):
        create(f"onnx:{path}")


@needs_onnx
def test_onnx_says_which_dimension_is_wrong(tmp_path):
    for shape, message in (
        ([1, 7, "h", "w"], r"dimension 1 \(channels\) of the model's input: expected 3 for domain srgb, got 7"),
        ([4, 3, "h", "w"], r"dimension 0 \(batch\) of the model's input: expected 1, got 4"),
        ([1, 3, "h"], r"expected an input float32 or float16 \[1, C, H, W\] or \[1, T, C, H, W\]"),
    ):
        with pytest.raises(InvalidRestorerError, match=message):
            create(f"onnx:{save_onnx(tmp_path / 'a.onnx', shape)}")
    path = save_onnx(tmp_path / "a.onnx", [1, 3, "h", "w"], operator="Transpose", perm=[0, 2, 1, 3])
    with pytest.raises(
        InvalidRestorerError, match=r"dimension 1 \(channels\) of the model's output: expected 3, got 32"
    ):
        create(f"onnx:{path}")
    path = save_onnx(tmp_path / "a.onnx", [1, 3, "h", "w"], operator="ReduceMean", axes=[3])
    with pytest.raises(
        InvalidRestorerError, match=r"dimensions 2, 3 \(height, width\).* multiple of 32 x 32, got 32 x 1"
    ):
        create(f"onnx:{path}")


def test_exported_programs(tmp_path):
    free = torch.export.Dim("h", min=8, max=4096), torch.export.Dim("w", min=8, max=4096)
    program = torch.export.export(Brighten(), (torch.rand(1, 3, 32, 40),), dynamic_shapes=({2: free[0], 3: free[1]},))
    torch.export.save(program, tmp_path / "a.pt2")
    restorer = create(f"pt2:{tmp_path / 'a.pt2'}?domain=linear_rgb")
    burst = make_colour_burst(height=24, width=48, num_frames=1).burst
    assert restorer.info.scale == 2
    np.testing.assert_array_equal(restorer.restore(burst)[::2, ::2], 2 * burst.reference)
    program = torch.export.export(FirstMinusMean(), (torch.rand(1, 3, 3, 24, 48),))
    torch.export.save(program, tmp_path / "b.pt2")
    restorer = create(f"pt2:{tmp_path / 'b.pt2'}?domain=linear_rgb")
    assert restorer.info.max_frames == 3
    np.testing.assert_allclose(restorer.restore(burst), 1.1 * burst.reference, atol=1e-6)


@needs_basicsr
@pytest.mark.parametrize("key", ["params", "params_ema", None])
def test_basicsr_networks(tmp_path, key, burst):
    torch.manual_seed(0)
    network = load_architecture("SRVGGNetCompact")(3, 3, num_feat=8, num_conv=2, upscale=2).eval()
    torch.save({key: network.state_dict()} if key else network.state_dict(), tmp_path / "a.pth")
    name = f"basicsr:SRVGGNetCompact?weights={tmp_path / 'a.pth'}&num_feat=8&num_conv=2&upscale=2&domain=linear_rgb"
    restorer = create(name)
    frame = make_colour_burst(height=24, width=32, num_frames=1).burst
    with torch.inference_mode():
        expected = network(torch.from_numpy(np.moveaxis(frame.reference, -1, 0).copy()[None]))[0].numpy()
    np.testing.assert_allclose(restorer.restore(frame), np.moveaxis(expected, 0, -1), atol=1e-6)
    assert (restorer.info.task, restorer.info.scale) == ("sr", 2)
    with pytest.raises(InvalidRestorerError, match=r"does not fit a\.pth"):
        create(name.replace("num_feat=8", "num_feat=16"))
    with pytest.raises(InvalidRestorerError, match=r"expected \?weights=FILE"):
        create("basicsr:SRVGGNetCompact")


@pytest.mark.slow
@needs_basicsr
@pytest.mark.filterwarnings("ignore:torch.meshgrid")  # BasicSR calls it in a way that will change its meaning
def test_basicsr_video_networks_restore_bursts(tmp_path):
    torch.manual_seed(0)
    small = "num_feat=16&deformable_groups=4&num_extract_block=1&num_reconstruct_block=1"
    settings = {"num_feat": 16, "deformable_groups": 4, "num_extract_block": 1, "num_reconstruct_block": 1}
    torch.save(load_architecture("EDVR")(**settings).state_dict(), tmp_path / "edvr.pth")
    restorer = create(f"basicsr:EDVR?weights={tmp_path / 'edvr.pth'}&{small}")
    assert (restorer.info.max_frames, restorer.info.missing_frames, restorer.info.scale) == (5, "repeat_reference", 4)
    burst = make_colour_burst(height=32, width=36, num_frames=3).burst
    whole = restorer.restore(burst)
    check_image(restorer.info, burst, whole)
    assert np.abs(whole - restorer.restore(burst.subset([1]))).max() > 1e-6
    torch.save(load_architecture("BasicVSR")(num_feat=8, num_block=1).state_dict(), tmp_path / "vsr.pth")
    restorer = create(f"basicsr:BasicVSR?weights={tmp_path / 'vsr.pth'}&num_feat=8&num_block=1")
    assert restorer.info.max_frames is None
    for members in ([], [1], [1, 2]):
        check_image(restorer.info, burst, restorer.restore(burst.subset(members)))


@needs_spandrel
@needs_basicsr
def test_three_ways_to_one_network_agree(tmp_path):
    torch.manual_seed(0)
    network = load_architecture("SRVGGNetCompact")(3, 3, num_feat=8, num_conv=2, upscale=2).eval()
    torch.save({"params": network.state_dict()}, tmp_path / "a.pth")
    torch.jit.trace(network, torch.rand(1, 3, 32, 32)).save(str(tmp_path / "a.pt"))
    names = (
        f"spandrel:{tmp_path / 'a.pth'}",
        f"basicsr:SRVGGNetCompact?weights={tmp_path / 'a.pth'}&num_feat=8&num_conv=2&upscale=2",
        f"torchscript:{tmp_path / 'a.pt'}",
    )
    burst = make_burst(height=24, width=32, num_frames=1).burst
    images = [create(name).restore(burst) for name in names]
    for image in images[1:]:
        np.testing.assert_allclose(image, images[0], atol=1e-5)


def test_the_file_is_part_of_the_fingerprint(tmp_path):
    name = f"torchscript:{script(nn.Identity(), tmp_path / 'a.pt')}"
    first = fingerprint_scenario(name, create(name))
    assert first == fingerprint_scenario(name, create(name))
    script(Brighten(), tmp_path / "a.pt")
    assert fingerprint_scenario(name, create(name)) != first
    assert fingerprint_scenario(f"{name}?domain=linear_rgb", create(f"{name}?domain=linear_rgb")) != first


class Payload:
    def __reduce__(self):
        return (print, ("weights ran code",))


@pytest.mark.parametrize("kind", ["onnx", "torchscript", "pt2", "spandrel", "basicsr"])
def test_missing_and_unsafe_files_are_refused(tmp_path, kind, capsys):
    if kind in {"onnx", "spandrel", "basicsr"} and not find_spec("onnxruntime" if kind == "onnx" else kind):
        pytest.skip(f"needs {kind}")
    path = tmp_path / "weights.pth"
    name = (
        f"basicsr:EDSR?weights={path}&num_in_ch=3&num_out_ch=3&num_feat=8&num_block=1"
        if kind == "basicsr"
        else f"{kind}:{path}"
    )
    with pytest.raises(UnsafeWeightsError, match=r"no such file; models are read from this machine"):
        create(name)
    for content in (pickle.dumps(Payload()), b"", b"\0" * 100):
        path.write_bytes(content)
        with pytest.raises(UnsafeWeightsError, match="expected"):
            create(name)
    torch.save({"params": Payload()}, path)
    with pytest.raises(UnsafeWeightsError):
        create(name)
    assert "ran code" not in capsys.readouterr().out


class Reshape(nn.Module):
    """Returns zeros of one shape, whatever comes."""

    def __init__(self, shape: list[int]) -> None:
        super().__init__()
        self.shape = shape

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return torch.zeros(self.shape) + 0 * image.sum()


def name_model(kind: str, module: nn.Module, example: torch.Tensor, folder) -> str:
    """Save a module as a model file, and name it."""
    if kind == "torchscript":
        return f"torchscript:{script(module, folder / 'a.pt')}"
    torch.export.save(torch.export.export(module, (example,)), folder / "a.pt2")
    return f"pt2:{folder / 'a.pt2'}"


@pytest.mark.parametrize("kind", ["torchscript", "pt2"])
@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ([2, 3, 32, 32], r"dimension 0 \(batch\) of the model's output: expected 1, got 2"),
        ([1, 7, 32, 32], r"dimension 1 \(channels\) of the model's output: expected 3, got 7"),
        ([1, 3, 64, 32], r"dimensions 2, 3 \(height, width\).* multiple of 32 x 32, got 64 x 32"),
        ([3, 32, 32], r"expected 4 dimensions \[1, C, H, W\], got shape \[3, 32, 32\]"),
    ],
)
def test_models_of_torch_say_which_dimension_is_wrong(tmp_path, kind, shape, message):
    with pytest.raises(InvalidRestorerError, match=message):
        create(name_model(kind, Reshape(shape), torch.rand(1, 3, 32, 32), tmp_path))


@pytest.mark.parametrize("kind", ["torchscript", "pt2"])
def test_burst_models_say_which_dimension_is_wrong(tmp_path, kind):
    name = name_model(kind, Reshape([1, 4, 3, 32, 32]), torch.rand(1, 5, 3, 32, 32), tmp_path)
    with pytest.raises(InvalidRestorerError, match=r"dimension 1 \(frames\) of the model's output: expected 5, got 4"):
        create(f"{name}?frames=5")


def test_inputs_that_do_not_fit_are_named(tmp_path):
    network = nn.Conv2d(4, 4, 3, padding=1)
    name = f"torchscript:{script(network, tmp_path / 'a.pt')}"
    with pytest.raises(
        InvalidRestorerError,
        match=r"does not run on float32 \[1, 3, 32, 32\] \(batch, channels, height, width\): .*to have 4 channels, but got 3",
    ):
        create(name)
    assert create(f"{name}?domain=raw_bayer&channels=4").info.output_domain is Domain.RAW_BAYER
    exported = name_model("pt2", network, torch.rand(1, 4, 32, 32), tmp_path)
    with pytest.raises(
        InvalidRestorerError, match=r"dimension 1 \(channels\) of the model's input: expected 3 for domain"
    ):
        create(exported)


@needs_spandrel
@needs_basicsr
def test_networks_by_their_weights_say_which_dimension_is_wrong(tmp_path):
    settings = {"num_in_ch": 4, "num_out_ch": 4, "num_feat": 8, "num_conv": 2, "upscale": 2}
    torch.save(load_architecture("SRVGGNetCompact")(**settings).state_dict(), tmp_path / "a.pth")
    with pytest.raises(
        InvalidRestorerError, match=r"dimension 1 \(channels\) of the model's input: expected 3 .* got 4"
    ):
        create(f"spandrel:{tmp_path / 'a.pth'}")
    arguments = "&".join(f"{key}={value}" for key, value in settings.items())
    name = f"basicsr:SRVGGNetCompact?weights={tmp_path / 'a.pth'}&{arguments}"
    with pytest.raises(InvalidRestorerError, match=r"float32 \[1, 3, 32, 32\] .*to have 4 channels, but got 3"):
        create(name)
    with pytest.raises(InvalidRestorerError, match="mosaics must keep theirs"):
        create(f"{name}&domain=raw_bayer&channels=4")
    settings = {"num_in_ch": 3, "num_out_ch": 4, "num_feat": 8, "num_block": 1, "num_grow_ch": 4}
    torch.save(load_architecture("RRDBNet")(**settings, scale=4).state_dict(), tmp_path / "b.pth")
    arguments = "&".join(f"{key}={value}" for key, value in settings.items())
    with pytest.raises(
        InvalidRestorerError, match=r"dimension 1 \(channels\) of the model's output: expected 3, got 4"
    ):
        create(f"basicsr:RRDBNet?weights={tmp_path / 'b.pth'}&{arguments}&scale=4")


def test_wrong_options_are_answered(tmp_path):
    name = f"torchscript:{script(nn.Identity(), tmp_path / 'a.pt')}"
    for option, message in (
        ("domain=rgb", "expected raw_bayer, linear_rgb, srgb"),
        ("position=last", "expected first or centre"),
        ("frames=0", "expected a whole number above 0"),
        ("frame=3", "option 'frame' is unknown"),
        ("channels=4", r"dimension 1 \(channels\) of the model's input: expected 3 for domain srgb, got 4"),
    ):
        with pytest.raises(InvalidRestorerError, match=message):
            create(f"{name}?{option}")


def test_names_of_models_are_scenarios_with_files_of_their_own(tmp_path):
    names = [f"onnx:models/a.onnx?frames={count}&domain=srgb" for count in (4, 5)]
    assert [parse_scenario(name=name).name for name in names] == names
    paths = {(tmp_path / labels_path(name)).name for name in names}
    assert paths == {f"onnx~models--a.onnx%3Fframes={count}%26domain=srgb.parquet" for count in (4, 5)}
    assert len((tmp_path / labels_path(f"onnx:{'a' * 220}")).name) < 230
    assert (tmp_path / labels_path("sr/handheld@x1.5")).name == "sr--handheld@x1.5.parquet"
