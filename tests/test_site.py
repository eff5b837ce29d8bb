"""The documentation as a site: it builds without a warning and fetches nothing; its notebooks run."""

from __future__ import annotations

import importlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.places import ROOT

NOTEBOOKS = ("auditor", "labeller", "trainer")
FETCHED = re.compile(
    r"<(?:script|img|iframe|source)\b[^>]*\bsrc=\"https?:|<link\b[^>]*\brel=\"(?:stylesheet|icon|preconnect)\"[^>]*\bhref=\"https?:"
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site without the outputs of notebooks, built strictly: a warning is an error."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    environment = {**os.environ, "EXECUTE_NOTEBOOKS": "false", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.mark.slow
def test_every_page_is_there_and_found(site: Path) -> None:
    pages = {page.relative_to(ROOT).with_suffix(".html").as_posix() for page in ROOT.glob("docs/**/*.md")}
    pages |= {f"docs/notebooks/{name}.html" for name in NOTEBOOKS} | {"index.html", "DATASET.html", "CHANGELOG.html"}
    built = {page.relative_to(site).as_posix() for page in site.rglob("*.html")}
    assert pages <= built
    found = json.loads((site / "search" / "search_index.json").read_text(encoding="utf-8"))["docs"]
    assert pages - {"index.html"} <= {entry["location"].split("#")[0] for entry in found}


@pytest.mark.slow
@pytest.mark.parametrize("package", ["assessors", "dataset_builder", "manifests", "restorers"])
def test_the_reference_describes_each_public_name(site: Path, package: str) -> None:
    page = (site / "docs" / "api" / f"{package}.html").read_text(encoding="utf-8")
    for name in importlib.import_module(package).__all__:
        assert f'id="{package}.{name}"' in page, name


@pytest.mark.slow
def test_nothing_is_fetched(site: Path) -> None:
    fetching = {page.name: FETCHED.findall(page.read_text(encoding="utf-8")) for page in site.rglob("*.html")}
    assert {name: found for name, found in fetching.items() if found} == {}


@pytest.mark.slow
@pytest.mark.parametrize("name", NOTEBOOKS)
def test_notebooks_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import nbformat
    from nbclient import NotebookClient

    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    notebook: Any = nbformat.read(ROOT / "docs" / "notebooks" / f"{name}.ipynb", as_version=4)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    warned = [output for cell in notebook.cells for output in cell.get("outputs", ()) if output.get("name") == "stderr"]
    assert warned == []


def test_notebooks_keep_no_outputs() -> None:
    for name in NOTEBOOKS:
        cells = json.loads((ROOT / "docs" / "notebooks" / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]
        assert all(not cell.get("outputs") and cell.get("execution_count") is None for cell in cells)
