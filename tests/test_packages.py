"""What is installed and what is published holds what it should; what needs no PyTorch does not load it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.photographs import write_photographs
from tests.places import ROOT

BUILD = "import sys; from setuptools import build_meta; print(getattr(build_meta, sys.argv[1])(sys.argv[2]))"
WITHOUT_PYTORCH = """
import sys
from click.testing import CliRunner
from dataset_builder.cli.main import main

for line in open("commands"):
    done = CliRunner().invoke(main, line.split())
    assert done.exit_code == 0, (line, done.output)
    assert "torch" not in sys.modules, line
"""
LEFT_OUT = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "build", "demo")
"""Of a checkout, what is made in it and what only git reads."""


def run_python(code: str, *arguments: object, folder: Path, path: Path = ROOT) -> str:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(path), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source distribution, unpacked."""
    folder = tmp_path_factory.mktemp("sdist")
    shutil.copytree(ROOT, folder / "checkout", ignore=LEFT_OUT)
    name = run_python(BUILD, "build_sdist", folder, folder=folder / "checkout").splitlines()[-1]
    with tarfile.open(folder / name) as archive:
        archive.extractall(folder, filter="data")
    return folder / name.removesuffix(".tar.gz")


@pytest.fixture(scope="module")
def installed(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a wheel that was built from the source distribution installs."""
    folder = tmp_path_factory.mktemp("wheel")
    name = run_python(BUILD, "build_wheel", folder, folder=sources).splitlines()[-1]
    with zipfile.ZipFile(folder / name) as archive:
        archive.extractall(folder / "installed")
    return folder / "installed"


def list_files(folder: Path) -> set[str]:
    """Files below a folder, but for hidden ones and what tools leave."""
    paths = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    left = ("__pycache__", ".egg-info", ".dist-info")
    return {
        path.as_posix() for path in paths if not any(part.startswith(".") or part.endswith(left) for part in path.parts)
    }


@pytest.mark.slow
def test_the_source_distribution_holds_the_checkout(sources: Path) -> None:
    held = list_files(sources) - {"PKG-INFO", "setup.cfg"}
    assert held == list_files(sources.parent / "checkout")
    assert {"docs/training.md", "recipes/demo.toml", "tests/conftest.py", "Makefile"} <= held


@pytest.mark.slow
def test_the_wheel_holds_packages_and_recipes_whole_and_nothing_else(installed: Path) -> None:
    held = list_files(installed)
    tops = {path.split("/")[0] for path in held}
    assert tops == {"assessors", "dataset_builder", "manifests", "recipes", "restorers"}
    for top in tops:
        assert list_files(installed / top) == list_files(ROOT / top)


@pytest.mark.slow
def test_an_installed_toolkit_builds_a_recipe_by_name(installed: Path, tmp_path: Path) -> None:
    code = (
        "import dataset_builder; print(dataset_builder.__file__);"
        "from dataset_builder.cli.main import main; main(['build', 'demo', '--out', 'demo', '--dry-run'])"
    )
    printed = run_python(code, folder=tmp_path, path=installed)
    assert printed.startswith(str(installed))
    assert "32" in printed


@pytest.mark.slow
def test_what_needs_no_network_loads_no_pytorch(tmp_path: Path) -> None:
    write_photographs(tmp_path / "photos", 3, height=180, width=180)
    shutil.copytree(tmp_path / "photos", tmp_path / "bursts" / "one")
    commands = (
        "synthesize photos --out mine --height 32 --width 32 --bursts 1",
        "ingest folder bursts --out real",
        "label mine --scenario denoise/hdrplus --estimator leave_one_out --metric psnr",
        "split mine --val 0 --test 0.4",
        "audit mine",
        "list mine",
        "info mine",
        "verify mine",
        "pack mine --out packed",
        "export mine --format webdataset --out exported",
        "build demo --out demo --dry-run",
    )
    (tmp_path / "commands").write_text("\n".join(commands))
    run_python(WITHOUT_PYTORCH, folder=tmp_path)


def test_a_missing_library_of_the_system_is_named(tmp_path: Path) -> None:
    message = "libGL.so.1: cannot open shared object file: No such file or directory"
    (tmp_path / "cv2.py").write_text(f"raise ImportError({message!r})")
    code = "from dataset_builder.cli.main import main; main(['verify', '.'])"
    command = [sys.executable, "-c", code]
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}:{ROOT}"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(
        "Error: an installed package needs the library libGL.so.1, which is not there: install"
    )
    assert "apt-get install libgl1" in done.stderr
    assert "opencv-python-headless" in done.stderr
