"""The basis prediction network (Xia et al., Basis Prediction Networks for Effective Burst Denoising with Large Kernels, CVPR 2020)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from restorers.networks.inputs import check_frames, check_shape
from restorers.networks.layout import allocate, fits, lay_out, read_shape
from restorers.networks.resizing import enlarge_as_tensorflow

_MULTIPLE = 32
"""The encoder halves its input five times."""
_KERNEL_SIZE = 15
"""Four enlargements of a single pixel, less the one row and column that `basis_end1` takes."""


class BasisPredictionNetwork(nn.Module):
    """Denoises frames by large kernels, which are mixed at every pixel from a basis that the network predicts for the whole image.

    Format of likesum/bpn, whose `model.hdf5` holds `NAME/NAME/kernel:0` for `NAME.weight` here, transposed from HWIO to OIHW. The number
    of frames is fixed, the reference comes **first**; H and W are multiples of 32. Values are linear, scaled by a white level of at most 1
    by which the result is to be divided, and not clamped. All kernels of a pixel together weigh 1.

    The basis follows from the mean of the image, so tiles give other results than the whole. The published networks were made for tiles
    of 128 x 128: pad with zeros at the right and bottom to 64·k + 128, take tiles every 64 px, average where they overlap.

    Args:
        frames: how many it takes.
        colours: 1 for grey frames, 3 for RGB.
        basis: number of kernels in the basis.
        widths: channels of the encoder at each of five scales, from full size on.
        coefficient_widths: channels of the decoder of coefficients, from the smallest of five scales on.
        basis_widths: channels of the decoder of the basis, of sides 2, 4, 8 and 16.
    """

    def __init__(
        self,
        *,
        frames: int = 8,
        colours: int = 1,
        basis: int = 90,
        widths: Sequence[int] = (64, 128, 256, 512, 1024),
        coefficient_widths: Sequence[int] = (512, 256, 128, 64, 64),
        basis_widths: Sequence[int] = (512, 256, 256, 128),
    ) -> None:
        super().__init__()
        self.frames, self.colours = frames, colours
        self._add("inp", 2 * frames * colours, widths[0])
        inputs = widths[0]
        for scale, width in enumerate(widths, 1):
            self._add(f"down{scale}_1", inputs, width)
            self._add(f"down{scale}_2", width, width)
            inputs = width
        self._add("bottleneck1", inputs, inputs)
        self._add("bottleneck2", inputs, inputs)
        skips = widths[::-1]
        for branch, branch_widths in (("coeff", coefficient_widths), ("basis", basis_widths)):
            inputs = widths[-1]
            for scale, (width, skip) in enumerate(zip(branch_widths, skips, strict=False), 1):
                self._add(f"{branch}_up{scale}_1", inputs, width)
                self._add(f"{branch}_up{scale}_2", width + skip, width)
                self._add(f"{branch}_up{scale}_3", width, width)
                inputs = width
        self._add("coeff_end1", coefficient_widths[-1], coefficient_widths[-1])
        self._add("coeff_end2", coefficient_widths[-1], coefficient_widths[-1])
        self._add("coeff_end3", coefficient_widths[-1], basis)
        self.basis_end1 = nn.Conv2d(basis_widths[-1], basis_widths[-1], 2)
        self._add("basis_end2", basis_widths[-1], basis_widths[-1])
        self._add("basis_end3", basis_widths[-1], frames * colours * basis)

    def forward(self, frames: Tensor, *, noise: Tensor) -> Tensor:
        """Denoise the first frame.

        Args:
            frames: [T, C, H, W].
            noise: [T, C, H, W], standard deviation of the noise of each frame: √(read² + shot²·max(frame, 0)).

        Returns:
            [C, H, W].

        Raises:
            UnsupportedBurstError: if shapes are not as above.
        """
        features, skips = self.encode(frames, noise=noise)
        coefficients, basis = self.predict_coefficients(features, skips), self.predict_basis(features, skips)
        return self.filter_frames(frames, coefficients, basis).sum(0)

    def encode(self, frames: Tensor, *, noise: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Features of the whole burst, [1, width, H / 32, W / 32], and those of the five scales, from the smallest on; see `forward`."""
        check_frames("BPN", frames, count=self.frames, channels=self.colours, multiple=_MULTIPLE)
        check_shape("BPN: noise", noise, tuple(frames.shape))
        features = self._convolve(torch.cat([frames, noise]).reshape(1, -1, *frames.shape[-2:]), "inp")
        skips: list[Tensor] = []
        for scale in range(1, 6):
            skips.insert(0, self._convolve(features, f"down{scale}_1", f"down{scale}_2"))
            features = functional.max_pool2d(skips[0], 2)
        return self._convolve(features, "bottleneck1", "bottleneck2"), skips

    def predict_coefficients(self, features: Tensor, skips: Sequence[Tensor]) -> Tensor:
        """How much of each basis kernel every pixel takes, [basis, H, W], of sum 1."""
        for scale, skip in enumerate(skips, 1):
            features = self._convolve(enlarge_as_tensorflow(features), f"coeff_up{scale}_1")
            features = self._convolve(torch.cat([features, skip], 1), f"coeff_up{scale}_2", f"coeff_up{scale}_3")
        last: Tensor = self.get_submodule("coeff_end3")(self._convolve(features, "coeff_end1", "coeff_end2"))
        return last[0].softmax(0)

    def predict_basis(self, features: Tensor, skips: Sequence[Tensor]) -> Tensor:
        """The basis kernels, [T, C, basis, K, K], each of sum 1 over frames and taps."""
        features = features.mean((2, 3), keepdim=True)
        for scale, skip in enumerate(skips[:-1], 1):
            features = self._convolve(enlarge_as_tensorflow(features), f"basis_up{scale}_1")
            mean = skip.mean((2, 3), keepdim=True).expand(-1, -1, *features.shape[-2:])
            features = self._convolve(torch.cat([features, mean], 1), f"basis_up{scale}_2", f"basis_up{scale}_3")
        last: Tensor = self.get_submodule("basis_end3")(self._convolve(features, "basis_end1", "basis_end2"))
        logits = last.reshape(self.frames, self.colours, -1, _KERNEL_SIZE**2).movedim(0, 2)
        weights = logits.flatten(2).softmax(2)
        return weights.reshape(*logits.shape[:3], _KERNEL_SIZE, _KERNEL_SIZE).movedim(2, 0)

    @staticmethod
    def filter_frames(frames: Tensor, coefficients: Tensor, basis: Tensor) -> Tensor:
        """What each frame alone adds to the image, [T, C, H, W]; the result is their sum.

        Frames are filtered by the whole basis before its kernels are mixed: the same, without a kernel for every pixel in memory.
        """
        padded = functional.pad(frames, [_KERNEL_SIZE // 2] * 4, mode="reflect")
        parts = []
        for frame, kernels in zip(padded, basis, strict=True):
            filtered = functional.conv2d(frame[None], kernels.flatten(0, 1)[:, None], groups=len(kernels))
            parts.append((filtered.reshape(len(kernels), *coefficients.shape) * coefficients).sum(1))
        return torch.stack(parts)

    def _add(self, name: str, inputs: int, outputs: int) -> None:
        self.add_module(name, nn.Conv2d(inputs, outputs, 3, padding=1))

    def _convolve(self, features: Tensor, *names: str) -> Tensor:
        for name in names:
            features = functional.relu(self.get_submodule(name)(features))
        return features


def build(state: Mapping[str, Tensor]) -> BasisPredictionNetwork:
    """Build the network of a checkpoint on the CPU, its numbers not set.

    Args:
        state: tensors by name, weight normalisation folded.
            Frames times colours are known together only: if they are a multiple of 3, the network is taken to be for RGB.

    Raises:
        InvalidRestorerError: if they are not those of this network.
    """
    return allocate(_lay_out(state))


def matches(state: Mapping[str, Tensor]) -> bool:
    """Whether a checkpoint, its weight normalisation folded, is of this network."""
    return fits(_lay_out, state)


def _lay_out(state: Mapping[str, Tensor]) -> BasisPredictionNetwork:
    planes = max(1, read_shape(state, "inp.weight", 4)[1] // 2)
    colours = 1 if planes % 3 else 3
    basis = read_shape(state, "coeff_end3.weight", 4)[0]
    widths, coefficient_widths, basis_widths = (
        [read_shape(state, key.format(scale), 4)[0] for scale in range(1, count + 1)]
        for key, count in (("down{}_1.weight", 5), ("coeff_up{}_1.weight", 5), ("basis_up{}_1.weight", 4))
    )
    return lay_out(
        lambda: BasisPredictionNetwork(
            frames=planes // colours,
            colours=colours,
            basis=basis,
            widths=widths,
            coefficient_widths=coefficient_widths,
            basis_widths=basis_widths,
        ),
        state,
    )
