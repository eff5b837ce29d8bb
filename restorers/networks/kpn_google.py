"""The kernel prediction network (Mildenhall et al., Burst Denoising with Kernel Prediction Networks, 2018) as its authors trained it."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from restorers.networks.inputs import check_frames, check_shape
from restorers.networks.layout import allocate, fits, lay_out, read_shape
from restorers.networks.pixel_kernels import filter_by_pixel, find_kernel_size
from restorers.networks.resizing import enlarge_as_tensorflow

_MULTIPLE = 4
"""The network halves its input twice."""
_NAMES = ("conv2d", *(f"conv2d_{number}" for number in range(1, 12)))


class GoogleKernelPredictionNetwork(nn.Module):
    """Denoises grey frames by kernels that it predicts for every pixel of every frame.

    Format of google/burst-denoising, whose variables `generator/cnet2asep/NAME/kernel` are `NAME.weight` here, transposed from HWIO to
    OIHW. The number of frames is fixed, the reference comes **first**; H and W are multiples of 4. Values are linear and lie in 0..1,
    after scaling by a white level of 0.1 to 1 by which the result is to be divided. Kernels are not normalised.

    Args:
        frames: how many it takes.
        kernel_size: side of the kernels, odd.
        widths: channels at full, half and quarter size.
    """

    def __init__(self, *, frames: int = 8, kernel_size: int = 5, widths: tuple[int, int, int] = (64, 128, 256)) -> None:
        super().__init__()
        self.frames, self.kernel_size = frames, kernel_size
        full, half, quarter = widths
        kernels = frames * kernel_size**2
        encoder = [(frames + 1, full), *[(full, full)] * 2, (full, half), *[(half, half)] * 2]
        encoder += [(half, quarter), *[(quarter, quarter)] * 2]
        decoder = [(quarter + half, kernels), *[(kernels, kernels)] * 2]
        for name, (inputs, outputs) in zip(_NAMES, encoder + decoder, strict=True):
            self.add_module(name, nn.Conv2d(inputs, outputs, 3, padding=1))

    def forward(self, frames: Tensor, *, noise: Tensor) -> Tensor:
        """Denoise the first frame.

        Args:
            frames: [T, 1, H, W].
            noise: [1, H, W], standard deviation of the first frame's noise: √(read² + shot²·max(frame, 0)).

        Returns:
            [1, H, W].

        Raises:
            UnsupportedBurstError: if shapes are not as above.
        """
        return self.filter_frames(frames, self.predict_kernels(frames, noise=noise)).sum(0)

    def predict_kernels(self, frames: Tensor, *, noise: Tensor) -> Tensor:
        """Kernels for each frame and pixel, [T, K, K, H, W]; see `forward`."""
        check_frames("KPN", frames, count=self.frames, channels=1, multiple=_MULTIPLE)
        height, width = frames.shape[-2:]
        check_shape("KPN: noise", noise, (1, height, width))
        full = self._convolve(torch.cat([frames[:, 0], noise])[None], 0, 3)
        half = self._convolve(functional.avg_pool2d(full, 2), 3, 6)
        quarter = self._convolve(functional.avg_pool2d(half, 2), 6, 9)
        features = self._convolve(torch.cat([enlarge_as_tensorflow(quarter), half], 1), 9, 11)
        last: Tensor = self.get_submodule(_NAMES[-1])(features)
        # A tap of all frames comes before the next tap.
        kernels = enlarge_as_tensorflow(last).reshape(self.kernel_size, self.kernel_size, self.frames, height, width)
        return kernels.permute(2, 0, 1, 3, 4)

    @staticmethod
    def filter_frames(frames: Tensor, kernels: Tensor) -> Tensor:
        """What each frame alone adds to the image, [T, 1, H, W]; the result is their sum."""
        return filter_by_pixel(frames, kernels)

    def _convolve(self, features: Tensor, first: int, end: int) -> Tensor:
        for name in _NAMES[first:end]:
            features = functional.relu(self.get_submodule(name)(features))
        return features


def build(state: Mapping[str, Tensor]) -> GoogleKernelPredictionNetwork:
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


def _lay_out(state: Mapping[str, Tensor]) -> GoogleKernelPredictionNetwork:
    full, half, quarter = (read_shape(state, f"{_NAMES[layer]}.weight", 4)[0] for layer in (0, 3, 6))
    frames = read_shape(state, "conv2d.weight", 4)[1] - 1
    kernel_size = find_kernel_size(read_shape(state, f"{_NAMES[-1]}.weight", 4)[0], frames)
    return lay_out(
        lambda: GoogleKernelPredictionNetwork(frames=frames, kernel_size=kernel_size, widths=(full, half, quarter)),
        state,
    )
