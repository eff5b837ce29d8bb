"""What each network was trained on, and how."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import Any

from restorers.learned.trained import StackForm

_DENOISING = {"handheld": 3.0, "action": 2.0, "night": 2.0, "kpn": 2.0, "burst_sr": 0.5, "dbsr": 0.5}


@dataclass(frozen=True)
class TrainingRecipe:
    """How weights are made.

    Attributes:
        task: task of the scenario.
        file: name of the file of weights, without suffix.
        summary: one line for lists.
        paper: the publication it follows.
        network: kind, of `restorers.learned.weights.NETWORKS`.
        sizes: its sizes.
        form: its input and output.
        presets: weight of each preset in the mixture.
        scale: truth pixels per frame pixel; None leaves it to the presets.
        side: of the frames, px.
        lengths: fewest and most frames.
        batch: bursts in a step.
        fresh: how many of them the step before has not seen.
        cycles: steps of each cycle, over which the learning rate falls to a hundredth along a cosine, to rise again for the next.
        rate: learning rate after the warm-up; later cycles begin at 0.6 of it.
        warm_up: steps.
        seed: of everything random.
    """

    task: str
    file: str
    summary: str
    paper: str
    network: str
    form: StackForm
    presets: Mapping[str, float]
    sizes: Mapping[str, Any] = field(default_factory=dict)
    scale: int | None = None
    side: int = 64
    lengths: tuple[int, int] = (2, 14)
    batch: int = 4
    fresh: int = 2
    cycles: tuple[int, ...] = (2400,)
    rate: float = 1e-3
    warm_up: int = 100
    seed: int = 1

    @property
    def steps(self) -> int:
        """Of the whole training."""
        return sum(self.cycles)


_merge_samples = partial(TrainingRecipe, network="sample_merge", paper="Bhat et al., Deep burst super-resolution, 2021")
_SUPER_RESOLUTION = (
    "small network: frames are encoded one by one, their samples merged by predicted weights, and refined"
)

RECIPES: Mapping[str, TrainingRecipe] = MappingProxyType(
    {
        "denoise/kpn": TrainingRecipe(
            task="denoise",
            file="denoise_kpn",
            summary="small network: predicted kernels merge the aligned frames, a correction follows after variance stabilisation",
            paper="Mildenhall et al., Burst denoising with kernel prediction networks, 2018",
            network="kernel_merge",
            form=StackForm("planes"),
            presets=_DENOISING,
        ),
        "denoise/recurrent": TrainingRecipe(
            task="denoise",
            file="denoise_recurrent",
            summary="small recurrent network: an estimate moves towards one frame after the other by predicted gains",
            paper="Godard et al., Deep burst denoising, 2018",
            network="recurrent_merge",
            form=StackForm("planes"),
            presets=_DENOISING,
            cycles=(1000,),
        ),
        "sr/dbsr@x2": _merge_samples(
            task="sr",
            file="sr_dbsr_x2",
            summary=_SUPER_RESOLUTION,
            sizes={"scale": 2},
            form=StackForm("samples", 2),
            presets={"handheld": 2.0, "burst_sr": 2.0, "dbsr": 2.0, "action": 1.0},
            cycles=(2700, 2700),
        ),
        "sr/dbsr@x4": _merge_samples(
            task="sr",
            file="sr_dbsr_x4",
            summary=_SUPER_RESOLUTION,
            sizes={"scale": 4, "width": 64, "hidden": (72, 80, 96)},
            form=StackForm("samples", 4),
            presets={"burst_sr": 2.0, "dbsr": 2.0},
            scale=4,
            side=48,
            cycles=(900,),
        ),
        "deblur/burst_network": _merge_samples(
            task="deblur",
            file="deblur_burst_network",
            summary="small network trained on dark scenes, whose frames are blurred or noisy",
            sizes={"scale": 1},
            form=StackForm("samples", 1),
            presets={"night": 1.0},
            cycles=(500,),
        ),
        "demosaic/burst_network": _merge_samples(
            task="demosaic",
            file="demosaic_burst_network",
            summary="small network: linear RGB of full resolution from the samples of all frames",
            sizes={"scale": 1},
            form=StackForm("samples", 1),
            presets={"handheld": 3.0, "action": 2.0, "burst_sr": 1.0, "dbsr": 1.0},
            cycles=(600,),
        ),
    }
)
