"""Write the lists of packages with their hashes that `make` installs: `make lock`, where a package index is at hand.

`first.txt` holds what must be there before the rest can be built (basicsr imports torch in its setup), `all.txt` everything, and `cuda.txt`
what torch needs beside it where its build for CUDA is installed. Versions are those of constraints.txt; of other packages, the newest.
"""

import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
FIRST = ("torch", "torchvision", "numpy", "setuptools", "wheel", "cython")
CUDA = re.compile(r"(nvidia|cuda|triton)\b")
CPU_BUILD = "6746dbcbeb526eb61330b76b41ff1b4eb848951103a892eeb080dfa2b264667b"
"""SHA-256 of PyTorch's own build without CUDA, which PyPI does not list: torch 2.13.0+cpu for CPython 3.11 on x86_64."""


def resolve(*arguments: str) -> list[str]:
    """Packages that FIRST and what the arguments name need, each `name==version ; marker` with the hashes of all its files."""
    command = ["uv", "pip", "compile", "--universal", "--python-version=3.11", "--generate-hashes", "--no-annotate"]
    command += ["--no-header", "--quiet", "--no-build-isolation-package=basicsr", *arguments, "-"]
    found = subprocess.run(command, input="\n".join(FIRST), stdout=subprocess.PIPE, text=True, cwd=HERE, check=False)
    if found.returncode:
        sys.exit("uv found no set of versions that fits")
    return re.split(r"\n(?=\S)", found.stdout.strip())


def write_list(name: str, entries: list[str]) -> None:
    """Write a list; torch may come as a build without CUDA, too."""
    also = f" \\\n    --hash=sha256:{CPU_BUILD}"
    lines = [entry + also if entry.startswith("torch==") else entry for entry in entries]
    (HERE / name).write_text("# Written by `make lock`.\n" + "\n".join(lines) + "\n")


def main() -> None:
    """Write all three."""
    entries = resolve("--all-extras", "--constraint=../constraints.txt", "../pyproject.toml")
    write_list("cuda.txt", [entry for entry in entries if CUDA.match(entry)])
    write_list("all.txt", [entry for entry in entries if not CUDA.match(entry)])
    first = resolve("--constraint=all.txt", "--constraint=cuda.txt")
    write_list("first.txt", [entry for entry in first if not CUDA.match(entry)])


if __name__ == "__main__":
    main()
