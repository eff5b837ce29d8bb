"""Files given as burst:FILE that are not what they should be: one line says file, expected and found; nothing in them runs."""

from __future__ import annotations

import resource
import shutil

import pytest
import torch

from restorers import create
from restorers.errors import InvalidRestorerError, UnsafeWeightsError
from tests.restorers.networks.small import make_small, name_small


class Attack:
    """Calls a function when it is unpickled."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def refuse(path, error=InvalidRestorerError):
    """Name a file that must be refused; return the one line that says why."""
    with pytest.raises(error) as caught:
        create(f"burst:{path}")
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message


@pytest.fixture
def state():
    return make_small("dbsr").state_dict()


@pytest.mark.parametrize("tag", ["kokkinos", "dbsr", "kpn"])
def test_files_cut_short_are_refused(tag, tmp_path):
    name_small(tag, tmp_path)
    path = tmp_path / f"{tag}.pth"
    data = path.read_bytes()
    for share in (0.01, 0.3, 0.9, 0.999):
        path.write_bytes(data[: int(share * len(data))])
        refuse(path, UnsafeWeightsError)


def test_files_of_another_kind_are_refused(tmp_path):
    path = tmp_path / "network.pth"
    assert "no such file" in refuse(path, UnsafeWeightsError)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    assert "expected a checkpoint of torch.save or HDF5 by Keras, got another kind" in refuse(path, UnsafeWeightsError)
    torch.save({"epoch": 3}, path)
    assert "expected tensors by name, or these under net, state_dict" in refuse(path, UnsafeWeightsError)


@pytest.mark.parametrize("is_archive", [True, False])
def test_calls_in_a_file_are_not_made(tmp_path, state, is_archive):
    path, trace = tmp_path / "network.pth", tmp_path / "trace"
    attack = Attack(shutil.copyfile, __file__, str(trace))
    torch.save({"net": state, "settings": attack}, path, _use_new_zipfile_serialization=is_archive)
    assert create(f"burst:{path}").info.task == "sr"
    torch.save(state | {"decoder.predictor.0.bias": attack}, path, _use_new_zipfile_serialization=is_archive)
    assert "'decoder.predictor.0.bias' of shutil.copyfile; nothing of it was run" in refuse(path, UnsafeWeightsError)
    assert not trace.exists()


def test_files_of_another_network_say_what_is_known_and_what_they_hold(tmp_path):
    path = tmp_path / "esrgan.pth"
    torch.save({f"body.{layer}.weight": torch.zeros(1) for layer in range(9)}, path)
    message = refuse(path)
    assert (
        "expected the tensors of BIPNet, BPN, BSRT, Burstormer, DBD, DBSR, EBSR, Kokkinos, KPN, KPN (Google)" in message
    )
    assert "found 9, such as body.0.weight, body.1.weight, body.2.weight" in message


def test_files_that_nearly_fit_name_every_kind_of_difference(tmp_path, state):
    path = tmp_path / "network.pth"
    del state["encoder.out_layer.0.bias"]
    state |= {"decoder.spare": torch.zeros(2), "decoder.init_layer.0.bias": torch.zeros(9)}
    torch.save({"net": state}, path)
    message = refuse(path)
    assert "the nearest is DBSR: DBSR: expected its " in message
    assert "it lacks encoder.out_layer.0.bias; " in message
    assert "it adds decoder.spare" in message
    assert "it has other shapes than decoder.init_layer.0.bias [8] (found [9])" in message


def test_half_of_a_normalised_weight_is_refused(tmp_path):
    path = tmp_path / "network.pth"
    torch.save([{"model.conv1.weight_g": torch.ones(8, 1, 1, 1)}, 10, 5], path)
    assert "expected model.conv1.weight_g and model.conv1.weight_v" in refuse(path)


def test_networks_of_frames_that_are_no_image_are_refused(tmp_path):
    path, state = tmp_path / "network.pth", make_small("bipnet_sr").state_dict()
    torch.save(state | {"conv1.0.weight": torch.zeros(64, 7, 3, 3)}, path)
    assert "its first layer takes frames of 7 channels: expected 4" in refuse(path)


def test_weights_that_are_no_numbers_are_named(tmp_path, state):
    path = tmp_path / "network.pth"
    state["merging.weight_predictor.0.0.weight"][1, 2, 0, 0] = float("nan")
    torch.save({"net": state}, path)
    message = refuse(path, UnsafeWeightsError)
    assert "expected finite weights, got NaN or infinity in 'merging.weight_predictor.0.0.weight'" in message


def test_normalised_weights_without_direction_are_named(tmp_path):
    path = tmp_path / "network.pth"
    state = {"model.conv1.weight_g": torch.ones(8, 1, 1, 1), "model.conv1.weight_v": torch.zeros(8, 3, 5, 5)}
    torch.save([state, 10, 5], path)
    assert "expected a direction other than 0 in model.conv1.weight_v" in refuse(path)


def test_layers_of_40_gigabytes_take_no_memory(tmp_path, state):
    path = tmp_path / "network.pth"
    # One number in the file, whose strides make a layer of it.
    state["encoder.out_layer.0.weight"] = torch.zeros(1).expand(10**5, 10**5)
    torch.save({"net": state}, path)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert "a tensor of shape [100000, 100000] in a storage of 1 numbers" in refuse(path, UnsafeWeightsError)
    state["encoder.out_layer.0.weight"] = torch.zeros(12, 8, 3, 3)
    state["encoder.init_layer.0.weight"] = torch.zeros(8, 4, 3, 3)
    # Sizes of which there are too few numbers, each by itself.
    state["encoder.out_layer.0.weight"] = torch.zeros(10**5, 1, 1, 1)
    state["decoder.init_layer.0.weight"] = torch.zeros(10**5, 1, 1, 1)
    torch.save({"net": state}, path)
    assert "it has other shapes than" in refuse(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 * 2**10  # KiB
