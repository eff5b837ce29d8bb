"""Bursts of pixels as networks learn from them, read from the cache of inputs step by step: memory does not grow with their number."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from assessors.batches import (
    Batch,
    Drawing,
    ExampleLessons,
    choose_frames,
    collate_labels,
    draw_kept,
    hash_arrays,
    pad_frames,
)
from assessors.examples import Progress, collect_examples
from assessors.factors import FACTORS, load_factors
from assessors.inputs import BurstInputs
from assessors.provider import InputProvider
from assessors.sight import Window, draw_window, fit_square, list_windows, scale_planes, turn, view_burst
from assessors.targets import Targets
from assessors.teachers import TEACHER_CELL, find_teacher

CAMERA_FACTS = (
    "displacement", "turn", "found", "shown", "saturated", "noise", "exposure", "order", "reference", "scene: frames", "scene: noise",
)  # fmt: skip
"""Of the measured features, those that the camera and the alignment know."""


@dataclass(frozen=True)
class Wants:
    """What a network takes beside pixels, and learns from beside labels.

    Attributes:
        facts: numbers about each frame: none, what camera and alignment know, or all that is measured.
        alignment: whether it sees frames on the grid of the reference.
        teachers: maps of the restorers of the tasks.
        factors: what the synthesis did to the frames.
        truth: the truth of the burst.
    """

    facts: str = "camera"
    alignment: bool = True
    teachers: bool = False
    factors: bool = False
    truth: bool = False


@dataclass(frozen=True, eq=False)
class _Look:
    """How a burst is seen in a step: which frames, through which window, for which tasks, turned how, on squares of which side."""

    frames: NDArray[np.int64]
    window: Window
    heads: NDArray[np.int64]
    turned: int
    side: int


@dataclass(frozen=True, eq=False)
class PixelLessons(ExampleLessons):
    """Bursts of pixels with labels.

    Their batches hold `pixels`, `valid` and `noise` as in `View`, `reference` [B, T], `facts` [B, T, F] and `keep` [B, 1, F]; where wanted
    `taught` [B, H, T, ⌈h/4⌉, ⌈w/4⌉], NaN where no teacher knows, `factors` [B, T, 7], NaN where unknown, and `truth` [B, 4, h, w], NaN
    without. For a burst by itself there are only the first five.

    Attributes:
        examples: their labels, and numbers measured in the frames.
        provider: has their inputs.
        places: of the bursts in it.
        wants: what the network takes.
        taught: of each burst and task, what its teacher knows, float32 [T, ⌈h/4⌉, ⌈w/4⌉]; None where nobody knows.
        factors: float32 [T, 7] of each burst.
    """

    provider: InputProvider
    places: tuple[int, ...]
    wants: Wants
    taught: tuple[tuple[NDArray[np.float32] | None, ...], ...] = ()
    factors: tuple[NDArray[np.float32], ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Of the facts that the network takes."""
        return choose_facts(self.examples.names, self.wants.facts)

    def facts_of(self, place: int) -> NDArray[np.float32]:
        """float32 [T, F] of a burst."""
        return pick_facts(self.examples.names, self.examples.features[place], self.names)

    def draw(
        self, chosen: NDArray[np.int64], heads: NDArray[np.int64], drawing: Drawing, generator: np.random.Generator
    ) -> Batch:
        """Some bursts and tasks, for a step: some frames, through one window each, turned at random."""
        keep = draw_kept(generator, len(chosen), len(self.names), drawing.dropout)
        parts, worth = [], []
        for place in chosen:
            inputs = self.provider[self.places[place]]
            frames = choose_frames(generator, inputs.num_frames, drawing.frames, inputs.reference_index)
            height, width = inputs.planes.shape[2:]
            window = draw_window(generator, height, width, drawing.window)
            turned = int(generator.integers(8))
            parts.append(self._see(int(place), inputs, _Look(frames, window, heads, turned, drawing.window)))
            worth.append(self.examples.worth[place][:, frames])
        tensors = {name: pad_frames([part[name] for part in parts]) for name in parts[0] if name != "truth"}
        # Frames are padded first, but tasks come before them.
        tensors["taught"] = tensors["taught"].transpose(1, 2)
        if self.wants.truth:
            tensors["truth"] = torch.from_numpy(np.stack([part["truth"] for part in parts]))
        labels = collate_labels(worth, [self.examples.trust[place] for place in chosen], heads)
        return Batch({**tensors, "keep": keep}, **labels)

    def whole(self, place: int) -> Batch:
        """A burst by itself, each window of it one of the batch, as it is seen in use: without truth, teachers and factors."""
        inputs = self.provider[self.places[place]]
        tensors = see_whole(inputs, self.facts_of(place), alignment=self.wants.alignment)
        count = len(tensors["pixels"])
        examples = self.examples
        labels = collate_labels(
            [examples.worth[place]] * count, [examples.trust[place]] * count, np.arange(len(examples.heads))
        )
        return Batch(tensors, **labels)

    def digest(self) -> str:
        """Hash of the bursts, what is known of them and their labels."""
        keys = [self.provider.content_key(place) for place in self.places]
        facts = json.dumps([self.names, self.heads, keys, repr(self.wants)])
        taught = tuple(one for each in self.taught for one in each if one is not None)
        tables = tuple(self.facts_of(place) for place in range(len(self.places)))
        return hash_arrays(facts, tables, self.examples.worth, self.examples.trust, taught, self.factors)

    def _see(self, place: int, inputs: BurstInputs, look: _Look) -> dict[str, NDArray[np.float32]]:
        """Arrays of one burst for a step, filled up to a square."""
        frames, window, turned, side = look.frames, look.window, look.turned, look.side
        view = view_burst(inputs, frames, window, alignment=self.wants.alignment)
        valid = view.valid.astype(np.float32)
        parts = {
            "pixels": turn(fit_square(view.pixels, side), turned, planes=True),
            "valid": turn(fit_square(valid, side), turned),
            "noise": view.noise,
            "reference": view.reference.astype(np.float32),
            "facts": self.facts_of(place)[frames],
            "taught": self._recall(place, look),
        }
        if self.wants.factors:
            parts["factors"] = self.factors[place][frames]
        if self.wants.truth:
            truth = scale_planes(self.provider.load_truth(self.places[place]), inputs)[:, window[0], window[1]]
            parts["truth"] = turn(fit_square(truth, side), turned, planes=True)
        return parts

    def _recall(self, place: int, look: _Look) -> NDArray[np.float32]:
        """What teachers know of some frames in a window: float32 [t, H, side/4, side/4], NaN where nothing."""
        small = -(-look.side // TEACHER_CELL)
        maps = np.full((len(look.frames), len(look.heads), small, small), np.nan, np.float32)
        rows, columns = (slice(one.start // TEACHER_CELL, -(-one.stop // TEACHER_CELL)) for one in look.window)
        for row, head in enumerate(look.heads):
            if self.taught and (known := self.taught[place][head]) is not None:
                maps[:, row] = turn(fit_square(known[look.frames][:, rows, columns], small, np.nan), look.turned)
        return maps


def see_whole(inputs: BurstInputs, facts: NDArray[np.float32], *, alignment: bool) -> dict[str, torch.Tensor]:
    """All frames of a burst, as the inputs of a batch that has a burst for each window."""
    frames = np.arange(inputs.num_frames)
    views = [
        view_burst(inputs, frames, window, alignment=alignment) for window in list_windows(*inputs.planes.shape[2:])
    ]
    arrays = {
        "pixels": [view.pixels for view in views],
        "valid": [view.valid.astype(np.float32) for view in views],
        "noise": [view.noise for view in views],
        "reference": [view.reference.astype(np.float32) for view in views],
        "facts": [facts] * len(views),
    }
    return {name: torch.from_numpy(np.stack(each)) for name, each in arrays.items()}


def choose_facts(names: Sequence[str], kind: str) -> tuple[str, ...]:
    """Which of the measured features a network takes: `none`, `camera` or `measured`."""
    wanted = {"none": (), "camera": CAMERA_FACTS, "measured": tuple(names)}[kind]
    return tuple(name for name in names if name in wanted)


def pick_facts(names: Sequence[str], table: NDArray[np.float32], wanted: Sequence[str]) -> NDArray[np.float32]:
    """Columns of measured features by name."""
    places = [names.index(name) for name in wanted]
    return np.ascontiguousarray(table[:, places])


def collect_lessons(
    targets: Targets, provider: InputProvider, wants: Wants, *, on_progress: Progress | None = None
) -> PixelLessons:
    """Put together what a network learns from.

    Args:
        targets: labels of the bursts.
        provider: the same bursts, at least.
        wants: what the network takes.
        on_progress: called with the number of bursts done and of all.

    Raises:
        SelectionError: if truth is wanted of a pack.
        ManifestError: if pixels cannot be read.
    """
    examples = collect_examples(targets, provider, on_progress=on_progress)
    positions = {name: place for place, name in enumerate(provider.burst_ids)}
    places = tuple(positions[targets.index.burst_ids[int(burst)].as_py()] for burst in targets.bursts)
    taught: list[tuple[NDArray[np.float32] | None, ...]] = []
    if wants.teachers:
        teachers = {scenario: find_teacher(scenario) for scenario, _ in examples.heads}
        for place in places:
            shape = provider[place].planes.shape[2:]
            known = {name: None if one is None else one.weigh(provider, place, shape) for name, one in teachers.items()}
            taught.append(tuple(known[scenario] for scenario, _ in examples.heads))
    factors: tuple[NDArray[np.float32], ...] = ()
    if wants.factors:
        table = load_factors(targets).astype(np.float32)
        factors = tuple(table[targets.rows(int(burst))] for burst in targets.bursts)
        assert table.shape[1] == len(FACTORS)
    return PixelLessons(examples, provider, places, wants, tuple(taught), factors)
