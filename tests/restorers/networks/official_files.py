"""Files in the forms of the official checkpoints, with parameters that are made up."""

from __future__ import annotations

import sys
import types
from collections import OrderedDict
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tests.restorers.networks.parameters import make_state

CLASSES = {
    "dbsr": ("admin.model_constructor.NetConstructor", "admin.settings.Settings", "admin.stats.History"),
    "lightning": ("pytorch_lightning.callbacks.ModelCheckpoint", "pytorch_lightning.utilities.Values"),
}


def save_with_classes(
    path: Path, names: tuple[str, ...], make_content: Callable[..., Any], *, is_archive: bool = True
) -> None:
    """Save what only a program that has these classes can make; afterwards nobody has them."""
    modules, classes = {}, {}
    for full in names:
        module, _, name = full.rpartition(".")
        for part in (module.partition(".")[0], module):
            modules.setdefault(part, types.ModuleType(part))
        kind = type(name, ({"Values": dict, "History": list}.get(name, object),), {"__module__": module})
        setattr(modules[module], name, kind)
        classes[name] = kind
    sys.modules.update(modules)
    try:
        torch.save(make_content(**classes), path, _use_new_zipfile_serialization=is_archive)
    finally:
        for module in modules:
            del sys.modules[module]


def make_training_state() -> Any:
    """Of an optimiser after a step."""
    network = nn.Linear(2, 2)
    optimizer = torch.optim.Adam(network.parameters())
    network(torch.ones(2)).sum().backward()
    optimizer.step()
    return optimizer.state_dict()


def make_dbsr(state: Mapping[str, Tensor], *, NetConstructor: Any, Settings: Any, History: Any) -> Any:
    """The top of DBSR's files."""
    constructor, settings = NetConstructor(), Settings()
    vars(constructor).update(fun_name="dbsrnet", args=(), kwds={"enc_init_dim": 64})
    vars(settings).update(module_name="dbsr", use_gpu=True, device=torch.device("cpu"))
    return {
        "epoch": 100,
        "actor_type": "DBSRActor",
        "net_type": "DBSRNet",
        "net": OrderedDict(state),
        "net_info": {},
        "constructor": constructor,
        "optimizer": make_training_state(),
        "stats": History([{"Loss/total": 0.1}]),
        "settings": settings,
    }


def make_lightning(state: Mapping[str, Tensor], *, ModelCheckpoint: Any, Values: Any) -> Any:
    """The top of files of PyTorch Lightning."""
    return {
        "epoch": 299,
        "global_step": 10,
        "pytorch-lightning_version": "1.5.10",
        "state_dict": OrderedDict(state),
        "callbacks": {ModelCheckpoint: {"monitor": "val_psnr", "best_model_score": torch.tensor(40.0)}},
        "optimizer_states": [make_training_state()],
        "lr_schedulers": [],
        "hyper_parameters": Values(lr=1e-4),
    }


def write_official_file(path: Path, tag: str, state: Mapping[str, Tensor] | None = None) -> Path:
    """Write a checkpoint as the authors of a network do.

    Args:
        path: of the file.
        tag: of the network.
        state: its tensors; None for those of the published size by the rule.
    """
    state = make_state(tag) if state is None else state
    match tag:
        case "kokkinos":
            content: Any = [OrderedDict(state), 10, 5]
            torch.save(content, path, _use_new_zipfile_serialization=False)
        case "dbsr":
            save_with_classes(path, CLASSES["dbsr"], lambda **classes: make_dbsr(state, **classes))
        case "bipnet_sr" | "bipnet_denoise" | "burstormer_syn" | "burstormer_denoise":
            save_with_classes(path, CLASSES["lightning"], lambda **classes: make_lightning(state, **classes))
        case "burstormer_real":
            content = {"model_state_dict": state, "optimizer_state_dict": make_training_state()}
            torch.save(content, path)
        case "kpn":
            content = {
                "epoch": 3,
                "global_iter": 9,
                "state_dict": {f"module.{key}": value for key, value in state.items()},
                "best_loss": 0.1,
                "optimizer": make_training_state(),
                "lr_scheduler": {"last_epoch": 3},
            }
            torch.save(content, path)
        case "dbd":
            torch.save({"epoch": 3, "state_dict": state, "optimizer": make_training_state()}, path)
        case "bpn_gray" | "bpn_color" if find_spec("h5py"):
            _write_keras_file(path, state)
        case "bpn_gray" | "bpn_color" | "kpn_google":
            torch.save({_name_variable(key): _turn_axes(value) for key, value in state.items()}, path)
        case _:
            torch.save(OrderedDict(state), path)
    return path


def _write_keras_file(path: Path, state: Mapping[str, Tensor]) -> None:
    import h5py

    with h5py.File(path, "w") as file:
        for key, value in state.items():
            file[_name_variable(key)] = _turn_axes(value).numpy()


def _name_variable(key: str) -> str:
    layer, _, kind = key.rpartition(".")
    return f"{layer}/{layer}/{'kernel' if kind == 'weight' else 'bias'}:0"


def _turn_axes(value: Tensor) -> Tensor:
    return value.permute(2, 3, 1, 0) if value.ndim == 4 else value
