"""Storms on builds: `make torture` kills, signals and starves them, and counts what was lost, hung or leaked.

Every build is struck again and again until it gets through; then all its files must be those of a build that was left alone. Builds go on
until each kind of strike has struck often enough.
"""

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import click

from manifests.confined.plain import hash_plain
from manifests.verification.verify import verify
from tests.photographs import write_photographs
from tests.signals import heed_signals

SCENARIOS = ("denoise/mean", "denoise/hdrplus", "denoise/nlm", "sr/backprojection@x2")
PATIENCE = 15.0
"""Seconds in which a signalled build, or what a dead one left running, must be gone."""
STRIKES = {
    "SIGKILL of the driver": (signal.SIGKILL, "driver"),
    "SIGKILL of a worker": (signal.SIGKILL, "worker"),
    "SIGSTOP and SIGKILL of a worker": (signal.SIGSTOP, "worker"),
    "SIGINT": (signal.SIGINT, "driver"),
    "SIGTERM": (signal.SIGTERM, "driver"),
    "SIGHUP": (signal.SIGHUP, "driver"),
}


@dataclass
class Tally:
    """What came of the strikes of each kind."""

    struck: Counter = field(default_factory=Counter)
    lost: Counter = field(default_factory=Counter)
    hung: Counter = field(default_factory=Counter)
    leaked: Counter = field(default_factory=Counter)


def start_build(folder: Path, out: Path) -> subprocess.Popen:
    command = ["build", str(folder / "recipe.toml"), "--out", str(out), "--jobs", "2"]
    program = [sys.executable, "-m", "dataset_builder.cli.main", *command]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen(program, **quiet, start_new_session=True, preexec_fn=heed_signals)  # noqa: PLW1509  # no threads here


def fingerprint(root: Path) -> dict[str, str]:
    paths = (path for path in root.rglob("*") if path.is_file() and ".work" not in path.parts)
    return {path.relative_to(root).as_posix(): hash_plain(path) for path in sorted(paths)}


def list_processes(session: int) -> list[int]:
    """Processes of a build but its driver: workers, and what they started. Zombies have ended."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
            if int(entry.name) != session and os.getsid(int(entry.name)) == session and state != "Z":
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def wait_until(condition) -> bool:
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def strike(build: subprocess.Popen, kind: str, rng: random.Random, longest: float, tally: Tally) -> bool:
    """Strike a build at a random instant and wait for what must end; whether it was through before."""
    try:
        build.wait(timeout=rng.uniform(0.2, longest))
    except subprocess.TimeoutExpired:
        number, whom = STRIKES[kind]
        workers = list_processes(build.pid)
        victim = rng.choice(workers) if whom == "worker" and workers else build.pid
        if whom == "worker" and not workers:
            build.wait()
            return build.returncode == 0
        with contextlib.suppress(ProcessLookupError):
            os.kill(victim, number)
        tally.struck[kind] += 1
        if number == signal.SIGSTOP:  # somebody finds it stuck and ends it
            time.sleep(0.5)
            os.kill(victim, signal.SIGKILL)
        if whom == "worker":
            build.wait()
            return build.returncode == 0
        if not wait_until(lambda: build.poll() is not None):
            tally.hung[kind] += 1
            build.kill()
        if not wait_until(lambda: not list_processes(build.pid)):
            tally.leaked[kind] += 1
        return False
    return True


@click.command()
@click.option("--strikes", default=4, show_default=True, help="How often to strike in each way.")
@click.option("--seed", default=0, show_default=True, help="Of the instants and the victims.")
def main(strikes: int, seed: int) -> None:
    """Strike builds in every way, and compare what they built with an undisturbed build."""
    rng, tally, builds = random.Random(seed), Tally(), 0
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
        while min(tally.struck[kind] for kind in STRIKES) < strikes:
            out, through, kinds = folder / "out", False, []
            while not through:
                kinds.append(min(STRIKES, key=lambda kind: (tally.struck[kind], rng.random())))
                through = strike(start_build(folder, out), kinds[-1], rng, longest, tally)
            builds += 1
            found = fingerprint(out)
            wrong = sorted(path for path in calm.keys() | found.keys() if calm.get(path) != found.get(path))
            torn = list(out.rglob(".*.tmp"))
            problems = verify(out)
            for kind in set(kinds[:-1]):
                tally.lost[kind] += bool(wrong or problems)
                tally.leaked[kind] += bool(torn)
            for trouble in (*wrong[:3], *torn[:3], *problems[:3]):
                click.echo(f"build {builds}: {trouble}")
            shutil.rmtree(out)
    click.echo(f"{'strike':34}{'struck':>8}{'lost':>8}{'hung':>8}{'leaked':>8}")
    for kind in STRIKES:
        click.echo(
            "".join(
                [f"{kind:34}", *(f"{getattr(tally, name)[kind]:8}" for name in ("struck", "lost", "hung", "leaked"))]
            )
        )
    click.echo(f"{sum(tally.struck.values())} strikes, {builds} builds")
    if any(sum(count.values()) for count in (tally.lost, tally.hung, tally.leaked)):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
