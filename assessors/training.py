"""Training a set network: every step depends on the seed and its number alone, so that what was interrupted ends as if it had not been."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from pydantic import Field

from assessors.agreement import spearman
from assessors.errors import InvalidAssessorError
from assessors.examples import Examples
from assessors.losses import listwise_loss, ranking_loss, worth_loss
from assessors.model_files import ModelHeader
from assessors.networks.set_network import SetAssessor, SetNetwork, SetNetworkSettings
from assessors.networks.threads import one_thread
from manifests.confined.writing import write_file
from manifests.schema import is_marginal

_FURTHEST = 3.0
"""Root mean squares at which worth is cut: outliers of one burst must not lead."""


@dataclass(frozen=True)
class TrainingSettings:
    """How a network is trained.

    Attributes:
        steps: of the optimiser.
        batch: bursts in a step.
        rate: highest learning rate of Adam (Loshchilov & Hutter's AdamW); it rises over a twentieth of the steps and falls as a cosine.
        decay: weight decay.
        dropout: share of the features that a burst loses in a step.
        smoothing: of the moving average of weights that is kept.
        every: steps between two looks at the validation bursts.
        patience: looks without improvement after which training stops.
        worth: weight of the loss of the same name; likewise the next two.
        listwise: weight.
        ranking: weight.
        seed: seed of everything.
    """

    steps: Annotated[int, Field(ge=1)] = 1500
    batch: Annotated[int, Field(ge=1)] = 32
    rate: Annotated[float, Field(gt=0)] = 2e-3
    decay: Annotated[float, Field(ge=0)] = 0.02
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1
    smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.99
    every: Annotated[int, Field(ge=1)] = 100
    patience: Annotated[int, Field(ge=1)] = 8
    worth: Annotated[float, Field(ge=0)] = 1.0
    listwise: Annotated[float, Field(ge=0)] = 0.5
    ranking: Annotated[float, Field(ge=0)] = 1.0
    seed: int = 0


@dataclass
class _State:
    """What a step changes."""

    network: SetNetwork
    average: SetNetwork
    best: dict[str, torch.Tensor]
    optimiser: torch.optim.AdamW
    step: int = 0
    best_value: float = -math.inf
    best_step: int = 0


Watcher = Callable[[Mapping[str, float]], object]


def train_network(
    examples: Examples,
    validation: Examples,
    settings: TrainingSettings,
    sizes: SetNetworkSettings,
    *,
    name: str,
    metric: str,
    checkpoint: Path | None = None,
    stop_after: int | None = None,
    watch: Watcher | None = None,
) -> SetAssessor:
    """Train a set network on bursts, and keep the average of its weights that orders the validation bursts best.

    Args:
        examples: bursts to learn from.
        validation: bursts of other scenes.
        settings: how.
        sizes: of the network.
        name: what it will call itself.
        metric: metric of the labels.
        checkpoint: file that a step now and then is written to, and that is gone on from where it is there; None for none.
        stop_after: stop at this step, as an interruption would.
        watch: called with the figures of each look at the validation bursts: `step`, `loss` and `spearman`.

    Raises:
        InvalidAssessorError: if the checkpoint is damaged or of another training.
        ValueError: if both sets have other features or tasks, or there is nothing to learn from.
    """
    if examples.names != validation.names or examples.heads != validation.heads:
        raise ValueError("validation: expected the features and labels of the examples")
    if not any(np.isfinite(one).any() for one in examples.worth):
        raise ValueError("examples: none of the bursts has a label")
    batches = _pad(examples)
    state = _begin(examples, settings, sizes)
    identity = json.dumps(
        [dataclasses.asdict(settings), dataclasses.asdict(sizes), _digest(examples), _digest(validation)]
    )
    if checkpoint is not None and checkpoint.is_file():
        _read_checkpoint(checkpoint, state, identity)
    last = min(settings.steps, stop_after or settings.steps)
    losses: list[float] = []
    with one_thread():
        while state.step < last:
            losses.append(_take_step(state, batches, settings))
            if state.step % settings.every and state.step < settings.steps:
                continue
            value = _look(state, validation)
            if watch is not None:
                watch({"step": state.step, "loss": float(np.mean(losses)), "spearman": value})
            losses = []
            if checkpoint is not None:
                _write_checkpoint(checkpoint, state, identity)
            if state.step - state.best_step >= settings.patience * settings.every:
                break
    state.average.load_state_dict(state.best)
    header = ModelHeader(
        "set_network",
        name,
        examples.heads,
        metric,
        examples.names,
        signed=is_marginal(examples.heads[0][1]),
        settings=dataclasses.asdict(sizes),
        training={
            **dataclasses.asdict(settings),
            "best_step": state.best_step,
            "bursts": len(examples.features),
            "validation_spearman": round(state.best_value, 4),
        },
    )
    return SetAssessor(header, state.average.eval())


def _begin(examples: Examples, settings: TrainingSettings, sizes: SetNetworkSettings) -> _State:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        network = SetNetwork(len(examples.names), len(examples.heads), sizes)
    table = np.concatenate(examples.features)
    network.mean.copy_(torch.from_numpy(table.mean(0)))
    network.deviation.copy_(torch.from_numpy(np.maximum(table.std(0), 1e-3)))
    average = SetNetwork(len(examples.names), len(examples.heads), sizes)
    average.load_state_dict(network.state_dict())
    optimiser = torch.optim.AdamW(network.parameters(), lr=settings.rate, weight_decay=settings.decay)
    return _State(network, average, {key: one.clone() for key, one in network.state_dict().items()}, optimiser)


@dataclass(frozen=True, eq=False)
class _Padded:
    features: torch.Tensor
    mask: torch.Tensor
    worth: torch.Tensor
    known: torch.Tensor
    trust: torch.Tensor


def _pad(examples: Examples) -> _Padded:
    count, longest = len(examples.features), max(len(one) for one in examples.features)
    features = np.zeros((count, longest, len(examples.names)), np.float32)
    worth = np.full((count, len(examples.heads), longest), np.nan, np.float32)
    mask = np.zeros((count, longest), bool)
    for place, (table, labels) in enumerate(zip(examples.features, examples.worth, strict=True)):
        features[place, : len(table)], mask[place, : len(table)] = table, True
        worth[place, :, : len(table)] = np.clip(labels, -_FURTHEST, _FURTHEST)
    trust = np.array(examples.trust, np.float32).reshape(count, -1)
    known = np.isfinite(worth)
    parts = (features, mask, np.nan_to_num(worth), known, trust)
    return _Padded(*(torch.from_numpy(part) for part in parts))


def _take_step(state: _State, data: _Padded, settings: TrainingSettings) -> float:
    generator = np.random.Generator(np.random.Philox(np.random.SeedSequence((settings.seed, state.step))))
    count = len(data.features)
    chosen = torch.from_numpy(generator.choice(count, min(settings.batch, count), replace=False))
    kept = generator.random((len(chosen), 1, data.features.shape[2])) >= settings.dropout
    warm = min(1.0, (state.step + 1) / max(settings.steps / 20, 1))
    for group in state.optimiser.param_groups:
        group["lr"] = settings.rate * warm * (0.02 + 0.98 * (1 + math.cos(math.pi * state.step / settings.steps)) / 2)
    state.network.train()
    scores = state.network(data.features[chosen], data.mask[chosen], torch.from_numpy(kept.astype(np.float32)))
    terms = scores, data.worth[chosen], data.known[chosen], data.trust[chosen]
    loss = settings.worth * worth_loss(*terms)
    loss = loss + settings.listwise * listwise_loss(*terms) + settings.ranking * ranking_loss(*terms)
    state.optimiser.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(state.network.parameters(), 1.0)
    state.optimiser.step()
    state.step += 1
    # At the beginning the average follows faster, else it would remember how the weights began.
    smoothing = min(settings.smoothing, state.step / (state.step + 10))
    with torch.no_grad():
        for mean, now in zip(state.average.parameters(), state.network.parameters(), strict=True):
            mean.lerp_(now, 1 - smoothing)
    return float(loss.detach())


def _look(state: _State, validation: Examples) -> float:
    """Keep the average of the weights if it is the best so far; return how good it is."""
    value = _validate(state.average, validation)
    if value > state.best_value:
        state.best_value, state.best_step = value, state.step
        state.best = {key: one.clone() for key, one in state.average.state_dict().items()}
    return value


def _validate(network: SetNetwork, examples: Examples) -> float:
    """Mean rank correlation within bursts, over the sets of labels."""
    network.eval()
    per_head: list[list[float]] = [[] for _ in examples.heads]
    with torch.inference_mode():
        for table, worth in zip(examples.features, examples.worth, strict=True):
            scores = (
                network(torch.from_numpy(table)[None], torch.ones(1, len(table), dtype=torch.bool))[0].double().numpy()
            )
            for head, (labels, own) in enumerate(zip(worth, scores, strict=True)):
                known = np.isfinite(labels)
                if known.any() and math.isfinite(value := spearman(labels[known], own[known])):
                    per_head[head].append(value)
    means = [float(np.mean(values)) for values in per_head if values]
    return float(np.mean(means)) if means else 0.0


def _digest(examples: Examples) -> str:
    digest = hashlib.sha256(json.dumps([examples.names, examples.heads]).encode())
    for arrays in (examples.features, examples.worth, examples.trust):
        for array in arrays:
            digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _write_checkpoint(path: Path, state: _State, identity: str) -> None:
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


def _read_checkpoint(path: Path, state: _State, identity: str) -> None:
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


def _list_parts(state: _State) -> dict[str, dict[str, torch.Tensor]]:
    return {"network": state.network.state_dict(), "average": state.average.state_dict(), "best": state.best}


def _strip(tensors: Mapping[str, torch.Tensor], part: str) -> dict[str, torch.Tensor]:
    return {key.removeprefix(f"{part}."): one for key, one in tensors.items() if key.startswith(f"{part}.")}


def write_log(path: Path, rows: list[Mapping[str, float]]) -> None:
    """Figures of a training as CSV.

    Raises:
        OSError: if it cannot be written.
    """
    lines = ["step,loss,spearman", *(f"{row['step']:.0f},{row['loss']:.6g},{row['spearman']:.6g}" for row in rows)]
    write_file(path.parent, path.name, ("\n".join(lines) + "\n").encode())
