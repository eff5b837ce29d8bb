"""BasicSR's networks: they build and run, nobody pays for them who does not ask, and weights cannot run code."""

from __future__ import annotations

import math
import pickle
import subprocess
import sys
from importlib.util import find_spec
from itertools import product

import pytest
import torch
from torch.nn import functional

from restorers.adapters.basicsr_compat import load_architecture, read_weights
from restorers.errors import MissingExtraError, UnknownArchitectureError, UnsafeWeightsError
from restorers.networks.deformable_convolution import deform_conv2d

needs_basicsr = pytest.mark.skipif(find_spec("basicsr") is None, reason="the extra basicsr is not installed")


def run_python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@needs_basicsr
@pytest.mark.parametrize(
    ("name", "settings", "shape", "scale"),
    [
        ("SRVGGNetCompact", {"num_feat": 8, "num_conv": 2, "upscale": 2}, (2, 3, 8, 10), 2),
        (
            "RRDBNet",
            {"num_in_ch": 3, "num_out_ch": 3, "num_feat": 8, "num_block": 1, "num_grow_ch": 4},
            (1, 3, 8, 8),
            4,
        ),
        ("RIDNet", {"in_channels": 3, "mid_channels": 16, "out_channels": 3, "num_block": 1}, (1, 3, 8, 8), 1),
    ],
)
def test_single_frame_networks_run_and_repeat_after_their_weights(tmp_path, name, settings, shape, scale):
    torch.manual_seed(0)
    network, other = (load_architecture(name)(**settings).eval() for _ in range(2))
    frame = torch.rand(shape)
    with torch.no_grad():
        output = network(frame)
        assert output.shape == (*shape[:2], scale * shape[2], scale * shape[3])
        assert not torch.equal(other(frame), output)
        torch.save({"params_ema": network.state_dict(), "params": {}}, tmp_path / "weights.pth")
        other.load_state_dict(read_weights(tmp_path / "weights.pth"))
        assert torch.equal(other(frame), output)


@pytest.mark.slow
@needs_basicsr
@pytest.mark.filterwarnings("ignore:torch.meshgrid")
@pytest.mark.parametrize(
    ("name", "settings", "frames", "side"),
    [
        ("BasicVSR", {"num_feat": 8, "num_block": 1}, 3, 64),
        (
            "EDVR",
            {
                "num_feat": 16,
                "num_frame": 5,
                "deformable_groups": 4,
                "num_extract_block": 1,
                "num_reconstruct_block": 1,
            },
            5,
            16,
        ),
    ],
)
def test_every_frame_reaches_the_output_of_video_networks(name, settings, frames, side):
    torch.manual_seed(0)
    network = load_architecture(name)(**settings).eval()
    burst = torch.rand(1, frames, 3, side, side, requires_grad=True)
    output = network(burst)
    middle = output[:, frames // 2] if name == "BasicVSR" else output
    assert middle.shape == (1, 3, 4 * side, 4 * side)
    assert torch.isfinite(middle).all()
    middle.square().sum().backward()
    assert (burst.grad.abs().amax((0, 2, 3, 4)) > 0).all()


@needs_basicsr
def test_unknown_networks_are_answered_with_close_ones():
    with pytest.raises(UnknownArchitectureError, match="'RRDBnet' is not part of basicsr: did you mean RRDBNet"):
        load_architecture("RRDBnet")
    with pytest.raises(UnknownArchitectureError, match=r"there are BasicVSR, .*SRVGGNetCompact,"):
        load_architecture("§")


@pytest.mark.slow
def test_nobody_pays_who_does_not_ask():
    heavy = "print([name for name in ('basicsr', 'torchvision', 'torch') if name in sys.modules])"
    assert run_python(f"import sys, restorers; restorers.list_scenarios(); {heavy}") == "[]"
    assert run_python(f"import sys, restorers.adapters.basicsr_compat; {heavy}") == "['torch']"


@pytest.mark.slow
@needs_basicsr
def test_loading_leaves_no_alias_behind():
    names = ["torchvision.transforms.functional_tensor"]
    code = "import sys; from restorers.adapters.basicsr_compat import load_architecture as load; load('RRDBNet'); load('EDSR')"
    assert run_python(f"{code}; print([name for name in {names} if name in sys.modules])") == "[]"


@pytest.mark.slow
@pytest.mark.parametrize(
    "hidden",
    [
        "torchvision",
        pytest.param("basicsr", marks=pytest.mark.skipif(not find_spec("torchvision"), reason="no torchvision")),
    ],
)
def test_a_missing_extra_is_named_with_the_way_out(hidden):
    code = f"""
import sys
sys.modules[{hidden!r}] = None
from restorers.adapters.basicsr_compat import load_architecture
from restorers.errors import MissingExtraError
try:
    load_architecture("RRDBNet")
except MissingExtraError as error:
    print(error)
"""
    message = run_python(code)
    assert message.endswith(f"needs the package {hidden!r}: pip install 'buiqa-toolkit[basicsr]'")
    assert issubclass(MissingExtraError, ImportError)


class Payload:
    def __reduce__(self):
        return (print, ("weights ran code",))


def write_text(path):
    path.write_text("no weights at all")


def write_nothing(path):
    path.write_bytes(b"")


def write_truncated(path):
    torch.save({"params": {"a": torch.zeros(100)}}, path)
    path.write_bytes(path.read_bytes()[:200])


def write_code(path):
    torch.save({"params": Payload()}, path)


def write_bare_pickle(path):
    path.write_bytes(pickle.dumps(Payload()))


def write_module(path):
    torch.save(torch.nn.Linear(2, 2), path)


def write_number(path):
    torch.save(3.0, path)


def write_mixture(path):
    torch.save({"params": {"a": torch.zeros(1), "b": "text"}}, path)


@pytest.mark.parametrize(
    "write",
    [
        write_text,
        write_nothing,
        write_truncated,
        write_code,
        write_bare_pickle,
        write_module,
        write_number,
        write_mixture,
        None,
    ],
)
def test_hostile_and_damaged_weights_are_refused(tmp_path, capsys, write):
    path = tmp_path / "weights.pth"
    if write is not None:
        write(path)
    with pytest.raises(UnsafeWeightsError) as caught:
        read_weights(path)
    assert str(caught.value).startswith(f"{path}: expected ")
    assert "\n" not in str(caught.value)
    assert "ran code" not in capsys.readouterr().out


def test_weights_are_found_where_checkpoints_keep_them(tmp_path):
    path = tmp_path / "weights.pth"
    for content in (
        {"a": torch.ones(2)},
        {"params": {"a": torch.ones(2)}, "iteration": 5},
        {"params": {"module.a": torch.ones(2)}},
        {"_orig_mod.module.a": torch.ones(2)},
    ):
        torch.save(content, path)
        weights = read_weights(path)
        assert list(weights) == ["a"]
        assert torch.equal(weights["a"], torch.ones(2))


@pytest.mark.parametrize(
    ("stride", "padding", "dilation", "groups"), [(1, 1, 1, 1), (2, 1, 1, 2), ((1, 2), (2, 0), (2, 1), 4)]
)
def test_without_offsets_it_is_a_convolution(stride, padding, dilation, groups):
    torch.manual_seed(0)
    image, weight, bias = torch.rand(2, 4, 9, 11), torch.rand(8, 4 // groups, 3, 3), torch.rand(8)
    expected = functional.conv2d(image, weight, bias, stride, padding, dilation, groups)
    offset = torch.zeros(2, 2 * 2 * 9, *expected.shape[2:])
    torch.testing.assert_close(deform_conv2d(image, offset, weight, bias, stride, padding, dilation), expected)


def test_offsets_and_mask_follow_the_definition():
    torch.manual_seed(0)
    image, weight = torch.rand(1, 2, 5, 6), torch.rand(3, 2, 3, 2)
    offset, mask = 4 * torch.rand(1, 2 * 2 * 6, 3, 5) - 2, torch.rand(1, 2 * 6, 3, 5)
    result = deform_conv2d(image, offset, weight, mask=mask)

    def sample(channel, y, x):
        top, left, value = math.floor(y), math.floor(x), 0.0
        for row, column in product((top, top + 1), (left, left + 1)):
            if 0 <= row < 5 and 0 <= column < 6:
                value += float(image[0, channel, row, column]) * (1 - abs(y - row)) * (1 - abs(x - column))
        return value

    for output, row, column in product(range(3), range(3), range(5)):
        expected = 0.0
        for channel, i, j in product(range(2), range(3), range(2)):
            tap = 2 * i + j  # each channel is its own group of offsets
            dy, dx = offset[0, 12 * channel + 2 * tap : 12 * channel + 2 * tap + 2, row, column].tolist()
            weighted = float(mask[0, 6 * channel + tap, row, column]) * float(weight[output, channel, i, j])
            expected += weighted * sample(channel, row + i + dy, column + j + dx)
        assert float(result[0, output, row, column]) == pytest.approx(expected, abs=1e-5)


def test_deformable_convolution_is_differentiable():
    torch.manual_seed(0)
    shapes = ((1, 2, 4, 4), (1, 18, 2, 2), (2, 2, 3, 3), (2,))
    inputs = [torch.rand(shape, dtype=torch.float64).requires_grad_() for shape in shapes]
    assert torch.autograd.gradcheck(deform_conv2d, inputs)
