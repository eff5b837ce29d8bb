"""Size and cost of the burst networks: `python -m benchmarks.burst_networks [SIDE]`.

Parameters, operations (two for a multiplication and an addition, counted in convolutions and products of matrices) for 14 frames of
96 × 96 px, or as many as the network takes, as a mosaic; and, for frames of SIDE px (48), seconds of one thread to restore all frames
afresh, to prepare them, and to fuse all of them once they are prepared. Weights are random: they make the same effort as others.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from restorers.adapters.burst_forms import InputForm, find_form
from restorers.adapters.burst_frames import make_input
from restorers.adapters.burst_network import BurstNetwork
from restorers.adapters.burst_stages import BurstTensors, encode_frames, merge_frames
from restorers.base import RestorerInfo
from restorers.burst import Burst
from restorers.networks.catalogue import NETWORKS
from restorers.trial import make_sample_burst

LENGTH, SIDE = 14, 96


def list_networks() -> Iterator[tuple[str, nn.Module, InputForm]]:
    """Every published form with its name, on the CPU."""
    for known in NETWORKS:
        for make in known.published:
            network = make().eval().requires_grad_(False)
            form = find_form(network)
            kind = getattr(network, "variant", None) or form.task
            colours = ", grey" if form.layout == "planes" else ""
            yield f"{known.name}, {kind}{colours}", network, form


def make_info(form: InputForm) -> RestorerInfo:
    """As much as the sample burst and the restorer need."""
    return RestorerInfo(form.task, "1", form.input_domains, form.output_domain, form.scale, max_frames=form.length)


def count_operations(network: nn.Module, form: InputForm, burst: Burst) -> int:
    """Of one restoration of all frames, on the device that holds no values."""
    given = make_input(burst, form)
    affine = None if given.affine is None else torch.from_numpy(given.affine).to("meta")
    there = network.to("meta")
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        for place, frames in enumerate(given.frames):
            noise = None if given.noise is None else torch.from_numpy(given.noise[place]).to("meta")
            tensors = BurstTensors(torch.from_numpy(frames).to("meta"), noise, affine)
            merge_frames(there, encode_frames(there, tensors), range(burst.num_frames))
    return counter.get_total_flops()


def measure(restorer: BurstNetwork, burst: Burst) -> tuple[float, float, float]:
    """Processor seconds to restore, to prepare, and to fuse all frames."""
    restorer.restore(burst)
    start = time.process_time()
    restorer.restore(burst)
    restored = time.process_time()
    prepared = restorer.prepare(burst)
    ready = time.process_time()
    restorer.fuse(prepared, burst.others)
    return restored - start, ready - restored, time.process_time() - ready


def main(side: int) -> None:
    torch.set_num_threads(1)
    print(f"{'network':34}{'parameters':>12}{'frames':>8}{'TFLOP':>8}{'restore s':>11}{'prepare s':>11}{'fuse s':>9}")
    for name, network, form in list_networks():
        info, size = make_info(form), sum(value.numel() for value in network.parameters())
        frames = form.length or LENGTH
        restorer = BurstNetwork(network, form, info, "cpu")
        seconds = measure(restorer, make_sample_burst(info, num_frames=frames, side=side))
        operations = count_operations(network, form, make_sample_burst(info, num_frames=frames, side=SIDE))
        times = f"{seconds[0]:11.2f}{seconds[1]:11.2f}{seconds[2]:9.2f}"
        print(f"{name:34}{size:12,}{frames:8}{operations / 1e12:8.2f}{times}", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 48)
