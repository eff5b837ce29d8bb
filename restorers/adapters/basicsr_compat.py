"""The network architectures of BasicSR 1.4.2, beside a PyTorch and a torchvision that are years younger.

BasicSR imports a module that torchvision has renamed since, and a torchvision without compiled operators (its wheel beside a PyTorch
built for another platform) does not import at all. Both are mended here, on the first call and for its length where that is enough; the
rest of the program sees nothing of it, and importing this module imports neither package. No other module may import basicsr.
"""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import torch
from torch import nn

from restorers.adapters.architectures import require_architecture
from restorers.containment import shorten
from restorers.errors import MissingExtraError, UnsafeWeightsError
from restorers.networks.deformable_convolution import deform_conv2d

_WRAPPERS = ("module.", "_orig_mod.")
_RENAMED = "torchvision.transforms.functional_tensor"
_SUFFIX = "_basicsr"
"""BasicSR registers a few names with this suffix, to keep them apart from those of Real-ESRGAN."""


def load_architecture(name: str) -> type[nn.Module]:
    """Return a network class of BasicSR, such as `RRDBNet`, `SRVGGNetCompact`, `EDVR` or `BasicVSR`.

    A module that is to run in another process is built there: classes travel by name only, and the name is this function's argument.

    Raises:
        MissingExtraError: if basicsr or torchvision is not installed, or cannot be imported.
        UnknownArchitectureError: if there is no such class; close matches are named.
    """
    require_architecture(name)
    return _import_architectures()[name]


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    """Read a checkpoint as BasicSR writes them, on the CPU, without running any code that it may hold.

    Returns:
        Tensors by name: those under `params_ema`, else `params`, else all; `module.` and `_orig_mod.`, which PyTorch puts before the names
        of networks that run in parallel or compiled, are stripped if every name has them.

    Raises:
        UnsafeWeightsError: if the file is missing or damaged, or holds anything but tensors and plain data.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged pickle may raise anything
        # What PyTorch says next is how to run the code in the file after all.
        reason = shorten((str(error) or type(error).__name__).partition("This file can still be loaded")[0])
        raise UnsafeWeightsError(
            f"{path}: expected a PyTorch checkpoint of tensors alone ({reason}); save the network's state_dict anew"
        ) from error
    for key in ("params_ema", "params"):
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
            break
    if not isinstance(content, Mapping) or not all(isinstance(value, torch.Tensor) for value in content.values()):
        raise UnsafeWeightsError(f"{path}: expected tensors by name, got {type(content).__name__}; save a state_dict")
    state = {str(name): value for name, value in content.items()}
    while prefix := next((word for word in _WRAPPERS if state and all(name.startswith(word) for name in state)), None):
        state = {name.removeprefix(prefix): value for name, value in state.items()}
    return state


def import_torchvision() -> ModuleType:
    """Import torchvision, also where its compiled operators do not load.

    Raises:
        MissingExtraError: if it is not installed or cannot be imported.
    """
    return _import_torchvision()[0]


@cache
def _import_architectures() -> Mapping[str, type[nn.Module]]:
    torchvision, _ = _import_torchvision()
    old = sys.modules.get(_RENAMED)
    sys.modules[_RENAMED] = importlib.import_module("torchvision.transforms._functional_tensor")
    try:
        with warnings.catch_warnings():
            # BasicSR warns of its own age, from many places; nobody here can act on that.
            warnings.simplefilter("ignore")
            import basicsr.archs
    except ImportError as error:
        raise _missing(error) from error
    finally:
        if old is None:
            del sys.modules[_RENAMED]
    if not torchvision.extension._has_ops():  # noqa: SLF001  # it has no public name
        _replace_deformable_convolution(torchvision)
    registry: Any = basicsr.archs.ARCH_REGISTRY
    return {name.removesuffix(_SUFFIX): network for name, network in registry}


@cache
def _import_torchvision() -> tuple[ModuleType, torch.library.Library | None]:
    """Import torchvision, and declare the operators that its import asks for if its compiled ones do not load.

    The declarations vanish with their library, so the cache holds it.
    """
    try:
        return importlib.import_module("torchvision"), None
    except ImportError as error:
        raise _missing(error) from error
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise _missing(error) from error
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        del sys.modules[name]
    operators = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]  # torch left it untyped
    for name in ("nms", "qnms"):
        schema = f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
        operators.define(schema)  # type: ignore[no-untyped-call]  # torch left it untyped
    try:
        return importlib.import_module("torchvision"), operators
    except (ImportError, RuntimeError) as error:
        raise _missing(error) from error


def _replace_deformable_convolution(torchvision: ModuleType) -> None:
    """Show BasicSR's modules, and nobody else, a torchvision whose deformable convolution works."""
    stand_in = SimpleNamespace(__version__=torchvision.__version__, ops=SimpleNamespace(deform_conv2d=deform_conv2d))
    for name in ("arch_util", "basicvsrpp_arch"):
        vars(importlib.import_module(f"basicsr.archs.{name}"))["torchvision"] = stand_in


def _missing(error: Exception) -> MissingExtraError:
    package = ((isinstance(error, ModuleNotFoundError) and error.name) or "").partition(".")[0]
    if package in {"basicsr", "torchvision"}:
        return MissingExtraError("BasicSR's networks", package, "basicsr")
    reason = f"{error}; constraints.txt names the versions that can"
    return MissingExtraError("BasicSR's networks", "basicsr", "basicsr", reason)
