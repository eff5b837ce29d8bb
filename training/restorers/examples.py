"""Training examples: what a network is given of rendered bursts, and what it should make of them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from dataset_builder import BurstMixture, BurstWithTruth, RenderedBursts
from restorers.burst import FloatImage
from restorers.imaging.mosaic import mosaic
from restorers.learned.stacks import FrameStack
from restorers.learned.trained import StackForm
from training.restorers.recipes import TrainingRecipe

BORDER = 8
"""Frame pixels along each side that do not count."""


@dataclass(frozen=True, eq=False)
class Example:
    """A burst as a network takes it, and the wanted output, in units of the stack's level: float32 [C, h, w]."""

    stack: FrameStack
    wanted: Tensor
    preset: str


def make_mixture(recipe: TrainingRecipe, photographs: Sequence[Path], *, side: int | None = None) -> BurstMixture:
    """What the bursts of a recipe are rendered from; `side` px instead of the recipe's."""
    return BurstMixture(
        tuple(photographs),
        recipe.presets,
        height=side or recipe.side,
        width=side or recipe.side,
        lengths=recipe.lengths,
        scale=recipe.scale,
        seed=recipe.seed,
    )


def stream_examples(recipe: TrainingRecipe, mixture: BurstMixture, *, start: int = 0) -> Iterator[Example]:
    """Examples from a place in the endless stream of bursts on."""
    return (make_example(each, recipe.form) for each in RenderedBursts(mixture, start=start))


def list_examples(recipe: TrainingRecipe, mixture: BurstMixture, count: int) -> list[Example]:
    """The first examples of a stream."""
    return list(itertools.islice(stream_examples(recipe, mixture), count))


def make_example(rendered: BurstWithTruth, form: StackForm) -> Example:
    """Stack the frames of a burst and lay out its truth likewise."""
    stack = form.stack(rendered.burst)
    truth = shrink_truth(rendered, form)
    wanted = form.lay_out(truth, rendered.burst) / np.float32(stack.level[0])
    return Example(stack, torch.from_numpy(np.ascontiguousarray(wanted, np.float32)), rendered.preset)


def shrink_truth(rendered: BurstWithTruth, form: StackForm) -> FloatImage:
    """The truth at the scale of a form, as a mosaic if it works on planes."""
    factor = rendered.scale // form.scale
    height, width = (side // factor for side in rendered.truth.shape[:2])
    truth = np.asarray(cv2.resize(rendered.truth, (width, height), interpolation=cv2.INTER_AREA), np.float32)
    if form.form == "samples":
        return truth
    assert rendered.burst.cfa is not None
    return mosaic(truth, rendered.burst.cfa)


def measure_errors(output: Tensor, wanted: Tensor, form: StackForm) -> Tensor:
    """Mean squared error of each image [B, C, h, w] without its border, [B]."""
    border = BORDER // 2 if form.form == "planes" else BORDER * form.scale
    difference = functional.pad(output - wanted, (-border,) * 4)
    return difference.square().mean((1, 2, 3))
