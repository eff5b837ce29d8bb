"""The archive of `torch.export.save` read as data: its program as JSON, its weights as bytes.

`torch.export.load` cannot be made safe by looking into the archive first. It unpickles weights, constants, custom objects and sample
inputs; it loads compiled libraries; and the JSON itself is code to it: sizes go through `sympy.sympify`, which evaluates Python, checks of
sizes are executed, targets are looked up in all of `torch`, and names become source text of a module. So it is not used. Sample inputs and
extra files are never opened; pickled weights, custom objects and libraries are refused.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

_SCHEMA = 8
"""Version of the JSON, `torch._export.serde.schema.SCHEMA_VERSION`; within it, changes are compatible."""
DTYPES: Mapping[int, torch.dtype] = {
    1: torch.uint8,
    2: torch.int8,
    3: torch.int16,
    4: torch.int32,
    5: torch.int64,
    6: torch.float16,
    7: torch.float32,
    8: torch.float64,
    12: torch.bool,
    13: torch.bfloat16,
}
"""`torch._export.serde.schema.ScalarType`, of those that networks on images use."""
STRIDED = 7
"""`torch._export.serde.schema.Layout.Strided`."""


@dataclass(frozen=True)
class Archive:
    """What an archive holds: the program, and tensors by their names in it."""

    program: Mapping[str, Any]
    tensors: Mapping[str, torch.Tensor]


def read_archive(path: Path) -> Archive:
    """Read an archive; weights come on the CPU.

    Raises:
        ValueError: if it is none, of another version, or holds more than a program and plain tensors.
    """
    with zipfile.ZipFile(path) as archive:
        members = _list_members(archive)
        program = json.loads(members.read("models/model.json"))
        if (version := program["schema_version"]["major"]) != _SCHEMA:
            raise ValueError(f"version {version} of its schema; expected {_SCHEMA}; export it anew")
        tensors = {
            **_read_tensors(members, "data/weights", "model_weights_config.json"),
            **_read_tensors(members, "data/constants", "model_constants_config.json"),
        }
    return Archive(program, tensors)


@dataclass(frozen=True)
class _Members:
    """Members of the archive by their names below its root."""

    archive: zipfile.ZipFile
    names: Mapping[str, zipfile.ZipInfo]

    def read(self, name: str) -> bytes:
        if name not in self.names:
            raise ValueError(f"{name} is missing; save the program anew, with torch 2.9 or later")
        # PyTorch stores what it writes; what is packed could unpack to anything.
        if (info := self.names[name]).compress_type != zipfile.ZIP_STORED:
            raise ValueError(f"{name} is compressed")
        return self.archive.read(info)


def _list_members(archive: zipfile.ZipFile) -> _Members:
    roots = {info.filename.partition("/")[0] for info in archive.infolist()}
    members = _Members(archive, {info.filename.partition("/")[2]: info for info in archive.infolist()})
    if len(roots) != 1 or members.read("archive_format") != b"pt2" or members.read("byteorder") != b"little":
        raise ValueError("not written by torch.export.save on a little-endian machine")
    if library := next((name for name in members.names if name.startswith("data/aotinductor/")), None):
        raise ValueError(f"{library} is compiled code")
    return members


def _read_tensors(members: _Members, folder: str, config: str) -> dict[str, torch.Tensor]:
    payloads = json.loads(members.read(f"{folder}/{config}"))["config"]
    contents: dict[str, bytearray] = {}
    tensors = {}
    for name, payload in payloads.items():
        if payload["use_pickle"] or payload["tensor_meta"] is None:
            raise ValueError(f"{name} is pickled: a tensor of a class of its own, or a custom object")
        file = payload["path_name"]
        if file not in contents:
            contents[file] = bytearray(members.read(f"{folder}/{file}"))
        tensors[name] = _make_tensor(contents[file], payload["tensor_meta"])
    return tensors


def _make_tensor(content: bytearray, meta: Mapping[str, Any]) -> torch.Tensor:
    if meta["layout"] != STRIDED:
        raise ValueError("a tensor of sparse layout")
    sizes, strides = ([side["as_int"] for side in meta[name]] for name in ("sizes", "strides"))
    dtype = DTYPES[meta["dtype"]]
    # Tensors that share a member share memory, as they did when they were saved.
    flat = torch.frombuffer(content, dtype=dtype) if content else torch.empty(0, dtype=dtype)
    return torch.as_strided(flat, sizes, strides, meta["storage_offset"]["as_int"])
