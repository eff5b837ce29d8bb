"""Training a network: every step depends on the seed and its number alone, so that what was interrupted ends as if it had not been."""

from __future__ import annotations

import copy
import dataclasses
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from pydantic import Field

from assessors.agreement import spearman
from assessors.batches import Drawing, FeatureLessons, Lessons
from assessors.checkpoints import TrainingState, read_checkpoint, write_checkpoint
from assessors.examples import Examples
from assessors.losses import listwise_loss, ranking_loss, worth_loss
from assessors.model_files import ModelHeader
from assessors.networks.catalogue import NetworkAssessor, NetworkSettings, build_network, name_kind
from assessors.networks.multitask import MultitaskNetwork
from assessors.networks.parts import ScoringNetwork
from assessors.networks.set_network import SetAssessor, SetNetwork, SetNetworkSettings
from assessors.networks.threads import one_thread
from assessors.pixel_lessons import PixelLessons
from manifests.confined.writing import write_file
from manifests.schema import is_marginal


@dataclass(frozen=True)
class TrainingSettings:
    """How a network is trained.

    Attributes:
        steps: of the optimiser.
        batch: bursts in a step.
        rate: highest learning rate of Adam (Loshchilov & Hutter's AdamW); it rises over a twentieth of the steps and falls as a cosine.
        decay: weight decay.
        dropout: share of the numbers about its frames that a burst loses in a step.
        smoothing: of the moving average of weights that is kept.
        every: steps between two looks at the validation bursts.
        patience: looks without improvement after which training stops.
        worth: weight of the loss of the same name; likewise the next two.
        listwise: weight.
        ranking: weight.
        tasks: sets of labels in a step, drawn anew each time; None for all. What pixels cost grows with it.
        frames: frames of a burst in a step, drawn anew each time, the reference among them where pixels are seen; None for all.
        window: side of the window of planes through which pixels are seen in a step.
        foundation: steps at the beginning that learn only what a network adds to the loss by itself, such as what restorers teach.
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
    tasks: Annotated[int | None, Field(ge=1)] = None
    frames: Annotated[int | None, Field(ge=2)] = None
    window: Annotated[int, Field(ge=8, multiple_of=4)] = 32
    foundation: Annotated[int, Field(ge=0)] = 0
    seed: int = 0

    @property
    def drawing(self) -> Drawing:
        """How bursts are changed for a step."""
        return Drawing(self.frames, self.window, self.dropout)


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
    """Train a set network on measured features. Arguments and errors as those of `train_on_pixels`."""
    if examples.names != validation.names:
        raise ValueError("validation: expected the features and labels of the examples")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        network = SetNetwork(len(examples.names), len(examples.heads), sizes)
    network.standardise(torch.from_numpy(np.concatenate(examples.features)))
    lessons = FeatureLessons(examples), FeatureLessons(validation)
    facts = dataclasses.asdict(sizes)
    best = _fit(network, *lessons, settings, sizes=facts, checkpoint=checkpoint, stop_after=stop_after, watch=watch)
    told = {**dataclasses.asdict(settings), **best, "bursts": len(examples.features)}
    signed = is_marginal(examples.heads[0][1])
    header = ModelHeader("set_network", name, examples.heads, metric, examples.names, signed, facts, told)
    return SetAssessor(header, network.eval())


def train_on_pixels(
    lessons: PixelLessons,
    validation: PixelLessons,
    settings: TrainingSettings,
    sizes: NetworkSettings,
    *,
    name: str,
    metric: str,
    checkpoint: Path | None = None,
    stop_after: int | None = None,
    watch: Watcher | None = None,
) -> NetworkAssessor:
    """Train a network that sees pixels, and keep the average of its weights that orders the validation bursts best.

    Args:
        lessons: bursts to learn from, with what the network wants.
        validation: bursts of other scenes.
        settings: how.
        sizes: of the network, which say what it is.
        name: what it will call itself.
        metric: metric of the labels.
        checkpoint: file that a step now and then is written to, and that is gone on from where it is there; None for none.
        stop_after: stop at this step, as an interruption would.
        watch: called with the figures of each look at the validation bursts: `step`, `loss`, `added`, the part of the loss that the network
            adds, and `spearman`.

    Raises:
        InvalidAssessorError: if the checkpoint is damaged or of another training.
        ValueError: if both sets have other features or tasks, or there is nothing to learn from.
        MissingPackageError: if its backbone lacks a package or a file.
    """
    network = build_network(sizes, len(lessons.names), len(lessons.heads), seed=settings.seed)
    if lessons.names:
        tables = [lessons.facts_of(place) for place in range(len(lessons.places))]
        network.standardise(torch.from_numpy(np.concatenate(tables)))
    if isinstance(network, MultitaskNetwork) and lessons.factors:
        network.standardise_factors(torch.from_numpy(np.concatenate(lessons.factors)))
    kind, facts = name_kind(sizes), dataclasses.asdict(sizes)
    best = _fit(
        network,
        lessons,
        validation,
        settings,
        sizes={"kind": kind, **facts},
        checkpoint=checkpoint,
        stop_after=stop_after,
        watch=watch,
    )
    told = {**dataclasses.asdict(settings), **best, "bursts": len(lessons.places)}
    signed = is_marginal(lessons.heads[0][1])
    header = ModelHeader(kind, name, lessons.heads, metric, lessons.names, signed, facts, told)
    return NetworkAssessor(header, network.eval(), sizes)


def _fit(
    network: ScoringNetwork,
    lessons: Lessons,
    validation: Lessons,
    settings: TrainingSettings,
    *,
    sizes: Mapping[str, Any],
    checkpoint: Path | None,
    stop_after: int | None,
    watch: Watcher | None,
) -> dict[str, float]:
    """Train a network in place, up to the best average of its weights; return what is known of it."""
    if lessons.heads != validation.heads:
        raise ValueError("validation: expected the features and labels of the examples")
    if not any(np.isfinite(one).any() for one in lessons.worth):
        raise ValueError("examples: none of the bursts has a label")
    optimiser = torch.optim.AdamW(network.parameters(), lr=settings.rate, weight_decay=settings.decay)
    state = TrainingState(network, copy.deepcopy(network), _copy_weights(network), optimiser)
    identity = json.dumps([dataclasses.asdict(settings), sizes, lessons.digest(), validation.digest()])
    if checkpoint is not None and checkpoint.is_file():
        read_checkpoint(checkpoint, state, identity)
    last = min(settings.steps, stop_after or settings.steps)
    losses: list[tuple[float, float]] = []
    with one_thread():
        while state.step < last:
            losses.append(_take_step(state, lessons, settings))
            if state.step % settings.every and state.step < settings.steps:
                continue
            value = _look(state, validation)
            if watch is not None:
                loss, added = np.mean(losses, axis=0)
                watch({"step": state.step, "loss": float(loss), "added": float(added), "spearman": value})
            losses = []
            if checkpoint is not None:
                write_checkpoint(checkpoint, state, identity)
            if state.step - max(state.best_step, settings.foundation) >= settings.patience * settings.every:
                break
    network.load_state_dict(state.best)
    return {"best_step": state.best_step, "validation_spearman": round(state.best_value, 4)}


def _copy_weights(network: ScoringNetwork) -> dict[str, torch.Tensor]:
    return {key: one.clone() for key, one in network.state_dict().items()}


def _take_step(state: TrainingState, lessons: Lessons, settings: TrainingSettings) -> tuple[float, float]:
    """Loss of a step, and the part of it that the network adds."""
    generator = np.random.Generator(np.random.Philox(np.random.SeedSequence((settings.seed, state.step))))
    count, tasks = len(lessons.worth), len(lessons.heads)
    chosen = generator.choice(count, min(settings.batch, count), replace=False)
    heads = np.arange(tasks)
    if settings.tasks is not None and settings.tasks < tasks:
        heads = np.sort(generator.choice(tasks, settings.tasks, replace=False))
    batch = lessons.draw(chosen, heads, settings.drawing, generator)
    warm = min(1.0, (state.step + 1) / max(settings.steps / 20, 1))
    for group in state.optimiser.param_groups:
        group["lr"] = settings.rate * warm * (0.02 + 0.98 * (1 + math.cos(math.pi * state.step / settings.steps)) / 2)
    state.network.train()
    scores, added = state.network.learn(batch)
    terms = scores, batch.worth, batch.known, batch.trust
    loss = settings.worth * worth_loss(*terms)
    loss = loss + settings.listwise * listwise_loss(*terms) + settings.ranking * ranking_loss(*terms)
    loss = added + (0.0 if state.step < settings.foundation else 1.0) * loss
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
    return float(loss.detach()), float(added.detach())


def _look(state: TrainingState, validation: Lessons) -> float:
    """Keep the average of the weights if it is the best so far; return how good it is."""
    value = measure_agreement(state.average, validation)
    if value > state.best_value:
        state.best_value, state.best_step = value, state.step
        state.best = _copy_weights(state.average)
    return value


def measure_agreement(network: ScoringNetwork, lessons: Lessons) -> float:
    """Mean rank correlation of scores and labels within bursts, over the sets of labels; 0 where there is none."""
    network.eval()
    per_head: list[list[float]] = [[] for _ in lessons.heads]
    with torch.inference_mode():
        for place, worth in enumerate(lessons.worth):
            batch = lessons.whole(place)
            scores = network.judge(batch.inputs, batch.mask, batch.heads).double().mean(0).numpy()
            for head, (labels, own) in enumerate(zip(worth, scores, strict=True)):
                known = np.isfinite(labels)
                if known.any() and math.isfinite(value := spearman(labels[known], own[known])):
                    per_head[head].append(value)
    means = [float(np.mean(values)) for values in per_head if values]
    return float(np.mean(means)) if means else 0.0


def write_log(path: Path, rows: Sequence[Mapping[str, float]]) -> None:
    """Figures of a training as CSV.

    Raises:
        OSError: if it cannot be written.
    """
    names = ("loss", "added", "spearman")
    lines = [",".join(("step", *names))]
    lines += [f"{row['step']:.0f}," + ",".join(f"{row[name]:.6g}" for name in names) for row in rows]
    write_file(path.parent, path.name, ("\n".join(lines) + "\n").encode())
