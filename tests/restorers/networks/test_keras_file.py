"""Weights in HDF5 files, as Keras lays them out."""

from __future__ import annotations

import sys
from importlib.util import find_spec

import numpy as np
import pytest
import torch

from restorers.errors import MissingExtraError, UnsafeWeightsError
from restorers.networks.checkpoint import read_checkpoint
from restorers.networks.keras_file import BEGINNING

needs_h5py = pytest.mark.skipif(not find_spec("h5py"), reason="needs h5py")
KERNEL, BIAS = np.arange(36, dtype=np.float32).reshape(3, 3, 2, 2), np.ones(2, np.float32)


def write_keras_file(path, fill):
    import h5py

    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = np.array([b"inp"])
        layer = file.create_group("inp").create_group("inp")
        layer["kernel:0"], layer["bias:0"] = KERNEL, BIAS
        fill(h5py, file)
    return path


@needs_h5py
def test_layers_become_weights_and_biases(tmp_path):
    def add_optimizer(_h5py, file):
        file.create_group("optimizer_weights")["inp/kernel:0"] = KERNEL
        file.create_group("input_1")

    state = read_checkpoint(write_keras_file(tmp_path / "model.hdf5", add_optimizer)).state
    assert sorted(state) == ["inp.bias", "inp.weight"]
    assert torch.equal(state["inp.weight"], torch.from_numpy(KERNEL).permute(3, 2, 0, 1))


def claim(_h5py, file):
    file.create_dataset("huge", shape=(10**10,), dtype="<f4")


def compress(_h5py, file):
    file.create_dataset("zeros", data=np.zeros(10**6, np.float32), compression="gzip")


def link(h5py, file):
    file["elsewhere"] = h5py.ExternalLink("/etc/passwd", "/")


def link_to_itself(_h5py, file):
    file["inp/again"] = file["inp"]


def share(_h5py, file):
    for number in range(1000):
        file[f"again{number}"] = file["inp/inp/kernel:0"]


def keep_outside(_h5py, file):
    file.create_dataset("outside", shape=(4,), dtype="<f4", external=[("/etc/passwd", 0, 16)])


@needs_h5py
@pytest.mark.parametrize(
    ("fill", "reason"),
    [
        (claim, "'huge': expected numbers that lie in the file"),
        (compress, "'zeros': expected numbers that lie in the file"),
        (link, "'elsewhere': expected an array or group of the file, got a link"),
        (link_to_itself, "deeper or more"),
        (share, "claim more than its"),
        (keep_outside, "'outside': expected numbers that lie in the file"),
        (lambda _h5py, file: file.pop("inp"), "expected arrays of weights in an HDF5 file, found none"),
    ],
)
def test_files_that_reach_beyond_themselves_are_refused(tmp_path, fill, reason):
    with pytest.raises(UnsafeWeightsError, match=reason):
        read_checkpoint(write_keras_file(tmp_path / "model.hdf5", fill))


@needs_h5py
def test_files_cut_short_are_refused(tmp_path):
    path = write_keras_file(tmp_path / "model.hdf5", lambda _h5py, _file: None)
    data = path.read_bytes()
    for length in range(len(BEGINNING), len(data) - 200, 97):
        path.write_bytes(data[:length])
        with pytest.raises(UnsafeWeightsError):
            read_checkpoint(path)


def test_without_h5py_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    (tmp_path / "model.hdf5").write_bytes(BEGINNING)
    with pytest.raises(
        MissingExtraError, match=r"model\.hdf5: needs the package 'h5py': pip install 'buiqa-toolkit\[keras\]'"
    ):
        read_checkpoint(tmp_path / "model.hdf5")
