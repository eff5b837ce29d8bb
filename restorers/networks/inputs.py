"""Checks of what a network is given, before it runs."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from restorers.errors import UnsupportedBurstError

Task = Literal["sr", "denoise"]


def check_frames(
    name: str, frames: Tensor, *, channels: int, count: int | None = None, multiple: int = 1, least_side: int = 1
) -> None:
    """Check the shape of frames, [T, C, H, W].

    Args:
        name: name of the network, for messages.
        frames: the frames.
        channels: C.
        count: T; None for any from 1 on.
        multiple: what H and W must be multiples of.
        least_side: smallest H and W.

    Raises:
        UnsupportedBurstError: if it is not as expected.
    """
    shape = list(frames.shape)
    if (
        len(shape) != 4
        or shape[0] < 1
        or shape[0] != (count or shape[0])
        or shape[1] != channels
        or any(side < least_side or side % multiple for side in shape[2:])
    ):
        raise UnsupportedBurstError(
            f"{name}: expected frames [{count or 'T'}, {channels}, H, W] of sides from {max(least_side, multiple)} in multiples of "
            f"{multiple}, got {shape}; pad or crop them"
        )


def check_shape(name: str, values: Tensor, shape: tuple[int, ...]) -> None:
    """Check the shape of what comes with the frames.

    Raises:
        UnsupportedBurstError: if it is another.
    """
    if values.shape != shape:
        raise UnsupportedBurstError(f"{name}: expected shape {list(shape)}, got {list(values.shape)}")


def join_noise(name: str, task: Task, frames: Tensor, noise: Tensor | None) -> Tensor:
    """Append to each frame its noise map, if the network's task is to denoise.

    Args:
        name: name of the network, for messages.
        task: `denoise` takes noise maps, `sr` takes none.
        frames: [T, C, H, W].
        noise: noise of the frames' shape, standard deviation of the noise at each value.

    Returns:
        [T, 2·C, H, W], or the frames.

    Raises:
        UnsupportedBurstError: if there is a map too much, none, or one of another shape.
    """
    if task == "sr":
        if noise is not None:
            raise UnsupportedBurstError(f"{name}: expected no noise map for super-resolution, got one; leave it out")
        return frames
    if noise is None:
        raise UnsupportedBurstError(
            f"{name}: expected the standard deviation of the noise at each value of the frames, got none"
        )
    check_shape(f"{name}: noise", noise, tuple(frames.shape))
    return torch.cat([frames, noise], 1)


def check_count(name: str, encoded: Tensor, count: int) -> None:
    """Check that a network whose weights merge a fixed number of frames gets as many.

    Raises:
        UnsupportedBurstError: if it does not.
    """
    if len(encoded) != count:
        raise UnsupportedBurstError(
            f"{name}: its weights merge {count} frames, got {len(encoded)}; leave some out or repeat the reference"
        )
