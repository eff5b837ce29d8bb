"""Known burst networks in two stages: what is made of each frame once, and what is merged of some of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from restorers.networks.bipnet import BIPNet
from restorers.networks.bpn import BasisPredictionNetwork
from restorers.networks.bsrt import BSRT
from restorers.networks.burstormer import Burstormer
from restorers.networks.dbd import DeepBurstDenoiser
from restorers.networks.dbsr import DBSR
from restorers.networks.ebsr import EBSR
from restorers.networks.kokkinos import IterativeResidualNetwork


@dataclass(frozen=True, eq=False)
class BurstTensors:
    """One burst on the device of its network; see `restorers.adapters.burst_frames.NetworkInput`.

    Attributes:
        frames: [T, C, h, w].
        noise: noise of the same shape, or None.
        affine: [T, 2, 3], or None.
        noise_level: noise level of all pixels; None to estimate it.
    """

    frames: Tensor
    noise: Tensor | None = None
    affine: Tensor | None = None
    noise_level: float | None = None


def encode_frames(network: nn.Module, burst: BurstTensors) -> Any:
    """What depends on each frame and the reference alone, for `merge_frames`; of KPN and BPN nothing but the frames."""
    frames = burst.frames
    match network:
        case DBSR() | DeepBurstDenoiser():
            return network.encode(frames)
        case EBSR() | BSRT():
            return network.encode(frames), frames[0]
        case BIPNet():
            return network.encode(frames, noise=burst.noise)
        case Burstormer():
            # It does not displace frame 0, so a repetition of it is another frame; it comes last.
            places = [*range(len(frames)), 0]
            return network.encode(frames[places], noise=None if burst.noise is None else burst.noise[places])
        case IterativeResidualNetwork():
            assert burst.affine is not None
            return network.encode(frames, affine=burst.affine), burst.noise_level
        case _:
            return burst


def merge_frames(network: nn.Module, encoded: Any, places: Sequence[int]) -> Tensor:
    """The image [C, H, W] of some frames.

    Args:
        network: that encoded them.
        encoded: what `encode_frames` returned.
        places: of the frames among those that were encoded, as many and in the order that the network takes; the reference may recur.
    """
    merge = _MERGES.get(type(network), _merge_grey)
    return merge(network, encoded, list(places))


def _merge_pyramids(network: EBSR | BSRT, encoded: Any, places: list[int]) -> Tensor:
    features, reference = encoded
    return network.merge(features[places], reference)


def _merge_iteratively(network: IterativeResidualNetwork, encoded: Any, places: list[int]) -> Tensor:
    aligned, noise_level = encoded
    return network.merge(aligned.select(places), noise_level=noise_level)


def _merge_grey(network: nn.Module, burst: BurstTensors, places: list[int]) -> Tensor:
    """Of either KPN."""
    assert burst.noise is not None
    restored: Tensor = network(burst.frames[places], noise=burst.noise[0])
    return restored


_MERGES: Mapping[type[nn.Module], Callable[[Any, Any, list[int]], Tensor]] = {
    BIPNet: lambda network, encoded, places: network.merge(encoded[places]),
    BSRT: _merge_pyramids,
    BasisPredictionNetwork: lambda network, burst, places: network(burst.frames[places], noise=burst.noise[places]),
    Burstormer: lambda network, encoded, places: network.merge(encoded[[0, *(place or -1 for place in places[1:])]]),
    DBSR: lambda network, encoded, places: network.merge(*(each[places] for each in encoded)),
    DeepBurstDenoiser: lambda network, encoded, places: network.merge([each[places] for each in encoded])[-1],
    EBSR: _merge_pyramids,
    IterativeResidualNetwork: _merge_iteratively,
}
