"""What selecting frames is worth, and how noisy the labels are that select: `python -m benchmarks.gain [BURSTS [JOBS]]`.

Bursts of 14 frames of 96 x 96 from the photographs of scikit-image, BURSTS (2 unless told) of each photograph and preset. Frames are
chosen on one noise and judged on another; beside it the gain on the noise that was chosen on. The last lines pool the presets and stand
beside those of a prototype on other photographs (Kodak, McMaster; 164 bursts of handheld, night, action and kpn).
"""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

from dataset_builder.audit.statistics import measure_label_noise
from dataset_builder.audit.tables import build_score_matrix, read_tables
from dataset_builder.bursts import build_bursts, plan_source
from dataset_builder.labeling.engine import build_labels
from dataset_builder.labeling.noise import measure_label_noise as redraw_noise
from dataset_builder.labeling.scenarios import ScenarioChoice, resolve_scenarios
from dataset_builder.makers import find_makers
from dataset_builder.recipe import parse_recipe
from dataset_builder.selection import Guide, measure_gains, summarise_gains
from dataset_builder.work.local import LocalWorkers
from dataset_builder.work.report import StageReport, no_progress
from manifests.store import read_labels

PRESETS = ("handheld", "night", "action", "kpn")
SCENARIOS = ("denoise/mean", "denoise/hdrplus", "sr/backprojection@x2")
ESTIMATORS = ("leave_one_out", "add_one", "shapley(exact)")
PHOTOGRAPHS = (
    "astronaut.png", "brick.png", "camera.png", "chelsea.png", "coffee.png", "coins.png", "grass.png", "gravel.png",
    "hubble_deep_field.jpg", "ihc.png", "moon.png", "retina.jpg", "rocket.jpg",
)  # fmt: skip
PROTOTYPE = {
    ("denoise/mean", "leave_one_out"): 0.77,
    ("denoise/hdrplus", "leave_one_out"): 0.24,
    ("sr/backprojection@x2", "leave_one_out"): 0.18,
    ("denoise/mean", "oracle"): 1.44,
    ("denoise/hdrplus", "oracle"): 0.27,
}
"""dB over all frames: frames below 0 dropped by the labels themselves; the best subset."""
REDRAWS = 2


def make_recipe(bursts: int) -> dict[str, object]:
    length = {"distribution": "constant", "value": 14}
    source = {"kind": "photographs", "root": "package:skimage/data", "files": list(PHOTOGRAPHS), "scale": 2}
    size = {"frame_height": 96, "frame_width": 96, "shorter_side": 300, "bursts_per_photograph": bursts}
    return {
        "seed": 1,
        "presets": {f"{name}_14": {"base": name, "num_frames": length} for name in PRESETS},
        "sources": [{**source, **size, "name": name, "preset": f"{name}_14"} for name in PRESETS],
    }


def main(bursts: int, jobs: int) -> None:
    recipe, workers = parse_recipe(make_recipe(bursts), "benchmark"), LocalWorkers(jobs)
    choices = [ScenarioChoice(name=name, estimators=_suit(name)) for name in SCENARIOS]
    scenarios = resolve_scenarios(choices)
    with TemporaryDirectory() as folder:
        root = Path(folder)
        plans = {
            source.name: plan_source(source, root, root, seed=1, presets=recipe.presets, workers=workers)
            for source in recipe.sources
        }
        build_bursts(root, plans, workers=workers, progress=no_progress)
        build_labels(root, scenarios, workers=workers, progress=no_progress)
        makers, report = find_makers(plans), StageReport("noise")
        redraw_noise(root, scenarios, makers, REDRAWS, workers=workers, progress=no_progress, report=report)
        print_noise(root)
        labels = read_labels(root).to_pandas()
        gains = []
        for scenario in scenarios:
            mine = labels[labels["scenario"] == scenario.name]
            found, _ = measure_gains(root, scenario, list_guides(mine), judges=makers, workers=workers)
            gains.append(found)
    print_gains(pd.concat(gains))


def list_guides(labels: pd.DataFrame) -> dict[str, list[Guide]]:
    return {
        str(burst_id): [
            Guide(str(name), tuple(None if score != score else score for score in scores["score"]), signed=True)  # noqa: PLR0124
            for name, scores in rows.groupby("estimator")
        ]
        for burst_id, rows in labels.groupby("burst_id")
    }


def print_noise(root: Path) -> None:
    tables = read_tables(root)
    matrix = build_score_matrix(tables)
    presets = tables.bursts.set_index("burst_id")["preset"].reindex(matrix.burst_ids).to_numpy(object)
    for row in measure_label_noise(matrix, presets).to_dict("records"):
        print(
            f"noise, {row['scenario']} {row['estimator']}, {row['preset']}: {row['noise_error']:.3f} dB against a spread of "
            f"{row['spread']:.3f} dB, reliability {row['reliability']:.2f}, clear best frame {row['clear_best']:.0%}, "
            f"below noise {row['below_noise']:.0%} of {row['bursts']} bursts"
        )


def print_gains(gains: pd.DataFrame) -> None:
    pooled = summarise_gains(gains.assign(preset="all presets"))
    for row in [*summarise_gains(gains).to_dict("records"), *pooled.to_dict("records")]:
        prototype = PROTOTYPE.get((row["scenario"], row["guide"])) if row["preset"] == "all presets" else None
        beside = f" (prototype {prototype:+.2f})" if prototype is not None and row["policy"] == "drop_harmful" else ""
        print(
            f"gain, {row['scenario']}, {row['preset']}, {row['guide']} {row['policy']}: {row['gain']:+.3f} dB "
            f"[{row['low']:+.2f}, {row['high']:+.2f}], on the same noise {row['same_noise']:+.3f}, over random "
            f"{row['over_random']:+.3f}, {row['bursts']} bursts{beside}"
        )


def _suit(scenario: str) -> tuple[str, ...]:
    return ESTIMATORS if scenario.startswith("denoise") else ESTIMATORS[:2]


if __name__ == "__main__":
    arguments = [int(argument) for argument in sys.argv[1:]]
    main(arguments[0] if arguments else 2, arguments[1] if len(arguments) > 1 else 1)
