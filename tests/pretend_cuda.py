"""A GPU that is none: tensors on it hold their values in memory, and refuse to meet those of the CPU.

Whatever forgets to move a weight or a constant fails with it as it would on a real one. What the real one rounds otherwise, and its
speed and memory, only the real one can show.
"""

from __future__ import annotations

from contextlib import contextmanager

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

# Without a driver PyTorch cannot even index what is said to lie on `cuda`; of all other devices, this one needs nothing.
GPU = torch.device("meta")


class TensorThere(torch.Tensor):
    """A tensor on the pretended device."""

    @staticmethod
    def __new__(cls, values):
        layout = {"strides": values.stride(), "storage_offset": values.storage_offset(), "dtype": values.dtype}
        return torch.Tensor._make_wrapper_subclass(cls, values.size(), device=GPU, **layout)

    def __init__(self, values):
        self.values = values

    @classmethod
    def __torch_dispatch__(cls, function, types, args=(), kwargs=None):
        return run(function, args, kwargs or {})


class PretendCuda(TorchDispatchMode):
    """Sees the operations that make tensors on the device, whose arguments are not on it yet."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        return run(function, args, kwargs or {})


def run(function, args, kwargs):
    tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
    there = [isinstance(tensor, TensorThere) for tensor in tensors]
    target = kwargs.get("device")
    moves = function in (torch.ops.aten._to_copy.default, torch.ops.aten.copy_.default)
    if not moves and any(there) and any(not flag and tensor.dim() for flag, tensor in zip(there, tensors, strict=True)):
        raise RuntimeError(f"{function}: expected all tensors to be on the same device, but some are on the CPU")
    on_device = any(there) if target is None else torch.device(target) == GPU
    if target is not None:
        kwargs = {**kwargs, "device": torch.device("cpu")}
    args, kwargs = tree_map_only(TensorThere, lambda tensor: tensor.values, (args, kwargs))
    result = function(*args, **kwargs)
    return tree_map_only(torch.Tensor, TensorThere, result) if on_device else result


@contextmanager
def pretend_cuda(monkeypatch):
    """Let PyTorch take the device for real."""
    move = torch.Tensor.to

    def move_with_index(tensor, *args, **kwargs):
        return move(tensor, *(GPU if str(each) == "cuda" else each for each in args), **kwargs)

    with monkeypatch.context() as patch, PretendCuda():
        patch.setattr(torch.Tensor, "to", move_with_index)
        patch.setattr(torch.cuda, "is_available", lambda: True)
        yield
