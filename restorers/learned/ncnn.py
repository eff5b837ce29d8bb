"""Weights of ncnn models: a text file of layers and a binary file of their numbers, in order.

Convolution weights follow a tag that says how they are stored; biases and PReLU slopes are plain float32. Only these two kinds of
layer carry weights in the models read here; any other with weights would leave bytes over, which is an error.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from restorers.burst import FloatImage
from restorers.errors import UnsafeWeightsError

_MAGIC = "7767517"
_FLOAT16, _FLOAT32 = 0x01306B47, 0


@dataclass(frozen=True, eq=False)
class LayerWeights:
    """Numbers of one layer: `convolution` with weight [out, in, k, k] and bias [out], or `prelu` with weight [channels] alone."""

    kind: str
    weight: FloatImage
    bias: FloatImage | None


def read_ncnn_weights(param: Path, binary: Path) -> list[LayerWeights]:
    """Read the weights of all convolutions and PReLU layers, in order.

    Args:
        param: the text file.
        binary: the numbers.

    Raises:
        UnsafeWeightsError: if a file is not of this form or holds more or less than its layers need.
    """
    data = binary.read_bytes()
    try:
        layers, end = _read_layers(param, data)
    except (ValueError, KeyError, IndexError) as error:
        raise UnsafeWeightsError(
            f"{param}: expected layers of ncnn that {binary.name} has the numbers of ({error})"
        ) from error
    if end != len(data):
        raise UnsafeWeightsError(f"{binary}: expected {end} bytes for the layers of {param.name}, got {len(data)}")
    return layers


def _read_layers(param: Path, data: bytes) -> tuple[list[LayerWeights], int]:
    layers, at = [], 0
    for kind, settings in _parse_layers(param):
        if kind == "Convolution":
            outputs, side, count = int(settings["0"]), int(settings["1"]), int(settings["6"])
            weight, at = _take_tagged(data, at, count)
            bias = None
            if settings.get("5") == "1":
                bias, at = _take(data, at, outputs, np.dtype("<f4"))
            layers.append(LayerWeights("convolution", weight.reshape(outputs, -1, side, side), bias))
        elif kind == "PReLU":
            weight, at = _take(data, at, int(settings["0"]), np.dtype("<f4"))
            layers.append(LayerWeights("prelu", weight, None))
    return layers, at


def _parse_layers(param: Path) -> Iterator[tuple[str, Mapping[str, str]]]:
    lines = param.read_text(encoding="ascii").splitlines()
    if not lines or lines[0].strip() != _MAGIC:
        raise ValueError(f"its first line is not {_MAGIC}")
    for line in lines[2:]:
        kind, _name, inputs, outputs, *rest = line.split()
        settings = rest[int(inputs) + int(outputs) :]
        yield kind, dict(part.split("=", 1) for part in settings)


def _take_tagged(data: bytes, at: int, count: int) -> tuple[FloatImage, int]:
    tag = int.from_bytes(data[at : at + 4], "little")
    if tag not in (_FLOAT16, _FLOAT32):
        raise ValueError(f"weights stored as {tag:#x} are not supported")
    values, end = _take(data, at + 4, count, np.dtype("<f2" if tag == _FLOAT16 else "<f4"))
    return values, end + -end % 4


def _take(data: bytes, at: int, count: int, kind: np.dtype[Any]) -> tuple[FloatImage, int]:
    if at + count * kind.itemsize > len(data):
        raise ValueError("it ends too early")
    return np.frombuffer(data, kind, count, at).astype(np.float32), at + count * kind.itemsize
