"""A network as a restorer: what it takes and gives, and the way between its tensors and bursts.

A network maps float32 [1, C, H, W] (one frame) or [1, T, C, H, W] (a burst) to [1, C', s·H, s·W], or, for a burst, to [1, T, C', s·H,
s·W], of which the reference counts. C is 3 for `srgb` and `linear_rgb`; for `raw_bayer` it is 1, the mosaic, or 4, its planes R, G in
the rows of R, G in the rows of B, B, of half the size. C' is 3, or C for raw networks.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from restorers.base import RestorerInfo, check_accepts
from restorers.burst import CFA, Burst, Domain, FloatImage
from restorers.containment import shorten
from restorers.device import run_in_batches
from restorers.errors import InvalidRestorerError, RestorationError
from restorers.imaging.color import from_display, linearise, to_display
from restorers.imaging.mosaic import join_planes, split_planes
from restorers.imaging.planes import MERGED_DOMAINS, to_colours

Network = Callable[[FloatImage], FloatImage]
Position = Literal["first", "centre"]
_DIMENSIONS = {4: ("batch", "channels", "height", "width"), 5: ("batch", "frames", "channels", "height", "width")}


@dataclass(frozen=True)
class Signature:
    """What a network expects.

    Attributes:
        domain: of its input; its output is of the same, or linear RGB if it makes three channels of raw ones.
        channels: C.
        burst: whether it takes the frames of a burst.
        frames: how many it takes; None for any number.
        least_frames: fewest that it takes; the reference is repeated to make them up.
        position: where it expects the reference among the frames.
        multiple: H and W must be multiples of this.
        least_side: smallest H and W.
        side: H and W if it takes no others; None if it does.
    """

    domain: Domain = Domain.SRGB
    channels: int = 3
    burst: bool = False
    frames: int | None = None
    least_frames: int = 1
    position: Position = "first"
    multiple: int = 1
    least_side: int = 1
    side: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        allowed = (1, 4) if self.domain is Domain.RAW_BAYER else (3,)
        if self.channels not in allowed:
            raise InvalidRestorerError(
                f"dimension {2 if self.burst else 1} (channels) of the model's input: expected {' or '.join(map(str, allowed))} "
                f"for domain {self.domain}, got {self.channels}; say domain=raw_bayer, linear_rgb or srgb"
            )

    @property
    def reduction(self) -> int:
        """Frame pixels per input pixel, along each side."""
        return 2 if self.channels == 4 else 1


@dataclass(frozen=True, eq=False)
class _Prepared:
    """A linear burst with the input of the network, the sides before it was padded, and the reference's place among its frames."""

    burst: Burst
    frames: FloatImage
    sides: tuple[int, int]
    place: int


class NetworkRestorer:
    """Restores by a network (see the module).

    Frames come in the exposure of ratio 1. For a network on display images, linear frames are demosaicked and developed, and its
    output is brought back: highlights that the display cannot show stay clipped. A `BatchRestorer`; what takes one input at a time gets
    them one by one.
    """

    def __init__(
        self, network: Network, signature: Signature, info: RestorerInfo, output_channels: int, *, takes_batches: bool
    ) -> None:
        self.network, self.signature, self.output_channels = network, signature, output_channels
        self.takes_batches = takes_batches
        self._info = info

    @property
    def info(self) -> RestorerInfo:
        """Facts for callers."""
        return self._info

    def restore(self, burst: Burst) -> FloatImage:
        """Run the network, float32 [scale·H, scale·W] or [scale·H, scale·W, 3]."""
        prepared = self._prepare(burst)
        return self._finish(prepared, np.asarray(self.network(prepared.frames), np.float32))

    def restore_many(self, bursts: Sequence[Burst]) -> list[FloatImage]:
        """Run the network on several bursts at once."""
        if not self.takes_batches:
            return [self.restore(burst) for burst in bursts]
        prepared = [self._prepare(burst) for burst in bursts]
        outputs = run_in_batches(self.network, [each.frames for each in prepared])
        return [
            self._finish(each, np.asarray(output, np.float32)) for each, output in zip(prepared, outputs, strict=True)
        ]

    def _prepare(self, burst: Burst) -> _Prepared:
        check_accepts(self._info, burst)
        burst = linearise(burst)
        signature = self.signature
        if signature.burst:
            order = arrange_frames(burst, signature)
            place = order.index(burst.reference_index)
            if signature.position == "centre":
                place = len(order) // 2
            frames = np.stack([_encode(burst, index, signature) for index in order])[None]
        else:
            frames, place = _encode(burst, burst.reference_index, signature)[None], 0
        return _Prepared(burst, *_pad(frames, signature), place)

    def _finish(self, prepared: _Prepared, output: FloatImage) -> FloatImage:
        check_output(output, prepared.frames.shape, self.signature)
        image = output[0, prepared.place] if output.ndim == 5 else output[0]
        rows, columns = (round(side * image.shape[-1] / prepared.frames.shape[-1]) for side in prepared.sides)
        return self._decode(image[:, :rows, :columns], prepared.burst)

    def _decode(self, image: FloatImage, burst: Burst) -> FloatImage:
        if self.signature.domain is Domain.RAW_BAYER and self.output_channels != 3:
            if self.output_channels == 1:
                return np.ascontiguousarray(image[0])
            assert burst.cfa is not None
            return join_planes(image[list(np.argsort(_plane_order(burst.cfa)))])
        colours = np.ascontiguousarray(np.moveaxis(image, 0, -1))
        return from_display(colours, burst) if self.signature.domain is Domain.SRGB else colours


def make_restorer(network: Network, signature: Signature, info: RestorerInfo) -> NetworkRestorer:
    """Run a network once to learn its scale and channels, and wrap it.

    Args:
        network: to be wrapped.
        signature: what it expects.
        info: its task, version, summary, licences and hash; the rest is filled in. An empty task becomes `sr` for a network that
            enlarges, else `denoise`.

    Raises:
        InvalidRestorerError: if it does not run on what the signature says, or its output is not as the module says. The message names
            the dimension.
    """
    side = max(signature.least_side, 32)
    side += -side % signature.multiple
    height, width = signature.side or (side, side)
    number = signature.frames or max(3, signature.least_frames)
    shape = (
        (1, number, signature.channels, height, width) if signature.burst else (1, signature.channels, height, width)
    )
    probe = np.full(shape, 0.25, np.float32)
    try:
        output = np.asarray(network(probe))
    except Exception as error:
        # What TorchScript raises ends with the reason, after pages of its own trace.
        text = str(error).strip() or type(error).__name__
        reason = shorten(text.splitlines()[-1] if "Traceback" in text else text)
        raise InvalidRestorerError(
            f"the model does not run on float32 {list(shape)} ({', '.join(_DIMENSIONS[len(shape)])}): {reason}"
        ) from error
    check_output(output, shape, signature)
    channels, scale = output.shape[-3], output.shape[-1] / width / signature.reduction
    raw = signature.domain is Domain.RAW_BAYER
    if raw and channels != 3 and scale != (1 if channels == 1 else 0.5):
        raise InvalidRestorerError(f"the model makes a mosaic of {scale:g} times the size; mosaics must keep theirs")
    facts = dataclasses.replace(
        info,
        task=info.task or ("sr" if scale > 1 else "denoise"),
        input_domains=frozenset({Domain.RAW_BAYER}) if raw else MERGED_DOMAINS,
        output_domain=Domain.RAW_BAYER if raw and channels != 3 else Domain.LINEAR_RGB,
        scale=1 if raw and channels != 3 else (int(scale) if scale == int(scale) else scale),
        max_frames=signature.frames if signature.burst else 1,
        missing_frames="repeat_reference" if signature.burst and signature.frames else "any_length",
    )
    takes_batches = info.device != "cpu" and _takes_batches(network, probe)
    return NetworkRestorer(network, signature, facts, channels, takes_batches=takes_batches)


def _takes_batches(network: Network, probe: FloatImage) -> bool:
    """Whether a network takes two inputs at once: exported ones may be made for one."""
    try:
        return len(network(np.concatenate([probe, probe]))) == 2
    except Exception:  # noqa: BLE001  # whatever a network raises at what it was not made for
        return False


def check_output(output: FloatImage, shape: tuple[int, ...], signature: Signature) -> None:
    """Check the output of a network for an input of this shape.

    Raises:
        InvalidRestorerError: naming the dimension that is wrong.
    """
    if output.ndim not in ((4, 5) if signature.burst else (4,)):
        raise InvalidRestorerError(
            f"the model's output: expected 4 dimensions [1, C, H, W], got shape {list(output.shape)}"
        )
    names = _DIMENSIONS[output.ndim]
    allowed = {3, signature.channels}
    if output.shape[0] != 1:
        raise InvalidRestorerError(f"dimension 0 (batch) of the model's output: expected 1, got {output.shape[0]}")
    if output.ndim == 5 and output.shape[1] != shape[1]:
        raise InvalidRestorerError(
            f"dimension 1 (frames) of the model's output: expected {shape[1]}, got {output.shape[1]}"
        )
    if output.shape[-3] not in allowed:
        raise InvalidRestorerError(
            f"dimension {output.ndim - 3} ({names[-3]}) of the model's output: expected {' or '.join(map(str, sorted(allowed)))}, "
            f"got {output.shape[-3]}"
        )
    ratios = output.shape[-2] / shape[-2], output.shape[-1] / shape[-1]
    if ratios[0] != ratios[1] or (2 * ratios[0]) % 1:
        raise InvalidRestorerError(
            f"dimensions {output.ndim - 2}, {output.ndim - 1} (height, width) of the model's output: expected one multiple of "
            f"{shape[-2]} x {shape[-1]}, got {output.shape[-2]} x {output.shape[-1]}"
        )


def arrange_frames(burst: Burst, signature: Signature) -> list[int]:
    """The frames in the order that a network expects, in capture order; the reference fills the gaps."""
    number = signature.frames or max(burst.num_frames, signature.least_frames)
    others = list(burst.others)
    place = number // 2 if signature.position == "centre" else 0
    order = [burst.reference_index] * number
    slots = sorted((slot for slot in range(number) if slot != place), key=lambda slot: abs(slot - place))
    for slot, index in zip(sorted(slots[: len(others)]), others, strict=False):
        order[slot] = index
    return order


def _encode(burst: Burst, index: int, signature: Signature) -> FloatImage:
    """A frame as the network takes it, [C, H, W]."""
    frame = burst.frames[index] / np.float32(burst.exposure_ratio[index])
    if signature.domain is Domain.RAW_BAYER:
        assert burst.cfa is not None
        return frame[None] if signature.channels == 1 else split_planes(frame)[list(_plane_order(burst.cfa))]
    colours = to_colours(frame, burst)
    if signature.domain is Domain.SRGB:
        colours = to_display(colours, burst)
    return np.ascontiguousarray(np.moveaxis(colours, -1, 0))


def _plane_order(cfa: CFA) -> tuple[int, ...]:
    """Planes R, G in the rows of R, G in the rows of B, B among those of `split_planes`."""
    red = cfa.channels.index(0)
    return red, red ^ 1, red ^ 2, red ^ 3


def _pad(frames: FloatImage, signature: Signature) -> tuple[FloatImage, tuple[int, int]]:
    """Repeat the edges until the sides are as the network takes them; return the sides before."""
    height, width = frames.shape[-2:]
    if signature.side is not None:
        wanted = signature.side
    else:
        wanted = tuple(
            max(side, signature.least_side) + -max(side, signature.least_side) % signature.multiple
            for side in (height, width)
        )
    for axis, (name, side, limit) in enumerate(zip(("height", "width"), (height, width), wanted, strict=True)):
        if side > limit:
            dimension = frames.ndim - 2 + axis
            raise RestorationError(
                f"dimension {dimension} ({name}) of the model's input: it takes {limit}, the burst has {side}"
            )
    edges = [(0, 0)] * (frames.ndim - 2) + [(0, wanted[0] - height), (0, wanted[1] - width)]
    return np.pad(frames, edges, mode="edge"), (height, width)
