"""Normalised weights give, folded, what their layers gave."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations

from restorers.errors import InvalidRestorerError
from restorers.networks.weight_norm import fold_weight_norm


def normalise_before_torch_2(layer):
    with pytest.warns(FutureWarning, match="weight_norm"):
        return nn.utils.weight_norm(layer)


@pytest.mark.parametrize("normalise", [normalise_before_torch_2, parametrizations.weight_norm])
@pytest.mark.parametrize(
    ("kind", "shape"),
    [
        (partial(nn.Conv2d, 3, 5, 3), (3, 6, 7)),
        (partial(nn.ConvTranspose2d, 3, 5, 4), (3, 6, 7)),
        (partial(nn.Linear, 4, 2), (4,)),
    ],
)
def test_layers_with_folded_weights_give_the_same(kind, shape, normalise):
    torch.manual_seed(0)
    layer, plain = normalise(kind()), kind()
    for parameter in layer.parameters():
        parameter.data.uniform_(0.1, 1)
    plain.load_state_dict(fold_weight_norm(layer.state_dict()))
    inputs = torch.rand(1, *shape)
    torch.testing.assert_close(plain(inputs), layer(inputs))


def test_other_tensors_stay_as_they_are():
    state = {"a.weight": torch.ones(2, 2), "weight_gain": torch.ones(1), "a.bias": torch.ones(2)}
    assert fold_weight_norm(state) == state


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ({"a.weight_g": torch.ones(2, 1)}, "a.weight_v"),
        ({"a.parametrizations.weight.original1": torch.ones(2, 3)}, "a.parametrizations.weight.original0"),
        ({"a.weight_g": torch.ones(1, 3), "a.weight_v": torch.ones(2, 3)}, r"got \[1, 3\]"),
        ({"a.weight_g": torch.ones(()), "a.weight_v": torch.ones(())}, r"got \[\]"),
    ],
)
def test_halves_of_normalised_weights_are_refused(state, reason):
    with pytest.raises(InvalidRestorerError, match=reason):
        fold_weight_norm(state)
