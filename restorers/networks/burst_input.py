"""Frames and noise maps as burst networks take them."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from restorers.errors import UnsupportedBurstError

Task = Literal["sr", "denoise"]


def join_input(
    name: str, task: Task, frames: Tensor, noise_map: Tensor | None, *, channels: int, multiple: int
) -> Tensor:
    """Check what a network is given, and append the noise map to each frame if it denoises.

    Args:
        name: of the network, for messages.
        task: `denoise` takes a noise map, `sr` takes none.
        frames: [T, C, h, w], T ≥ 1, whose sides are multiples of `multiple`.
        noise_map: standard deviation of the noise at each value of the frames, in their units and of their shape.
        channels: C.
        multiple: of the sides.

    Returns:
        [T, C, h, w] for `sr`, [T, 2·C, h, w] for `denoise`.

    Raises:
        UnsupportedBurstError: if frames or map are not as said here.
    """
    shape = list(frames.shape)
    if len(shape) != 4 or 0 in shape or shape[1] != channels or shape[2] % multiple or shape[3] % multiple:
        raise UnsupportedBurstError(
            f"{name}: expected frames [T, {channels}, h, w], h and w multiples of {multiple}, got {shape}; pad or crop them"
        )
    if task == "sr":
        if noise_map is not None:
            raise UnsupportedBurstError(
                f"{name}: expected no noise map for super-resolution, got one of shape {list(noise_map.shape)}; leave it out"
            )
        return frames
    if noise_map is None or noise_map.shape != frames.shape:
        found = "none" if noise_map is None else f"one of shape {list(noise_map.shape)}"
        raise UnsupportedBurstError(
            f"{name}: expected a noise map of the frames' shape {shape}, got {found}; "
            "give the standard deviation of the noise at each value"
        )
    return torch.cat([frames, noise_map], 1)


def check_length(name: str, encoded: Tensor, length: int) -> None:
    """Check that a network that is made for one burst length gets as many encoded frames.

    Raises:
        UnsupportedBurstError: if it does not.
    """
    if len(encoded) != length:
        raise UnsupportedBurstError(
            f"{name}: expected a burst of {length} frames, got {len(encoded)}; leave some out or repeat the reference"
        )
