"""What the networks trained here gain over the classical restorers: `python -m benchmarks.networks FOLDER... [--bursts N]`.

FOLDERs hold the test photographs of training/restorers/photographs.toml, which no network was trained on or chosen by. For each preset,
N bursts (40) of 96 × 96 px are rendered from them, and every restorer of a task gets the same ones. A row tells the mean PSNR, the mean
difference to the first rival, and its 95 % interval over photographs, which are drawn with all their bursts (bootstrap); what is held to
a bar has it beside. Then the cost: processor seconds of one thread for a burst of 14 frames, and how many times cheaper leave_one_out is
by `prepare` and `fuse` than by fresh restorations.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch

from dataset_builder import BurstMixture, BurstWithTruth, RenderedBursts
from dataset_builder.labeling.truth import project_truth
from restorers import Burst, Restorer, SubsetRestorer, create, list_scenarios
from restorers.fidelity import psnr
from restorers.trial import make_sample_burst
from training.restorers.photographs import find_photographs

SIDE, LENGTH = 96, 14
RIVALS: Mapping[str, tuple[str, ...]] = {
    "denoise/kpn": ("denoise/hdrplus@spatial", "denoise/hdrplus", "denoise/robust_mean", "denoise/mean"),
    "denoise/recurrent": ("denoise/hdrplus@spatial", "denoise/hdrplus", "denoise/robust_mean", "denoise/mean"),
    "sr/dbsr@x2": ("sr/handheld@x2", "sr/backprojection@x2"),
    "sr/dbsr@x4": ("sr/handheld@x4", "sr/backprojection@x4"),
    "demosaic/burst_network": ("demosaic/burst", "demosaic/malvar", "denoise/handheld"),
    "deblur/burst_network": ("deblur/fourier", "demosaic/burst", "denoise/handheld"),
}
PRESETS: Mapping[str, tuple[str, ...]] = {
    "denoise": ("handheld", "action", "night", "kpn", "burst_sr", "dbsr"),
    "sr": ("handheld", "action", "burst_sr", "dbsr"),
    "demosaic": ("handheld", "action", "burst_sr", "dbsr"),
    "deblur": ("night",),
}
BARS: Mapping[str, float] = {"denoise/kpn": 1.0, "sr/dbsr@x2": 1.0, "deblur/burst_network": 1.0}
"""dB over the first rival on the mean of the presets; on no preset may any rival be better."""
COST_BAR, SHARING_BAR = 3.0, 5.0
Scores = dict[str, list[float]]


def render(preset: str, photographs: Sequence[Path], count: int, *, scale: int | None = None) -> list[BurstWithTruth]:
    mixture = BurstMixture(tuple(photographs), {preset: 1.0}, height=SIDE, width=SIDE, scale=scale, seed=7)
    return list(RenderedBursts(mixture, stop=count))


def score(names: Sequence[str], bursts: Sequence[BurstWithTruth]) -> Scores:
    """PSNR of every restorer on every burst it has a truth for."""
    restorers = {name: create(name) for name in names}
    return {name: [fidelity(restorer, each) for each in bursts] for name, restorer in restorers.items()}


def fidelity(restorer: Restorer, rendered: BurstWithTruth) -> float:
    burst, info = rendered.burst, restorer.info
    image = restorer.restore(burst.single(burst.reference_index) if info.single_frame else burst)
    truth = project_truth(rendered.truth, info, domain=burst.domain, scale=rendered.scale, cfa=burst.cfa)
    return psnr(image, truth, border=round(8 * info.scale))


def find_interval(differences: Sequence[float], scenes: Sequence[Path]) -> tuple[float, float]:
    """95 % interval of the mean, photographs drawn with replacement."""
    names = sorted(set(scenes))
    sums = np.array(
        [[sum(d for d, s in zip(differences, scenes, strict=True) if s == n), scenes.count(n)] for n in names]
    )
    drawn = np.random.default_rng(0).integers(len(names), size=(4000, len(names)))
    means = sums[drawn, 0].sum(1) / sums[drawn, 1].sum(1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def compare(name: str, photographs: Sequence[Path], count: int) -> bool:
    """Print the table of one network; whether its bars are reached."""
    rivals, task = RIVALS[name], name.partition("/")[0]
    print(f"{name}: PSNR, dB; beside rivals, the network over them")
    differences: list[float] = []
    scenes: list[Path] = []
    reached = True
    for preset in PRESETS[task]:
        if name.endswith("@x4") and preset not in {"burst_sr", "dbsr"}:
            continue
        bursts = render(preset, photographs, count)
        scores = score([name, *rivals], bursts)
        places = [each.photograph for each in bursts]
        own = scores.pop(name)
        text = []
        for rival, values in scores.items():
            gains = [a - b for a, b in zip(own, values, strict=True)]
            low, high = find_interval(gains, places)
            text.append(f"{rival} {np.mean(values):.2f} {np.mean(gains):+.2f} [{low:+.2f}, {high:+.2f}]")
            reached &= bool(np.mean(gains) > 0)
            if rival == rivals[0]:
                differences += gains
                scenes += places
        print(f"  {preset:9} {np.mean(own):6.2f}   " + "   ".join(text), flush=True)
    low, high = find_interval(differences, scenes)
    bar = BARS.get(name, 0.0)
    reached &= bool(np.mean(differences) >= bar)
    verdict = f"bar {bar:g}, and no preset below a rival: {'reached' if reached else 'MISSED'}"
    print(
        f"  all       over {rivals[0]}: {np.mean(differences):+.2f} [{low:+.2f}, {high:+.2f}]   {verdict}", flush=True
    )
    return reached


def measure_cost(name: str) -> bool:
    """Print what a restoration costs; whether its bars are reached."""
    restorer, rival = create(name), create("denoise/hdrplus" if name.startswith("denoise") else RIVALS[name][0])
    assert isinstance(restorer, SubsetRestorer)
    burst = make_sample_burst(restorer.info, num_frames=LENGTH, side=SIDE)
    prepared = restorer.prepare(burst)
    fresh, other = time_best(partial(restorer.restore, burst)), time_best(partial(rival.restore, burst))
    encode, fuse = (
        time_best(partial(restorer.prepare, burst)),
        time_best(partial(restorer.fuse, prepared, burst.others[1:])),
    )
    shared = measure_sharing(restorer, burst)
    texts = [
        f"fresh {1e3 * fresh:.0f} ms, {fresh / other:.2f} times its rival",
        f"prepare {1e3 * encode:.0f} ms, fuse {1e3 * fuse:.0f} ms",
    ]
    print(f"  {name:24} {'; '.join(texts)}; leave_one_out {shared:.1f} times cheaper", flush=True)
    return name != "denoise/kpn" or (fresh / other <= COST_BAR and shared >= SHARING_BAR)


def measure_sharing(restorer: SubsetRestorer, burst: Burst) -> float:
    """Time of all restorations that leave_one_out needs, done afresh, over that by one `prepare`."""
    subsets = [burst.others, *([each for each in burst.others if each != gone] for gone in burst.others)]

    def together() -> None:
        prepared = restorer.prepare(burst)
        for members in subsets:
            restorer.fuse(prepared, members)

    def afresh() -> None:
        for members in subsets:
            restorer.restore(burst.subset(members))

    return time_best(afresh, 2) / time_best(together, 2)


def time_best(run: Callable[[], object], repeats: int = 5) -> float:
    """Least processor seconds of some runs."""
    best = float("inf")
    for _ in range(repeats):
        start = time.process_time()
        run()
        best = min(best, time.process_time() - start)
    return best


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.networks")
    parser.add_argument("folders", nargs="*", type=Path)
    parser.add_argument("--bursts", type=int, default=40)
    parser.add_argument("--only", nargs="*", default=list(RIVALS))
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    names = [name for name in RIVALS if name in list_scenarios() and name in options.only]
    try:
        photographs = find_photographs("test", options.folders)
    except FileNotFoundError as error:
        print(f"without the test photographs, cost alone: {error}")
        photographs = ()
    met = [compare(name, photographs, options.bursts) for name in names] if photographs else []
    print("cost of 14 frames of 96 × 96 px")
    met += [measure_cost(name) for name in names]
    print("every bar reached" if all(met) else "bars missed")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
