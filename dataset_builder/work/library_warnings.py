"""Warnings of libraries about their own code, on which who runs a command cannot act."""

from __future__ import annotations

import warnings

_LIBRARIES = r"(basicsr|onnxruntime|spandrel|timm|torch|torchvision)(\.|$)"
"""Packages by which networks in files are made and run; warnings that own code brings about stay."""


def silence_libraries() -> None:
    """From now on in this process, leave out what these packages warn of."""
    warnings.filterwarnings("ignore", module=_LIBRARIES)
