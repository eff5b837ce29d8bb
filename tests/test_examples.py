"""Examples in docstrings give what they show."""

from __future__ import annotations

import doctest
import importlib

import pytest

from tests.places import ROOT

PACKAGES = ("assessors", "dataset_builder", "manifests", "restorers")
MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for package in PACKAGES
    for path in (ROOT / package).rglob("*.py")
    if ">>> " in path.read_text(encoding="utf-8")
)


@pytest.mark.parametrize("name", MODULES)
def test_examples_give_what_they_show(name: str) -> None:
    tried = doctest.testmod(importlib.import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE)
    assert tried.attempted > 0
    assert tried.failed == 0


def test_each_package_has_some() -> None:
    assert {name.split(".")[0] for name in MODULES} == set(PACKAGES)
