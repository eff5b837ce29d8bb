"""What the parts of the networks are worth: `python -m benchmarks.ablations [DATASET] [--scenario NAME ...] [--steps N] [--bursts N]`.

The network `buiqa` is trained without distillation, with it, and with one part left out: the prompt, the alignment to
the reference, attention over the set of frames, the facts of the camera; beside it stand the other networks, the set network on measured
features, and what learns nothing. All see the same bursts and the same number of steps. A row tells the rank correlation within bursts of
scenes that were not trained on, its difference to the whole network, both with 95 % intervals over scenes (jackknife), and the seconds that
training took. DATASET has labels of the scenarios; without it bursts are rendered from the photographs of scikit-image. Bursts are
taken evenly from the scenes; a fifth of the scenes of the split train choose the best weights. `--seeds N` trains each N times, and means
the scores.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from assessors import Assessor, InputProvider, Targets, create_assessor, load_targets
from assessors.agreement import spearman
from assessors.examples import collect_examples
from assessors.networks.buiqa import BuiqaSettings
from assessors.networks.catalogue import NetworkSettings
from assessors.networks.memory import MemorySettings
from assessors.networks.multitask import MultitaskSettings
from assessors.networks.set_network import SetNetworkSettings
from assessors.pixel_lessons import collect_lessons
from assessors.training import TrainingSettings, train_network, train_on_pixels
from dataset_builder.build import build_dataset
from dataset_builder.recipe import read_recipe
from dataset_builder.repetition.choice import spread_evenly
from dataset_builder.work.local import LocalWorkers
from manifests.intervals import SceneIntervals

WHOLE = BuiqaSettings(distillation=0.0)
VARIANTS: dict[str, NetworkSettings | SetNetworkSettings | str] = {
    "buiqa": WHOLE,
    "with distillation": replace(WHOLE, distillation=1.0),
    "with a tenth of distillation": replace(WHOLE, distillation=0.1),
    "without prompt": replace(WHOLE, prompt=False),
    "without alignment": replace(WHOLE, alignment=False),
    "without set attention": replace(WHOLE, set_blocks=0),
    "without facts of the camera": replace(WHOLE, facts="none"),
    "with measured features": replace(WHOLE, facts="measured"),
    "multitask": MultitaskSettings(),
    "memory, reference frame": MemorySettings(),
    "memory, truth while learning": MemorySettings(reference="truth"),
    "memory alone": MemorySettings(reference="none"),
    "set_network": SetNetworkSettings(),
    "alignment_difference": "alignment_difference",
    "sharpness": "sharpness",
}
PRESETS = ("handheld", "night", "action")
_HELD_OUT = 5
"""One of so many scenes of the split train chooses the best weights."""


def write_recipe(path: Path, scenarios: Sequence[str]) -> Path:
    """A recipe of bursts of 14 frames from the photographs of scikit-image."""
    files = (
        "astronaut.png", "brick.png", "camera.png", "chelsea.png", "coffee.png", "coins.png", "grass.png", "gravel.png",
        "hubble_deep_field.jpg", "ihc.png", "moon.png", "retina.jpg", "rocket.jpg",
    )  # fmt: skip
    lines = ['name = "ablations"', "seed = 1", "[splits]", "train = 0.75", "test = 0.25"]
    for preset in PRESETS:
        lines += [f"[presets.{preset}_14]", f'base = "{preset}"', "num_frames = 14"]
        lines += ["[[sources]]", 'kind = "photographs"', f'name = "{preset}"', 'root = "package:skimage/data"']
        lines += [f"files = {json.dumps(files)}", f'preset = "{preset}_14"', "scale = 2", "shorter_side = 300"]
        lines += ["frame_height = 96", "frame_width = 96", "bursts_per_photograph = 3"]
    for name in scenarios:
        lines += ["[[scenarios]]", f'name = "{name}"', 'estimators = ["leave_one_out"]']
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def load_parts(
    root: Path, scenarios: Sequence[str], presets: Sequence[str], bursts: int
) -> tuple[Targets, Targets, Targets]:
    """Bursts to learn from, to choose the best weights by and to judge by; no two share a scene."""
    train, test = (
        load_targets(root, split, scenarios=scenarios, estimator="leave_one_out") for split in ("train", "test")
    )
    names = np.array(train.index.scene_id.to_pylist())
    scenes = sorted({*names[train.bursts]})
    held_out = {*scenes[::_HELD_OUT]}
    chosen = np.array([names[burst] in held_out for burst in train.bursts])
    parts = replace(train, bursts=train.bursts[~chosen]), replace(train, bursts=train.bursts[chosen]), test
    counts = (bursts, bursts // 4, bursts // 2)
    learnt, validation, judged = (thin_out(part, presets, count) for part, count in zip(parts, counts, strict=True))
    return learnt, validation, judged


def thin_out(targets: Targets, presets: Sequence[str], count: int) -> Targets:
    """At most so many bursts of the presets, evenly from all that have labels of every task."""
    there = np.array(targets.index.preset.to_pylist())
    fit = [
        burst
        for burst in targets.bursts
        if any(there[burst].startswith(preset) for preset in presets)
        and np.isfinite(targets.labels.values[:, targets.rows(int(burst))]).any(1).all()
    ]
    return replace(targets, bursts=np.array(spread_evenly(fit, count)))


def fit(
    sizes: NetworkSettings | SetNetworkSettings | str,
    parts: tuple[Targets, Targets, Targets],
    provider: InputProvider,
    training: TrainingSettings,
) -> Assessor:
    if isinstance(sizes, str):
        return create_assessor(sizes)
    if isinstance(sizes, SetNetworkSettings):
        examples, validation = (collect_examples(part, provider) for part in parts[:2])
        # Features cost next to nothing: it sees as many bursts as it wants to.
        usual = TrainingSettings(seed=training.seed)
        return train_network(examples, validation, usual, sizes, name="x", metric="psnr")
    taught, unseen = (collect_lessons(part, provider, sizes.wants) for part in parts[:2])
    steps = training if sizes.wants.teachers else replace(training, foundation=0)
    return train_on_pixels(taught, unseen, steps, sizes, name="x", metric="psnr")


def score(assessor: Assessor, targets: Targets, provider: InputProvider) -> list[NDArray[np.float64]]:
    """Scores [S, T] of each burst."""
    positions = {name: place for place, name in enumerate(provider.burst_ids)}
    return [
        np.stack(
            [
                assessor.score(provider[positions[targets.index.burst_ids[int(burst)].as_py()]], scenario)
                for scenario in targets.labels.scenarios
            ]
        )
        for burst in targets.bursts
    ]


def agree(scores: Sequence[NDArray[np.float64]], targets: Targets) -> NDArray[np.float64]:
    """Rank correlation of each burst, mean over tasks."""
    per_burst = []
    for burst, own in zip(targets.bursts, scores, strict=True):
        labels = targets.labels.values[:, targets.rows(int(burst))].astype(np.float64)
        known = np.isfinite(labels)
        per_burst.append(np.nanmean([spearman(a[at], b[at]) for a, b, at in zip(labels, own, known, strict=True)]))
    return np.array(per_burst)


def bound(values: NDArray[np.float64], scenes: NDArray[np.int64]) -> str:
    low, high = SceneIntervals(scenes).bound_mean(values)
    return f"{values.mean():+.3f} ({low:+.3f} to {high:+.3f})"


def run(root: Path, arguments: argparse.Namespace, cache: Path) -> None:
    parts = load_parts(root, arguments.scenarios, arguments.presets, arguments.bursts)
    names = np.array(parts[2].index.scene_id.to_pylist())[parts[2].bursts]
    scenes = np.unique(names, return_inverse=True)[1]
    provider = InputProvider(root, "all", cache=cache)
    training = TrainingSettings(
        steps=arguments.steps, batch=6, every=max(arguments.steps // 4, 1), frames=6, tasks=1, window=24,
        foundation=arguments.steps // 6, rate=4e-3, dropout=0.0,
    )  # fmt: skip
    print(
        f"{' and '.join(arguments.scenarios)}, leave_one_out; {', '.join(arguments.presets)}; bursts to learn from, choose by, judge by: "
        f"{', '.join(str(len(part.bursts)) for part in parts)}; {len(np.unique(scenes))} scenes judged; {arguments.steps} steps\n"
    )
    print("| | spearman | over the whole network | seconds |\n|---|---|---|---|", flush=True)
    whole = None
    wanted = {name: VARIANTS[name] for name in VARIANTS if not arguments.only or name in arguments.only}
    for name, sizes in wanted.items():
        began, trials = time.perf_counter(), []
        for seed in range(arguments.seeds):
            model = fit(sizes, parts, provider, replace(training, seed=seed))
            took = time.perf_counter() - began
            trials.append(agree(score(model, parts[2], provider), parts[2]))
        found = np.mean(trials, axis=0)
        whole = found if whole is None else whole
        difference = "" if whole is found else bound(found - whole, scenes)
        print(f"| {name} | {bound(found, scenes)} | {difference} | {took / arguments.seeds:.0f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dataset", nargs="?", type=Path)
    parser.add_argument("--scenario", dest="scenarios", action="append")
    parser.add_argument("--preset", dest="presets", action="append")
    parser.add_argument("--only", action="append", choices=list(VARIANTS))
    parser.add_argument("--steps", type=int, default=240)
    parser.add_argument("--bursts", type=int, default=160)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--cache", type=Path)
    arguments = parser.parse_args()
    arguments.scenarios = arguments.scenarios or ["denoise/hdrplus"]
    arguments.presets = arguments.presets or list(PRESETS)
    with TemporaryDirectory() as folder:
        root = arguments.dataset
        if root is None:
            root = Path(folder) / "dataset"
            recipe = write_recipe(Path(folder) / "recipe.toml", arguments.scenarios)
            build_dataset(recipe, read_recipe(recipe), root, workers=LocalWorkers(2))
        run(root, arguments, arguments.cache or Path(folder) / "inputs")


if __name__ == "__main__":
    main()
