"""How time and memory grow with a data set: `python -m benchmarks.scale [BURSTS ...] [--keep FOLDER]`; 7,000 and 70,000 by default.

Each stage runs in a process of its own, which states the seconds after its imports, those that processors worked, and the peak of its
resident memory (VmHWM). Exponents are of the processors' seconds, which a busy machine stretches less. Bursts have 14 frames, labels ten
scenarios; there are no pixels but one frame by many names. Bars are for 700,000 bursts on two cores.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from dataset_builder.work.unit import Failure, Unit

SIZES = (7_000, 70_000)
BARS = {
    "second run": "180 s, 2048 MiB",
    "label merge": "2048 MiB",
    "audit statistics": "600 s, 2048 MiB",
    "loader": "10 s, 1536 MiB",
}
_EVERY = 20
"""Of so many bursts one is labelled anew for the merge."""


def plan_labels(root: Path) -> None:
    """Bursts and label files against the recipe."""
    from dataset_builder.finish import read_built_recipe
    from dataset_builder.labeling.catalogue import read_catalogue
    from dataset_builder.labeling.plan import plan_labels as plan
    from dataset_builder.labeling.scenarios import resolve_scenarios

    scenarios = resolve_scenarios(read_built_recipe(root).scenarios)
    assert not len(plan(root, scenarios, read_catalogue(root)).units)


def run_again(root: Path) -> None:
    """`buiqa build` of what is all there."""
    from dataset_builder.build import build_dataset
    from dataset_builder.finish import read_built_recipe

    bursts, labels = build_dataset(root / "recipe.toml", read_built_recipe(root), root)
    for report in (bursts, labels):
        assert set(report.counts) - {name for name, count in report.counts.items() if not count} <= {"reused"}, report


class GivenResults:
    """Workers whose results are there as soon as they are asked for: what is left is what the driver does."""

    device = "cpu"

    def run(self, units: Iterable[Unit], root: Path) -> Iterator[tuple[Unit, Failure | None]]:
        """Leave a part file for each unit."""
        import numpy as np

        from dataset_builder.labeling.rows import make_label_rows
        from dataset_builder.work.unit import hash_facts

        for unit in units:
            score = np.linspace(0, 1, len(unit.rows.frames))
            score[unit.rows.burst["reference_index"]] = np.nan
            rows = [
                row
                for definition in unit.definitions
                for row in make_label_rows(
                    unit.rows.burst["burst_id"], unit.scenario.name, definition, unit="dB", score=score, std_error=score * 0,
                    num_evaluations=np.ones(len(score), np.int64), label_key=unit.label_key(definition),
                    fingerprint=unit.scenario.fingerprint,
                )
            ]  # fmt: skip
            result = {"rows": rows, "failures": []}
            path = root / ".work" / f"{unit.part}.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps({"key": unit.key, "result": result, "digest": hash_facts([unit.key, result])}))
            yield unit, None


def merge_labels(root: Path) -> None:
    """Labels of a scenario, of which those of some bursts are missing, brought up to date."""
    from dataset_builder.finish import read_built_recipe
    from dataset_builder.labeling.engine import build_labels
    from dataset_builder.labeling.scenarios import resolve_scenarios
    from dataset_builder.work.report import no_progress

    chosen = [each for each in read_built_recipe(root).scenarios if each.name == "denoise/mean"]
    report = build_labels(root, resolve_scenarios(chosen), workers=GivenResults(), progress=no_progress)
    assert report.counts["created"], report


def drop_labels(root: Path) -> None:
    """What `merge_labels` is to bring back."""
    import numpy as np
    import pyarrow as pa

    from manifests.batches import iterate_table
    from manifests.schema import LABELS
    from manifests.store import labels_path, read_footer
    from manifests.table_writer import open_writer

    path = labels_path("denoise/mean")
    facts = {"scenario": read_footer(root, path)["scenario"]}
    with open_writer(root, path, LABELS, metadata=facts) as writer:
        for table in iterate_table(root, path, LABELS):
            codes = table.column("burst_id").combine_chunks().dictionary_encode().indices.to_numpy()
            writer.write(table.filter(pa.array(np.mod(codes, _EVERY) > 0)))


def verify_fast(root: Path) -> None:
    """`buiqa verify --fast`."""
    from manifests.verification.verify import verify

    problems = verify(root, hashes=False)
    assert not problems, problems[:3]


def audit(root: Path) -> None:
    """The statistics of the report."""
    from dataset_builder.audit.audit import audit_dataset

    audit_dataset(root)


def load(root: Path) -> None:
    """The PyTorch dataset, all scenarios, and an item."""
    from manifests.loading.dataset import BurstQualityDataset

    dataset = BurstQualityDataset(root, split=None)
    assert len(dataset[0]["scores"]) == 10


def export(root: Path) -> None:
    """Every burst as exports see it, but for its files."""
    from dataset_builder.export.bursts import iterate_samples

    assert sum(len(sample.labels) > 0 for sample in iterate_samples(root))


STAGES: dict[str, Callable[[Path], None]] = {
    "plan of labels": plan_labels,
    "second run": run_again,
    "verify --fast": verify_fast,
    "audit statistics": audit,
    "loader": load,
    "export": export,
    "drop labels": drop_labels,
    "label merge": merge_labels,
}
"""In the order in which they run; `drop labels` only prepares the last."""


@dataclass(frozen=True)
class Measured:
    """What a stage took: seconds, seconds of processors, MiB at its peak, and MiB before it began."""

    seconds: float
    work: float
    peak: float
    before: float

    def __str__(self) -> str:
        return f"{self.seconds:7.1f} s {self.work:7.1f} s of work {self.peak:6.0f} MiB"


def measure(stage: str, root: Path) -> Measured | None:
    """A stage in a process of its own; None if it failed."""
    command = [sys.executable, "-m", "benchmarks.scale", "--stage", stage, str(root)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        why = (done.stderr or str(done.returncode)).strip().splitlines()[-1]
        print(f"{stage} failed: {why}", file=sys.stderr, flush=True)
        return None
    return Measured(*json.loads(done.stdout.splitlines()[-1]))


def run_stage(stage: str, root: Path) -> None:
    """Run a stage here and print what it took."""
    # What imports take is no part of a stage.
    import dataset_builder.build  # noqa: F401
    import manifests.loading.dataset  # noqa: F401
    from benchmarks.scaled_dataset import SCENARIOS
    from restorers import create

    for name in SCENARIOS:
        create(name)
    before = read_peak()
    start, begun = time.perf_counter(), time.process_time()
    STAGES[stage](root)
    print(json.dumps([time.perf_counter() - start, time.process_time() - begun, read_peak(), before]))


def read_peak() -> float:
    """Peak resident memory of this process, MiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024


def measure_sizes(folder: Path, sizes: Sequence[int], stages: Sequence[str]) -> None:
    """Print a table: stage, then seconds and MiB of each size, then the exponent of the seconds between the last two."""
    found: dict[str, list[Measured | None]] = {stage: [] for stage in stages}
    for size in sizes:
        root = folder / f"of{size}"
        if not (root / "dataset.json").exists():
            start = time.perf_counter()
            subprocess.run([sys.executable, "-m", "benchmarks.scale", "--make", str(size), str(root)], check=True)
            print(f"{size:,} bursts made in {time.perf_counter() - start:.0f} s", flush=True)
        for stage in stages:
            found[stage].append(result := measure(stage, root))
            print(f"{size:,} {stage}: {result or 'failed'}", flush=True)
    for stage, results in found.items():
        if stage == "drop labels":
            continue
        known = [(size, each) for size, each in zip(sizes, results, strict=True) if each is not None]
        exponent = ""
        if len(known) > 1:
            (few, less), (many, more) = known[-2:]
            exponent = f"exponent {math.log(more.work / less.work) / math.log(many / few):.2f}"
        cells = "  ".join(str(each or "failed") for each in results)
        print(f"{stage:18} {cells}  {exponent}  (bar: {BARS.get(stage, 'exponent 1.1')})")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("sizes", nargs="*", type=int, default=list(SIZES))
    parser.add_argument("--keep", type=Path, help="folder for the data sets, which are then made only once")
    parser.add_argument("--only", action="append", help="stages")
    parser.add_argument("--stage", nargs=2)
    parser.add_argument("--make", nargs=2)
    options = parser.parse_args()
    if options.stage:
        run_stage(options.stage[0], Path(options.stage[1]))
    elif options.make:
        from benchmarks.scaled_dataset import write_scaled_dataset

        write_scaled_dataset(Path(options.make[1]), int(options.make[0]))
    elif options.keep:
        options.keep.mkdir(parents=True, exist_ok=True)
        measure_sizes(options.keep, options.sizes, options.only or list(STAGES))
    else:
        with tempfile.TemporaryDirectory() as folder:
            measure_sizes(Path(folder), options.sizes, options.only or list(STAGES))


if __name__ == "__main__":
    main()
