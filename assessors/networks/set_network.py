"""A small network over the set of a burst's frames: each frame is scored beside all others, in whatever order they stand.

Measured features of each frame go through a perceptron; self-attention (Vaswani et al. 2017, without positions, as in the Set Transformer
of Lee et al., ICML 2019) lets frames see each other; each task has an embedding that conditions the last layers. The order of the frames,
where it matters, is among the features.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import nn

from assessors.base import AssessorInfo
from assessors.features import measure_frames
from assessors.inputs import BurstInputs
from assessors.model_files import ModelHeader, describe_model, find_head
from assessors.networks.parts import ScoringNetwork, SetBlock
from assessors.networks.settings import read_settings, require_divisor
from assessors.networks.threads import one_thread


@dataclass(frozen=True)
class SetNetworkSettings:
    """Sizes of a network.

    Attributes:
        width: numbers that stand for a frame inside.
        blocks: of attention and perceptron.
        attention_heads: of each attention; they divide the width.
    """

    width: Annotated[int, Field(ge=4, le=1024)] = 64
    blocks: Annotated[int, Field(ge=0, le=16)] = 2
    attention_heads: Annotated[int, Field(ge=1, le=64)] = 4

    def __post_init__(self) -> None:
        """Refuse what attention cannot share out.

        Raises:
            ValueError: if the heads do not divide the width.
        """
        require_divisor(self.attention_heads, self.width)


class SetNetwork(ScoringNetwork):
    """Scores of the frames of bursts for each task.

    Args:
        features: F.
        heads: S, the tasks.
        settings: sizes.
    """

    def __init__(self, features: int, heads: int, settings: SetNetworkSettings) -> None:
        super().__init__(features)
        width = settings.width
        self.embed = nn.Sequential(nn.Linear(features, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
        self.blocks = nn.ModuleList([SetBlock(width, settings.attention_heads) for _ in range(settings.blocks)])
        self.tasks = nn.Parameter(torch.randn(heads, width) * 0.5)
        self.last = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.GELU(), nn.Linear(width, 1))

    def forward(self, features: torch.Tensor, mask: torch.Tensor, keep: torch.Tensor | None = None) -> torch.Tensor:
        """Score.

        Args:
            features: float32 [B, T, F].
            mask: bool [B, T], True for frames that are there.
            keep: float32 [B, 1, F], by which normalised features are multiplied; None in use.

        Returns:
            float32 [B, S, T]; of frames that are not there it means nothing.
        """
        frames = self.embed(self._norm_facts(features, keep))
        for block in self.blocks:
            frames = block(frames, ~mask)
        scores: torch.Tensor = self.last(frames[:, None] + self.tasks[:, None])[..., 0]
        return scores

    def judge(self, inputs: Mapping[str, torch.Tensor], mask: torch.Tensor, heads: torch.Tensor) -> torch.Tensor:
        """Scores, as `ScoringNetwork.judge`."""
        scores: torch.Tensor = self(inputs["features"], mask, inputs.get("keep"))
        return scores[:, heads]


@dataclass(frozen=True, eq=False)
class SetAssessor:
    """A trained network.

    Attributes:
        header: what the model is.
        network: a network in evaluation mode.
    """

    header: ModelHeader
    network: SetNetwork

    @property
    def info(self) -> AssessorInfo:
        """Facts for callers."""
        return describe_model(self.header, "attention over the set of frames on measured features")

    def score(self, inputs: BurstInputs, scenario: str) -> NDArray[np.float64]:
        """Predicted worth, in units of the burst's root mean square.

        Raises:
            KeyError: if it was not trained for the scenario.
        """
        place = find_head(self.header, scenario)
        _, table = measure_frames(inputs)
        with torch.inference_mode(), one_thread():
            scores = self.network(torch.from_numpy(table)[None], torch.ones(1, len(table), dtype=torch.bool))
        return np.asarray(scores[0, place].numpy(), np.float64)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """As `from_arrays` takes them."""
        return {name: value.numpy().copy() for name, value in self.network.state_dict().items()}

    @classmethod
    def from_arrays(cls, header: ModelHeader, arrays: Mapping[str, NDArray[Any]]) -> SetAssessor:
        """The model of a file.

        Raises:
            RuntimeError: if the arrays are not those of the network.
            ValueError: if the settings are others, or out of range.
        """
        settings: SetNetworkSettings = read_settings(SetNetworkSettings, header)
        with torch.random.fork_rng(devices=[]):
            network = SetNetwork(len(header.features), len(header.heads), settings)
        network.load_state_dict({name: torch.from_numpy(array.copy()) for name, array in arrays.items()})
        network.eval()
        return cls(header, network)
