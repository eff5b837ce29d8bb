"""Kill builds at random instants, drivers and workers alike, and see that nothing is lost: `make torture`.

Every build is killed again and again until it gets through; then all its files must be those of a build that was left alone. Builds go on
until the asked number of kills has struck.
"""

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import click

from manifests.confined.plain import hash_plain
from manifests.verification.verify import verify
from tests.photographs import write_photographs

SCENARIOS = ("denoise/mean", "denoise/hdrplus", "denoise/nlm", "sr/backprojection@x2")


def start_build(folder: Path, out: Path) -> subprocess.Popen:
    program = [
        sys.executable,
        "-m",
        "dataset_builder.cli.main",
        "build",
        str(folder / "recipe.toml"),
        "--out",
        str(out),
        "--jobs",
        "2",
    ]
    return subprocess.Popen(program, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)


def fingerprint(root: Path) -> dict[str, str]:
    paths = (path for path in root.rglob("*") if path.is_file() and ".work" not in path.parts)
    return {path.relative_to(root).as_posix(): hash_plain(path) for path in sorted(paths)}


def list_processes(group: int) -> list[int]:
    """Processes of a build but its driver: workers, and what helps them."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and int(entry.name) != group and os.getpgid(int(entry.name)) == group:
                found.append(int(entry.name))
        except ProcessLookupError:
            continue
    return found


def strike(build: subprocess.Popen, rng: random.Random, longest: float) -> str:
    """Wait a random while, then kill the driver or one of the others; say whom, or that the build was through before."""
    try:
        build.wait(timeout=rng.uniform(0.2, longest))
    except subprocess.TimeoutExpired:
        others = list_processes(build.pid)
        victim = rng.choice(others) if others and rng.random() < 0.5 else build.pid
        try:
            os.kill(victim, signal.SIGKILL)
        except ProcessLookupError:
            return "missed"
        return "driver" if victim == build.pid else "worker"
    return "through"


@click.command()
@click.option("--kills", default=50, show_default=True, help="How often to strike.")
@click.option("--seed", default=0, show_default=True, help="Of the instants and the victims.")
def main(kills: int, seed: int) -> None:
    """Kill builds until they got through KILLS kills, and compare what they built with an undisturbed build."""
    rng, struck, builds = random.Random(seed), Counter(), 0
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write_photographs(folder / "photos", 6, height=200, width=220)
        named = "".join(f'[[scenarios]]\nname = "{name}"\n' for name in SCENARIOS)
        source = 'kind = "photographs"\nname = "photos"\nroot = "photos"\nframe_height = 48\nframe_width = 48\n'
        (folder / "recipe.toml").write_text(f"seed = 1\n[[sources]]\n{source}{named}")
        begin = time.monotonic()
        if start_build(folder, folder / "calm").wait() != 0:
            raise click.ClickException("the undisturbed build failed")
        longest, calm = time.monotonic() - begin, fingerprint(folder / "calm")
        while struck["driver"] + struck["worker"] < kills:
            out = folder / "out"
            outcome = ""
            while outcome != "through":
                build = start_build(folder, out)
                outcome = strike(build, rng, longest)
                struck[outcome] += 1
                if outcome == "worker" and build.wait() == 0:
                    outcome = "through"
                build.wait()
            while any((out / ".work").rglob("lock")) and list_processes(build.pid):
                time.sleep(0.1)  # orphaned workers of the last killed driver end by themselves
            builds += 1
            found = fingerprint(out)
            if found != calm:
                wrong = sorted(path for path in calm.keys() | found.keys() if calm.get(path) != found.get(path))
                raise click.ClickException(f"build {builds} differs from the undisturbed one in {', '.join(wrong[:5])}")
            if problems := verify(out):
                raise click.ClickException(f"build {builds}: {problems[0]}")
            shutil.rmtree(out)
            click.echo(
                f"build {builds}: identical after {struck['driver']} kills of drivers and {struck['worker']} of workers"
            )
    click.echo(f"{struck['driver'] + struck['worker']} kills, {builds} builds, nothing lost, nothing twice")


if __name__ == "__main__":
    main()
