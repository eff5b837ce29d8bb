"""All burst networks that are known, and which of them a checkpoint is of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from restorers.errors import InvalidRestorerError
from restorers.networks import bipnet, bpn, bsrt, burstormer, dbd, dbsr, ebsr, kokkinos, kpn, kpn_google

_LEAST_OVERLAP = 0.5
"""Of the names of a checkpoint and of a network, for the one to be taken for a damaged or changed form of the other."""


@dataclass(frozen=True)
class KnownNetwork:
    """A network that has been published.

    Attributes:
        name: as people call it.
        paper: that it follows.
        build: makes the network of a checkpoint, or raises `InvalidRestorerError`.
        matches: whether it would.
        published: makes each form of which checkpoints are published.
    """

    name: str
    paper: str
    build: Callable[[Mapping[str, Tensor]], nn.Module]
    matches: Callable[[Mapping[str, Tensor]], bool]
    published: tuple[Callable[[], nn.Module], ...]


NETWORKS = (
    KnownNetwork(
        "BIPNet",
        "Dudhane et al., Burst Image Restoration and Enhancement, CVPR 2022",
        bipnet.build,
        bipnet.matches,
        (
            lambda: bipnet.BIPNet(task="sr", channels=4, frames=14),
            lambda: bipnet.BIPNet(task="denoise", channels=3, frames=8),
        ),
    ),
    KnownNetwork(
        "BPN",
        "Xia et al., Basis Prediction Networks for Effective Burst Denoising with Large Kernels, CVPR 2020",
        bpn.build,
        bpn.matches,
        (bpn.BasisPredictionNetwork, lambda: bpn.BasisPredictionNetwork(colours=3)),
    ),
    KnownNetwork(
        "BSRT",
        "Luo et al., BSRT: Improving Burst Super-Resolution with Swin Transformer and Flow-Guided Deformable Alignment, CVPRW 2022",
        bsrt.build,
        bsrt.matches,
        (bsrt.BSRT, lambda: bsrt.BSRT(width=180, hidden_width=360, depths=(8,) * 6)),
    ),
    KnownNetwork(
        "Burstormer",
        "Dudhane et al., Burstormer: Burst Image Restoration and Enhancement Transformer, CVPR 2023",
        burstormer.build,
        burstormer.matches,
        (
            lambda: burstormer.Burstormer(variant="synthetic", channels=4),
            lambda: burstormer.Burstormer(variant="real", channels=4),
            lambda: burstormer.Burstormer(variant="denoise", channels=3),
        ),
    ),
    KnownNetwork(
        "DBD",
        "Godard, Matzen & Uyttendaele, Deep Burst Denoising, ECCV 2018",
        dbd.build,
        dbd.matches,
        (dbd.DeepBurstDenoiser,),
    ),
    KnownNetwork("DBSR", "Bhat et al., Deep Burst Super-Resolution, CVPR 2021", dbsr.build, dbsr.matches, (dbsr.DBSR,)),
    KnownNetwork(
        "EBSR",
        "Luo et al., EBSR: Feature Enhanced Burst Super-Resolution with Deformable Alignment, CVPRW 2021",
        ebsr.build,
        ebsr.matches,
        (ebsr.EBSR,),
    ),
    KnownNetwork(
        "Kokkinos",
        "Kokkinos & Lefkimmiatis, Iterative Residual CNNs for Burst Photography Applications, CVPR 2019",
        kokkinos.build,
        kokkinos.matches,
        (kokkinos.IterativeResidualNetwork,),
    ),
    KnownNetwork(
        "KPN",
        "Mildenhall et al., Burst Denoising with Kernel Prediction Networks, CVPR 2018; as a deep U-Net by z-bingo",
        kpn.build,
        kpn.matches,
        (kpn.KernelPredictionNetwork,),
    ),
    KnownNetwork(
        "KPN (Google)",
        "Mildenhall et al., Burst Denoising with Kernel Prediction Networks, CVPR 2018",
        kpn_google.build,
        kpn_google.matches,
        (kpn_google.GoogleKernelPredictionNetwork,),
    ),
)


def find_network(state: Mapping[str, Tensor]) -> KnownNetwork:
    """The network whose keys and shapes a checkpoint has.

    Args:
        state: tensors by name, weight normalisation folded.

    Raises:
        InvalidRestorerError: if there is none. Where most names are those of a network, the message says what differs.
    """
    for known in NETWORKS:
        if known.matches(state):
            return known
    overlaps = {known: _measure_overlap(known, state) for known in NETWORKS}
    nearest = max(overlaps, key=lambda known: overlaps[known])
    if overlaps[nearest] >= _LEAST_OVERLAP:
        try:
            nearest.build(state)
        except InvalidRestorerError as error:
            raise InvalidRestorerError(f"it is of no known network; the nearest is {nearest.name}: {error}") from None
    raise InvalidRestorerError(
        f"it is of no known network: expected the tensors of {', '.join(known.name for known in NETWORKS)}, "
        f"found {len(state)}, such as {', '.join(list(state)[:3])}"
    )


def _measure_overlap(known: KnownNetwork, state: Mapping[str, Tensor]) -> float:
    """Share of the names that a checkpoint and the nearest form of a network have in common, among those that either has."""
    shares = []
    for make in known.published:
        with torch.device("meta"):
            names = make().state_dict().keys()
        shares.append(len(names & state.keys()) / len(names | state.keys()))
    return max(shares)
