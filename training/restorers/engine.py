"""Training of one network: deterministic on a CPU for a given number of threads, and resumed where it was interrupted."""

from __future__ import annotations

import dataclasses
import itertools
import math
import time
from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from dataset_builder.randomness import derive_seed, make_generator
from restorers.fidelity import psnr_from_mse
from restorers.learned.stacks import join_stacks
from restorers.learned.weights import build_network, write_weights
from training.restorers.examples import Example, list_examples, make_mixture, measure_errors, stream_examples
from training.restorers.photographs import list_photographs
from training.restorers.recipes import TrainingRecipe

STATE = "state.pt"
_AVERAGE = 0.998
"""Weights are averaged over about as many steps as this is from 1, inverted; the average is validated and kept."""
_LEAST_RATE, _LATER_PEAK = 0.01, 0.6


@dataclass(frozen=True)
class Schedule:
    """When things happen.

    Attributes:
        validate_every: steps.
        validation_bursts: bursts, each of `validation_side` px.
        validation_side: px.
    """

    validate_every: int = 250
    validation_bursts: int = 24
    validation_side: int = 96


@dataclass
class _Progress:
    """Where a training is: everything that changes from step to step."""

    network: nn.Module
    average: nn.Module
    optimiser: torch.optim.Adam
    step: int = 0
    best: float = -math.inf
    best_step: int = 0
    best_state: dict[str, Tensor] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)


def train(
    recipe: TrainingRecipe,
    photographs: Mapping[str, Sequence[Path]],
    work: Path,
    weights: Path,
    *,
    schedule: Schedule | None = None,
    minutes: float | None = None,
    device: str = "cpu",
    report: Callable[[str], None] = lambda _line: None,
) -> bool:
    """Train, or go on training, and write the best weights so far.

    Bursts, their order and the frames that are left out follow from the recipe's seed and the step alone.

    Args:
        recipe: what to train on, and how.
        photographs: files to `train` on and for `validation`.
        work: folder of the state, from which an interrupted training goes on.
        weights: file to be written whenever the validation is better than before.
        schedule: when to validate.
        minutes: stop after so many, to be resumed; None to go on to the end.
        device: `cpu` or `cuda`.
        report: is told of each validation.

    Returns:
        Whether the training is complete.
    """
    schedule = schedule or Schedule()
    work.mkdir(parents=True, exist_ok=True)
    progress = _resume(recipe, work / STATE, device)
    mixture = make_mixture(recipe, photographs["train"])
    known = make_mixture(recipe, photographs["validation"], side=schedule.validation_side)
    validation = list_examples(recipe, dataclasses.replace(known, seed=recipe.seed + 1), schedule.validation_bursts)
    examples = stream_examples(recipe, mixture, start=progress.step * recipe.fresh)
    batch = deque(itertools.islice(examples, recipe.batch - recipe.fresh), recipe.batch)
    deadline = None if minutes is None else time.monotonic() + 60 * minutes
    while progress.step < recipe.steps:
        if deadline is not None and time.monotonic() >= deadline:
            _save(progress, work / STATE)
            return False
        batch.extend(itertools.islice(examples, recipe.fresh))
        _take_step(progress, recipe, list(batch), device)
        if progress.step % schedule.validate_every == 0 or progress.step == recipe.steps:
            figures = validate(progress.average, validation, recipe, device)
            progress.history.append({"step": progress.step, **figures})
            if figures["mean"] > progress.best:
                progress.best, progress.best_step = figures["mean"], progress.step
                progress.best_state = {key: value.clone() for key, value in progress.average.state_dict().items()}
                _write(weights, recipe, progress)
            _save(progress, work / STATE)
            report(f"{progress.step:6} of {recipe.steps}  " + "  ".join(f"{k} {v:.2f}" for k, v in figures.items()))
    return True


def validate(network: nn.Module, examples: Sequence[Example], recipe: TrainingRecipe, device: str) -> dict[str, float]:
    """Mean PSNR in dB of all frames of each example, by preset and of all presets alike."""
    decibels: dict[str, list[float]] = defaultdict(list)
    stages: Any = network
    with torch.inference_mode():
        for example in examples:
            places = list(range(len(example.stack.indices)))
            output = stages.merge(stages.encode(example.stack.to(device)), [places]).cpu()
            error = float(measure_errors(output, example.wanted[None], recipe.form)) * example.stack.level[0] ** 2
            decibels[example.preset].append(psnr_from_mse(error))
    means = {preset: float(np.mean(values)) for preset, values in sorted(decibels.items())}
    return {"mean": float(np.mean(list(means.values()))), **means}


def _take_step(progress: _Progress, recipe: TrainingRecipe, examples: list[Example], device: str) -> None:
    rng = make_generator(derive_seed("step", recipe.seed, progress.step), "subsets")
    groups, wanted, start = [], [], 0
    for example in examples:
        count = len(example.stack.indices)
        # Every burst is merged whole and once more from some of its frames.
        kept = np.flatnonzero(rng.uniform(size=count - 1) < rng.uniform()) + 1 if count > 1 else np.empty(0, int)
        groups += [list(range(start, start + count)), [start, *(start + place for place in kept.tolist())]]
        wanted += [example.wanted] * 2
        start += count
    stack = join_stacks([example.stack for example in examples]).to(device)
    stages: Any = progress.network
    # Convolutions in bfloat16 take half the time; everything else keeps its digits.
    with torch.autocast(device, dtype=torch.bfloat16):
        output = stages.merge(stages.encode(stack), groups)
    errors = measure_errors(output, torch.stack(wanted).to(device), recipe.form)
    loss = 10 * torch.log10(errors + 1e-9).mean()
    progress.optimiser.param_groups[0]["lr"] = find_rate(recipe, progress.step)
    progress.optimiser.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]  # PyTorch gives it no types
    nn.utils.clip_grad_norm_(progress.network.parameters(), 1.0)
    progress.optimiser.step()
    progress.step += 1
    decay = min(_AVERAGE, progress.step / (progress.step + 10))
    with torch.no_grad():
        for average, value in zip(progress.average.parameters(), progress.network.parameters(), strict=True):
            average.lerp_(value, 1 - decay)


def find_rate(recipe: TrainingRecipe, step: int) -> float:
    """Learning rate of a step."""
    if step < recipe.warm_up:
        return recipe.rate * (step + 1) / recipe.warm_up
    begin, peak = recipe.warm_up, recipe.rate
    for end in itertools.accumulate(recipe.cycles):
        if step < end:
            done = (step - begin) / (end - begin)
            return peak * (_LEAST_RATE + (1 - _LEAST_RATE) * (1 + math.cos(math.pi * done)) / 2)
        begin, peak = end, recipe.rate * _LATER_PEAK
    return recipe.rate * _LEAST_RATE


def _resume(recipe: TrainingRecipe, path: Path, device: str) -> _Progress:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        network = build_network(recipe.network, recipe.sizes).to(device)
    average = build_network(recipe.network, recipe.sizes).to(device)
    average.load_state_dict(network.state_dict())
    progress = _Progress(network, average, torch.optim.Adam(network.parameters(), lr=recipe.rate, betas=(0.9, 0.99)))
    if path.exists():
        state = torch.load(path, weights_only=True, map_location=device)
        network.load_state_dict(state["network"])
        average.load_state_dict(state["average"])
        progress.optimiser.load_state_dict(state["optimiser"])
        for name in ("step", "best", "best_step", "best_state", "history"):
            setattr(progress, name, state[name])
    return progress


def _save(progress: _Progress, path: Path) -> None:
    state = {
        "network": progress.network.state_dict(),
        "average": progress.average.state_dict(),
        "optimiser": progress.optimiser.state_dict(),
        "step": progress.step,
        "best": progress.best,
        "best_step": progress.best_step,
        "best_state": progress.best_state,
        "history": progress.history,
    }
    temporary = path.with_suffix(".tmp")
    torch.save(state, temporary)
    temporary.replace(path)


def _write(path: Path, recipe: TrainingRecipe, progress: _Progress) -> None:
    """Write the weights of the best step with their card."""
    network = build_network(recipe.network, recipe.sizes)
    network.load_state_dict(progress.best_state)
    temporary = path.with_suffix(".tmp")
    write_weights(temporary, network, make_card(recipe, progress.history[-1]))
    temporary.replace(path)


def make_card(recipe: TrainingRecipe, figures: Mapping[str, Any]) -> dict[str, Any]:
    """What the header of a file of weights says."""
    data = [
        {"file": each.file, "collection": each.collection, "license": each.license}
        for each in list_photographs("train")
    ]
    return {
        "task": recipe.task,
        "summary": recipe.summary,
        "paper": recipe.paper,
        "license": "Apache-2.0",
        "network": recipe.network,
        "sizes": dict(recipe.sizes),
        "form": recipe.form.form,
        "scale": recipe.form.scale,
        "recipe": {
            key: value
            for key, value in dataclasses.asdict(recipe).items()
            if key not in {"form", "network", "sizes", "summary", "paper", "task", "file"}
        },
        "trained_on": data,
        "validation": dict(figures),
    }
