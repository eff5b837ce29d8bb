"""Error and order of sampled Shapley values against the evaluations: `python -m benchmarks.estimators [REPEATS] [--shapiq PYTHON]`.

On the exact games of `tests/data/games.npz`, which restorers played for bursts of 11 frames. Errors are root mean squares over games,
frames and repeats in units of the standard deviation of a burst's exact values; the order is Kendall's τ with theirs, on average. The
estimators of shapiq run in an environment of their own (`_shapiq_samplers.py`): PYTHON is its interpreter, of 3.12 or later.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from scipy.stats import kendalltau

from benchmarks.games import ExactGame, read_games
from benchmarks.samplers import PUBLISHED, CountedGame, Sampler, Scores
from dataset_builder.labeling.sampling import sample_shapley
from dataset_builder.labeling.semivalues import Gains, shapley_exactly
from dataset_builder.labeling.stopping import parse_rule

GAMES = Path(__file__).parents[1] / "tests" / "data" / "games.npz"
BUDGETS = (54, 70, 96, 130, 190, 260, 390)
LINEAR = "denoise/hdrplus"
BAR = 2.0
TODAY, OURS = "antithetic permutations", "this toolkit"
Finder = Callable[[ExactGame, int, int], Scores]
"""Estimates the values of a game by so many evaluations and a seed."""


class TableGame:
    """A game of known values as the samplers of the toolkit see it."""

    resolution = 0.0

    def __init__(self, values: Scores) -> None:
        self._game = CountedGame(values)
        self.others = tuple(range(self._game.count))

    def value(self, members: frozenset[int]) -> float:
        return self._game.value(sum(1 << member for member in members))

    def expect(self, subsets: object) -> None:
        """Everything is there."""

    def enumerate_values(self) -> Scores:
        return self._game.values


def sample(values: Scores, rule: str, seed: int) -> Gains:
    return sample_shapley(TableGame(values), np.random.default_rng(seed), parse_rule(rule))


def compute_exactly(values: Scores) -> Scores:
    """Shapley values by definition, float64 [n]."""
    gains = shapley_exactly(TableGame(values))
    assert gains is not None
    return gains.mean


def list_samplers() -> dict[str, Finder]:
    """Those of `PUBLISHED`, and the toolkit's own."""
    own = {OURS: lambda game, budget, rng: sample(game.values, f"evaluations({budget})", int(rng.integers(2**31))).mean}
    samplers: dict[str, Sampler] = {**PUBLISHED, **own}
    return {name: partial(_find, sampler) for name, sampler in samplers.items()}


def _find(sampler: Sampler, game: ExactGame, budget: int, seed: int) -> Scores:
    return sampler(CountedGame(game.values), budget, np.random.default_rng(seed))


def run_shapiq(python: str, repeats: int) -> dict[str, Finder]:
    """What the estimators of shapiq found for every game, budget and seed."""
    program = Path(__file__).with_name("_shapiq_samplers.py")
    command = [python, "-W", "ignore", str(program), str(GAMES), json.dumps(BUDGETS), str(repeats)]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    return {each["name"]: partial(_look_up, each["games"]) for each in map(json.loads, lines)}


def _look_up(
    found: Mapping[str, Sequence[Sequence[Sequence[float]]]], game: ExactGame, budget: int, seed: int
) -> Scores:
    return np.array(found[game.name][BUDGETS.index(budget)][seed])


def measure(find: Finder, games: Sequence[ExactGame], budget: int, repeats: int) -> tuple[Scores, Scores]:
    """Mean square error in units of the spread, and Kendall's τ, of each game; the latter 0 where all frames are given the same."""
    errors, orders = np.empty((len(games), repeats)), np.empty((len(games), repeats))
    for row, game in enumerate(games):
        exact = compute_exactly(game.values)
        for seed in range(repeats):
            found = find(game, budget, seed)
            errors[row, seed] = np.mean(np.square(found - exact)) / exact.var()
            orders[row, seed] = np.nan_to_num(kendalltau(found, exact).statistic)
    return errors.mean(axis=1), orders.mean(axis=1)


def compare(finders: Mapping[str, Finder], games: Sequence[ExactGame], repeats: int) -> Mapping[str, list[float]]:
    """Print a line for each estimator; root mean square errors at each of `BUDGETS`."""
    curves = {}
    print(f"{'evaluations':36s}" + "".join(f"{budget:>12d}" for budget in BUDGETS))
    for name, find in finders.items():
        start = time.perf_counter()
        figures = [measure(find, games, budget, repeats) for budget in BUDGETS]
        curves[name] = [float(np.sqrt(errors.mean())) for errors, _ in figures]
        cells = [f"{error:.3f} {orders.mean():5.2f}" for error, (_, orders) in zip(curves[name], figures, strict=True)]
        print(
            f"{name:36s}" + "".join(f"{cell:>12s}" for cell in cells) + f"  {time.perf_counter() - start:.0f} s",
            flush=True,
        )
    return curves


def calibrate(games: Sequence[ExactGame], rules: Sequence[str], repeats: int) -> None:
    """Print what each stopping rule costs and whether its standard errors are honest."""
    for rule in rules:
        evaluations, errors, deviations = [], [], []
        for game in games:
            exact = compute_exactly(game.values)
            for seed in range(repeats):
                found = sample(game.values, rule, seed)
                evaluations.append(found.num_evaluations)
                errors.append((found.mean - exact) / exact.std())
                deviations.append((found.mean - exact) / found.std_error)
        within = np.mean(np.abs(deviations) <= 1.96)
        print(
            f"{rule}: {np.mean(evaluations):.0f} evaluations on average, {np.min(evaluations)} to {np.max(evaluations)}; error "
            f"{np.sqrt(np.mean(np.square(errors))):.3f}; {100 * within:.1f} % within 1.96 standard errors, root mean square "
            f"{np.sqrt(np.mean(np.square(deviations))):.2f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("repeats", nargs="?", type=int, default=5)
    parser.add_argument("--shapiq", metavar="PYTHON", help="a Python that has shapiq and lightgbm")
    options = parser.parse_args()
    repeats = options.repeats
    finders = list_samplers() | (run_shapiq(options.shapiq, repeats) if options.shapiq else {})
    games = read_games(GAMES)
    nonlinear = [game for game in games if not game.name.startswith(LINEAR)]
    print(f"{len(nonlinear)} games of restorers that do not merge linearly: error and Kendall's τ")
    curves = compare(finders, nonlinear, repeats)
    reached = np.interp(curves[TODAY][-1], curves[OURS][::-1], BUDGETS[::-1])
    print(
        f"the error of {TODAY} with {BUDGETS[-1]} takes {reached:.0f}: {BUDGETS[-1] / reached:.1f}x fewer (bar {BAR})"
    )
    print(f"{len(games) - len(nonlinear)} games of a linear merge, whose values are exact without sampling")
    compare(finders, [game for game in games if game.name.startswith(LINEAR)], repeats)
    calibrate(
        games, ("spread(0.25)", "spread(0.1)", "spread(0.05)", "ranks(0.95)", "spread(0.25)&ranks(0.95)"), repeats
    )


if __name__ == "__main__":
    main()
