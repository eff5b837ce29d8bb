"""Error and order of sampled Shapley values against the number of evaluations: `python -m benchmarks.estimators [REPEATS]`.

On the exact games of `tests/data/games.npz`, which restorers played for bursts of 11 frames. Errors are root mean squares over games,
frames and repeats in units of the standard deviation of a burst's exact values; the order is Kendall's τ with theirs, on average. Where
`shapiq` can be imported, its estimators run, too. It is no dependency: `pip install --target DIR shapiq`, and put DIR on PYTHONPATH.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
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
_SHAPIQ = ("KernelSHAP", "UnbiasedKernelSHAP", "SVARM", "kADDSHAP")


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


def list_samplers() -> dict[str, Sampler]:
    """Those of `PUBLISHED`, of shapiq where it is installed, and the toolkit's own."""
    own = {OURS: lambda game, budget, rng: sample(game.values, f"evaluations({budget})", int(rng.integers(2**31))).mean}
    return {**PUBLISHED, **_list_shapiq(), **own}


def _list_shapiq() -> dict[str, Sampler]:
    try:
        import shapiq
    except ImportError:
        return {}

    def make(kind: Callable[..., object]) -> Sampler:
        def run(game: CountedGame, budget: int, rng: np.random.Generator) -> Scores:
            sampler = kind(n=game.count, random_state=int(rng.integers(2**31)))
            places = 1 << np.arange(game.count)
            found = sampler.approximate(budget, lambda coalitions: game.values[coalitions.astype(np.int64) @ places])
            return np.array([found[(player,)] for player in range(game.count)])

        return run

    return {f"shapiq {name}": make(getattr(shapiq, name)) for name in _SHAPIQ if hasattr(shapiq, name)}


def measure(sampler: Sampler, games: Sequence[ExactGame], budget: int, repeats: int) -> tuple[Scores, Scores]:
    """Mean square error in units of the spread, and Kendall's τ, of each game."""
    errors, orders = np.empty((len(games), repeats)), np.empty((len(games), repeats))
    for row, game in enumerate(games):
        exact = compute_exactly(game.values)
        for seed in range(repeats):
            found = sampler(CountedGame(game.values), budget, np.random.default_rng(seed))
            errors[row, seed] = np.mean(np.square(found - exact)) / exact.var()
            orders[row, seed] = kendalltau(found, exact).statistic
    return errors.mean(axis=1), orders.mean(axis=1)


def compare(games: Sequence[ExactGame], repeats: int) -> Mapping[str, list[float]]:
    """Print a line for each sampler; root mean square errors at each of `BUDGETS`."""
    curves = {}
    print(f"{'evaluations':34s}" + "".join(f"{budget:>12d}" for budget in BUDGETS))
    for name, sampler in list_samplers().items():
        start = time.perf_counter()
        figures = [measure(sampler, games, budget, repeats) for budget in BUDGETS]
        curves[name] = [float(np.sqrt(errors.mean())) for errors, _ in figures]
        cells = [f"{error:.3f} {orders.mean():5.2f}" for error, (_, orders) in zip(curves[name], figures, strict=True)]
        print(
            f"{name:34s}" + "".join(f"{cell:>12s}" for cell in cells) + f"  {time.perf_counter() - start:.0f} s",
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


def main(repeats: int) -> None:
    games = read_games(GAMES)
    nonlinear = [game for game in games if not game.name.startswith(LINEAR)]
    print(f"{len(nonlinear)} games of restorers that do not merge linearly: error and Kendall's τ")
    curves = compare(nonlinear, repeats)
    reached = np.interp(curves[TODAY][-1], curves[OURS][::-1], BUDGETS[::-1])
    print(
        f"the error of {TODAY} with {BUDGETS[-1]} takes {reached:.0f}: {BUDGETS[-1] / reached:.1f}x fewer (bar {BAR})"
    )
    print(f"{len(games) - len(nonlinear)} games of a linear merge, whose values are exact without sampling")
    compare([game for game in games if game.name.startswith(LINEAR)], repeats)
    calibrate(
        games, ("spread(0.25)", "spread(0.1)", "spread(0.05)", "ranks(0.95)", "spread(0.25)&ranks(0.95)"), repeats
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
