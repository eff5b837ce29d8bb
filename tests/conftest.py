"""Fixtures shared by the tests."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path

import pytest
from hypothesis import settings

from tests.signals import heed_signals
from tests.tiny_dataset import write_tiny_dataset

# No test depends on the clock.
settings.register_profile("suite", deadline=None)
settings.load_profile("suite")
# A shell lets jobs in the background ignore Ctrl-C, nohup the end of the terminal, and what they start inherits that.
heed_signals()
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def tiny_original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny data set, to be read only."""
    return write_tiny_dataset(tmp_path_factory.mktemp("tiny") / "dataset")


@pytest.fixture
def tiny(tiny_original: Path, tmp_path: Path) -> Path:
    """A copy of the tiny data set, to be changed at will."""
    return Path(shutil.copytree(tiny_original, tmp_path / "dataset"))
