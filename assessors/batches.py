"""Bursts as a training takes them: several at once for a step, or one by itself to be judged."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from assessors.examples import Examples

FURTHEST = 3.0
"""Root mean squares at which worth is cut: outliers of one burst must not lead."""
Heads = tuple[tuple[str, str], ...]


@dataclass(frozen=True, eq=False)
class Batch:
    """B bursts of T frames at most, with labels of H of the tasks.

    Attributes:
        inputs: what the network sees, and what it may learn from besides, by name; [B, T, ...] unless their maker says otherwise.
        mask: bool [B, T], True for frames that are there.
        heads: int64 [H], which tasks.
        worth: float32 [B, H, T]; anything where there is no label.
        known: bool [B, H, T], where there is one.
        trust: float32 [B, H], weight of each set of labels of a burst.
    """

    inputs: Mapping[str, torch.Tensor]
    mask: torch.Tensor
    heads: torch.Tensor
    worth: torch.Tensor
    known: torch.Tensor
    trust: torch.Tensor


@dataclass(frozen=True)
class Drawing:
    """How bursts are changed for a step.

    Attributes:
        frames: frames of a burst at most, drawn anew each time; None for all.
        window: side of the window of planes that is drawn; what has no pixels takes none.
        dropout: share of the numbers about frames that a burst loses.
    """

    frames: int | None = None
    window: int = 32
    dropout: float = 0.0


class Lessons(Protocol):
    """Labelled bursts."""

    @property
    def heads(self) -> Heads:
        """Scenario and estimator of each task."""
        ...

    @property
    def worth(self) -> tuple[NDArray[np.float64], ...]:
        """float64 [S, T] of each burst, as `Examples.worth`."""
        ...

    def draw(
        self, chosen: NDArray[np.int64], heads: NDArray[np.int64], drawing: Drawing, generator: np.random.Generator
    ) -> Batch:
        """Some bursts and tasks, for a step."""
        ...

    def whole(self, place: int) -> Batch:
        """A burst by itself, unchanged, with all frames and tasks; where it is seen in several windows, each is one of the batch."""
        ...

    def digest(self) -> str:
        """Hash of all that a training on them depends on."""
        ...


def choose_frames(
    generator: np.random.Generator, count: int, most: int | None, reference: int | None = None
) -> NDArray[np.int64]:
    """Frames of a burst of `count`, in order: all, or `most` at random, the reference among them if there is one."""
    if most is None or most >= count:
        return np.arange(count)
    order = generator.permutation(count)
    if reference is not None:
        order = np.concatenate([[reference], order[order != reference]])
    return np.sort(order[:most])


def collate_labels(
    worth: list[NDArray[np.float64]], trust: list[NDArray[np.float64]], heads: NDArray[np.int64]
) -> dict[str, torch.Tensor]:
    """Labels [S, t] of each burst as those of a `Batch`, and its mask and heads."""
    longest = max(one.shape[1] for one in worth)
    padded = np.full((len(worth), len(heads), longest), np.nan, np.float32)
    mask = np.zeros((len(worth), longest), bool)
    for place, labels in enumerate(worth):
        padded[place, :, : labels.shape[1]] = labels[heads].clip(-FURTHEST, FURTHEST)
        mask[place, : labels.shape[1]] = True
    weights = np.array([one[heads] for one in trust], np.float32).reshape(len(trust), len(heads))
    arrays = {
        "mask": mask,
        "heads": heads,
        "worth": np.nan_to_num(padded),
        "known": np.isfinite(padded),
        "trust": weights,
    }
    return {name: torch.from_numpy(array) for name, array in arrays.items()}


def pad_frames(tables: list[NDArray[np.float32]]) -> torch.Tensor:
    """Arrays [t, ...] of several bursts as one [B, T, ...], with zeros for frames that are not there."""
    longest = max(len(one) for one in tables)
    padded = np.zeros((len(tables), longest, *tables[0].shape[1:]), tables[0].dtype)
    for place, table in enumerate(tables):
        padded[place, : len(table)] = table
    return torch.from_numpy(padded)


def draw_kept(generator: np.random.Generator, bursts: int, numbers: int, dropout: float) -> torch.Tensor:
    """float32 [bursts, 1, numbers]: 0 for numbers that a burst loses."""
    return torch.from_numpy((generator.random((bursts, 1, numbers)) >= dropout).astype(np.float32))


@dataclass(frozen=True, eq=False)
class ExampleLessons:
    """What lessons take over from examples.

    Attributes:
        examples: the bursts with their labels.
    """

    examples: Examples

    @property
    def heads(self) -> Heads:
        """As those of the examples."""
        return self.examples.heads

    @property
    def worth(self) -> tuple[NDArray[np.float64], ...]:
        """As that of the examples."""
        return self.examples.worth


@dataclass(frozen=True, eq=False)
class FeatureLessons(ExampleLessons):
    """Examples as lessons: `features` [B, T, F], and `keep` [B, 1, F] in a step."""

    def draw(
        self, chosen: NDArray[np.int64], heads: NDArray[np.int64], drawing: Drawing, generator: np.random.Generator
    ) -> Batch:
        """Some bursts and tasks, for a step."""
        examples = self.examples
        keep = draw_kept(generator, len(chosen), len(examples.names), drawing.dropout)
        frames = [choose_frames(generator, len(examples.features[one]), drawing.frames) for one in chosen]
        features = pad_frames([examples.features[one][at] for one, at in zip(chosen, frames, strict=True)])
        labels = [examples.worth[one][:, at] for one, at in zip(chosen, frames, strict=True)]
        inputs = {"features": features, "keep": keep}
        return Batch(inputs, **collate_labels(labels, [examples.trust[one] for one in chosen], heads))

    def whole(self, place: int) -> Batch:
        """A burst by itself."""
        examples = self.examples
        labels = collate_labels([examples.worth[place]], [examples.trust[place]], np.arange(len(examples.heads)))
        return Batch({"features": torch.from_numpy(examples.features[place])[None]}, **labels)

    def digest(self) -> str:
        """Hash of features and labels."""
        facts = json.dumps([self.examples.names, self.examples.heads])
        return hash_arrays(facts, self.examples.features, self.examples.worth, self.examples.trust)


def hash_arrays(facts: str, *groups: tuple[NDArray[np.generic], ...]) -> str:
    """SHA-256 of a text and arrays."""
    digest = hashlib.sha256(facts.encode())
    for arrays in groups:
        for array in arrays:
            digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
