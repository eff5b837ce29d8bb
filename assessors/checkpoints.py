"""The state of a training, and the file from which what was interrupted goes on."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from assessors.errors import InvalidAssessorError
from assessors.networks.parts import ScoringNetwork
from manifests.confined.writing import write_file


@dataclass
class TrainingState:
    """What a step changes.

    Attributes:
        network: that is trained.
        average: the moving average of its weights.
        best: the average that ordered the validation bursts best so far.
        optimiser: of the network.
        step: steps taken.
        best_value: how well `best` ordered them.
        best_step: when.
    """

    network: ScoringNetwork
    average: ScoringNetwork
    best: dict[str, torch.Tensor]
    optimiser: torch.optim.AdamW
    step: int = 0
    best_value: float = -math.inf
    best_step: int = 0


def write_checkpoint(path: Path, state: TrainingState, identity: str) -> None:
    """Write a state.

    Args:
        path: the file.
        state: it.
        identity: all that the training depends on.

    Raises:
        OSError: if it cannot be written.
    """
    from safetensors.torch import save

    tensors = {f"{part}.{key}": one for part, values in _list_parts(state).items() for key, one in values.items()}
    moments: dict[int, dict[str, Any]] = state.optimiser.state_dict()["state"]
    for number, own in moments.items():
        tensors |= {f"optimiser.{number}.{key}": torch.as_tensor(one) for key, one in own.items()}
    facts = {"identity": identity, "step": state.step, "best_value": state.best_value, "best_step": state.best_step}
    data = save(
        {key: one.detach().clone().contiguous() for key, one in tensors.items()}, metadata={"facts": json.dumps(facts)}
    )
    write_file(path.parent, path.name, bytes(data))


def read_checkpoint(path: Path, state: TrainingState, identity: str) -> None:
    """Bring a state to where a file left it.

    Raises:
        InvalidAssessorError: if the file is damaged, or of another training.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        data = path.read_bytes()
        tensors = load(data)
        facts = json.loads(json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]["facts"])
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise InvalidAssessorError(f"{path}: a damaged checkpoint ({error}); delete it to begin anew") from error
    if facts["identity"] != identity:
        raise InvalidAssessorError(f"{path}: is of another training, by its settings or data; delete it to begin anew")
    parts = {part: _strip(tensors, part) for part in ("network", "average", "best")}
    state.network.load_state_dict(parts["network"])
    state.average.load_state_dict(parts["average"])
    state.best = parts["best"]
    moments: dict[int, dict[str, torch.Tensor]] = {}
    for key, one in _strip(tensors, "optimiser").items():
        number, _, name = key.partition(".")
        moments.setdefault(int(number), {})[name] = one
    groups = state.optimiser.state_dict()["param_groups"]
    state.optimiser.load_state_dict({"state": moments, "param_groups": groups})
    state.step, state.best_value, state.best_step = facts["step"], facts["best_value"], facts["best_step"]


def _list_parts(state: TrainingState) -> dict[str, dict[str, torch.Tensor]]:
    return {"network": state.network.state_dict(), "average": state.average.state_dict(), "best": state.best}


def _strip(tensors: Mapping[str, torch.Tensor], part: str) -> dict[str, torch.Tensor]:
    return {key.removeprefix(f"{part}."): one for key, one in tensors.items() if key.startswith(f"{part}.")}
