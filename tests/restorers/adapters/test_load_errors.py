"""What is said where a model cannot be loaded: at once, in whole sentences, without what libraries say of themselves."""

from __future__ import annotations

import warnings
from importlib.util import find_spec

import pytest
import torch

from dataset_builder.work.library_warnings import silence_libraries
from restorers import create
from restorers.adapters import architectures, basicsr_compat, files
from restorers.adapters.basicsr_compat import read_weights
from restorers.containment import shorten
from restorers.errors import UnknownArchitectureError, UnsafeWeightsError

needs_basicsr = pytest.mark.skipif(not find_spec("basicsr"), reason="needs basicsr")


@needs_basicsr
def test_a_mistyped_network_is_answered_before_anything_is_imported(monkeypatch):
    def fail():
        raise AssertionError("it was imported")

    monkeypatch.setattr(basicsr_compat, "_import_architectures", fail)
    monkeypatch.setattr(files, "choose_device", lambda _: fail())
    with pytest.raises(UnknownArchitectureError, match="did you mean EDVR"):
        create("basicsr:EDVRR?weights=x.pth")


@needs_basicsr
def test_the_names_are_those_that_basicsr_registers():
    assert architectures.list_architectures() == set(basicsr_compat._import_architectures())


def test_messages_are_cut_where_a_sentence_ends():
    assert shorten("one\n  two\t three") == "one two three"
    assert shorten("\x1b[1mbold\x1b[0m words") == "bold words"
    assert shorten("First sentence. " + "second " * 100) == "First sentence."
    cut = shorten("word " * 100)
    assert cut.endswith("word …")
    assert len(cut) <= 302
    assert len(shorten("x" * 1000)) <= 302


def test_weights_that_hold_more_than_tensors_are_no_advice_to_run_them(tmp_path):
    torch.save({"code": test_messages_are_cut_where_a_sentence_ends}, tmp_path / "a.pth")
    with pytest.raises(UnsafeWeightsError) as caught:
        read_weights(tmp_path / "a.pth")
    assert "Weights only load failed.); save the network's state_dict anew" in str(caught.value)


def test_what_networks_warn_of_while_they_load_is_not_shown(monkeypatch, tmp_path):
    def load(name, device):
        warnings.warn("this network is old", UserWarning, stacklevel=1)
        raise UnsafeWeightsError("no weights")

    monkeypatch.setattr(files, "LOADERS", {"onnx": load})
    with pytest.raises(UnsafeWeightsError, match="no weights"):  # a warning would be an error here
        create("onnx:x")


def test_libraries_are_silent_and_own_code_is_not():
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        silence_libraries()
        for module in ("torch.functional", "basicsr.archs.swinir_arch", "torchmine", "mymodule"):
            warnings.warn_explicit("look", UserWarning, f"{module}.py", 1, module=module)
    assert [str(each.filename) for each in seen] == ["torchmine.py", "mymodule.py"]
