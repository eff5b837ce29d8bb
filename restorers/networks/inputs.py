"""Checks of what a network is given, before it runs."""

from __future__ import annotations

from torch import Tensor

from restorers.errors import UnsupportedBurstError


def check_frames(frames: Tensor, *, count: int | None, channels: int, multiple: int = 1, least_side: int = 1) -> None:
    """Check the shape of frames, [T, C, H, W].

    Args:
        frames: the frames.
        count: T; None for any from 1 on.
        channels: C.
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
            f"expected frames [{count or 'T'}, {channels}, H, W] of sides from {max(least_side, multiple)} in multiples of {multiple}, "
            f"got {shape}; pad or crop them"
        )


def check_shape(name: str, values: Tensor, shape: tuple[int, ...]) -> None:
    """Check the shape of what comes with the frames.

    Raises:
        UnsupportedBurstError: if it is another.
    """
    if values.shape != shape:
        raise UnsupportedBurstError(f"{name}: expected shape {list(shape)}, got {list(values.shape)}")
