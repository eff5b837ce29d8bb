"""The audit of a data set of the size of the published benchmark with five times its labels: time, memory, size, the page in a browser.

`python -m benchmarks.audit [LABELS]`; 1,000,000 labels over 7,346 bursts by default. Bars are absolute: they state what a person waits
for on two cores.
"""

from __future__ import annotations

import resource
import shutil
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.made_dataset import fill_table, name_bursts, name_frame
from dataset_builder.audit.audit import audit_dataset
from dataset_builder.audit.report.gallery import build_gallery
from dataset_builder.audit.report.report import render_report
from dataset_builder.audit.stage import write_audit
from manifests.description import write_description
from manifests.schema import BURSTS, FAILURES, FRAMES, LABELS, SPLITS
from manifests.splits import SplitPlan, plan_splits
from manifests.store import labels_path, table_path, write_table

BURSTS_IN_ALL, FRAMES_IN_ALL, LABELS_IN_ALL = 7346, 45827, 1_000_000
ESTIMATORS = ("leave_one_out", "add_one")


def main() -> None:
    number = int(sys.argv[1]) if len(sys.argv) > 1 else LABELS_IN_ALL
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "data"
        written = write_dataset(root, number)
        before = measure_memory()
        start = time.perf_counter()
        audit = audit_dataset(root)
        seconds = time.perf_counter() - start
        after = measure_memory()
        print(f"statistics of {written:,} labels over {BURSTS_IN_ALL:,} bursts: {seconds:.1f} s (bar: 20 s)")
        print(f"peak memory {after:.0f} MiB, of which {before:.0f} MiB before (bar: 1024 MiB)")
        start = time.perf_counter()
        text = render_report(audit, build_gallery(root, audit))
        print(f"page: {time.perf_counter() - start:.1f} s, {len(text.encode()) / 2**20:.1f} MiB (bar: 25 MiB)")
        write_audit(root)
        measure_page(root / "audit" / "index.html")


def measure_memory() -> float:
    """Peak resident memory of this process so far, MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure_page(path: Path) -> None:
    """Time from opening the file to the answer to a filter, in headless Chromium."""
    chromium = shutil.which("chromium")
    if chromium is None:
        print("page in a browser: not measured, no chromium on the PATH")
        return
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        page.goto(path.as_uri())
        page.wait_for_selector("html[data-ready]")
        ready = page.evaluate("performance.now()")
        filtered = page.evaluate(
            """async () => {
                const start = performance.now();
                const select = document.getElementById("filter-split");
                select.value = "test";
                select.dispatchEvent(new Event("change"));
                explore.showAll();
                await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
                return performance.now() - start;
            }"""
        )
        browser.close()
    print(f"page interactive after {ready / 1000:.2f} s (bar: 2 s); a filter answers in {filtered / 1000:.2f} s")


def write_dataset(root: Path, number: int) -> int:
    """Write manifests without images; return how many scores they hold."""
    random = np.random.default_rng(0)
    lengths = np.full(BURSTS_IN_ALL, FRAMES_IN_ALL // BURSTS_IN_ALL)
    lengths[: FRAMES_IN_ALL - lengths.sum()] += 1
    owners = np.repeat(np.arange(BURSTS_IN_ALL), lengths)
    inside = np.concatenate([np.arange(length) for length in lengths])
    names, owner_names = name_bursts(np.arange(BURSTS_IN_ALL)), name_bursts(owners)
    sources = [("burst_sr", "hdr_plus", "zurich")[place % 3] for place in range(BURSTS_IN_ALL)]
    bursts = {
        "burst_id": names,
        "scene_id": [f"scene{place // 2:05d}" for place in range(BURSTS_IN_ALL)],
        "source": sources,
        "origin_sha256": [f"{place:064x}" for place in range(BURSTS_IN_ALL)],
        "num_frames": lengths.astype(np.int32),
        "height": np.full(BURSTS_IN_ALL, 96, np.int32),
        "width": np.full(BURSTS_IN_ALL, 96, np.int32),
        "domain": ["raw_bayer"] * BURSTS_IN_ALL,
        "cfa": ["RGGB"] * BURSTS_IN_ALL,
        "white_level": np.full(BURSTS_IN_ALL, 65535.0),
        "scale": np.ones(BURSTS_IN_ALL, np.int32),
        "ground_truth_kind": ["none"] * BURSTS_IN_ALL,
        "ground_truth_white": np.ones(BURSTS_IN_ALL),
        "license": ["CC0-1.0"] * BURSTS_IN_ALL,
        "perceptual_hash": [random.bytes(8).hex() for _ in names],
    }
    noise, blur = random.uniform(1e-4, 1e-2, FRAMES_IN_ALL), random.uniform(0, 5, FRAMES_IN_ALL)
    frames = {
        "burst_id": owner_names,
        "frame_index": inside.astype(np.int32),
        "path": [name_frame(owner, frame) for owner, frame in zip(owners, inside, strict=True)],
        "sha256": [f"{place:064x}" for place in range(FRAMES_IN_ALL)],
        "is_reference": inside == 0,
        "orientation": np.ones(FRAMES_IN_ALL, np.int32),
        "shot_noise": noise,
        "read_noise": noise / 10,
        "blur_length": blur,
        "displacement": random.uniform(0, 20, FRAMES_IN_ALL),
        "exposure_ratio": random.uniform(0.9, 1.1, FRAMES_IN_ALL),
    }
    table = fill_table(BURSTS, bursts, BURSTS_IN_ALL)
    write_table(root, table_path("bursts"), BURSTS, table)
    write_table(root, table_path("frames"), FRAMES, fill_table(FRAMES, frames, FRAMES_IN_ALL))
    write_table(root, table_path("splits"), SPLITS, plan_splits(table, SplitPlan()))
    write_table(root, table_path("failures"), FAILURES, [])
    write_description(root, {"name": "benchmark"})
    kept = np.flatnonzero(inside > 0)
    written = 0
    scenarios = round(number / len(kept) / len(ESTIMATORS))
    for scenario in range(scenarios):
        weight = scenario / max(scenarios - 1, 1)
        worth = -weight * blur / 5 - (1 - weight) * noise * 100
        scores = np.concatenate([worth[kept] + random.normal(0.7, 0.2, len(kept)) for _ in ESTIMATORS])
        rows = len(scores)
        values = {
            "burst_id": [owner_names[place] for place in kept] * len(ESTIMATORS),
            "frame_index": np.tile(inside[kept], len(ESTIMATORS)).astype(np.int32),
            "scenario": [f"task/s{scenario:02d}"] * rows,
            "estimator": np.repeat(ESTIMATORS, len(kept)).tolist(),
            "metric": ["psnr"] * rows,
            "unit": ["dB"] * rows,
            "score": scores,
            "std_error": np.zeros(rows),
        }
        write_table(root, labels_path(f"task/s{scenario:02d}"), LABELS, fill_table(LABELS, values, rows))
        written += rows
    return written


if __name__ == "__main__":
    main()
