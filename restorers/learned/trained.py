"""Scenarios of networks that were trained here, whose weights come with the package."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from torch import Tensor

from restorers.base import RestorerInfo, check_accepts
from restorers.burst import Burst, Domain, FloatImage
from restorers.device import Device, computing_on
from restorers.errors import InvalidRestorerError
from restorers.imaging.mosaic import join_planes, split_planes
from restorers.imaging.turning import find_turn
from restorers.learned.kernel_merge import KernelMerge
from restorers.learned.sample_merge import SampleMerge
from restorers.learned.stacks import FrameStack, stack_planes, stack_samples
from restorers.learned.weights import FOLDER, TrainedWeights, read_weights

Form = Literal["planes", "samples"]
_LEAST_WEIGHT = 1e-6


@dataclass(frozen=True)
class StackForm:
    """How a burst becomes the input of a network, and its output an image.

    Attributes:
        form: `planes`, whose output is a mosaic, or `samples`, whose output is linear RGB.
        scale: output pixels per frame pixel.
    """

    form: Form = "planes"
    scale: int = 1

    def stack(self, burst: Burst) -> FrameStack:
        """The input of the network."""
        return stack_planes(burst) if self.form == "planes" else stack_samples(burst, scale=self.scale)

    def lay_out(self, image: FloatImage, burst: Burst) -> FloatImage:
        """An image of the burst, mosaic [H, W] or linear RGB [sH, sW, 3], as the network's output: [4, h, w] or [3, sH, sW]."""
        turned = self._turn(image, burst)
        return split_planes(turned) if self.form == "planes" else np.ascontiguousarray(np.moveaxis(turned, -1, 0))

    def restore_layout(self, output: FloatImage, burst: Burst) -> FloatImage:
        """Undo `lay_out`."""
        image = join_planes(output) if self.form == "planes" else np.moveaxis(output, 0, -1)
        return np.ascontiguousarray(self._turn(image, burst), np.float32)

    @staticmethod
    def _turn(image: FloatImage, burst: Burst) -> FloatImage:
        assert burst.cfa is not None
        return image[find_turn(burst.cfa)]


@dataclass(frozen=True, eq=False)
class PreparedBurst:
    """What `fuse` merges.

    Attributes:
        burst: the burst as it came.
        encoded: what the network made of each frame, on its device.
        places: of the frames that could be aligned, by frame index, among those that were encoded.
        level: what the values were divided by.
    """

    burst: Burst
    encoded: Any
    places: Mapping[int, int]
    level: float


class TrainedRestorer:
    """Restores by a network trained here (a `SubsetRestorer`): each frame is aligned and encoded once.

    Takes mosaics, any number of frames; those that cannot be aligned are left out. The output is not clipped.
    """

    def __init__(self, weights: TrainedWeights, device: Device = "cpu") -> None:
        card = weights.card
        self.form = read_form(card)
        self.device = device
        # Weights are shared by all restorers of a process, whatever their device.
        self._network = weights.network if device == "cpu" else deepcopy(weights.network).to(device)
        self._info = _describe(card, self.form, weights.sha256, device)

    @property
    def info(self) -> RestorerInfo:
        """Facts for callers."""
        return self._info

    def restore(self, burst: Burst) -> FloatImage:
        """Merge all frames, float32 [H, W] or [scale·H, scale·W, 3]."""
        return self.fuse(self.prepare(burst), burst.others)

    def prepare(self, burst: Burst) -> PreparedBurst:
        """Align and encode every frame."""
        check_accepts(self._info, burst)
        stack = self.form.stack(burst)
        with computing_on(self.device):
            encoded = self._call("encode", stack.to(self.device))
        return PreparedBurst(
            burst, encoded, {index: place for place, index in enumerate(stack.indices)}, stack.level[0]
        )

    def fuse(self, prepared: PreparedBurst, members: Sequence[int]) -> FloatImage:
        """Merge the reference and the frames `members`."""
        own = prepared.burst.reference_index
        wanted = [own, *sorted({*members} - {own})]
        places = [prepared.places[index] for index in wanted if index in prepared.places]
        with computing_on(self.device):
            output: Tensor = self._call("merge", prepared.encoded, [places])
        image = output[0].float().cpu().numpy() * np.float32(prepared.level)
        return self.form.restore_layout(np.asarray(image, np.float32), prepared.burst)

    def _call(self, stage: str, *arguments: Any) -> Any:
        method: Callable[..., Any] = getattr(self._network, stage)
        return method(*arguments)


class WeighingTrainedRestorer(TrainedRestorer):
    """One whose network merges frames by weights that it predicts (a `WeighingRestorer`)."""

    def frame_weights(self, burst: Burst) -> FloatImage:
        """Weights of a frame over those of the reference, cut at 1, float32 [T, H/2, W/2]; 0 for a frame that cannot be aligned."""
        prepared = self.prepare(burst)
        maps = prepared.encoded.weights.mean(1).float().cpu().numpy()
        reference = np.maximum(maps[prepared.places[burst.reference_index]], _LEAST_WEIGHT)
        weights = np.zeros((burst.num_frames, *reference.shape), np.float32)
        for index, place in prepared.places.items():
            weights[index] = np.minimum(maps[place] / reference, 1)
        weights[burst.reference_index] = 1
        assert burst.cfa is not None
        rows, columns = find_turn(burst.cfa)
        return np.ascontiguousarray(weights[:, rows, columns])


def load_trained(name: str, device: Device = "cpu") -> TrainedRestorer:
    """The restorer of weights that come with the package.

    Args:
        name: of their file, without suffix.
        device: where to compute.

    Raises:
        UnsafeWeightsError: if the file is missing or damaged.
        InvalidRestorerError: if it is not of a network that is known here.
    """
    weights = _read(FOLDER / f"{name}.safetensors")
    weighs = isinstance(weights.network, KernelMerge | SampleMerge)
    return (WeighingTrainedRestorer if weighs else TrainedRestorer)(weights, device)


def read_form(card: Mapping[str, Any]) -> StackForm:
    """The form of the network of a card.

    Raises:
        InvalidRestorerError: if it is none.
    """
    form, scale = card.get("form"), card.get("scale", 1)
    if form == "planes" and scale == 1:
        return StackForm("planes")
    if form == "samples" and scale in {1, 2, 4}:
        return StackForm("samples", scale)
    raise InvalidRestorerError(
        f"card: expected form planes at scale 1, or samples at scale 1, 2 or 4, got {form!r} at {scale!r}"
    )


@lru_cache(maxsize=8)
def _read(path: Path) -> TrainedWeights:
    return read_weights(path)


def _describe(card: Mapping[str, Any], form: StackForm, sha256: str, device: Device) -> RestorerInfo:
    try:
        task, summary, paper, license_ = (str(card[key]) for key in ("task", "summary", "paper", "license"))
    except KeyError as error:
        raise InvalidRestorerError(f"card: expected {error.args[0]}, found none") from None
    return RestorerInfo(
        task=task,
        version="2",
        input_domains=frozenset({Domain.RAW_BAYER}),
        output_domain=Domain.RAW_BAYER if form.form == "planes" else Domain.LINEAR_RGB,
        scale=form.scale,
        summary=summary,
        paper=paper,
        network_input=(
            "aligned planes R, G, G, B of mosaics (others than RGGB are flipped and their results flipped back), linear"
            if form.form == "planes"
            else "sums of aligned raw samples about the output pixels of mosaics (others than RGGB are flipped, and back), linear"
        ),
        weights_sha256=sha256,
        weights_license=license_,
        device=device,
    )
