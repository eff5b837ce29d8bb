"""Small networks of every known form, quick to run, and as sensitive to mistakes as large ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import nn

from restorers.networks.bipnet import BIPNet
from restorers.networks.bpn import BasisPredictionNetwork
from restorers.networks.bsrt import BSRT
from restorers.networks.burstormer import Burstormer
from restorers.networks.dbd import DeepBurstDenoiser
from restorers.networks.dbsr import DBSR
from restorers.networks.ebsr import EBSR
from restorers.networks.kokkinos import IterativeResidualNetwork
from restorers.networks.kpn import KernelPredictionNetwork
from restorers.networks.kpn_google import GoogleKernelPredictionNetwork
from tests.restorers.networks.official_files import write_official_file
from tests.restorers.networks.parameters import make_parameter

SIDES = {"bipnet_denoise": 8, "bipnet_sr": 16, "bsrt_small": 48, "burstormer_denoise": 16}
"""Of square frames that are quick to run, px; of other networks 24."""
FRAMES = 4
"""That networks of fixed length take, but for Burstormer's eight."""
_BPN = {
    "frames": FRAMES,
    "basis": 5,
    "widths": (4, 5, 6, 7, 8),
    "coefficient_widths": (9, 8, 7, 6, 5),
    "basis_widths": (4, 3, 5, 6),
}
SMALL: Mapping[str, Callable[[], nn.Module]] = {
    "bipnet_denoise": lambda: BIPNet(task="denoise", channels=3, frames=FRAMES),
    "bipnet_sr": lambda: BIPNet(task="sr", channels=4, frames=FRAMES),
    "bpn_color": lambda: BasisPredictionNetwork(**_BPN, colours=3),
    "bpn_gray": lambda: BasisPredictionNetwork(**_BPN),
    "bsrt_small": lambda: BSRT(
        width=12, heads=3, hidden_width=5, pre_layers=2, depths=(2,), frames=FRAMES, feature_width=8, last_width=4
    ),
    "burstormer_denoise": lambda: Burstormer(variant="denoise", channels=3),
    "burstormer_real": lambda: Burstormer(variant="real", channels=4),
    "burstormer_syn": lambda: Burstormer(variant="synthetic", channels=4),
    "dbd": lambda: DeepBurstDenoiser(width=8),
    "dbsr": lambda: DBSR(
        encoder_width=8,
        encoder_blocks=1,
        feature_width=12,
        projection_width=6,
        offset_width=4,
        weight_width=8,
        decoder_width=8,
        enlarged_width=4,
    ),
    "ebsr": lambda: EBSR(width=8, frames=FRAMES, feature_blocks=1, groups=2, group_blocks=2, last_width=4),
    "kokkinos": lambda: IterativeResidualNetwork(iterations=3, width=8, blocks=2),
    "kpn": lambda: KernelPredictionNetwork(frames=FRAMES, kernel_size=3, widths=(4, 5, 6, 7, 8)),
    "kpn_google": lambda: GoogleKernelPredictionNetwork(frames=FRAMES, kernel_size=3, widths=(4, 5, 6)),
}


def make_small(tag: str) -> nn.Module:
    """A network filled by the rule of `parameters`."""
    network = SMALL[tag]()
    shapes = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    network.load_state_dict({key: torch.from_numpy(make_parameter(tag, key, shapes[key])) for key in shapes})
    return network.eval().requires_grad_(False)


def name_small(tag: str, folder: Path) -> str:
    """Save a small network as its authors would, once; the scenario's name."""
    path = folder / f"{tag}.pth"
    if not path.exists():
        write_official_file(path, tag, make_small(tag).state_dict())
    return f"burst:{path}"
