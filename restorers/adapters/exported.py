"""Programs of `torch.export`, run step by step: each step is an operator on tensors or numbers that may be called, and nothing else is.

What a program can do is what PyTorch's operators do with the tensors and numbers that it gives them. Those that open files, print, or
change more than their result may not be called, and neither may those that take sizes and addresses unchecked.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from restorers.adapters.exported_archive import DTYPES, STRIDED, read_archive
from restorers.adapters.exported_sizes import InputSizes, read_sizes
from restorers.device import Device

_OPERATOR = re.compile(r"torch\.ops\.aten\.(\w+)\.(\w+)")
_REFUSED = re.compile(
    r"from_file|save|warn|(manual_|initial_)?seed|set_grad_enabled|backward|record_stream|set_(data)?|resize_(as_)?"
    r"|(fbgemm|mkldnn|miopen|cudnn|sparse)_.*|_.*"
)
_INTERNAL = frozenset(
    {
        *("__and__", "__or__", "__xor__", "_assert_async", "_assert_scalar", "_assert_tensor_metadata", "_convolution"),
        *("_adaptive_avg_pool2d", "_conj", "_fft_c2c", "_fft_c2r", "_fft_r2c", "_local_scalar_dense", "_log_softmax"),
        *("_native_batch_norm_legit_no_training", "_safe_softmax", "_scaled_dot_product_flash_attention_for_cpu"),
        *("_softmax", "_to_copy", "_trilinear", "_unsafe_index", "_unsafe_view", "_upsample_bicubic2d_aa"),
        *("_upsample_bilinear2d_aa", "_upsample_nearest_exact2d", "_weight_norm", "_weight_norm_interface"),
    }
)
"""Operators with an underscore that exported programs are made of, and that check what they get."""
_ON_NUMBERS: Mapping[str, Callable[..., Any]] = {
    **{f"_operator.{name}": getattr(operator, name) for name in ("add", "sub", "mul", "floordiv", "truediv", "mod")},
    **{f"_operator.{name}": getattr(operator, name) for name in ("neg", "pos", "eq", "ne", "le", "ge", "lt", "gt")},
    **{f"torch.sym_{name}": getattr(torch, f"sym_{name}") for name in ("float", "int", "ite", "max", "min", "not")},
    "math.trunc": math.trunc,
}
"""What computes sizes."""
_KEYWORD = 2
"""`torch._export.serde.schema.ArgumentKind.KEYWORD`."""
_WITHOUT_GRADIENTS = "torch.ops.higher_order.wrap_with_set_grad_enabled"
_MEMORY_FORMATS = {
    1: torch.contiguous_format,
    2: torch.channels_last,
    3: torch.channels_last_3d,
    4: torch.preserve_format,
}


@dataclass(frozen=True)
class _Reference:
    """A value by its name."""

    name: str


@dataclass(frozen=True)
class _Step:
    """A call of an operator; its results get names, and values that no later step needs are forgotten."""

    call: Callable[..., Any]
    positional: tuple[Any, ...]
    keyword: Mapping[str, Any]
    results: tuple[Any, ...]
    forgotten: tuple[str, ...]


@dataclass(frozen=True)
class _Graph:
    inputs: tuple[str, ...]
    steps: tuple[_Step, ...]
    outputs: tuple[Any, ...]

    def run(self, *arguments: Any) -> list[Any]:
        values = dict(zip(self.inputs, arguments, strict=True))
        for step in self.steps:
            keyword = {key: _resolve(value, values) for key, value in step.keyword.items()}
            found = step.call(*(_resolve(value, values) for value in step.positional), **keyword)
            _name(step.results if len(step.results) != 1 else step.results[0], found, values)
            for name in step.forgotten:
                values.pop(name, None)
        return [_resolve(output, values) for output in self.outputs]


@dataclass(frozen=True, eq=False)
class Program:
    """A program of one input and one output, on a device.

    Attributes:
        sizes: sizes of its input.
    """

    sizes: InputSizes
    _graph: _Graph
    _weights: tuple[torch.Tensor, ...]
    _place: int

    def __call__(self, image: torch.Tensor) -> Any:
        """Run it.

        Raises:
            ValueError: if it was not exported for an input of this size.
        """
        self.sizes.check(tuple(image.shape))
        arguments = [*self._weights[: self._place], image, *self._weights[self._place :]]
        return self._graph.run(*arguments)[0]


def load_program(path: Path, device: Device) -> Program:
    """Read a program that `torch.export.save` wrote.

    Raises:
        ValueError: if it is none, does more than compute, or has several inputs or outputs.
    """
    archive = read_archive(path)
    module = archive.program["graph_module"]
    graph = module["graph"]
    parts = [_get_only(spec) for spec in module["signature"]["input_specs"]]
    places = [place for place, (kind, _) in enumerate(parts) if kind == "user_input"]
    outputs = [kind for kind, _ in map(_get_only, module["signature"]["output_specs"])]
    if len(places) != 1 or outputs != ["user_output"]:
        raise ValueError(
            f"it has {len(places)} inputs and the outputs {', '.join(outputs)}; expected one input and user_output; "
            "a network that changes its buffers is in training, call .eval() first"
        )
    weights = [archive.tensors[_name_weight(kind, spec)].to(device) for kind, spec in parts if kind != "user_input"]
    name = parts[places[0]][1]["arg"]["as_tensor"]["name"]
    sizes = read_sizes(graph["tensor_values"][name]["sizes"], archive.program)
    return Program(sizes, _read_graph(graph, device), tuple(weights), places[0])


def _name_weight(kind: str, spec: Mapping[str, Any]) -> str:
    keys = {"parameter": "parameter_name", "buffer": "buffer_name", "tensor_constant": "tensor_constant_name"}
    if kind not in keys:
        raise ValueError(f"it has an input of the kind {kind}")
    return str(spec[keys[kind]])


def _read_graph(graph: Mapping[str, Any], device: Device) -> _Graph:
    inputs = tuple(_read_name(argument) for argument in graph["inputs"])
    outputs = tuple(_read_argument(argument, device) for argument in graph["outputs"])
    needed = set(_list_names(outputs))
    steps = []
    for node in reversed(graph["nodes"]):
        call, arguments = _read_call(node, device)
        positional = tuple(value for _, value, kind in arguments if kind != _KEYWORD)
        keyword = {name: value for name, value, kind in arguments if kind == _KEYWORD}
        results = tuple(_read_result(result) for result in node["outputs"])
        used = {*_list_names(positional), *_list_names(list(keyword.values())), *_list_names(results)}
        steps.append(_Step(call, positional, keyword, results, tuple(used - needed)))
        needed |= used
    return _Graph(inputs, tuple(reversed(steps)), outputs)


def _read_call(node: Mapping[str, Any], device: Device) -> tuple[Callable[..., Any], list[tuple[str, Any, int | None]]]:
    """What a step calls, and its arguments: name, value and kind."""
    target, inputs = node["target"], node["inputs"]
    if target == _WITHOUT_GRADIENTS:
        call, inputs = _make_call(_read_graph(inputs[1]["arg"]["as_graph"]["graph"], device)), inputs[2:]
    else:
        call = _find_operator(target)
    return call, [(each["name"], _read_argument(each["arg"], device), each.get("kind")) for each in inputs]


def _make_call(graph: _Graph) -> Callable[..., Any]:
    def call(*arguments: Any) -> Any:
        found = graph.run(*arguments)
        return found[0] if len(found) == 1 else found

    return call


def _find_operator(target: str) -> Callable[..., Any]:
    if target in _ON_NUMBERS:
        return _ON_NUMBERS[target]
    match = _OPERATOR.fullmatch(target)
    if match is None or (match[1] not in _INTERNAL and _REFUSED.fullmatch(match[1])):
        raise ValueError(f"it calls {target[:80]!r}, which may do more than compute")
    found = getattr(getattr(torch.ops.aten, match[1]), match[2])
    if not isinstance(found, torch._ops.OpOverload):  # noqa: SLF001  # its only name
        raise ValueError(f"it calls {target[:80]!r}, which is no operator")  # noqa: TRY004  # of a value in a file
    return found


def _read_argument(argument: Mapping[str, Any], device: Device) -> Any:
    kind, value = _get_only(argument)
    if kind in ("as_int", "as_ints", "as_bool", "as_bools", "as_string", "as_strings"):
        return value
    if kind in ("as_float", "as_floats"):  # infinity and NaN are text
        return float(value) if kind == "as_float" else [float(each) for each in value]
    if kind in ("as_tensor", "as_sym_int", "as_sym_float", "as_sym_bool", "as_optional_tensor"):
        return _read_part(value)
    if kind in ("as_tensors", "as_optional_tensors", "as_sym_ints", "as_sym_floats", "as_sym_bools"):
        return [_read_part(each) for each in value]
    plain: Mapping[str, Callable[[], Any]] = {
        "as_none": lambda: None,
        "as_device": lambda: device,
        "as_scalar_type": lambda: DTYPES[value],
        "as_memory_format": lambda: _MEMORY_FORMATS[value],
        "as_layout": lambda: {STRIDED: torch.strided}[value],
        "as_complex": lambda: complex(value["real"], value["imag"]),
    }
    if kind not in plain:
        raise ValueError(f"it passes an argument of the kind {kind}")
    return plain[kind]()


def _read_part(value: Mapping[str, Any]) -> Any:
    """A tensor, an optional tensor, a number, or one of these by its name."""
    if "name" in value or "as_name" in value:
        return _Reference(value.get("name") or value["as_name"])
    kind, inner = _get_only(value)
    return _read_part(inner) if kind == "as_tensor" else None if kind == "as_none" else inner


def _read_name(argument: Mapping[str, Any]) -> str:
    kind, value = _get_only(argument)
    if kind not in ("as_tensor", "as_sym_int", "as_sym_float", "as_sym_bool"):
        raise ValueError(f"it takes an input of the kind {kind}")
    return str(value.get("name") or value["as_name"])


def _read_result(argument: Mapping[str, Any]) -> Any:
    kind, value = _get_only(argument)
    if kind == "as_none":
        return None
    return (
        tuple(_Reference(each["name"]) for each in value) if kind == "as_tensors" else _Reference(_read_name(argument))
    )


def _get_only(union: Mapping[str, Any]) -> tuple[str, Any]:
    ((kind, value),) = union.items()
    return kind, value


def _resolve(value: Any, values: Mapping[str, Any]) -> Any:
    if isinstance(value, _Reference):
        return values[value.name]
    return [_resolve(each, values) for each in value] if isinstance(value, list) else value


def _name(target: Any, found: Any, values: dict[str, Any]) -> None:
    """Give results their names."""
    if isinstance(target, _Reference):
        values[target.name] = found
    elif target:
        for each, part in zip(target, found, strict=True):
            _name(each, part, values)


def _list_names(value: Any) -> Iterator[str]:
    if isinstance(value, _Reference):
        yield value.name
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _list_names(each)
