"""Model files of others: honest ones compute what their framework computes, all others are refused before anything of them runs."""

from __future__ import annotations

import json
import os
import pickle
import zipfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from restorers import create
from restorers.adapters.exported import load_program
from restorers.adapters.onnx_files import hash_model, list_external_files
from restorers.adapters.torchscript import check_torchscript
from restorers.errors import RestorerError, UnsafeWeightsError
from tests.synthetic import make_colour_burst

needs_onnx = pytest.mark.skipif(not (find_spec("onnx") and find_spec("onnxruntime")), reason="needs onnx, onnxruntime")
needs_spandrel = pytest.mark.skipif(not find_spec("spandrel"), reason="needs spandrel")


@pytest.fixture
def ran(tmp_path, monkeypatch) -> Path:
    """The working directory, in which planted code would make a file of this name."""
    monkeypatch.chdir(tmp_path)
    return tmp_path / "ran"


class Payload:
    """Unpickling it makes the file `ran`."""

    def __reduce__(self):
        return os.open, ("ran", os.O_CREAT | os.O_WRONLY)


class Mixed(nn.Module):
    """Has what exports are made of: buffers of both kinds, constants, views by size, several results, steps in place, no gradients."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm, self.up = (
            nn.Conv2d(3, 8, 3, padding=1),
            nn.BatchNorm2d(8),
            nn.Conv2d(8, 12, 3, padding=1),
        )
        self.register_buffer("gain", torch.tensor([1.0, 2.0, 3.0]).view(1, 3, 1, 1), persistent=False)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        features = torch.relu_(self.norm(self.first(image)))
        count, channels, height, width = features.shape
        tokens = features.flatten(2).transpose(1, 2).softmax(-1).transpose(1, 2).view(count, channels, height, width)
        large = nn.functional.pixel_shuffle(self.up(features + tokens), 2)
        large = large + nn.functional.interpolate(
            image * self.gain, scale_factor=2, mode="bilinear", align_corners=False
        )
        one, two = torch.split(large, [1, 2], 1)
        with torch.no_grad():
            joined = torch.cat([two, one], 1)
        best, _ = joined.max(1, keepdim=True)
        return joined.clamp(min=-float("inf"), max=5) - 0.1 * best + torch.tensor([0.1, 0.2, 0.3]).view(1, 3, 1, 1)


class Pairs(nn.Module):
    """Takes even sizes only."""

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        count, channels, height, width = image.shape
        pairs = image.reshape(count, channels, height // 2, 2, width // 2, 2)
        return pairs.mean((3, 5)).repeat_interleave(2, -1).repeat_interleave(2, -2)


class Double(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(2.0))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return image * self.factor


def export(module: nn.Module, path: Path, *, plain: bool = False) -> Path:
    free = torch.export.Dim.AUTO
    torch.manual_seed(0)
    program = torch.export.export(module.eval(), (torch.rand(1, 3, 32, 40),), dynamic_shapes=({2: free, 3: free},))
    torch.export.save(program.run_decompositions() if plain else program, path)
    return path


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning")  # PyTorch's own
@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize("module", [Mixed, Pairs, Double])
def test_programs_compute_what_pytorch_computes(tmp_path, module, plain):
    path = export(module(), tmp_path / "a.pt2", plain=plain)
    mine, theirs = load_program(path, "cpu"), torch.export.load(path).module()
    for height, width in ((32, 40), (50, 24)):
        image = torch.rand(1, 3, height, width)
        with torch.inference_mode():
            torch.testing.assert_close(mine(image.clone()), theirs(image.clone()), rtol=0, atol=0)


def test_sizes_that_a_program_was_not_exported_for_are_refused(tmp_path):
    program = load_program(export(Pairs(), tmp_path / "a.pt2"), "cpu")
    assert program.sizes.shape == [1, 3, None, None]
    for shape in ((1, 3, 33, 40), (1, 3, 32, 41), (1, 3, 0, 40), (1, 4, 32, 40), (2, 3, 32, 40), (1, 3, 32)):
        with pytest.raises(ValueError, match=r"exported for|expected 4 dimensions"):
            program(torch.zeros(shape))
    side = torch.export.Dim("side", min=2, max=50)
    exported = torch.export.export(Pairs(), (torch.rand(1, 3, 32, 32),), dynamic_shapes=({2: 2 * side, 3: 2 * side},))
    torch.export.save(exported, tmp_path / "b.pt2")
    program = load_program(tmp_path / "b.pt2", "cpu")
    assert program(torch.zeros(1, 3, 100, 100)).shape == (1, 3, 100, 100)
    for shape in ((1, 3, 32, 34), (1, 3, 33, 33), (1, 3, 102, 102), (1, 3, 2, 2)):
        with pytest.raises(ValueError, match=r"dimension [23]: the program was not exported for"):
            program(torch.zeros(shape))


def rewrite(path: Path, change: Callable[[str, bytes], bytes | None], **added: bytes) -> Path:
    """Change the members of an archive, by their names below its root; None leaves one out."""
    with zipfile.ZipFile(path) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    root = next(iter(members)).partition("/")[0]
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            if (changed := change(name.partition("/")[2], content)) is not None:
                archive.writestr(name, changed)
        for name, content in added.items():
            archive.writestr(f"{root}/{name}", content)
    return path


def change_json(member: str, change: Callable[[Any], None]) -> Callable[[str, bytes], bytes]:
    def apply(name: str, content: bytes) -> bytes:
        if name != member:
            return content
        data = json.loads(content)
        change(data)
        return json.dumps(data).encode()

    return apply


TOUCH = "__import__('pathlib').Path('ran').touch()"
MODEL, WEIGHTS = "models/model.json", "data/weights/model_weights_config.json"


def plant_size(program: Any) -> None:
    for value in program["graph_module"]["graph"]["tensor_values"].values():
        for side in value["sizes"]:
            if "as_expr" in side:
                side["as_expr"]["expr_str"] = TOUCH


def plant_call(target: str, *arguments: dict[str, Any]) -> Callable[[Any], None]:
    def plant(program: Any) -> None:
        node = program["graph_module"]["graph"]["nodes"][0]
        node["target"] = target
        node["inputs"] = [{"name": "", "arg": argument, "kind": 1} for argument in arguments]

    return plant


def plant_pickle(config: Any) -> None:
    for payload in config["config"].values():
        payload["use_pickle"] = True


PROGRAMS = {
    "a size that is Python": (MODEL, plant_size, "a size of its input is"),
    "a check that is Python": (MODEL, lambda program: program["guards_code"].append(f"{TOUCH} or True"), "more than arithmetic"),
    "a check that is a call": (MODEL, lambda program: program["guards_code"].append("max.__class__(1)"), "more than arithmetic"),
    "a check that never ends": (MODEL, lambda program: program["guards_code"].append("1*" * 100_000 + "1"), "longer than"),
    "a function of Python": (MODEL, plant_call("torch.hub.os.system", {"as_string": "touch ran"}), "may do more"),
    "a function of operator": (MODEL, plant_call("_operator.attrgetter", {"as_string": "a"}), "may do more"),
    "an operator that writes": (
        MODEL,
        plant_call("torch.ops.aten.save.default", {"as_int": 1}, {"as_string": "ran"}),
        "may do more",
    ),
    "an operator that reads": (
        MODEL,
        plant_call("torch.ops.aten.from_file.default", {"as_string": "ran"}, {"as_bool": True}, {"as_int": 9}),
        "may do more",
    ),
    "an operator that trusts sizes": (
        MODEL,
        plant_call("torch.ops.aten._reshape_alias.default", {"as_tensor": {"name": "image"}}, {"as_ints": [9]}, {"as_ints": [9]}),
        "may do more",
    ),
    "an operator of another library": (MODEL, plant_call("torch.ops.inductor._reinterpret_tensor.default"), "may do more"),
    "something that is no operator": (MODEL, plant_call("torch.ops.aten.__class__.mro"), "may do more"),
    "a graph for another function": (MODEL, plant_call("torch.ops.higher_order.cond", {"as_bool": True}), "may do more"),
    "an operator by its name": (MODEL, plant_call("torch.ops.aten.add.Tensor", {"as_operator": "torch.hub.os"}), "as_operator"),
    "an object of its own": (
        MODEL,
        plant_call("torch.ops.aten.add.Tensor", {"as_custom_obj": {"name": "a", "class_fqn": "b"}}),
        "as_custom_obj",
    ),
    "pickled weights": (WEIGHTS, plant_pickle, "is pickled"),
    "weights beyond their bytes": (
        WEIGHTS,
        lambda config: config["config"]["factor"]["tensor_meta"].update(sizes=[{"as_int": 1 << 40}], strides=[{"as_int": 1}]),
        "out of bounds for storage",
    ),
    "weights elsewhere": (WEIGHTS, lambda config: config["config"]["factor"].update(path_name="../../x"), "is missing"),
    "another version": (MODEL, lambda program: program["schema_version"].update(major=9), "version 9"),
}  # fmt: skip


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_that_do_more_than_compute_are_refused(tmp_path, ran, name):
    member, plant, message = PROGRAMS[name]
    path = rewrite(export(Double(), tmp_path / "a.pt2"), change_json(member, plant))
    with pytest.raises(
        UnsafeWeightsError, match=rf"a\.pt2: expected a program of torch\.export \(.*({message})"
    ) as caught:
        create(f"pt2:{path}")
    assert len(str(caught.value)) < 600
    assert not ran.exists()


ARCHIVES = {
    "compiled code": ({"data/aotinductor/model/a.so": b"\x7fELF"}, "compiled code"),
    "no weights": ({WEIGHTS: None}, "is missing; save the program anew"),
    "no bytes of weights": ({"data/weights/weight_0": b""}, "expected a program"),
    "another kind": ({"archive_format": b"pt3"}, "not written by torch.export.save"),
    "another order of bytes": ({"byteorder": b"big"}, "not written by torch.export.save on a little-endian machine"),
    "no program": ({MODEL: b"[" * 100_000}, "expected a program"),
}


@pytest.mark.parametrize("name", ARCHIVES)
def test_archives_that_hold_more_or_less_are_refused(tmp_path, ran, name):
    changes, message = ARCHIVES[name]
    path = export(Double(), tmp_path / "a.pt2")
    with zipfile.ZipFile(path) as archive:
        there = {info.filename.partition("/")[2] for info in archive.infolist()}
    added = {member: content for member, content in changes.items() if member not in there}
    rewrite(path, changes.get, **added)
    with pytest.raises(UnsafeWeightsError, match=message):
        create(f"pt2:{path}")


def test_compressed_members_are_refused(tmp_path):
    path = export(Double(), tmp_path / "a.pt2")
    with zipfile.ZipFile(path) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    with pytest.raises(UnsafeWeightsError, match="is compressed"):
        create(f"pt2:{path}")


def test_what_is_not_needed_of_a_program_is_not_opened(tmp_path, ran):
    path = export(Double(), tmp_path / "a.pt2")
    planted = pickle.dumps(Payload())
    inputs = "data/sample_inputs/model.pt"
    rewrite(path, lambda name, content: planted if name == inputs else content, **{"extra/code.py": TOUCH.encode()})
    burst = make_colour_burst(height=32, width=32, num_frames=1).burst
    np.testing.assert_array_equal(create(f"pt2:{path}?domain=linear_rgb").restore(burst), 2 * burst.reference)
    assert not ran.exists()


class Saves(nn.Module):
    def forward(self, image: torch.Tensor) -> torch.Tensor:
        torch.save(image, "ran")
        return image


class Maps(nn.Module):
    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return image + torch.from_file("ran", True, 8, dtype=torch.uint8).sum()


class SavesWhenLoaded(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.count = 1

    @torch.jit.export
    def __getstate__(self) -> tuple[int, bool]:
        return self.count, self.training

    @torch.jit.export
    def __setstate__(self, state: tuple[int, bool]) -> None:
        torch.save(1, "ran")
        self.count = state[0]
        self.training = state[1]

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return image


class Inside(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Identity(), Saves())

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.inner(image)


def script(module: nn.Module, path: Path) -> Path:
    torch.jit.script(module).save(str(path))
    return path


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    ("module", "word"), [(Saves, "save"), (Maps, "from_file"), (SavesWhenLoaded, "save"), (Inside, "save")]
)
def test_torchscript_that_opens_files_is_refused_before_it_is_loaded(tmp_path, ran, module, word):
    path = script(module(), tmp_path / "a.pt")
    with pytest.raises(UnsafeWeightsError, match=rf"a\.pt: it names {word}, which may open files"):
        create(f"torchscript:{path}")
    assert not ran.exists()
    # So it would have come about.
    loaded = torch.jit.load(str(path))
    loaded(torch.zeros(1, 3, 8, 8))
    assert ran.exists()


CALLS = (
    '(torch).save(image, "ran")',
    'torch . save (image, "ran")',
    'torch.\\\n      save(image, "ran")',
    'ops.aten.save(image, "ran")',
    'f = torch.save\n    f(image, "ran")',
    'getattr(torch, "save")(image, "ran")',
    "getattr(torch, 'save')(image, \"ran\")",
    'getattr(torch, "sa" "ve")(image, "ran")',
    'getattr(torch, "sa\\166e")(image, "ran")',
    'getattr(\n      torch, "sa\\166e")(image, "ran")',
    'getattr(ops, "a" "ten").save(image, "ran")',
)
"""Ways to write one call."""


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("call", CALLS)
def test_other_ways_to_write_a_call_are_refused_as_well(tmp_path, ran, call):
    path = script(Saves(), tmp_path / "a.pt")
    rewrite(
        path,
        lambda name, code: code.replace(b'torch.save(image, "ran")', call.encode()) if name[:4] == "code" else code,
    )
    with pytest.raises(UnsafeWeightsError, match=r"names save, which may open files|hides a name in getattr"):
        check_torchscript(path)
    torch.jit.load(str(path))(torch.zeros(1))
    assert ran.exists()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    "library", ["ops.c10d.barrier(image)", "__torch__.torch.classes.dist_rpc.WorkerInfo", "ops.inductor.x"]
)
def test_libraries_that_reach_further_are_refused(tmp_path, library):
    path = script(Saves(), tmp_path / "a.pt")
    rewrite(
        path,
        lambda name, code: code.replace(b'torch.save(image, "ran")', library.encode()) if name[:4] == "code" else code,
    )
    with pytest.raises(UnsafeWeightsError, match="which may open files or talk to other machines"):
        check_torchscript(path)
    script(nn.Identity(), path)
    rewrite(
        path,
        lambda name, content: content + b"c__torch__.torch\nclasses.c10d.Work\n" if name == "data.pkl" else content,
    )
    with pytest.raises(UnsafeWeightsError, match="it names c10d"):
        check_torchscript(path)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_sequences_in_torchscript_are_read(tmp_path):
    module = nn.Sequential(nn.Conv2d(3, 3, 1), nn.Sequential(nn.ReLU(), nn.Sequential(nn.Conv2d(3, 3, 1))))
    for number, made in enumerate((torch.jit.script(module), torch.jit.trace(module, torch.rand(1, 3, 8, 8)))):
        made.save(str(tmp_path / f"{number}.pt"))
        check_torchscript(tmp_path / f"{number}.pt")
        with zipfile.ZipFile(tmp_path / f"{number}.pt") as archive:
            assert any(b"getattr(" in archive.read(name) for name in archive.namelist())


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_what_only_looks_like_torchscript_is_refused(tmp_path):
    path = script(nn.Identity(), tmp_path / "a.pt")
    check_torchscript(path)
    content = path.read_bytes()
    # PyTorch looks for PTMF at byte 4 before it looks for an archive, which may stand behind other bytes.
    path.write_bytes(b"\0\0\0\0PTMF" + content)
    with pytest.raises(UnsafeWeightsError, match="got something else"):
        check_torchscript(path)
    path.write_bytes(content)
    rewrite(path, lambda _, member: member, **{"CODE/__torch__.py": b"", "code/__TORCH__.py": b""})
    with pytest.raises(UnsafeWeightsError, match="of another kind"):
        check_torchscript(path)
    rewrite(path, lambda name, member: None if name.lower().startswith("code") else member, **{"model.json": b"{}"})
    with pytest.raises(UnsafeWeightsError, match="of another kind"):
        check_torchscript(path)


@needs_spandrel
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_weights_that_are_torchscript_are_judged_as_such(tmp_path, ran):
    path = script(SavesWhenLoaded(), tmp_path / "a.pt")
    with pytest.raises(UnsafeWeightsError, match="names save, which may open files"):
        create(f"spandrel:{path}")
    path.write_bytes(b"\x80\x02\0\0PTMF" + path.read_bytes())
    with pytest.raises(UnsafeWeightsError, match="got something else"):
        create(f"spandrel:{path}")
    assert not ran.exists()


WHERE = ("initializer", "sparse", "constant", "constants", "subgraph", "function", "training")


def save_onnx(path: Path, location: str, where: str = "initializer") -> Path:
    """A model that multiplies by a number in another file; or one that holds a tensor of another file somewhere else."""
    from onnx import TensorProto, helper, numpy_helper  # may be missing

    def outside(name: str = "factor") -> TensorProto:
        tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=[1], data_location=TensorProto.EXTERNAL)
        tensor.external_data.add(key="location", value=location)
        tensor.external_data.add(key="length", value="4")
        return tensor

    here = numpy_helper.from_array(np.ones(1, np.float32), "factor")
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3, "h", "w"]) for name in ("x", "y")]
    nodes = [helper.make_node("Mul", ["x", "factor"], ["y"])]
    graph = helper.make_graph(nodes, "graph", values[:1], values[1:], [outside() if where == "initializer" else here])
    inner = helper.make_graph([], "inner", [], [], [outside("inner")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    if where == "sparse":
        graph_ = model.graph.sparse_initializer.add(dims=[1])
        graph_.values.CopyFrom(outside("values"))
        graph_.indices.CopyFrom(here)
    elif where in ("constant", "constants"):
        node = model.graph.node.add(op_type="Constant", output=["unused"])
        attribute = node.attribute.add(name="value")
        (attribute.t if where == "constant" else attribute.tensors.add()).CopyFrom(outside("constant"))
    elif where == "subgraph":
        deep = model.graph.node.add(op_type="If").attribute.add(name="then_branch").graphs.add()
        deep.node.add(op_type="If").attribute.add(name="else_branch").g.CopyFrom(inner)
    elif where == "function":
        model.functions.add(name="f").node.add(op_type="Constant").attribute.add(name="value").t.CopyFrom(outside())
    elif where == "training":
        model.training_info.add().algorithm.CopyFrom(inner)
    path.write_bytes(model.SerializeToString())
    return path


@pytest.mark.slow
@needs_onnx
@pytest.mark.parametrize("location", ["factor.bin", "data/factor.bin"])
def test_data_beside_an_onnx_model_is_part_of_it(tmp_path, location):
    path, data = save_onnx(tmp_path / "a.onnx", location), tmp_path / location
    data.parent.mkdir(exist_ok=True)
    burst = make_colour_burst(height=32, width=32, num_frames=1).burst
    seen = set()
    for factor in (2.0, 3.0):
        data.write_bytes(np.float32(factor).tobytes())
        restorer = create(f"onnx:{path}?domain=linear_rgb")
        np.testing.assert_array_equal(restorer.restore(burst), np.float32(factor) * burst.reference)
        seen.add(restorer.info.weights_sha256)
    assert len(seen) == 2
    assert list_external_files(path) == [data]
    assert hash_model(path) not in seen


@needs_onnx
@pytest.mark.parametrize("where", WHERE)
@pytest.mark.parametrize(
    "location", ["../secret", "/etc/hostname", "a/../../secret", "link", "folder/secret", "inside", "fifo", "folder", "",
                 "nowhere", "*/_ORT_MEM_ADDR_/*", "a\nb", "."],
)  # fmt: skip
def test_onnx_models_open_no_file_elsewhere(tmp_path, where, location):
    (tmp_path / "secret").write_bytes(b"1234")
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "data").write_bytes(b"1234")
    (folder / "link").symlink_to("../secret")
    (folder / "folder").symlink_to("..")
    (folder / "inside").symlink_to("data")
    os.mkfifo(folder / "fifo")
    path = save_onnx(folder / "a.onnx", location, where)
    with pytest.raises(UnsafeWeightsError, match=r"names data at|data file") as caught:
        create(f"onnx:{path}")
    assert str(caught.value).isprintable()


@needs_onnx
@pytest.mark.parametrize("where", WHERE)
def test_data_are_found_wherever_a_model_may_hold_tensors(tmp_path, where):
    (tmp_path / "data").write_bytes(b"1234")
    assert list_external_files(save_onnx(tmp_path / "a.onnx", "data", where)) == [tmp_path / "data"]


def number(value: int, *, length: int = 1) -> bytes:
    """A varint, of at least some bytes."""
    parts = []
    while value or len(parts) < length:
        parts.append(value & 127)
        value >>= 7
    return bytes([*(part | 128 for part in parts[:-1]), parts[-1]])


def message(tag: int, content: bytes, *, length: int = 1) -> bytes:
    return number(tag << 3 | 2, length=length) + number(len(content), length=length) + content


@pytest.mark.parametrize("disguise", [0, 1 << 29])
@pytest.mark.parametrize("length", [1, 5])
def test_numbers_written_in_odd_ways_hide_no_data(tmp_path, length, disguise):
    entry = message(1, b"other") + message(1, b"location", length=length) + message(2, b"../secret")
    graph = b"\x0d1234\x0912345678" + message(5, message(13 + disguise, entry, length=length))
    (tmp_path / "a.onnx").write_bytes(message(7, graph))
    with pytest.raises(UnsafeWeightsError, match=r"names data at '\.\./secret'"):
        list_external_files(tmp_path / "a.onnx")


@pytest.mark.parametrize(
    "content", [b"\x3b", b"\x3a\x7f1", b"\xff" * 20, b"\x3a", b"0000ORTM", b"\x3a\x04\x2a\x02\x6a\x7f"]
)
def test_what_is_no_protocol_buffer_is_refused(tmp_path, content):
    (tmp_path / "a.onnx").write_bytes(content)
    with pytest.raises(UnsafeWeightsError, match="expected an ONNX model"):
        list_external_files(tmp_path / "a.onnx")


@needs_onnx
@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_damaged_models_name_files_beside_them_or_are_refused(tmp_path_factory, data):
    folder = tmp_path_factory.getbasetemp() / "onnx"
    folder.mkdir(exist_ok=True)
    (folder / "data").write_bytes(b"1234")
    path = save_onnx(folder / "a.onnx", "data", data.draw(st.sampled_from(WHERE)))
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    try:
        assert set(list_external_files(path)) <= {folder / "data"}
    except RestorerError as error:
        assert str(error).isprintable()  # noqa: PT017  # either outcome is right
