"""Deep burst denoising (Godard, Matzen & Uyttendaele, ECCV 2018): a recurrent network beside one for single frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from restorers.networks.inputs import check_frames
from restorers.networks.layout import allocate, fits, lay_out, read_shape

_LAYERS = 8


class DeepBurstDenoiser(nn.Module):
    """Denoises RGB frames one after the other; each gives an image of its own view, and the last is the result.

    Format of the class MFD_C of pminhtam/DeepBurstDenoising, which adds batch normalisation. Any number of frames of any size; the
    reference comes **last**. Values lie in 0..1; the result is not clamped. That repository fed its network
    frame 0 and then its own single-frame outputs; here, as in the paper, it sees the frames.

    Args:
        width: channels of the hidden layers.
    """

    def __init__(self, *, width: int = 64) -> None:
        super().__init__()
        self.S1, self.M1 = _Unit(3, width), _Unit(2 * width, width)
        for layer in range(2, _LAYERS):
            self.add_module(f"S{layer}", _Unit(width, width))
            self.add_module(f"M{layer}", _Unit(3 * width, width))
        self.S8 = nn.Conv2d(width, 3, 3, padding=1)
        self.M8 = nn.Conv2d(width + 6, 3, 3, padding=1)

    def forward(self, frames: Tensor) -> Tensor:
        """Denoise the last frame.

        Args:
            frames: [T, 3, H, W].

        Returns:
            [3, H, W].

        Raises:
            UnsupportedBurstError: if the shape is not as above.
        """
        return self.merge(self.encode(frames))[-1]

    def encode(self, frames: Tensor) -> list[Tensor]:
        """What the single-frame layers make of each frame by itself: seven times [T, width, H, W], then its image, [T, 3, H, W]."""
        check_frames("DBD", frames, channels=3)
        features, result = frames, []
        for layer in range(1, _LAYERS + 1):
            features = self.get_submodule(f"S{layer}")(features)
            result.append(features)
        return result

    def merge(self, encoded: Sequence[Tensor]) -> Tensor:
        """The image after each frame, [T, 3, H, W], of all frames or of some: each tensor of `encode` may be indexed along T."""
        states = [torch.zeros_like(features[:1]) for features in encoded]
        images = []
        for frame in range(len(encoded[0])):
            below: list[Tensor] = []
            for layer, features in enumerate(encoded):
                # The layer below has seen this frame already, the layer itself only those before.
                inputs = torch.cat([features[frame, None], *below, states[layer]], 1)
                states[layer] = self.get_submodule(f"M{layer + 1}")(inputs)
                below = [states[layer]]
            images.append(states[-1])
        return torch.cat(images)


class _Unit(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv, self.bn = nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs)

    def forward(self, features: Tensor) -> Tensor:
        result: Tensor = self.bn(self.conv(features)).relu()
        return result


def build(state: Mapping[str, Tensor]) -> DeepBurstDenoiser:
    """Build the network of a checkpoint on the CPU, its numbers not set.

    Args:
        state: tensors by name, weight normalisation folded.

    Raises:
        InvalidRestorerError: if they are not those of this network.
    """
    return allocate(_lay_out(state))


def matches(state: Mapping[str, Tensor]) -> bool:
    """Whether a checkpoint, its weight normalisation folded, is of this network."""
    return fits(_lay_out, state)


def _lay_out(state: Mapping[str, Tensor]) -> DeepBurstDenoiser:
    width = read_shape(state, "S1.conv.weight", 4)[0]
    return lay_out(lambda: DeepBurstDenoiser(width=width), state)
