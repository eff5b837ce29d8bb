"""What the quality network sees a frame through: four scales of features, by a network trained here or by a frozen one from elsewhere.

Swin is the paper's (BuIQA, arXiv 2511.07958); `lite` and EfficientNet-Lite0 are ours to choose, for processors without an accelerator.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from assessors.networks.parts import conv, norm

BackboneName = Literal["lite", "efficientnet_lite0", "swin_t"]
_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet, sRGB in 0..1."""
_LEVEL, _GAIN = 0.45, 0.12
"""Of the reference's mean, and of eight standard deviations of its noise, in the pictures that frozen networks are shown."""


class Backbone(nn.Module):
    """Stages of features, each on a coarser grid.

    Attributes:
        channels: of each stage.
    """

    channels: tuple[int, ...]

    def enter(self, pixels: Tensor) -> Tensor:
        """What the first stage takes, of `View.pixels` [N, 4, h, w]."""
        raise NotImplementedError

    def stage(self, number: int, features: Tensor) -> Tensor:
        """Features [N, C, h, w] of a stage, of those of the one before."""
        raise NotImplementedError


class Lite(Backbone):
    """Four stages of two convolutions, trained from scratch.

    Args:
        width: channels of the first stage, which works at the size of the planes; each further one has half its sides and half as many
            channels again.
        inputs: channels that it takes.
    """

    def __init__(self, width: int, inputs: int = 4) -> None:
        super().__init__()
        self.channels = tuple(width * (2 + number) // 2 for number in range(4))
        self.first = conv(inputs, width)
        before = (width, *self.channels[:-1])
        self.stages = nn.ModuleList(
            [
                nn.Sequential(conv(one, two, stride=1 + (number > 0)), norm(two), nn.SiLU(), conv(two, two), nn.SiLU())
                for number, (one, two) in enumerate(zip(before, self.channels, strict=True))
            ]
        )

    def enter(self, pixels: Tensor) -> Tensor:
        """A convolution."""
        entered: Tensor = self.first(pixels)
        return entered

    def stage(self, number: int, features: Tensor) -> Tensor:
        """Two convolutions."""
        made: Tensor = self.stages[number](features)
        return made


class Frozen(Backbone):
    """A network trained on photographs whose weights stay as they are; they stay in their own file, too, not in that of the model.

    Args:
        stages: its parts.
        channels: of what they make.
        last: whether channels come last in what they make.
    """

    def __init__(self, stages: Sequence[Callable[[Tensor], Tensor]], channels: tuple[int, ...], *, last: bool) -> None:
        super().__init__()
        self.channels, self._last = channels, last
        # A tuple hides the parts from what is trained, averaged and saved.
        self._stages = tuple(stages)
        for each in stages:
            if isinstance(each, nn.Module):
                each.eval().requires_grad_(requires_grad=False)

    def enter(self, pixels: Tensor) -> Tensor:
        """The planes as a picture of twice their size, for these networks begin by halving it twice."""
        red, green, blue = pixels[:, 0], (pixels[:, 1] + pixels[:, 2]) / 2, pixels[:, 3]
        picture = (_LEVEL + _GAIN * torch.stack([red, green, blue], 1)).clamp(0, 1)
        mean, deviation = (torch.tensor(each)[:, None, None] for each in (_MEAN, _DEVIATION))
        return functional.interpolate((picture - mean) / deviation, scale_factor=2.0, mode="bilinear")

    def stage(self, number: int, features: Tensor) -> Tensor:
        """A part of the network."""
        if self._last and number:
            features = features.permute(0, 2, 3, 1)
        made = self._stages[number](features)
        return made.permute(0, 3, 1, 2) if self._last else made


def build_backbone(name: BackboneName, width: int) -> Backbone:
    """The backbone of a name.

    Args:
        name: the name in the settings.
        width: of `lite`.

    Raises:
        MissingPackageError: if the packages or the weights of a frozen one are not there.
        InvalidAssessorError: if its weights are damaged or those of something else.
    """
    if name == "lite":
        return Lite(width)
    from assessors.networks.pretrained import load_efficientnet_lite0, load_swin_t

    load = {"efficientnet_lite0": load_efficientnet_lite0, "swin_t": load_swin_t}[name]
    stages, channels = load()
    return Frozen(stages, channels, last=name == "swin_t")
