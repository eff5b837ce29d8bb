"""Which files an ONNX model consists of, found in the model itself and not by the runtime, which would open any file that it names.

A model is a protocol buffer (onnx.proto); only those messages are walked that may hold tensors, and of tensors only where their data lie.
"""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

from restorers.errors import UnsafeWeightsError

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
"""Wire types of the fields of protocol buffers; the two others are older than ONNX."""
_INNER: Mapping[str, Mapping[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse tensor"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse tensor", 23: "sparse tensor"},
    "sparse tensor": {1: "tensor", 2: "tensor"},
    "tensor": {13: "external data"},
}
"""Numbers of the fields of messages that hold messages in which tensors may be."""


def list_external_files(path: Path) -> list[Path]:
    """The files beside an ONNX model that hold data of its tensors, in the order of their names.

    Raises:
        UnsafeWeightsError: if the file is no ONNX model, or names a file that is not a regular one inside its own folder.
    """
    content = memoryview(path.read_bytes())
    if bytes(content[4:8]) == b"ORTM" or path.suffix == ".ort":
        raise UnsafeWeightsError(
            f"{path}: expected an ONNX model, got one in the format of onnxruntime; convert it from ONNX anew"
        )
    try:
        locations = {PurePosixPath(location) for entry in _find_entries(content) for location in _read_location(entry)}
    except (ValueError, IndexError) as error:
        raise UnsafeWeightsError(f"{path}: expected an ONNX model ({error})") from error
    return [_locate(path, location) for location in sorted(locations)]


def hash_model(path: Path, external: Sequence[Path] = ()) -> str:
    """SHA-256 (hex) of a model and the files beside it: that of the model alone where there are none."""
    own = _hash(path)
    if not external:
        return own
    lines = [own, *(f"{_hash(file)} {file.relative_to(path.parent).as_posix()}" for file in external)]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _locate(path: Path, location: PurePosixPath) -> Path:
    file = path.parent / location
    if location.is_absolute() or ".." in location.parts or not location.parts or not str(location).isprintable():
        raise UnsafeWeightsError(
            f"{path}: names data at {str(location)!a}; expected a file beside it, by a relative path"
        )
    try:
        # A link may lead anywhere, and to another place when the runtime follows it.
        is_inside = file.resolve(strict=True) == path.parent.resolve() / location
        is_regular = stat.S_ISREG(file.stat().st_mode)
    except OSError as error:
        raise UnsafeWeightsError(
            f"{path}: its data file {file} cannot be read ({error.strerror}); put it there"
        ) from error
    if not (is_inside and is_regular):
        raise UnsafeWeightsError(f"{path}: its data file {file} is a link or no regular file; put a copy there")
    return file


def _find_entries(model: memoryview) -> Iterator[memoryview]:
    """Entries of all tensors' external data."""
    messages = [("model", model)]
    while messages:
        kind, message = messages.pop()
        for number, value in _read_fields(message):
            inner = _INNER[kind].get(number)
            if inner == "external data":
                yield value
            elif inner is not None:
                messages.append((inner, value))


def _read_location(entry: memoryview) -> list[str]:
    """The value of an entry, if that is a location."""
    texts = {number: bytes(value).decode() for number, value in _read_fields(entry)}
    return [texts.get(2, "")] if texts.get(1) == "location" else []


def _read_fields(message: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Numbers and contents of those fields that may hold text or messages; parsers look at 32 bits of a tag."""
    place = 0
    while place < len(message):
        tag, place = _read_varint(message, place)
        kind = tag & 7
        if kind == _VARINT:
            _, place = _read_varint(message, place)
        elif kind == _BYTES:
            size, place = _read_varint(message, place)
            yield (tag & 0xFFFFFFFF) >> 3, message[place : place + size]
            place += size
        elif kind in (_FIXED32, _FIXED64):
            place += 4 if kind == _FIXED32 else 8
        else:
            raise ValueError(f"it holds a field of type {kind}")
    if place != len(message):
        raise ValueError("it is cut off")


def _read_varint(message: memoryview, place: int) -> tuple[int, int]:
    """A number and the place behind it."""
    number = 0
    for shift in range(0, 70, 7):
        byte = message[place]
        place += 1
        number |= (byte & 127) << shift
        if byte < 128:
            return number, place
    raise ValueError("it holds a number that does not end")


def _hash(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
