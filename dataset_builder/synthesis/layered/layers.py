"""A scene of layers at several depths, each with its own colours and cover."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from dataset_builder.camera.color import UINT16_MAX


@dataclass(frozen=True, eq=False)
class Layer:
    """What lies at one depth.

    Attributes:
        colors: uint16 codes [H, W, 3] of linear sRGB, 65535 = 1, not multiplied by the cover.
        cover: uint16 [H, W], the share of each pixel that it covers; 65535 = all of it.
    """

    colors: NDArray[np.uint16]
    cover: NDArray[np.uint16]


@dataclass(frozen=True, eq=False)
class LayeredScene:
    """A scene from which bursts are rendered as from a photograph.

    Attributes:
        layers: nearest first; the last is the background, which covers every pixel.
    """

    layers: tuple[Layer, ...]

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        height, width = self.layers[0].cover.shape
        return height, width

    @cached_property
    def picture(self) -> NDArray[np.uint16]:
        """The scene as a camera that does not move sees it, all in focus: uint16 codes [H, W, 3] of linear sRGB."""
        light = self.layers[-1].colors.astype(np.float64)
        for layer in self.layers[-2::-1]:
            alpha = (layer.cover / UINT16_MAX)[..., None]
            light += alpha * (layer.colors - light)
        return np.rint(light).astype(np.uint16)
