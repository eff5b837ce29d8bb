"""Shapley values from differences between complementary subsets, by regression.

With u(S) = v(S) − v(N∖S) and n frames, the Shapley value is

    φ_i = u(N) / n + Σ_{k=1}^{n−1} b_ki / (2 (n − 1)),

where b_k, which sums to 0, are the slopes of the least-squares fit of u(S) ≈ c_k + Σ_{i∈S} b_ki over all S of k frames: what u has beyond
that plane is orthogonal to every Shapley value, and b_k = b_{n−k}. The b_1 follow from 2n fidelities exactly. Those of larger subsets
change smoothly with k, in all restorers that were measured almost as g(k) = 1 / √(k (n − k)) does. With t(k) linear in g, 1 at k = 1 and
0 at n/2,

    u(S) = c(k) + t Σ b_1i + (1 − t) Σ (ρ b_1i + δ_i) + ε(S),    sums over i ∈ S,

is fitted to random S: c is odd about n/2, ρ is free, δ_i are random effects (best linear unbiased prediction, Henderson 1975), and ε has
a variance that falls towards n/2, where interactions of two frames cancel. Subsets that were seen count with what they are and only
others with the fit, as in model-assisted survey sampling; hence scores are exact once all were seen. How large δ and ε are, is not
decided but averaged over, each possibility weighing as much as the restricted likelihood says (Patterson & Thompson 1971).

That few subsets of a mean over sizes tell all is the idea of KernelSHAP (Covert & Lee 2021), that complements tell only what Shapley
values hold, that of Fumagalli et al. (OddSHAP, 2026).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

Array = NDArray[np.float64]

_EFFECTS = np.geomspace(1e-3, 1e2, 11)
"""Variances of δ that are thought possible, in units of that of ε at k = 2 and in equal steps of their logarithm."""
_FLOORS = (0.02, 0.1, 0.3, 1.0)
"""Shares of the variance of ε that may be left at n/2."""
_FREE = 1e-12
"""Precision of the effects that are free, so that they have a value where nothing decides it."""


@dataclass(frozen=True, eq=False)
class Edge:
    """What the fidelities of the subsets of 0, 1, n − 1 and n frames say.

    Attributes:
        total: v(N) − v(∅).
        slopes: float64 [n], b_1.
    """

    total: float
    slopes: Array

    @classmethod
    def from_values(cls, nothing: float, everything: float, single: Array, without: Array) -> Edge:
        """From v(∅), v(N), v({i}) and v(N∖{i}), float64 [n] each."""
        differences = single - without
        return cls(everything - nothing, differences - differences.mean())

    def combine(self, slopes: Array) -> Array:
        """Shapley values, float64 [n], from `slopes` [n], the sum of b_k over 2 ≤ k ≤ n − 2."""
        count = len(self.slopes)
        if count == 1:
            return np.array([self.total])
        ends = min(count - 1, 2)  # k = 1 and k = n − 1
        return self.total / count + (ends * self.slopes + slopes) / (2 * (count - 1))


def estimate_shapley(edge: Edge, members: NDArray[np.bool_], differences: Array) -> tuple[Array, Array]:
    """Shapley values and their standard errors, float64 [n] each.

    Args:
        edge: what is known exactly.
        members: [m, n], subsets of 2 to n/2 frames, none of them twice or beside its complement.
        differences: float64 [m], u of each.
    """
    scale = float(np.abs(differences).max()) or 1.0
    model = _Model(edge.slopes / scale, members, differences / scale)
    likelihoods, slopes, variances = (np.concatenate(column) for column in zip(*model.fit_all(), strict=True))
    weights = np.exp(likelihoods - likelihoods.max())
    weights /= weights.sum()
    mean = weights @ slopes
    variance = weights @ (variances + np.square(slopes - mean))
    share = 2 * (len(edge.slopes) - 1)
    return edge.combine(scale * mean), scale * np.sqrt(variance) / share


class _Model:
    """The regression, for the sum of b_k over 2 ≤ k ≤ n − 2. Units are such that the largest difference is 1."""

    def __init__(self, edge: Array, members: NDArray[np.bool_], differences: Array) -> None:
        self.count = count = len(edge)
        self._whole = 2 * (count - 1) / count
        self.sizes = sizes = members.sum(axis=1)
        centred = members - (sizes / count)[:, None]
        nearness = 1 - self._find_pull(sizes)
        odd = 1 - 2 * sizes / count
        levels = [odd ** (2 * power + 1) for power in range(min((count - 1) // 2 - 1, 3))]
        self.fixed = len(levels) + 1
        self.design = np.column_stack([*levels, nearness * (centred @ edge), nearness[:, None] * centred])
        self.target = differences - (1 - nearness) * (centred @ edge)
        # The sum over all sizes, as a function of the coefficients.
        pulls = self._find_pull(np.arange(2, count - 1))
        self.offset, near = pulls.sum() * edge, (1 - pulls).sum()
        self.functional = np.zeros((count, self.design.shape[1]))
        self.functional[:, len(levels)] = near * edge
        self.functional[:, self.fixed :] = near * (np.eye(count) - 1 / count)
        # What a subset contributes itself where it is known.
        inside, outside = self._weigh(sizes)
        self.own = np.where(members, inside[:, None], -outside[:, None])

    def fit_all(self) -> Iterator[tuple[Array, Array, Array]]:
        """Restricted log-likelihoods [P], sums of slopes [P, n] and their variances [P, n], for all possible sizes of δ and some of ε."""
        classes = np.arange(2, self.count // 2 + 1)
        inside, outside = self._weigh(classes)
        # A weight is one and the same number over how many subsets have it; those of n/2 frames are their complements' complements.
        everywhere = self._whole * (inside + np.where(2 * classes < self.count, outside, 0))
        for floor in _FLOORS:
            variance = self._spread(self.sizes, floor)
            unseen = everywhere @ self._spread(classes, floor) - np.square(self.own).T @ variance
            yield self._fit(variance, np.maximum(unseen, 0))

    def _fit(self, variance: Array, unseen: Array) -> tuple[Array, Array, Array]:
        """For each possible size of δ, where ε has `variance` [m] up to a factor, and a sum over subsets not seen has `unseen` [n]."""
        scaled = self.design / variance[:, None]
        freedom = max(len(variance) - self.fixed, 1)
        sensitivity = self.functional - self.own.T @ self.design
        precision = np.repeat(1 / _EFFECTS[:, None], self.design.shape[1], axis=1)
        precision[:, : self.fixed] = _FREE
        systems = scaled.T @ self.design + precision[:, :, None] * np.eye(self.design.shape[1])
        solved = np.linalg.solve(systems, np.column_stack([scaled.T @ self.target, sensitivity.T])[None])
        coefficients, spread = solved[..., 0], solved[..., 1:]
        residual = self.target - coefficients @ self.design.T
        # Not as a difference of squares, which rounding would spoil where the fit is close.
        effects = np.square(coefficients[:, self.fixed :]).sum(axis=1) / _EFFECTS
        unit = np.maximum(np.square(residual) @ (1 / variance) + effects, 1e-30) / freedom
        determinant = np.linalg.slogdet(systems)[1] + self.count * np.log(_EFFECTS) + np.log(variance).sum()
        error = np.sum(sensitivity.T * spread, axis=1) + unseen
        # Student's t: the unit itself is estimated.
        inflated = unit * freedom / max(freedom - 2, 1)
        slopes = self.offset + coefficients @ self.functional.T + residual @ self.own
        return -0.5 * (freedom * np.log(unit) + determinant), slopes, inflated[:, None] * error

    def _find_pull(self, sizes: NDArray[np.int64]) -> Array:
        """t(k)."""
        profile = 1 / np.sqrt(sizes * (self.count - sizes))
        first, middle = 1 / math.sqrt(self.count - 1), 2 / self.count
        pull: Array = (profile - middle) / (first - middle)
        return pull

    def _spread(self, sizes: NDArray[np.int64], floor: float) -> Array:
        """Variance of ε, 1 at k = 2."""
        spread: Array = floor + (1 - floor) * np.square((self.count - 2 * sizes) / max(self.count - 4, 1))
        return spread

    def _weigh(self, sizes: NDArray[np.int64]) -> tuple[Array, Array]:
        """What u of a subset weighs in the sums of slopes of its members, and, with a minus, in those of the others."""
        inside = gammaln(self.count) - gammaln(sizes) - gammaln(self.count - sizes + 1)
        outside = gammaln(self.count) - gammaln(sizes + 1) - gammaln(self.count - sizes)
        return self._whole * np.exp(-inside), self._whole * np.exp(-outside)
