"""The iterative residual network (Kokkinos & Lefkimmiatis, Iterative Residual CNNs for Burst Photography Applications, CVPR 2019)."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from restorers.networks.inputs import check_frames, check_shape
from restorers.networks.layout import allocate, count_layers, fits, lay_out, read_shape

_LEAST_SIDE = 8
"""The wavelet filter of the noise estimate reflects 7 pixels at each edge."""


@dataclass(frozen=True, eq=False)
class AlignedBurst:
    """Frames with all of their gradient that does not depend on the other frames; the reference is the last.

    Attributes:
        frames: [T, C, H, W].
        affine: [T, 2, 3], maps reference pixels (x, y, 1) to those of the frame.
        inverse: [T, 2, 3], maps them back.
        warped: [T, C, H, W], the frames as the reference sees them.
        coverage: [T, 1, H, W], 1 where a frame sees the reference pixel, else 0.
    """

    frames: Tensor
    affine: Tensor
    inverse: Tensor
    warped: Tensor
    coverage: Tensor

    def select(self, indices: Sequence[int]) -> AlignedBurst:
        """The burst of some frames; the last index must be that of the reference."""
        parts = (self.frames, self.affine, self.inverse, self.warped, self.coverage)
        return AlignedBurst(*(part[list(indices)] for part in parts))


class IterativeResidualNetwork(nn.Module):
    """Denoises a burst, or denoises and demosaicks it, by proximal gradient steps with a small residual network.

    Format of cig-skoltech/burst-cvpr-2019. Any number of frames, the reference **last**, its matrix the identity; a burst of one frame is
    not warped at all. Frames are RGB, or RGGB mosaics (C = 1) of even sides; values lie in 0..255, and so do those of the result. H and W
    are at least 8. The residual is scaled by its norm over the whole image: tiles give other results than the whole.

    Args:
        iterations: gradient steps.
        width: channels inside the residual network.
        blocks: its residual blocks.
    """

    def __init__(self, *, iterations: int = 10, width: int = 64, blocks: int = 5) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.zeros(iterations))
        self.w = nn.Parameter(torch.zeros(iterations))
        self.model = ResidualDenoiser(width=width, blocks=blocks)

    def forward(self, frames: Tensor, *, affine: Tensor, noise_level: Tensor | float | None = None) -> Tensor:
        """Restore the last frame.

        Args:
            frames: [T, 3, H, W], RGB, or [T, 1, H, W], RGGB mosaics.
            affine: [T, 2, 3], maps reference pixels (x, y, 1) to those of each frame, pixels counted from the centre of the first.
            noise_level: standard deviation in units of the frames; None to estimate it from the reference. The network that was published
                for mosaics without noise takes 1.

        Returns:
            [3, H, W].

        Raises:
            UnsupportedBurstError: if shapes are not as above.
        """
        return self.merge(self.encode(frames, affine=affine), noise_level=noise_level)

    @staticmethod
    def encode(frames: Tensor, *, affine: Tensor) -> AlignedBurst:
        """Warp each frame to the reference; see `forward`."""
        is_mosaic = frames.dim() > 1 and frames.shape[1] == 1
        check_frames(
            "Kokkinos",
            frames,
            channels=1 if is_mosaic else 3,
            multiple=2 if is_mosaic else 1,
            least_side=_LEAST_SIDE,
        )
        check_shape("Kokkinos: affine", affine, (len(frames), 2, 3))
        affine = affine.to(frames)
        rotation = torch.linalg.inv(affine[:, :, :2])
        positions = _map_pixels(affine, *frames.shape[2:])
        return AlignedBurst(
            frames,
            affine,
            inverse=torch.cat([rotation, -rotation @ affine[:, :, 2:]], 2),
            warped=_warp_mosaics(frames, affine) if is_mosaic else _warp(frames, affine),
            coverage=(positions.abs() <= 1).all(-1).to(frames)[:, None],
        )

    def merge(self, burst: AlignedBurst, *, noise_level: Tensor | float | None = None) -> Tensor:
        """Restore from aligned frames, [3, H, W]; see `forward`."""
        return deque(self.iterate(burst, noise_level=noise_level), maxlen=1).pop()

    def iterate(self, burst: AlignedBurst, *, noise_level: Tensor | float | None = None) -> Iterator[Tensor]:
        """Yield the image after each gradient step, [3, H, W]."""
        if noise_level is None:
            noise_level = estimate_noise(burst.frames[-1])
        previous = estimate = make_start(burst)
        for alpha, momentum in zip(self.alpha, self.w.exp(), strict=True):
            leading = estimate + momentum * (estimate - previous)
            stepped = leading - compute_gradient(leading, burst)
            previous, estimate = estimate, (stepped - self.model(stepped, noise_level, alpha)).clamp(0, 255)
            yield estimate


class ResidualDenoiser(nn.Module):
    """Predicts the noise of an image [3, H, W], of a norm that its level allows (the paper's ResDNet)."""

    def __init__(self, *, width: int, blocks: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 5, padding=2, padding_mode="reflect")
        self.layer1 = nn.ModuleList(_Block(width) for _ in range(blocks))
        self.conv_out = nn.ConvTranspose2d(width, 3, 5, padding=2)

    def forward(self, image: Tensor, noise_level: Tensor | float, alpha: Tensor | float) -> Tensor:
        """Predict noise of a norm of at most exp(alpha)·noise_level·√(3·H·W − 1)."""
        features = self.conv1(image[None])
        for index, block in enumerate(self.layer1):
            # The official network has no shortcut around its first block.
            features = block(features) + features if index else block(features)
        noise: Tensor = self.conv_out(features)[0]
        bound = torch.as_tensor(alpha).exp() * noise_level * (noise.numel() - 1) ** 0.5
        scale: Tensor = bound / torch.maximum(torch.linalg.vector_norm(noise), bound)
        return noise * scale


class _Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.relu1, self.relu2 = nn.PReLU(width), nn.PReLU(width)
        self.conv1, self.conv2 = (nn.Conv2d(width, width, 3, padding=1, padding_mode="reflect") for _ in range(2))

    def forward(self, features: Tensor) -> Tensor:
        result: Tensor = self.conv2(self.relu2(self.conv1(self.relu1(features))))
        return result


def estimate_noise(reference: Tensor) -> Tensor:
    """Standard deviation of the noise of an image [C, H, W] in its units: median of its finest diagonal wavelets, mean over channels.

    A mosaic's own texture counts as noise, as it did when the published network was trained.
    """
    import pywt  # type: ignore[import-untyped]  # it publishes no types; not all need it

    taps = reference.new_tensor(pywt.Wavelet("db7").dec_hi)
    padded = functional.pad(reference[:, None], (7, 7, 7, 7), mode="reflect")
    rows = functional.conv2d(padded, taps[None, None, :, None], stride=(2, 1))
    diagonal = functional.conv2d(rows, taps[None, None, None, :], stride=(1, 2))
    # PyTorch's median is the lower of the two in the middle, as the published networks know it.
    return (diagonal.abs().flatten(1).median(1).values / 0.6745).mean()


def make_start(burst: AlignedBurst) -> Tensor:
    """The image before the first step, [3, H, W]: the reference, bilinearly demosaicked with black beyond the edges if it is a mosaic."""
    reference = burst.frames[-1]
    if len(reference) == 3:
        return reference
    colour, green = ([1, 2, 1], [2, 4, 2], [1, 2, 1]), ([0, 1, 0], [1, 4, 1], [0, 1, 0])
    kernels = reference.new_tensor([colour, green, colour])[:, None] / 4
    return functional.conv2d((reference * _mask_colours(reference))[None], kernels, padding=1, groups=3)[0]


def compute_gradient(estimate: Tensor, burst: AlignedBurst) -> Tensor:
    """Difference between an image and the frames as they would see it, in the reference's view, mean over frames, [3, H, W]."""
    count, channels = burst.frames.shape[:2]
    if count == 1:
        difference = estimate - burst.frames[0]
    else:
        views = _warp(estimate.expand(count, -1, -1, -1), burst.inverse)
        if channels == 3:
            differences = _warp(views, burst.affine) - burst.warped
        else:
            mosaics = (views * _mask_colours(estimate)).sum(1, keepdim=True)
            differences = burst.coverage * (_warp_mosaics(mosaics, burst.affine) - burst.warped)
        difference = differences.sum(0) / burst.coverage.sum(0)
    return difference if channels == 3 else difference * _mask_colours(estimate)


def _mask_colours(image: Tensor) -> Tensor:
    """Where an RGGB mosaic of the image's size samples each colour, [3, H, W]."""
    cell = image.new_tensor([[[1, 0], [0, 0]], [[0, 1], [1, 0]], [[0, 0], [0, 1]]])
    return cell.repeat(1, image.shape[-2] // 2, image.shape[-1] // 2)


def _warp(images: Tensor, affine: Tensor) -> Tensor:
    """Sample images [T, C, H, W] where matrices send the pixels; zero outside."""
    positions = _map_pixels(affine, *images.shape[-2:])
    # The published weights were trained with corners aligned to positions that are not: the identity shrinks an image by a pixel.
    return functional.grid_sample(images, positions, align_corners=True)


def _warp_mosaics(mosaics: Tensor, affine: Tensor) -> Tensor:
    """The same for mosaics [T, 1, H, W], each of their four planes by itself."""
    planes = functional.pixel_unshuffle(mosaics, 2)
    return functional.pixel_shuffle(_warp(planes, affine * affine.new_tensor([1, 1, 0.5])), 2)


def _map_pixels(affine: Tensor, height: int, width: int) -> Tensor:
    """Where matrices send the pixels, (x, y) from −1 to 1 over a side, [T, H, W, 2]."""
    rows, columns = (torch.arange(side, dtype=affine.dtype, device=affine.device) for side in (height, width))
    y, x = torch.meshgrid(rows, columns, indexing="ij")
    positions = torch.einsum("tij,yxj->tyxi", affine, torch.stack([x, y, torch.ones_like(x)], -1))
    return 2 * positions / affine.new_tensor([width, height]) - 1


def build(state: Mapping[str, Tensor]) -> IterativeResidualNetwork:
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


def _lay_out(state: Mapping[str, Tensor]) -> IterativeResidualNetwork:
    iterations, *_ = read_shape(state, "alpha", 1)
    width, *_ = read_shape(state, "model.conv1.weight", 4)
    blocks = count_layers(state, "model.layer1.{}.conv1.weight")
    return lay_out(lambda: IterativeResidualNetwork(iterations=iterations, width=width, blocks=blocks), state)
