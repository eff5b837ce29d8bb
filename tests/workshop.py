"""A recipe with something of everything: a photograph that is too small, real bursts of which one is damaged, a source that is gone."""

from __future__ import annotations

from pathlib import Path

from dataset_builder.work.unit import run_unit
from manifests.confined.plain import hash_plain
from manifests.images.pixels import write_png
from tests.photographs import make_photograph, write_photographs

RECIPE = """
name = "workshop"
seed = 5
noise_redraws = 1

[[sources]]
kind = "photographs"
name = "photos"
root = "photos"
bursts_per_photograph = 1
frame_height = 32
frame_width = 32

[[sources]]
kind = "folders"
name = "phone"
root = "phone"

[[sources]]
kind = "folders"
name = "gone"
root = "nowhere"

[[scenarios]]
name = "denoise/mean"
metrics = ["psnr"]

[[scenarios]]
name = "denoise/nlm"
metrics = ["psnr"]

[splits]
method = "stratified"
train = 0.5
test = 0.5
"""


class Here:
    """Workers in this process, which take no time to start."""

    device = "cpu"

    def __init__(self, *, backwards: bool = False):
        self.backwards = backwards

    def run(self, units, root):
        for unit in reversed(list(units)) if self.backwards else units:
            yield unit, run_unit(unit, root)


def fingerprint(root: Path) -> dict[str, str]:
    """Digest of every file of a data set but the work in progress."""
    files = (path for path in root.rglob("*") if path.is_file() and ".work" not in path.parts)
    return {path.relative_to(root).as_posix(): hash_plain(path) for path in sorted(files)}


def write_workshop(folder: Path) -> Path:
    """Write `recipe.toml` and what it names; the folder."""
    write_photographs(folder / "photos", 4, height=180, width=200)
    write_png(folder, "photos/small.png", make_photograph(20, 20, seed=9))
    (folder / "phone/torn").mkdir(parents=True)
    for index in range(2):
        write_png(folder, f"phone/street/{index}.png", make_photograph(40, 50, seed=index))
        (folder / f"phone/torn/{index}.png").write_bytes(b"\x89PNG\r\n\x1a\n torn")
    (folder / "recipe.toml").write_text(RECIPE)
    return folder
