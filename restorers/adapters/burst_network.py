"""Restorers from official checkpoints of burst networks, by names such as `burst:dbsr_synthetic_default.pth`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from restorers.adapters.burst_forms import InputForm, find_form
from restorers.adapters.burst_frames import make_image, make_input, order_frames
from restorers.adapters.burst_stages import BurstTensors, encode_frames, merge_frames
from restorers.base import RestorerInfo, check_accepts
from restorers.burst import Burst, FloatImage
from restorers.device import Device, computing_on
from restorers.errors import InvalidRestorerError
from restorers.imaging.color import linearise
from restorers.networks.catalogue import find_network
from restorers.networks.checkpoint import read_checkpoint
from restorers.networks.weight_norm import fold_weight_norm

_OPTIONS = ("convention", "license", "task")


@dataclass(frozen=True, eq=False)
class PreparedBurst:
    """What `fuse` merges.

    Attributes:
        burst: linear.
        order: its frames as the network has them.
        encoded: what the network made of them, once for each burst that it is run on, on its device.
    """

    burst: Burst
    order: list[int]
    encoded: list[Any]


class BurstNetwork:
    """Restores by a burst network (a `SubsetRestorer`): features of each frame are computed once where it allows that.

    The prepared state holds them: DBSR 512 channels of each packed frame, EBSR 128 and BSRT 64 of each mosaic, BIPNet 64 and Burstormer
    48 of each frame as it is fed, DBD all layers of its single-frame half, Kokkinos each frame twice, KPN and BPN the frames and their
    noise alone.

    Args:
        network: one that `restorers.networks` knows, on its device.
        form: form of its input and output.
        info: facts for callers.
    """

    def __init__(self, network: nn.Module, form: InputForm, info: RestorerInfo, device: Device) -> None:
        self.network, self.form, self.device = network, form, device
        self._info = info

    @property
    def info(self) -> RestorerInfo:
        """Facts for callers."""
        return self._info

    def restore(self, burst: Burst) -> FloatImage:
        """Run the network, float32 [scale·H, scale·W, 3], or [H, W] if it denoises mosaics."""
        return self.fuse(self.prepare(burst), burst.others)

    def prepare(self, burst: Burst) -> PreparedBurst:
        """Bring all frames to the network's form, and compute what does not depend on which are merged."""
        check_accepts(self._info, burst)
        self.form.check_sides(burst)
        burst = linearise(burst)
        given = make_input(burst, self.form)
        affine = None if given.affine is None else self._move(given.affine)
        encoded = []
        with computing_on(self.device):
            for place, frames in enumerate(given.frames):
                noise = None if given.noise is None else self._move(given.noise[place])
                tensors = BurstTensors(self._move(frames), noise, affine, self.form.noise_level)
                encoded.append(encode_frames(self.network, tensors))
        return PreparedBurst(burst, order_frames(burst, self.form), encoded)

    def fuse(self, prepared: PreparedBurst, members: Sequence[int]) -> FloatImage:
        """Merge the reference and the frames `members`; the reference makes up a length that is fixed."""
        wanted = {prepared.burst.reference_index, *members}
        places = [place for place, index in enumerate(prepared.order) if index in wanted]
        if self.form.length is not None:
            reference = prepared.order.index(prepared.burst.reference_index)
            places += [reference] * (self.form.length - len(places))
        with computing_on(self.device):
            images = torch.stack([merge_frames(self.network, encoded, places) for encoded in prepared.encoded])
        return make_image(np.asarray(images.cpu().numpy()), prepared.burst, self.form)

    def _move(self, values: FloatImage) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(values)).to(self.device)


def load_burst_network(path: Path, options: Mapping[str, str], device: Device) -> BurstNetwork:
    """Find out which network a checkpoint is of, and make it a restorer.

    Args:
        path: path of the checkpoint.
        options: `task`, `license` of the weights, and `convention` of values, see `restorers.adapters.burst_forms.find_form`.
        device: where to compute.

    Raises:
        UnsafeWeightsError: if the file is missing, damaged, or not to be read without trusting it.
        InvalidRestorerError: if it is of no known network, or an option is wrong.
        MissingExtraError: if a package that reads it is not installed.
    """
    unknown = [key for key in options if key not in _OPTIONS]
    if unknown:
        raise InvalidRestorerError(f"burst: option {unknown[0]!r} is unknown; there are {', '.join(_OPTIONS)}")
    checkpoint = read_checkpoint(path)
    try:
        state = fold_weight_norm(checkpoint.state)
        known = find_network(state)
        network = known.build(state)
        form = find_form(network, task=options.get("task"), convention=options.get("convention"))
    except InvalidRestorerError as error:
        raise InvalidRestorerError(f"{path}: {error}") from None
    network.load_state_dict(state)
    info = RestorerInfo(
        task=form.task,
        version="1",
        input_domains=form.input_domains,
        output_domain=form.output_domain,
        scale=form.scale,
        max_frames=form.length,
        missing_frames="any_length" if form.length is None else "repeat_reference",
        summary=f"{known.name}, {path.name}",
        paper=known.paper,
        network_input=form.describe(),
        weights_sha256=checkpoint.sha256,
        weights_license=options.get("license", "unknown"),
        device=device,
    )
    return BurstNetwork(network.float().requires_grad_(False).to(device), form, info, device)
