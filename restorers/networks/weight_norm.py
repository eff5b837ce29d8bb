"""Normalised weights of checkpoints, folded into plain ones (Salimans & Kingma, Weight Normalization, NIPS 2016)."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from restorers.errors import InvalidRestorerError

_NORMALISED = re.compile(r"(|.*\.)(weight_[gv]|parametrizations\.weight\.original[01])")
"""A part of a normalised weight, as PyTorch before 2.0 and after calls it."""
_NEW_PARTS = ("parametrizations.weight.original0", "parametrizations.weight.original1")


def fold_weight_norm(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Replace the two parts of every normalised weight by the weight itself.

    The weight is g·v / ‖v‖ with a norm over all dimensions but the first: one for each output of a convolution, and for each input of a
    transposed one.

    Args:
        state: tensors by name; magnitudes g of shape [n, 1, …], directions v of shape [n, …].

    Returns:
        The same in the same order, each weight in the place of its first part and of the type of v; without normalised weights a copy.

    Raises:
        InvalidRestorerError: if one part is there without the other, their shapes do not belong together, or a direction is 0.
    """
    folded: dict[str, Tensor] = {}
    for key, value in state.items():
        part = _NORMALISED.fullmatch(key)
        if part is None:
            folded[key] = value
        elif part[1] + "weight" not in folded:
            names = ("weight_g", "weight_v") if part[2].startswith("weight") else _NEW_PARTS
            folded[part[1] + "weight"] = _fold(state, *(part[1] + name for name in names))
    return folded


def _fold(state: Mapping[str, Tensor], magnitude: str, direction: str) -> Tensor:
    try:
        g, v = state[magnitude], state[direction]
    except KeyError as error:
        raise InvalidRestorerError(
            f"a weight is stored normalised: expected {magnitude} and {direction}, found no {error}; take a complete file"
        ) from None
    if v.dim() < 2 or g.shape != (len(v), *[1] * (v.dim() - 1)):
        raise InvalidRestorerError(
            f"{magnitude}: expected shape [{len(v) if v.dim() else 'n'}, 1, …] beside {direction} of shape {list(v.shape)}, "
            f"got {list(g.shape)}; normalise weights along their first dimension"
        )
    norm: Tensor = torch.linalg.vector_norm(v.double(), dim=tuple(range(1, v.dim())), keepdim=True)
    if not norm.is_meta and not norm.all():
        raise InvalidRestorerError(f"expected a direction other than 0 in {direction}; take another file")
    return (g.double() * v.double() / norm).to(v.dtype)
