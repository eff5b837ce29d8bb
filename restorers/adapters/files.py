"""Restorers from model files, by names such as `onnx:FILE?domain=linear_rgb` or `basicsr:EDVR?weights=FILE&num_feat=64`.

Files are read from this machine only; nothing is ever downloaded. The hash of the file is part of the restorer's facts, and so of the
fingerprint of its labels.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np

from restorers.adapters.architectures import require_architecture
from restorers.adapters.network import Network, NetworkRestorer, Signature, make_restorer
from restorers.adapters.onnx_files import hash_model, list_external_files
from restorers.adapters.taking import take_frames
from restorers.base import Restorer, RestorerInfo
from restorers.burst import Domain, FloatImage
from restorers.containment import shorten
from restorers.device import Device, choose_device, run_on
from restorers.errors import InvalidRestorerError, MissingExtraError, UnsafeWeightsError

_OPTIONS = ("domain", "channels", "frames", "least_frames", "position", "multiple", "least_side", "task", "license")
"""What every adapter but that of burst networks understands after the question mark."""
_ONNX_NUMBERS: Mapping[str, type[np.floating[Any]]] = {"tensor(float)": np.float32, "tensor(float16)": np.float16}
"""Numbers that an ONNX model may take; what it is given and gives is float32."""
_VIDEO_NETWORKS: Mapping[str, Mapping[str, Any]] = {
    "BasicVSR": {"least_frames": 2, "least_side": 64, "multiple": 4},
    "BasicVSRPlusPlus": {"least_frames": 2, "least_side": 256, "multiple": 4},
    "DUF": {"frames": 7, "position": "centre", "multiple": 1},
    "EDVR": {"frames": 5, "position": "centre", "multiple": 4},
    "IconVSR": {"least_frames": 2, "least_side": 64, "multiple": 4},
    "TOFlow": {"frames": 7, "position": "centre", "multiple": 16},
}
"""BasicSR's networks that take several frames, and what they expect of them."""


@dataclass(frozen=True)
class ModelName:
    """A scenario's name taken apart: `kind:target?options`."""

    kind: str
    target: str
    options: Mapping[str, str] = field(default_factory=dict)


def parse_model_name(scenario: str) -> ModelName:
    """Take the name of a model apart; %-escapes stand for characters that a name cannot hold.

    Raises:
        InvalidRestorerError: if an option has no value or is given twice.
    """
    kind, _, rest = scenario.partition(":")
    target, _, query = rest.partition("?")
    options: dict[str, str] = {}
    for part in filter(None, query.split("&")):
        key, equals, value = part.partition("=")
        if not equals or key in options:
            raise InvalidRestorerError(f"{scenario}: expected ?key=value&key=value with each key once, got {part!r}")
        options[key] = unquote(value)
    if not target:
        raise InvalidRestorerError(
            f"{scenario}: expected {kind}:{'ARCH?weights=FILE' if kind == 'basicsr' else 'FILE'}"
        )
    return ModelName(kind, unquote(target), options)


def load_model(scenario: str, *, device: str = "cpu") -> Restorer:
    """Build the restorer that `burst:`, `onnx:`, `torchscript:`, `pt2:`, `spandrel:` or `basicsr:` names.

    Args:
        scenario: its name.
        device: `auto`, `cpu` or `cuda`; ONNX models run on the CPU whatever it says.

    Raises:
        InvalidRestorerError: if the options or the model's dimensions are wrong.
        UnsafeWeightsError: if the file is missing, damaged, or not to be read without trusting it.
        MissingExtraError: if a package is not installed.
    """
    name = parse_model_name(scenario)
    if name.kind == "basicsr":
        require_architecture(name.target)
    options = dict(name.options)
    rule = options.pop("take", None)
    # Of burst networks the length is that of the file, or any; only a choice of frames may ask for less.
    asked = name.kind == "burst" and rule is not None and "frames" in options
    number = _parse_options({"frames": options.pop("frames")})["frames"] if asked else None
    on = "cpu" if name.kind == "onnx" else choose_device(device)
    with warnings.catch_warnings():
        # Of the age of a network's code: nobody who uses its file can act on that.
        warnings.simplefilter("ignore")
        restorer = LOADERS[name.kind](replace(name, options=options), on)
    return restorer if rule is None else take_frames(restorer, rule, number=number)


def _load_onnx(name: ModelName, _device: Device) -> NetworkRestorer:
    path = _require_file(name.target)
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingExtraError("onnx", "onnxruntime", "onnx") from error
    external = list_external_files(path)
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = settings.inter_op_num_threads = 1  # equal bits on any number of cores
    settings.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(str(path), settings, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise UnsafeWeightsError(f"{path}: expected an ONNX model ({_first_line(error)})") from error
    inputs, outputs = session.get_inputs(), session.get_outputs()
    if len(inputs) != 1 or not outputs:
        raise InvalidRestorerError(f"{path}: expected one input and an output, got {len(inputs)} and {len(outputs)}")
    shape = inputs[0].shape
    number = _ONNX_NUMBERS.get(inputs[0].type)
    if number is None or len(shape) not in (4, 5):
        raise InvalidRestorerError(
            f"{path}: expected an input float32 or float16 [1, C, H, W] or [1, T, C, H, W], got {inputs[0].type} {shape}"
        )
    known: dict[str, Any] = {"burst": len(shape) == 5}
    sizes = [size if isinstance(size, int) else None for size in shape]
    if sizes[0] not in (None, 1):
        raise InvalidRestorerError(f"{path}: dimension 0 (batch) of the model's input: expected 1, got {sizes[0]}")
    if sizes[-3] is not None:
        known["channels"] = sizes[-3]
    if len(shape) == 5 and sizes[1] is not None:
        known["frames"] = sizes[1]
    if sizes[-2] is not None and sizes[-1] is not None:
        known["side"] = (sizes[-2], sizes[-1])
    first, only = inputs[0].name, [outputs[0].name]

    def run(frames: FloatImage) -> FloatImage:
        return np.asarray(session.run(only, {first: frames.astype(number, copy=False)})[0], np.float32)

    weights = hash_model(path, external)
    return _make(name, path, run, known, summary=f"ONNX model {path.name}", weights_sha256=weights)


def _load_torchscript(name: ModelName, device: Device) -> NetworkRestorer:
    import torch

    from restorers.adapters.torchscript import check_torchscript  # imports torch

    path = _require_file(name.target)
    check_torchscript(path)
    try:
        module = torch.jit.load(str(path), map_location=device).eval()  # type: ignore[no-untyped-call]  # torch left it untyped
    except Exception as error:
        raise UnsafeWeightsError(f"{path}: expected a TorchScript archive ({_first_line(error)})") from error
    known = {"burst": "frames" in name.options}
    return _make(name, path, run_on(module, device), known, summary=f"TorchScript {path.name}", device=device)


def _load_exported(name: ModelName, device: Device) -> NetworkRestorer:
    from restorers.adapters.exported import load_program  # imports torch

    path = _require_file(name.target)
    try:
        program = load_program(path, device)
    except Exception as error:
        raise UnsafeWeightsError(f"{path}: expected a program of torch.export ({_first_line(error)})") from error
    shape = program.sizes.shape
    if len(shape) not in (4, 5):
        raise InvalidRestorerError(
            f"pt2: expected a program of one input [1, C, H, W] or [1, T, C, H, W], got {len(shape)} dimensions"
        )
    known: dict[str, Any] = {"burst": len(shape) == 5}
    if shape[-3] is not None:
        known["channels"] = shape[-3]
    if len(shape) == 5 and shape[1] is not None:
        known["frames"] = shape[1]
    if shape[-2] is not None and shape[-1] is not None:
        known["side"] = (shape[-2], shape[-1])
    return _make(name, path, run_on(program, device), known, summary=f"exported program {path.name}", device=device)


def _load_spandrel(name: ModelName, device: Device) -> NetworkRestorer:
    path = _require_file(name.target)
    try:
        from restorers.adapters.basicsr_compat import import_torchvision

        import_torchvision()
        import spandrel
    except ImportError as error:
        raise MissingExtraError("spandrel", "spandrel", "spandrel") from error
    if path.suffix.lower() == ".pt":
        _check_weights_in_archive(path)
    try:
        model = spandrel.ModelLoader(device=device).load_from_file(path)
    except Exception as error:
        raise UnsafeWeightsError(
            f"{path}: expected weights of an architecture that spandrel knows ({_first_line(error)})"
        ) from error
    if not isinstance(model, spandrel.ImageModelDescriptor):
        raise InvalidRestorerError(
            f"{path}: expected a network that takes an image alone, got one that takes a mask too"
        )
    size = model.size_requirements
    known = {"channels": model.input_channels, "multiple": size.multiple_of, "least_side": max(size.minimum, 1)}
    summary = f"{model.architecture.name}, {model.purpose}, {path.name}"
    return _make(name, path, run_on(model.model.eval(), device), known, summary=summary, device=device)


def _check_weights_in_archive(path: Path) -> None:
    """What ends in .pt, spandrel first loads as TorchScript, then as weights, which old versions of PyTorch did not put into an archive."""
    from restorers.adapters.torchscript import check_torchscript, is_pickle  # imports torch

    if not is_pickle(path):
        check_torchscript(path)


def _load_basicsr(name: ModelName, device: Device) -> NetworkRestorer:
    from restorers.adapters.basicsr_compat import load_architecture, read_weights

    architecture = load_architecture(name.target)
    if "weights" not in name.options:
        raise InvalidRestorerError(f"basicsr:{name.target}: expected ?weights=FILE: untrained networks restore nothing")
    path = _require_file(name.options["weights"])
    video = _VIDEO_NETWORKS.get(name.target)
    arguments = {key: _parse_value(value) for key, value in name.options.items() if key not in (*_OPTIONS, "weights")}
    try:
        module = architecture(**arguments)
        module.load_state_dict(read_weights(path))
    except UnsafeWeightsError:
        raise
    except Exception as error:
        raise InvalidRestorerError(
            f"basicsr:{name.target} with {arguments}: cannot be built or does not fit {path.name} ({_first_line(error)})"
        ) from error
    known: dict[str, Any] = {"burst": video is not None, **(video or {})}
    if "num_frame" in arguments:
        known["frames"] = arguments["num_frame"]
    network, summary = run_on(module.eval().to(device), device), f"BasicSR {name.target}, {path.name}"
    return _make(name, path, network, known, summary=summary, device=device, ours=arguments)


def _load_burst(name: ModelName, device: Device) -> Restorer:
    from restorers.adapters.burst_network import load_burst_network

    return load_burst_network(_require_file(name.target), name.options, device)


LOADERS: Mapping[str, Callable[[ModelName, Device], Restorer]] = {
    "basicsr": _load_basicsr,
    "burst": _load_burst,
    "onnx": _load_onnx,
    "pt2": _load_exported,
    "spandrel": _load_spandrel,
    "torchscript": _load_torchscript,
}
"""The kinds of models, by the word before the colon."""


def _make(
    name: ModelName,
    path: Path,
    network: Network,
    known: Mapping[str, Any],
    *,
    summary: str,
    device: Device = "cpu",
    weights_sha256: str | None = None,
    ours: Mapping[str, Any] | None = None,
) -> NetworkRestorer:
    """Join what the file tells and what the options say, and wrap the network."""
    unknown = [
        key
        for key in name.options
        if key not in (*_OPTIONS, *(ours or ()), *(("weights",) if ours is not None else ()))
    ]
    if unknown:
        raise InvalidRestorerError(
            f"{name.kind}: option {unknown[0]!r} is unknown; there are {', '.join(_OPTIONS)}, take"
        )
    settings = {**known, **_parse_options(name.options)}
    info = RestorerInfo(
        task=name.options.get("task", ""),
        version="1",
        input_domains=frozenset(),
        output_domain=None,
        summary=summary,
        license="Apache-2.0",
        weights_sha256=weights_sha256 or hash_model(path),
        weights_license=name.options.get("license", "unknown"),
        device=device,
    )
    return make_restorer(network, Signature(**settings), info)


def _parse_options(options: Mapping[str, str]) -> dict[str, Any]:
    """Fields of the signature among the options."""
    settings: dict[str, Any] = {}
    for key, value in options.items():
        if key == "domain":
            if value not in list(Domain):
                raise InvalidRestorerError(f"domain={value}: expected {', '.join(Domain)}")
            settings[key] = Domain(value)
        elif key == "position":
            if value not in ("first", "centre"):
                raise InvalidRestorerError(f"position={value}: expected first or centre")
            settings[key] = value
        elif key in ("channels", "frames", "least_frames", "multiple", "least_side"):
            if key == "frames" and value == "any":
                settings[key] = None
                continue
            if not value.isdecimal() or int(value) < 1:
                raise InvalidRestorerError(f"{key}={value}: expected a whole number above 0")
            settings[key] = int(value)
    return settings


def _parse_value(text: str) -> Any:
    """A number, list, truth value or None as Python writes it; anything else is text."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def _require_file(text: str) -> Path:
    path = Path(text).expanduser()
    if not path.is_file():
        raise UnsafeWeightsError(f"{path}: no such file; models are read from this machine, none is downloaded")
    return path


def _first_line(error: Exception) -> str:
    """What an error says first; of a heading that ends with a colon, what stands below it as well."""
    lines = (str(error) or type(error).__name__).strip().splitlines()
    return shorten(" ".join(line.strip() for line in lines[: 2 if lines[0].rstrip().endswith(":") else 1]))
