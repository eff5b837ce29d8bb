"""What users import comes through the doors of the packages, and what the pages name is there."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from importlib.util import find_spec

import pytest

from tests.places import ROOT

PACKAGES = ("manifests", "restorers", "assessors", "dataset_builder")
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
_PATH = re.compile(
    r"`((?:manifests|restorers|assessors|dataset_builder|training|tests|benchmarks|recipes|docs)/[\w./-]*)`"
)
_MODULE = re.compile(
    r"(?<![\w./])((?:manifests|restorers|assessors|dataset_builder|training|benchmarks|tests)(?:\.\w+)+)"
)


@pytest.mark.parametrize("name", PACKAGES)
def test_doors_hand_on_what_they_list(name):
    package = importlib.import_module(name)
    assert list(package.__all__) == sorted(package.__all__, key=lambda one: (not one.isupper(), one[0].islower(), one))
    assert all(getattr(package, each) is not None for each in package.__all__)
    with pytest.raises(AttributeError, match=f"module '{name}' has no attribute 'nothing'"):
        _ = package.nothing


def test_doors_import_nothing_heavy():
    code = f"import sys, {', '.join(PACKAGES)}; print(sorted({{'torch', 'scipy', 'skimage', 'pandas'}} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout == "[]\n"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pages_import_from_the_doors_alone(page):
    blocks = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    imports = re.findall(
        r"^(?:from|import) ((?:manifests|restorers|assessors|dataset_builder)[\w.]*)", "\n".join(blocks), re.MULTILINE
    )
    assert set(imports) <= set(PACKAGES)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pages_name_nothing_that_is_gone(page):
    text = page.read_text(encoding="utf-8")
    # Tables of a data set lie in a folder of the name `manifests`, too.
    paths = [path for path in _PATH.findall(text) if not path.endswith(".parquet") and path != "manifests/labels/"]
    gone = [path for path in paths if not (ROOT / path).exists()]
    gone += [dotted for dotted in _MODULE.findall(text) if not dotted.endswith(".md") and not _is_there(dotted)]
    assert gone == []


def _is_there(dotted: str) -> bool:
    """Whether a dotted name is a module, or an attribute of one."""
    module, _, attribute = dotted.rpartition(".")
    try:
        if find_spec(dotted) is not None:
            return True
    except ModuleNotFoundError:
        pass
    return _is_there(module) and hasattr(importlib.import_module(module), attribute) if module else False
