"""Networks that see pixels, by the name that a recipe calls them by, and what makes an assessor of one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from assessors.base import AssessorInfo
from assessors.features import measure_frames
from assessors.inputs import BurstInputs
from assessors.model_files import ModelHeader, describe_model, find_head
from assessors.networks.buiqa import BuiqaNetwork, BuiqaSettings
from assessors.networks.memory import MemoryNetwork, MemorySettings
from assessors.networks.multitask import MultitaskNetwork, MultitaskSettings
from assessors.networks.parts import ScoringNetwork
from assessors.networks.settings import read_settings
from assessors.networks.threads import one_thread
from assessors.pixel_lessons import pick_facts, see_whole

NetworkSettings: TypeAlias = BuiqaSettings | MemorySettings | MultitaskSettings


@dataclass(frozen=True)
class NetworkKind:
    """A kind of network.

    Attributes:
        settings: class of its settings.
        network: its class, built from the number of facts about a frame, the number of tasks and settings.
        summary: one line for lists.
    """

    settings: type[Any]
    network: type[Any]
    summary: str


KINDS: Mapping[str, NetworkKind] = {
    "buiqa": NetworkKind(
        BuiqaSettings, BuiqaNetwork, "prompts by the difference to the reference, taught by restorers"
    ),
    "memory": NetworkKind(MemorySettings, MemoryNetwork, "memory of distortion patterns, with a reference or without"),
    "multitask": NetworkKind(MultitaskSettings, MultitaskNetwork, "quality, detail and kinds of distortion together"),
}


def name_kind(settings: NetworkSettings) -> str:
    """The kind that settings are of."""
    return next(name for name, kind in KINDS.items() if isinstance(settings, kind.settings))


def build_network(settings: NetworkSettings, facts: int, tasks: int, *, seed: int = 0) -> ScoringNetwork:
    """A network with random weights, the same for the same seed.

    Args:
        settings: of one of `KINDS`.
        facts: numbers about each frame.
        tasks: sets of labels.
        seed: of the weights.

    Raises:
        MissingPackageError: if its backbone lacks a package or a file.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        made: ScoringNetwork = KINDS[name_kind(settings)].network(facts, tasks, settings)
    return made


@dataclass(frozen=True, eq=False)
class NetworkAssessor:
    """A trained network that sees pixels.

    Attributes:
        header: what the model is; its features are the facts that the network takes.
        network: a network in evaluation mode.
        settings: of the network.
    """

    header: ModelHeader
    network: ScoringNetwork
    settings: NetworkSettings

    @property
    def info(self) -> AssessorInfo:
        """Facts for callers."""
        return describe_model(self.header, KINDS[self.header.kind].summary)

    def score(self, inputs: BurstInputs, scenario: str) -> NDArray[np.float64]:
        """Predicted worth, in units of the burst's root mean square; of large planes the mean over the windows that it sees.

        Raises:
            KeyError: if it was not trained for the scenario.
        """
        heads = torch.tensor([find_head(self.header, scenario)])
        facts = np.zeros((inputs.num_frames, 0), np.float32)
        if self.header.features:
            facts = pick_facts(*measure_frames(inputs), self.header.features)
        tensors = see_whole(inputs, facts, alignment=self.settings.wants.alignment)
        mask = torch.ones(tensors["noise"].shape, dtype=torch.bool)
        with torch.inference_mode(), one_thread():
            scores = self.network.judge(tensors, mask, heads)
        return np.asarray(scores[:, 0].double().mean(0).numpy(), np.float64)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """As `from_arrays` takes them; without the weights of a frozen backbone."""
        return {name: value.numpy().copy() for name, value in self.network.state_dict().items()}

    @classmethod
    def from_arrays(cls, header: ModelHeader, arrays: Mapping[str, NDArray[Any]]) -> NetworkAssessor:
        """The model of a file.

        Raises:
            RuntimeError: if the arrays are not those of the network.
            ValueError: if the settings are others, or out of range.
            MissingPackageError: if its backbone lacks a package or a file.
        """
        settings: NetworkSettings = read_settings(KINDS[header.kind].settings, header)
        network = build_network(settings, len(header.features), len(header.heads))
        network.load_state_dict({name: torch.from_numpy(array.copy()) for name, array in arrays.items()})
        network.eval()
        return cls(header, network, settings)
