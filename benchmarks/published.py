"""The published composition built end to end, from stand-ins for its five sets: time, memory, and counts beside the published ones.

Run with `python -m benchmarks.published [--share 1] [--jobs 2]`, by default with a fiftieth of all. Files are as many as in the real sets
and laid out alike. Pictures are tiny: mosaics of BurstSR and of synthesised bursts have 32 x 32 px and not 160 x 160 and 96 x 96, for
what is measured is the machinery.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from benchmarks.stand_ins.published import write_published
from manifests.store import list_label_files, read_dataset_table, read_labels
from manifests.verification.verify import verify

RECIPE = Path(__file__).parents[1] / "recipes" / "buiqa.toml"
PUBLISHED = {
    "burstsr, zurich, hdrplus": (2237, 30543),
    "photo_triage": (4175, 11314),
    "spaq": (934, 3970),
    "all": (7346, 45827),
}
PUBLISHED_SCORES = {"objective": 176288, "subjective": 15284}
_BUILD_CODE = """
import resource, sys
from dataset_builder.cli.main import main
status = main(["build", *sys.argv[1:]], standalone_mode=False)
peak, worker = (resource.getrusage(who).ru_maxrss // 1024 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
print("measured", status, peak, worker)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--share", type=float, default=0.02, help="of all that the sets hold")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--folder", type=Path, help="where to leave stand-ins and data set; default: nowhere")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        measure(given.folder or Path(scratch), given.share, given.jobs)


def measure(folder: Path, share: float, jobs: int) -> None:
    start = time.perf_counter()
    if not (folder / "in").is_dir():
        write_published(folder / "in", share)
    print(f"stand-ins of {share:g} of the sets: {time.perf_counter() - start:.0f} s to write", flush=True)
    recipe = shrink_recipe(folder / "buiqa.toml")
    roots = [f"--root={path.name}={path}" for path in sorted((folder / "in").iterdir())]
    out = folder / "out"
    first = build([str(recipe), "--out", str(out), "--jobs", str(jobs), *roots])
    start = time.perf_counter()
    problems = verify(out)
    verified = time.perf_counter() - start
    again = build([str(recipe), "--out", str(out), "--jobs", str(jobs), *roots])
    total = (first[0] + verified) / 60
    print(
        f"built and audited in {first[0] / 60:.1f} min, verified in {verified:.0f} s: {len(problems)} problems (bar: 20 min in all)"
    )
    print(
        f"memory: {first[1]} MiB in the driver (bar: 600 MiB), {first[2]} MiB in the largest worker; {total:.1f} min in all"
    )
    print(f"once more: {again[0]:.1f} s and {again[1]} MiB to find that nothing is to be done")
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    print(f"on disk: {size / 1e6:.0f} MB")
    print_counts(out, share)


def shrink_recipe(path: Path) -> Path:
    """The recipe of the published composition, with small frames."""
    text = RECIPE.read_text(encoding="utf-8")
    for side in ("frame_height", "frame_width"):
        assert text.count(f"{side} = 96") == 1
        text = text.replace(f"{side} = 96", f"{side} = 32")
    path.write_text(text, encoding="utf-8")
    return path


def build(arguments: list[str]) -> tuple[float, int, int]:
    """Seconds, and MiB at most in the driver and in a worker."""
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", _BUILD_CODE, *arguments], capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - start
    print(done.stdout, done.stderr, sep="", flush=True)
    status, driver, worker = done.stdout.split("measured ")[1].split()
    assert status in {"0", "3", "None"}, status
    return seconds, int(driver), int(worker)


def print_counts(out: Path, share: float) -> None:
    bursts = read_dataset_table(out, "bursts").select(["source", "num_frames"]).to_pylist()
    counts, frames = Counter(row["source"] for row in bursts), Counter()
    for row in bursts:
        frames[row["source"]] += row["num_frames"]
    for name, expected in PUBLISHED.items():
        names = list(counts) if name == "all" else name.split(", ")
        made = (sum(counts[each] for each in names), sum(frames[each] for each in names))
        print(f"{name}: {made[0]:,} bursts of {made[1]:,} frames; published {expected[0]:,} of {expected[1]:,}")
    table = read_labels(out).select(["scenario", "score"]).drop_null().column("scenario").to_pylist()
    kinds = Counter("subjective" if name.startswith("subjective/") else "objective" for name in table)
    for kind, expected in PUBLISHED_SCORES.items():
        print(f"{kind}: {kinds[kind]:,} scores; published {expected:,}")
    print(f"scenarios: {len(list_label_files(out))}; published 10")
    splits = Counter(read_dataset_table(out, "splits").column("split").to_pylist())
    print(f"splits: {dict(splits)}; published 4 : 1" + ("" if share == 1 else f"; of a share of {share:g}"))


if __name__ == "__main__":
    main()
