"""Where networks compute: the one module that decides between CPU and GPU, and that runs them there.

On a GPU, TF32 is off and algorithms are deterministic: results agree with those of the CPU up to the order of float32 sums, within
`TOLERANCE` for networks on values in [0, 1].
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from restorers.burst import FloatImage
from restorers.errors import InvalidRestorerError, UnavailableDeviceError

if TYPE_CHECKING:
    import torch

Device = Literal["cpu", "cuda"]
DEVICES = ("auto", "cpu", "cuda")
"""What may be asked for; `auto` is CUDA where there is a device, else the CPU."""
BATCH_PIXELS = 2**18
"""Pixels of frames that a network gets at once: features of large networks take some kB for each."""
TOLERANCE = 1e-4
"""Largest difference of a pixel between CPU and GPU."""


def choose_device(requested: str) -> Device:
    """Where to compute, given one of `DEVICES`.

    Raises:
        UnavailableDeviceError: if it is none of them, or CUDA is asked for and there is none.
    """
    if requested not in DEVICES:
        raise UnavailableDeviceError(f"device: expected {', '.join(DEVICES)}, got {requested!r}")
    if requested == "cpu":
        return "cpu"
    if _has_cuda():
        return "cuda"
    if requested == "cuda":
        raise UnavailableDeviceError(
            "device cuda: PyTorch sees no CUDA device here; install a PyTorch built for CUDA and the driver, or say auto or cpu"
        )
    return "cpu"


def run_on(network: Callable[[torch.Tensor], Any], device: Device) -> Callable[[FloatImage], FloatImage]:
    """Make a network whose weights lie on a device a function from array to array, both float32.

    Raises:
        InvalidRestorerError: when called, if the network returns anything but one tensor.
    """
    import torch

    def run(frames: FloatImage) -> FloatImage:
        with computing_on(device):
            output = network(torch.from_numpy(np.ascontiguousarray(frames)).to(device))
        if not isinstance(output, torch.Tensor):
            raise InvalidRestorerError(f"the model's output: expected one tensor, got {type(output).__name__}")
        return np.asarray(output.float().cpu().numpy())

    return run


@contextmanager
def computing_on(device: Device) -> Iterator[None]:
    """Let a network run without gradients, on a GPU by exact arithmetic and one algorithm."""
    import torch

    with torch.inference_mode():
        if device == "cpu":
            yield
            return
        # cuDNN would round the factors of convolutions to 10 bits (TF32), and choose algorithms by timing them.
        settings: Any = torch.backends.cudnn.flags
        with settings(enabled=True, benchmark=False, deterministic=True, allow_tf32=False, fp32_precision="ieee"):
            yield


def run_in_batches(network: Callable[[FloatImage], FloatImage], inputs: Sequence[FloatImage]) -> list[FloatImage]:
    """Outputs [1, ...] of a network for inputs [1, ..., H, W]: those of one shape go together, as many as make `BATCH_PIXELS`.

    Args:
        network: takes and gives any number of inputs along the first axis.
        inputs: float32.
    """
    places: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for place, each in enumerate(inputs):
        places[each.shape].append(place)
    outputs: dict[int, FloatImage] = {}
    for shape, alike in places.items():
        frames = shape[1] if len(shape) == 5 else 1
        size = max(1, BATCH_PIXELS // (frames * shape[-2] * shape[-1]))
        for start in range(0, len(alike), size):
            chunk = alike[start : start + size]
            joined = network(np.concatenate([inputs[place] for place in chunk]))
            outputs.update(zip(chunk, np.split(joined, len(chunk)), strict=True))
    return [outputs[place] for place in range(len(inputs))]


def _has_cuda() -> bool:
    try:
        import torch
    except ImportError:
        return False
    return torch.cuda.is_available()
