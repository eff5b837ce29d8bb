"""Are drawn scenes as good to learn from as photographs? `python -m benchmarks.transfer SCENES PHOTOGRAPHS`.

SCENES is a build of `recipes/benchmark.toml`, PHOTOGRAPHS one of `recipes/photographs.toml`. Boosting on measured features learns
leave_one_out (PSNR), once from layered scenes alone and once from photographs, as many bursts of each preset, and is asked about
photographs that it has not seen: these in folds, so that each is asked about once. The drawn scenes differ from fold to fold.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from assessors.agreement import spearman
from assessors.baselines.boosting import fit_boosting
from assessors.boosting import BoostingSettings
from assessors.examples import Examples, collect_examples
from assessors.provider import InputProvider
from assessors.targets import Targets, load_targets
from manifests.intervals import SceneIntervals
from manifests.schema import BURSTS
from manifests.store import read_table, table_path

SCENARIOS = ("denoise/hdrplus", "denoise/robust_mean", "sr/handheld@x2")
PRESETS = ("handheld", "night", "action")
FOLDS = 5
BAR = 0.03


def read_set(root: Path, cache: Path, *, drawn: bool) -> tuple[Examples, NDArray[np.str_]]:
    """Examples of the presets that both sets have, and the preset of each."""
    targets = load_targets(root, None, scenarios=SCENARIOS, estimator="leave_one_out", metric="psnr")
    table = read_table(targets.root, table_path("bursts"), BURSTS, columns=["burst_id", "source"]).to_pandas()
    sources = table.set_index("burst_id")["source"].reindex(targets.index.burst_ids.take(targets.bursts).to_pylist())
    presets = np.array([str(name).split("_")[0] for name in targets.index.preset.take(targets.bursts).to_pylist()])
    wanted = np.isin(presets, PRESETS) & (np.isin(sources.to_numpy(str), PRESETS) if drawn else True)
    chosen: Targets = replace(targets, bursts=targets.bursts[wanted])
    return collect_examples(chosen, InputProvider(root, None, cache=cache)), presets[wanted]


def take(examples: Examples, places: NDArray[np.int64]) -> Examples:
    return replace(
        examples,
        features=tuple(examples.features[place] for place in places),
        worth=tuple(examples.worth[place] for place in places),
        trust=tuple(examples.trust[place] for place in places),
        scenes=examples.scenes[places],
    )


def judge(learnt: Examples, asked: Examples) -> NDArray[np.float64]:
    """Spearman's correlation within each burst, mean of the scenarios."""
    model = fit_boosting(learnt, BoostingSettings(), name="transfer", metric="psnr")
    found = []
    for table, worth in zip(asked.features, asked.worth, strict=True):
        scores = [forest.predict(table) for forest in model.forests]
        known = [np.isfinite(one) for one in worth]
        found.append(np.mean([spearman(one[k], score[k]) for one, k, score in zip(worth, known, scores, strict=True)]))
    return np.array(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scenes", nargs="?", type=Path)
    parser.add_argument("photographs", nargs="?", type=Path)
    parser.add_argument("--cache", type=Path, help="folder for the inputs")
    options = parser.parse_args()
    if options.photographs is None:
        print("needs a build of recipes/benchmark.toml and one of recipes/photographs.toml; nothing measured")
        return
    scenes, scene_presets = read_set(options.scenes, options.cache, drawn=True)
    photographs, presets = read_set(options.photographs, options.cache, drawn=False)
    if scenes.heads != photographs.heads or scenes.names != photographs.names:
        raise SystemExit("the sets have other scenarios")
    rng = np.random.default_rng(0)
    fold_of = rng.permutation(int(photographs.scenes.max()) + 1)[photographs.scenes] % FOLDS
    results = {name: np.full(len(presets), np.nan) for name in ("photographs", "as many drawn", "all drawn", "both")}
    for fold in range(FOLDS):
        asked, own = np.flatnonzero(fold_of == fold), np.flatnonzero(fold_of != fold)
        drawn = np.concatenate(
            [
                rng.permutation(np.flatnonzero(scene_presets == name))[: np.count_nonzero(presets[own] == name)]
                for name in PRESETS
            ]
        )
        test = take(photographs, asked)
        results["photographs"][asked] = judge(take(photographs, own), test)
        results["as many drawn"][asked] = judge(take(scenes, drawn), test)
        results["all drawn"][asked] = judge(scenes, test)
        mixed = replace(
            scenes,
            features=scenes.features + take(photographs, own).features,
            worth=scenes.worth + take(photographs, own).worth,
            trust=scenes.trust + take(photographs, own).trust,
        )
        results["both"][asked] = judge(mixed, test)
    intervals = SceneIntervals(photographs.scenes - photographs.scenes.min())
    print(
        f"{len(presets)} bursts of {len(np.unique(photographs.scenes))} photographs; {len(scene_presets)} bursts of "
        f"{len(np.unique(scenes.scenes))} drawn scenes; within-burst Spearman of leave_one_out, mean of {', '.join(SCENARIOS)}"
    )
    for name, found in results.items():
        low, high = intervals.bound_mean(found - results["photographs"])
        gap = np.nanmean(found - results["photographs"])
        parts = ", ".join(f"{preset} {np.nanmean(found[presets == preset]):.3f}" for preset in PRESETS)
        print(
            f"learnt from {name}: {np.nanmean(found):.3f} ({parts}); over photographs {gap:+.3f} [{low:+.3f}, {high:+.3f}]"
        )
    print(f"bar: as many drawn within {BAR} of photographs")


if __name__ == "__main__":
    main()
