"""Hostile checkpoints: whatever their pickles say, nothing runs, nothing is imported, and memory is taken for what is there."""

from __future__ import annotations

import copy
import io
import pickle
import random
import shutil
import struct
import sys
import zipfile
from collections import OrderedDict

import pytest
import torch

from restorers.errors import UnsafeWeightsError
from restorers.networks import checkpoint
from restorers.networks.checkpoint import read_checkpoint


class Numbers:
    """A storage, or what claims to be one."""

    def __init__(self, key="0", kind=torch.FloatStorage, count=4):
        self.pid = ("storage", kind, key, "cpu", count)


class Claim:
    """A tensor that says of itself what it likes."""

    def __init__(self, numbers, shape, strides=None, offset=0):
        self.arguments = (
            numbers,
            offset,
            shape,
            (1,) * len(shape) if strides is None else strides,
            False,
            OrderedDict(),
        )

    def __reduce__(self):
        return torch._utils._rebuild_tensor_v2, self.arguments


class Attack:
    """Calls a function when it is unpickled."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


class _Pickler(pickle.Pickler):
    def persistent_id(self, thing):
        return thing.pid if isinstance(thing, Numbers) else None


def write_archive(path, content, *, compression=zipfile.ZIP_STORED, **storages):
    """Write an archive as torch.save does; content may be bytes of a pickle, storages are called `data0` and so on."""
    if not isinstance(content, bytes):
        file = io.BytesIO()
        _Pickler(file, protocol=2).dump(content)
        content = file.getvalue()
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("network/data.pkl", content)
        for name, data in storages.items():
            archive.writestr(f"network/data/{name.removeprefix('data')}", data)
    return path


DATA0 = struct.pack("<4f", 1, 2, 3, 4)


def test_archives_written_by_this_test_are_sound(tmp_path):
    content = {"net": {"a": Claim(Numbers(), (2, 2), (1, 2))}}
    state = read_checkpoint(write_archive(tmp_path / "network.pth", content, data0=DATA0)).state
    assert state["a"].tolist() == [[1, 3], [2, 4]]


def test_calls_in_a_pickle_are_not_made(tmp_path):
    trace = tmp_path / "trace"
    attack = Attack(shutil.copyfile, __file__, str(trace))
    torch.save({"net": {"a": torch.ones(2)}, "settings": attack}, tmp_path / "beside.pth")
    torch.save({"net": {"a": attack}}, tmp_path / "inside.pth")
    torch.load(tmp_path / "beside.pth", weights_only=False)
    trace.unlink()

    assert read_checkpoint(tmp_path / "beside.pth").state["a"].tolist() == [1, 1]
    with pytest.raises(UnsafeWeightsError, match=r"'a' of shutil\.copyfile; nothing of it was run"):
        read_checkpoint(tmp_path / "inside.pth")
    assert not trace.exists()


def test_modules_that_a_pickle_names_are_not_imported(tmp_path, monkeypatch):
    (tmp_path / "trap_of_a_checkpoint.py").write_text("class Settings: pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    pickled = b"\x80\x02}X\x08\x00\x00\x00settingsctrap_of_a_checkpoint\nSettings\n)\x81s."
    with pytest.raises(UnsafeWeightsError, match=r"'settings' of trap_of_a_checkpoint\.Settings"):
        read_checkpoint(write_archive(tmp_path / "network.pth", pickled))
    assert "trap_of_a_checkpoint" not in sys.modules
    pickle.loads(pickled)
    assert "trap_of_a_checkpoint" in sys.modules


@pytest.mark.parametrize(
    ("tensors", "reason"),
    [
        (
            [Claim(Numbers(count=10**10), (10**10,))],
            "weights claim 40,000,000,000 bytes, their storages hold 16",
        ),
        ([Claim(Numbers(), (10**10,))], r"shape \[10000000000\] in a storage of 4 numbers"),
        ([Claim(Numbers(), (10**10,), (0,))], "in a storage of 4 numbers"),
        ([Claim(Numbers(), (3,), (2,))], "in a storage of 4 numbers"),
        ([Claim(Numbers(), (2,), (1,), offset=3)], "in a storage of 4 numbers"),
        ([Claim(Numbers(), (2,), (1,), offset=-1)], "impossible sizes"),
        ([Claim(Numbers(), (-2, -2))], "impossible sizes"),
        ([Claim(Numbers(), (True,))], "impossible sizes"),
        ([Claim(Numbers(), [2], (1,))], "impossible sizes"),
        ([Claim(Numbers(), (2, 2), (1,))], "2 sizes and 1 strides"),
        ([Claim("0", (2,))], "a tensor in a str"),
        ([Claim(Numbers(count=3), (3,))], "said to hold 12 bytes, it holds 16"),
        ([Claim(Numbers(), (2,)), Claim(Numbers(kind=torch.LongStorage, count=2), (1,))], "in two ways"),
        ([Claim(Numbers(key="9"), (2,))], "damaged"),
        ([Claim(Numbers(key="../data.pkl"), (2,))], "damaged"),
    ],
)
def test_tensors_that_are_not_there_are_refused(tmp_path, tensors, reason):
    content = {"net": {str(number): tensor for number, tensor in enumerate(tensors)}}
    with pytest.raises(UnsafeWeightsError, match=reason):
        read_checkpoint(write_archive(tmp_path / "network.pth", content, data0=DATA0))


def test_tied_weights_do_not_multiply_a_file_beyond_bounds(tmp_path, monkeypatch):
    content = {"net": {str(number): Claim(Numbers(), (4,)) for number in range(3)}}
    path = write_archive(tmp_path / "network.pth", content, data0=DATA0)
    assert len(read_checkpoint(path).state) == 3
    monkeypatch.setattr(checkpoint, "_MOST_SHARED", 40)
    with pytest.raises(UnsafeWeightsError, match="weights claim 48 bytes, their storages hold 16"):
        read_checkpoint(path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\x80\x05\x96" + struct.pack("<Q", 2**40) + b".", "damaged"),  # bytearray of a terabyte
        (b"\x80\x02\x82\x01.", "damaged"),  # an extension that copyreg may hold
        (b"\x80\x02}(" + b")\x85" + b"K\x01u.", "a mapping from a tuple"),
        (
            b"\x80\x02ccollections\nOrderedDict\n](" + b")\x85" + b"K\x01\x86e\x85R.",
            "from a tuple",
        ),
        (b"\x80\x02]K\x00K\x01s.", "sets items of a list"),
        (b"\x80\x02ctorch._utils\n_rebuild_tensor\nK\x00K\x01s.", "sets items of a function"),
        (b"\x80\x02X\x01\x00\x00\x00a)R.", "calls a str"),
        (b"\x80\x02ctorch\nFloatStorage\n)R.", "calls a dtype"),
        (b"\x80\x02X\x07\x00\x00\x00storageQ.", "outside itself"),
        (b"\x80\x02(X\x06\x00\x00\x00moduleK\x00K\x00K\x00K\x00tQ.", "outside itself"),
        (b"\x80\x02ctorch._utils\n_rebuild_tensor\n}b.", "got function"),
        (b"\x80\x02cbuiltins\neval\n(X\x01\x00\x00\x001tR.", r"got builtins\.eval"),
        (b"\x80\x02cbuiltins\neval\n0.", "damaged"),
        (b"", "damaged"),
    ],
)
def test_pickles_that_torch_does_not_write_are_refused(tmp_path, content, reason):
    with pytest.raises(UnsafeWeightsError, match=reason):
        read_checkpoint(write_archive(tmp_path / "network.pth", content))


def test_entries_that_grow_are_refused(tmp_path):
    zeros = {"content": {"a": Claim(Numbers(count=2**20), (2**20,))}, "data0": bytes(2**22)}
    path = write_archive(tmp_path / "network.pth", compression=zipfile.ZIP_DEFLATED, **zeros)
    with pytest.raises(UnsafeWeightsError, match="compressed"):
        read_checkpoint(path)
    write_archive(path, **zeros)
    with zipfile.ZipFile(path, "a") as archive:
        archive.filelist.append(copy.copy(archive.getinfo("network/data/0")))
        archive.filelist[-1].filename = "network/data/1"
        archive._didModify = True
    with pytest.raises(UnsafeWeightsError, match="claim more than its"):
        read_checkpoint(path)


def test_archives_without_a_pickle_or_of_another_byte_order_are_refused(tmp_path):
    path = tmp_path / "network.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("network/constants.pkl", b"")
    with pytest.raises(UnsafeWeightsError, match=r"expected one data\.pkl"):
        read_checkpoint(path)
    write_archive(path, bytes(2**23 + 1))
    with pytest.raises(UnsafeWeightsError, match=r"of at most 8,388,608 bytes"):
        read_checkpoint(path)
    write_archive(path, {"a": Claim(Numbers(), (2,))}, data0=DATA0)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("network/byteorder", b"big")
    with pytest.raises(UnsafeWeightsError, match="little-endian"):
        read_checkpoint(path)


def test_random_damage_to_a_pickle_raises_nothing_else(tmp_path):
    torch.save({"net": OrderedDict(a=torch.ones(2), b=torch.ones(3)), "stats": [1, 2.0, (3,)]}, tmp_path / "sound.pth")
    with zipfile.ZipFile(tmp_path / "sound.pth") as archive:
        pickled = archive.read("sound/data.pkl")
    source, refused = random.Random(0), 0
    for _ in range(500):
        damaged = bytearray(pickled)
        for _ in range(source.randint(1, 4)):
            damaged[source.randrange(len(damaged))] = source.randrange(256)
        path = write_archive(tmp_path / "network.pth", bytes(damaged), data0=DATA0[:8], data1=DATA0[:12])
        try:
            state = read_checkpoint(path).state
        except UnsafeWeightsError:
            refused += 1
        else:
            assert sum(value.nbytes for value in state.values()) <= 20
    assert 0 < refused < 500


MACHINE = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}


def write_row(
    path,
    content,
    *,
    magic=0x1950A86A20F9469CFC6C,
    protocol=1001,
    machine=MACHINE,
    keys=("0",),
    blocks=(DATA0,),
    counts=None,
):
    """Write a row of pickles as torch.save did before 1.6, and the numbers of its storages behind it."""
    file = io.BytesIO()
    for each in (magic, protocol, machine, content, list(keys)):
        _Pickler(file, protocol=2).dump(each)
    for block, count in zip(blocks, counts or [len(block) // 4 for block in blocks], strict=True):
        file.write(struct.pack("<Q", count) + block)
    path.write_bytes(file.getvalue())
    return path


class Part(Numbers):
    """A storage within another, as rows of pickles could say."""

    def __init__(self, part):
        super().__init__()
        self.pid = (*self.pid, part)


@pytest.mark.parametrize("numbers", [Numbers(), Part(None)])
def test_rows_written_by_this_test_are_sound(tmp_path, numbers):
    content = [{"a": Claim(numbers, (2, 2), (1, 2))}, 10, 5]
    assert read_checkpoint(write_row(tmp_path / "network.pth", content)).state["a"].tolist() == [[1, 3], [2, 4]]


def test_calls_in_a_row_of_pickles_are_not_made(tmp_path):
    trace = tmp_path / "trace"
    attack = Attack(shutil.copyfile, __file__, str(trace))
    path = write_row(tmp_path / "network.pth", {"net": {"a": Claim(Numbers(), (4,))}, "settings": attack})
    assert read_checkpoint(path).state["a"].tolist() == [1, 2, 3, 4]
    for place in ("protocol", "machine"):
        with pytest.raises(UnsafeWeightsError):
            read_checkpoint(write_row(path, {"a": Claim(Numbers(), (4,))}, **{place: attack}))
    with pytest.raises(UnsafeWeightsError):
        read_checkpoint(write_row(path, {"a": Claim(Numbers(), (4,))}, keys=[attack]))
    assert not trace.exists()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"protocol": 1000}, "expected protocol 1001"),
        ({"machine": {**MACHINE, "little_endian": False}}, "not little-endian"),
        ({"machine": 1}, "not little-endian"),
        ({"keys": ["0", "0"], "blocks": [DATA0, DATA0]}, "expected each storage once"),
        ({"keys": ["1"]}, "expected each storage once and with the type of its numbers, got '1'"),
        ({"keys": [], "blocks": []}, "damaged"),
        ({"counts": [5]}, "the storage 0 of 5 numbers reaches beyond the file"),
        ({"counts": [2**63]}, "reaches beyond the file"),
        ({"counts": [3]}, "said to hold 16 bytes, it holds 12"),
        ({"content": {"a": Claim(Part(("1", 0, 4)), (4,))}}, "outside itself"),
        (
            {"content": {"a": Claim(Numbers(count=10**10), (10**10,))}},
            "claim 40,000,000,000 bytes, their storages hold 16",
        ),
        ({"content": {"a": Claim(Numbers(), (10**10,), (0,))}}, "in a storage of 4 numbers"),
        (
            {
                "content": {"a": Claim(Numbers(), (4,)), "b": Numbers("1", torch.ComplexFloatStorage)},
                "keys": ["1", "0"],
            },
            "'b' of torch.ComplexFloatStorage",
        ),
        ({"content": {"a": bytes(2**23)}}, "damaged or cut short"),
    ],
)
def test_rows_that_say_what_is_not_so_are_refused(tmp_path, changes, reason):
    arguments = {"content": {"a": Claim(Numbers(), (4,))}, **changes}
    with pytest.raises(UnsafeWeightsError, match=reason):
        read_checkpoint(write_row(tmp_path / "network.pth", **arguments))
