"""Official checkpoints: their weights come out as the network used them, and nothing in the file is ever run."""

from __future__ import annotations

import sys
import tarfile
import types
from collections import OrderedDict
from functools import partial

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations

from restorers.errors import InvalidRestorerError, UnsafeWeightsError
from restorers.networks.checkpoint import fold_weight_norm, read_checkpoint

STATE = {
    "conv.weight": torch.arange(24.0).reshape(2, 3, 4).mT,
    "conv.bias": nn.Parameter(torch.ones(2)),
    "row": torch.arange(12.0)[4:8],
    "half": torch.ones(3).half(),
    "brain": torch.full((2,), 0.5).bfloat16(),
    "double": torch.full((2,), 0.1).double(),
    "steps": torch.tensor(7),
    "mask": torch.tensor([True, False]),
    "none": torch.empty(0, 3),
}


def save_with_classes(path, names, make_content):
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
        torch.save(make_content(**classes), path)
    finally:
        for module in modules:
            del sys.modules[module]


def make_training_state():
    network = nn.Linear(2, 2)
    optimizer = torch.optim.Adam(network.parameters())
    network(torch.ones(2)).sum().backward()
    optimizer.step()
    return optimizer.state_dict()


def fill(thing, **values):
    vars(thing).update(values)
    return thing


def make_dbsr(NetConstructor, Settings, History):
    return {
        "epoch": 100,
        "actor_type": "DBSRActor",
        "net_type": "DBSRNet",
        "net": OrderedDict(STATE),
        "net_info": {},
        "constructor": fill(NetConstructor(), fun_name="dbsrnet", args=(), kwds={"enc_init_dim": 64}),
        "optimizer": make_training_state(),
        "stats": History([{"Loss/total": 0.1}]),
        "settings": fill(Settings(), module_name="dbsr", use_gpu=True, device=torch.device("cpu")),
    }


def make_lightning(ModelCheckpoint, Values):
    return {
        "epoch": 299,
        "global_step": 10,
        "pytorch-lightning_version": "1.5.10",
        "state_dict": OrderedDict(STATE),
        "callbacks": {ModelCheckpoint: {"monitor": "val_psnr", "best_model_score": torch.tensor(40.0)}},
        "optimizer_states": [make_training_state()],
        "lr_schedulers": [],
        "hyper_parameters": Values(lr=1e-4),
    }


@pytest.mark.parametrize(
    ("names", "make_content"),
    [
        (["admin.model_constructor.NetConstructor", "admin.settings.Settings", "admin.stats.History"], make_dbsr),
        (["pytorch_lightning.callbacks.ModelCheckpoint", "pytorch_lightning.utilities.Values"], make_lightning),
        ([], lambda: {"epoch": 3, "model_state_dict": STATE, "optimizer_state_dict": make_training_state()}),
        ([], lambda: {"params": STATE}),
        ([], lambda: [OrderedDict(STATE), 10, 5]),
        ([], lambda: OrderedDict(STATE)),
        ([], lambda: {f"module.{key}": value for key, value in STATE.items()}),
        ([], lambda: {"epoch": 3, "state_dict": {f"module.{key}": value for key, value in STATE.items()}}),
    ],
)
def test_weights_are_read_from_every_official_form(tmp_path, names, make_content):
    path = tmp_path / "network.pth"
    save_with_classes(path, names, make_content)
    state = read_checkpoint(path)
    assert list(state) == list(STATE)
    for key, value in STATE.items():
        assert type(state[key]) is torch.Tensor
        torch.testing.assert_close(state[key], value.detach(), rtol=0, atol=0)
    assert not {name.partition(".")[0] for name in names} & set(sys.modules)


def test_module_is_part_of_a_name_unless_all_names_begin_with_it(tmp_path):
    torch.save({"module.a": torch.ones(1), "b": torch.ones(1)}, tmp_path / "network.pth")
    assert list(read_checkpoint(tmp_path / "network.pth")) == ["module.a", "b"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({"epoch": 3, "net": 4}, "got 'epoch' of int"),
        ({"state_dict": {}}, "got an empty dict"),
        ({}, "got an empty dict"),
        ([], "got an empty list"),
        (nn.Linear(2, 2), r"torch\.nn\.modules\.linear\.Linear"),
        ({"a": torch.ones(2).to(torch.complex64)}, r"'a' of torch\.ComplexFloatStorage"),
        ({"a": torch.eye(2).to_sparse()}, r"'a' of torch\._utils\._rebuild_sparse_tensor"),
    ],
)
def test_files_without_weights_say_what_they_hold(tmp_path, content, reason):
    torch.save(content, tmp_path / "network.pth")
    with pytest.raises(UnsafeWeightsError, match=reason):
        read_checkpoint(tmp_path / "network.pth")


def write_old_pickles(path):
    torch.save(STATE, path, _use_new_zipfile_serialization=False)


def write_tar(path):
    with tarfile.open(path, "w") as archive:
        archive.addfile(tarfile.TarInfo("storages"))


@pytest.mark.parametrize(
    ("write", "reason"),
    [
        (write_old_pickles, r"before 1\.6; write it anew: torch\.save"),
        (write_tar, "the tar archive of the first PyTorch versions"),
        (lambda path: path.write_bytes(b"\x89HDF\r\n"), "another kind of file"),
        (lambda path: path.write_bytes(b""), "another kind of file"),
        (lambda path: path.unlink(missing_ok=True), "no such file"),
    ],
)
def test_other_formats_are_refused_by_name(tmp_path, write, reason):
    write(tmp_path / "network.pth")
    with pytest.raises(UnsafeWeightsError, match=reason):
        read_checkpoint(tmp_path / "network.pth")


def test_files_cut_short_or_damaged_are_refused(tmp_path):
    path, broken = tmp_path / "network.pth", tmp_path / "broken.pth"
    torch.save({"a": torch.arange(300.0)}, path)
    data = path.read_bytes()
    for length in range(0, len(data), 97):
        broken.write_bytes(data[:length])
        with pytest.raises(UnsafeWeightsError):
            read_checkpoint(broken)
    place = data.index(torch.arange(300.0).numpy().tobytes())
    broken.write_bytes(data[:place] + b"\xff" + data[place + 1 :])
    with pytest.raises(UnsafeWeightsError, match="damaged or cut short"):
        read_checkpoint(broken)


def normalise_before_torch_2(layer):
    with pytest.warns(FutureWarning, match="weight_norm"):
        return nn.utils.weight_norm(layer)


@pytest.mark.parametrize("normalise", [normalise_before_torch_2, parametrizations.weight_norm])
@pytest.mark.parametrize(
    ("kind", "shape"),
    [
        (partial(nn.Conv2d, 3, 5, 3), (3, 6, 7)),
        (partial(nn.ConvTranspose2d, 3, 5, 4), (3, 6, 7)),
        (partial(nn.Linear, 4, 2), (4,)),
    ],
)
def test_layers_with_folded_weights_give_the_same(kind, shape, normalise):
    torch.manual_seed(0)
    layer, plain = normalise(kind()), kind()
    for parameter in layer.parameters():
        parameter.data.uniform_(0.1, 1)
    plain.load_state_dict(fold_weight_norm(layer.state_dict()))
    inputs = torch.rand(1, *shape)
    torch.testing.assert_close(plain(inputs), layer(inputs))


def test_other_tensors_stay_as_they_are():
    state = {"a.weight": torch.ones(2, 2), "weight_gain": torch.ones(1), "a.bias": torch.ones(2)}
    assert fold_weight_norm(state) == state


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ({"a.weight_g": torch.ones(2, 1)}, "a.weight_v"),
        ({"a.parametrizations.weight.original1": torch.ones(2, 3)}, "a.parametrizations.weight.original0"),
        ({"a.weight_g": torch.ones(1, 3), "a.weight_v": torch.ones(2, 3)}, r"got \[1, 3\]"),
        ({"a.weight_g": torch.ones(()), "a.weight_v": torch.ones(())}, r"got \[\]"),
    ],
)
def test_halves_of_normalised_weights_are_refused(state, reason):
    with pytest.raises(InvalidRestorerError, match=reason):
        fold_weight_norm(state)
