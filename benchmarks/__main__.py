"""All benchmarks, one after the other: `python -m benchmarks`. Each runs in a process of its own, so that none sees another's memory."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

MODULES = (
    "benchmarks.ablations",
    "benchmarks.assessors",
    "benchmarks.audit",
    "benchmarks.burst_networks",
    "benchmarks.choosing",
    "benchmarks.gain",
    "benchmarks.estimators",
    "benchmarks.ingest",
    "benchmarks.labeling",
    "benchmarks.loader",
    "benchmarks.networks",
    "benchmarks.published",
    "benchmarks.quality",
    "benchmarks.restorers",
    "benchmarks.scale",
    "benchmarks.synthesis",
    "benchmarks.transfer",
    "benchmarks.without_truth",
)


def run_all(modules: Sequence[str]) -> int:
    """Run modules, each under a header; one that fails does not keep the others from running.

    Returns:
        Exit status: 0 if all succeeded.
    """
    failed = []
    for module in modules:
        print(f"== {module} ==", flush=True)
        if (status := subprocess.run([sys.executable, "-m", module], check=False).returncode) != 0:
            print(f"{module} failed with exit status {status}", file=sys.stderr, flush=True)
            failed.append(module)
        print(flush=True)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(run_all(MODULES))
