"""What a TorchScript archive may do, judged by its own source before it is loaded: loading runs parts of it.

TorchScript is a language without Python: its programs compute, loop, print, and call PyTorch's operators. Of these, `save` and `from_file`
open any file that they name, for writing too, and those of distributed training talk to other machines. All that an archive can call
stands by name in its source, in the forms `torch.NAME`, `ops.LIBRARY.NAME` and `value.NAME`, so it is enough to look for the words; only
`getattr` takes a name as text, which may be written in pieces and by escapes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import torch

from restorers.errors import UnsafeWeightsError

_MAX_SOURCE_BYTES = 64_000_000
_WORD = re.compile(rb"[A-Za-z_]\w*")
_GETATTR = re.compile(rb"\bgetattr\b")
_PLAIN_GETATTR = re.compile(rb'\bgetattr\([\w.]+, "[^"\\\n]*"\)')
"""As PyTorch writes it, for names that are no words, such as the "0" of a sequence."""
_LIBRARIES = frozenset(
    {
        *(b"__backends__", b"_c10d_functional", b"_c10d_functional_autograd", b"_dtensor", b"_nnapi", b"backendutils"),
        *(b"c10d", b"debugprims", b"dist_c10d", b"dist_rpc", b"inductor", b"profiler", b"profiling", b"symm_mem"),
    }
)
"""Libraries of operators or classes that reach beyond the numbers that they are given."""
_OPERATORS = frozenset({b"save", b"from_file", b"rpc_async", b"rpc_sync", b"rpc_remote", b"to_here", b"dist_backward"})


def check_torchscript(path: Path) -> None:
    """Check that an archive calls no operator that opens files or talks to others; nothing of it runs.

    Raises:
        UnsafeWeightsError: if it does, or is no archive of PyTorch.
    """
    # What begins otherwise, PyTorch may take for another format, whatever archive follows.
    if _read_start(path)[:4] != b"PK\3\4":
        raise UnsafeWeightsError(
            f"{path}: expected a TorchScript archive, got something else; save it by torch.jit.save"
        )
    try:
        # PyTorch's own reader sees the members that its loader will see; both find them by names in any case.
        reader = torch._C.PyTorchFileReader(str(path))  # noqa: SLF001  # its only name
        names = reader.get_all_records()
        source = [
            name for name in names if name.lower().startswith("code/") and not name.lower().endswith(".debug_pkl")
        ]
        objects = [name for name in names if name.lower().endswith(".pkl")]
        if "model.json" in map(str.lower, names) or len(set(map(str.lower, names))) != len(names):
            raise UnsafeWeightsError(f"{path}: is of another kind than torch.jit.save of PyTorch 1.1 or later writes")
        if (size := sum(reader.get_record_size(name) for name in (*source, *objects))) > _MAX_SOURCE_BYTES:
            raise UnsafeWeightsError(f"{path}: its source takes {size:,} bytes; expected at most {_MAX_SOURCE_BYTES:,}")
        texts = [reader.get_record(name) for name in source]
        found = _find_words(texts) & (_OPERATORS | _LIBRARIES)
        found |= _find_words([reader.get_record(name) for name in objects]) & _LIBRARIES
    except RuntimeError as error:
        raise UnsafeWeightsError(f"{path}: expected a TorchScript archive ({str(error).splitlines()[0]})") from error
    if any(len(_GETATTR.findall(text)) != len(_PLAIN_GETATTR.findall(text)) for text in texts):
        raise UnsafeWeightsError(f"{path}: hides a name in getattr, as torch.jit.save never does; save it anew")
    if found:
        raise UnsafeWeightsError(
            f"{path}: it names {', '.join(sorted(map(bytes.decode, found)))}, which may open files or talk to other machines; expected a "
            "network that only computes"
        )


def is_pickle(path: Path) -> bool:
    """Whether a file is what `torch.save` wrote before PyTorch 1.6, which is never loaded as TorchScript."""
    start = _read_start(path)
    return start[:1] == b"\x80" and start[4:] != b"PTMF"


def _read_start(path: Path) -> bytes:
    with path.open("rb") as stream:
        return stream.read(8)


def _find_words(texts: Iterable[bytes]) -> set[bytes]:
    return {word for text in texts for word in _WORD.findall(text)}
