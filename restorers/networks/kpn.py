"""The kernel prediction network (Mildenhall et al., Burst Denoising with Kernel Prediction Networks, CVPR 2018) as a deep U-Net."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from restorers.networks.inputs import check_frames, check_shape
from restorers.networks.layout import allocate, fits, lay_out, read_shape
from restorers.networks.pixel_kernels import filter_by_pixel, find_kernel_size
from restorers.networks.resizing import enlarge

_MULTIPLE = 16
"""The U-Net halves its input four times."""


class KernelPredictionNetwork(nn.Module):
    """Denoises grey frames by kernels that it predicts for every pixel of every frame.

    Format of z-bingo/kernel-prediction-networks-PyTorch in its published configuration: one kernel size, not separable, not blind. The
    number of frames is fixed, the reference comes **first**; H and W are multiples of 16. Values are linear and lie in 0..1, after scaling
    by a white level of 0.1 to 1 by which the result is to be divided. Kernels are not normalised; the result is not clamped.

    Args:
        frames: how many it takes.
        kernel_size: side of the kernels, odd.
        widths: channels at each of five scales, from full size on.
    """

    def __init__(
        self,
        *,
        frames: int = 8,
        kernel_size: int = 5,
        widths: tuple[int, int, int, int, int] = (64, 128, 256, 512, 512),
    ) -> None:
        super().__init__()
        self.frames, self.kernel_size = frames, kernel_size
        full, half, quarter, eighth, sixteenth = widths
        kernels = frames * kernel_size**2
        self.conv1 = _Block(frames + 1, full)
        self.conv2 = _Block(full, half)
        self.conv3 = _Block(half, quarter)
        self.conv4 = _Block(quarter, eighth)
        self.conv5 = _Block(eighth, sixteenth)
        self.conv6 = _Block(eighth + sixteenth, eighth)
        self.conv7 = _Block(quarter + eighth, quarter)
        self.conv8 = _Block(half + quarter, kernels)
        self.outc = nn.Conv2d(kernels, kernels, 1)

    def forward(self, frames: Tensor, *, noise: Tensor) -> Tensor:
        """Denoise the first frame.

        Args:
            frames: [T, 1, H, W].
            noise: [1, H, W], standard deviation of the first frame's noise: √(read² + shot·max(frame, 0)), where `shot` is variance per
                signal.

        Returns:
            [1, H, W].

        Raises:
            UnsupportedBurstError: if shapes are not as above.
        """
        return self.filter_frames(frames, self.predict_kernels(frames, noise=noise)).mean(0)

    def predict_kernels(self, frames: Tensor, *, noise: Tensor) -> Tensor:
        """Kernels for each frame and pixel, [T, K, K, H, W]; see `forward`."""
        check_frames("KPN", frames, count=self.frames, channels=1, multiple=_MULTIPLE)
        height, width = frames.shape[-2:]
        check_shape("KPN: noise", noise, (1, height, width))
        full = self.conv1(torch.cat([frames[:, 0], noise])[None])
        half = self.conv2(functional.avg_pool2d(full, 2))
        quarter = self.conv3(functional.avg_pool2d(half, 2))
        eighth = self.conv4(functional.avg_pool2d(quarter, 2))
        sixteenth = self.conv5(functional.avg_pool2d(eighth, 2))
        eighth = self.conv6(torch.cat([eighth, enlarge(sixteenth)], 1))
        quarter = self.conv7(torch.cat([quarter, enlarge(eighth)], 1))
        half = self.conv8(torch.cat([half, enlarge(quarter)], 1))
        kernels: Tensor = self.outc(enlarge(half))
        return kernels.reshape(self.frames, self.kernel_size, self.kernel_size, height, width)

    @staticmethod
    def filter_frames(frames: Tensor, kernels: Tensor) -> Tensor:
        """What each frame alone makes of the image, [T, 1, H, W]; the result is their mean."""
        return filter_by_pixel(frames, kernels)


class _Block(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        layers = [
            layer
            for channels in (inputs, outputs, outputs)
            for layer in (nn.Conv2d(channels, outputs, 3, padding=1), nn.ReLU())
        ]
        self.conv1 = nn.Sequential(*layers)

    def forward(self, features: Tensor) -> Tensor:
        result: Tensor = self.conv1(features)
        return result


def build(state: Mapping[str, Tensor]) -> KernelPredictionNetwork:
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


def _lay_out(state: Mapping[str, Tensor]) -> KernelPredictionNetwork:
    full, half, quarter, eighth, sixteenth = (
        read_shape(state, f"conv{scale}.conv1.0.weight", 4)[0] for scale in range(1, 6)
    )
    frames = read_shape(state, "conv1.conv1.0.weight", 4)[1] - 1
    kernel_size = find_kernel_size(read_shape(state, "outc.weight", 4)[0], frames)
    widths = (full, half, quarter, eighth, sixteenth)
    return lay_out(lambda: KernelPredictionNetwork(frames=frames, kernel_size=kernel_size, widths=widths), state)
