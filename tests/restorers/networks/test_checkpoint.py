"""Official checkpoints: their weights come out as the network used them, and nothing in the file is ever run."""

from __future__ import annotations

import hashlib
import sys
import tarfile
import types
from collections import OrderedDict

import pytest
import torch
from torch import nn

from restorers.errors import UnsafeWeightsError
from restorers.networks import checkpoint
from restorers.networks.checkpoint import read_checkpoint

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


def save_with_classes(path, names, make_content, **options):
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
        torch.save(make_content(**classes), path, **options)
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


@pytest.mark.parametrize("is_archive", [True, False])
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
def test_weights_are_read_from_every_official_form(tmp_path, names, make_content, is_archive):
    path = tmp_path / "network.pth"
    save_with_classes(path, names, make_content, _use_new_zipfile_serialization=is_archive)
    read = read_checkpoint(path)
    state = read.state
    assert read.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert list(state) == list(STATE)
    for key, value in STATE.items():
        assert type(state[key]) is torch.Tensor
        torch.testing.assert_close(state[key], value.detach(), rtol=0, atol=0)
    assert not {name.partition(".")[0] for name in names} & set(sys.modules)


def test_module_is_part_of_a_name_unless_all_names_begin_with_it(tmp_path):
    torch.save({"module.a": torch.ones(1), "b": torch.ones(1)}, tmp_path / "network.pth")
    assert list(read_checkpoint(tmp_path / "network.pth").state) == ["module.a", "b"]


@pytest.mark.parametrize("is_archive", [True, False])
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
def test_files_without_weights_say_what_they_hold(tmp_path, content, reason, is_archive):
    torch.save(content, tmp_path / "network.pth", _use_new_zipfile_serialization=is_archive)
    with pytest.raises(UnsafeWeightsError, match=reason):
        read_checkpoint(tmp_path / "network.pth")


def write_tar(path):
    with tarfile.open(path, "w") as archive:
        archive.addfile(tarfile.TarInfo("storages"))


@pytest.mark.parametrize(
    ("write", "reason"),
    [
        (write_tar, "the tar archive of the first PyTorch versions"),
        (lambda path: path.write_bytes(b"GIF89a"), "another kind of file"),
        (lambda path: path.write_bytes(b""), "another kind of file"),
        (lambda path: path.unlink(missing_ok=True), "no such file"),
    ],
)
def test_other_formats_are_refused_by_name(tmp_path, write, reason):
    write(tmp_path / "network.pth")
    with pytest.raises(UnsafeWeightsError, match=reason):
        read_checkpoint(tmp_path / "network.pth")


@pytest.mark.parametrize("is_archive", [True, False])
def test_files_cut_short_are_refused(tmp_path, is_archive):
    path, broken = tmp_path / "network.pth", tmp_path / "broken.pth"
    torch.save({"a": torch.arange(300.0)}, path, _use_new_zipfile_serialization=is_archive)
    data = path.read_bytes()
    for length in range(0, len(data), 97):
        broken.write_bytes(data[:length])
        with pytest.raises(UnsafeWeightsError):
            read_checkpoint(broken)


def test_damaged_numbers_of_an_archive_are_refused(tmp_path):
    path, broken = tmp_path / "network.pth", tmp_path / "broken.pth"
    torch.save({"a": torch.arange(300.0)}, path)
    data = path.read_bytes()
    place = data.index(torch.arange(300.0).numpy().tobytes())
    broken.write_bytes(data[:place] + b"\xff" + data[place + 1 :])
    with pytest.raises(UnsafeWeightsError, match="damaged or cut short"):
        read_checkpoint(broken)


@pytest.mark.parametrize("is_archive", [True, False])
def test_tied_weights_share_memory(tmp_path, is_archive):
    weight = torch.arange(6.0).reshape(2, 3)
    state = {"encoder.weight": weight, "decoder.weight": weight, "turned.weight": weight.T, "row.weight": weight[1]}
    torch.save(state, tmp_path / "network.pth", _use_new_zipfile_serialization=is_archive)
    read = read_checkpoint(tmp_path / "network.pth").state
    assert {key: value.tolist() for key, value in read.items()} == {key: value.tolist() for key, value in state.items()}
    assert len({value.untyped_storage().data_ptr() for value in read.values()}) == 1


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused_by_name(tmp_path, value):
    torch.save({"net": {"a": torch.ones(3), "b.weight": torch.tensor([1.0, value])}}, tmp_path / "network.pth")
    with pytest.raises(UnsafeWeightsError, match=r"expected finite weights, got NaN or infinity in 'b\.weight'"):
        read_checkpoint(tmp_path / "network.pth")


def test_files_that_no_published_network_fills_are_not_read(tmp_path, monkeypatch):
    torch.save({"a": torch.ones(300)}, tmp_path / "network.pth")
    monkeypatch.setattr(checkpoint, "_LARGEST_FILE", 1000)
    with pytest.raises(UnsafeWeightsError, match="at most 1,000 bytes, got a larger file"):
        read_checkpoint(tmp_path / "network.pth")


def test_variables_of_tensorflow_get_the_names_and_axes_of_pytorch(tmp_path):
    kernel, bias = torch.arange(120.0).reshape(1, 4, 5, 6), torch.ones(6)
    torch.save({"generator/cnet2asep/conv2d_3/kernel": kernel, "inp/inp/bias:0": bias}, tmp_path / "network.pth")
    state = read_checkpoint(tmp_path / "network.pth").state
    assert list(state) == ["conv2d_3.weight", "inp.bias"]
    assert torch.equal(state["conv2d_3.weight"], kernel.permute(3, 2, 0, 1))
    torch.save({"a/conv/bias": bias, "b/conv/bias": bias}, tmp_path / "network.pth")
    with pytest.raises(UnsafeWeightsError, match="each layer once, got 'b/conv/bias' twice"):
        read_checkpoint(tmp_path / "network.pth")
