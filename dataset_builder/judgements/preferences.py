"""From judgements of pairs to one score per frame, by the model of Bradley and Terry (Biometrika 1952).

The probability that frame i is preferred to frame j is 1 / (1 + exp(s_j − s_i)); the scores s of a burst sum to 0. choix maximises the
likelihood (Maystre & Grossglauser, NeurIPS 2015).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dataset_builder.decoding.extras import MissingReaderError
from dataset_builder.errors import SourceError

PREFERENCES_VERSION = "1"
"""Changes whenever equal judgements would give other scores."""
EXTREME = 0.01
"""Shares nearer to 0 or 1 are taken for this: the maximum of the likelihood would lie at infinity."""


class PreferenceError(SourceError):
    """Judgements from which no scores follow."""


@dataclass(frozen=True, eq=False)
class Judgements:
    """Judged pairs of the frames of one burst.

    Attributes:
        first: int64 [P], frame index.
        second: int64 [P], another frame.
        preference: float64 [P], share of the judgements that prefer the first.
        votes: float64 [P], number of judgements.
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    preference: NDArray[np.float64]
    votes: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class FrameScores:
    """Scores of the frames of one burst.

    Attributes:
        score: float64 [T]; NaN for frames that nobody judged.
        std_error: float64 [T]; NaN with score.
        count: int64 [T]; judgements or judged pairs behind each score.
    """

    score: NDArray[np.float64]
    std_error: NDArray[np.float64]
    count: NDArray[np.int64]


def fit_preferences(judgements: Judgements, num_frames: int) -> FrameScores:
    """Scores in logits, with the standard errors that the Fisher information gives.

    Args:
        judgements: judgements of one burst.
        num_frames: T.

    Raises:
        PreferenceError: if a pair is impossible, or the judged frames fall into groups that were never compared.
        MissingReaderError: if choix is not installed.
    """
    from scipy.sparse.csgraph import connected_components

    wins = _count_wins(judgements, num_frames)
    judged = np.flatnonzero(wins.sum(axis=0) + wins.sum(axis=1))
    inner = wins[np.ix_(judged, judged)]
    groups, _ = connected_components(inner + inner.T, directed=False)
    if groups != 1:
        raise PreferenceError(
            f"the judged frames fall into {groups} groups that were never compared with each other; judge pairs across them"
        )
    scores = _maximise(inner)
    score, error = (np.full(num_frames, np.nan) for _ in range(2))
    score[judged], error[judged] = scores, _standard_errors(inner + inner.T, scores)
    pairs = np.bincount(np.concatenate([judgements.first, judgements.second]), minlength=num_frames)
    return FrameScores(score, error, pairs.astype(np.int64))


def count_agreements(judgements: Judgements, score: NDArray[np.float64]) -> tuple[int, int]:
    """Pairs whose preferred frame has the higher score, and pairs in which one was preferred at all."""
    lead = judgements.preference - 0.5
    decided = lead != 0
    agrees = np.sign(score[judgements.first] - score[judgements.second]) == np.sign(lead)
    return int((agrees & decided).sum()), int(decided.sum())


def _count_wins(judgements: Judgements, num_frames: int) -> NDArray[np.float64]:
    """How often each frame won against each other, [T, T]."""
    first, second, share = judgements.first, judgements.second, judgements.preference
    both = np.concatenate([first, second])
    if not len(first) or both.min() < 0 or both.max() >= num_frames or (first == second).any():
        raise PreferenceError(f"expected pairs of different frames of 0..{num_frames - 1}")
    if not ((share >= 0) & (share <= 1) & (judgements.votes > 0) & np.isfinite(judgements.votes)).all():
        raise PreferenceError("expected shares of 0..1 and positive numbers of votes")
    wins = np.zeros((num_frames, num_frames))
    np.add.at(wins, (first, second), judgements.votes * share)
    np.add.at(wins, (second, first), judgements.votes * (1 - share))
    total = wins + wins.T
    return np.clip(wins, EXTREME * total, (1 - EXTREME) * total)


def _maximise(wins: NDArray[np.float64]) -> NDArray[np.float64]:
    try:
        import choix
    except ImportError as error:
        raise MissingReaderError("preferences", "choix", "preferences") from error
    try:
        scores = np.asarray(choix.ilsr_pairwise_dense(wins, max_iter=1000, tol=1e-8), np.float64)
    except (RuntimeError, ValueError, np.linalg.LinAlgError) as error:
        raise PreferenceError(f"no scores explain the judgements ({error})") from error
    return np.asarray(scores - scores.mean())


def _standard_errors(votes: NDArray[np.float64], scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """From the inverse of the Fisher information on scores that sum to 0."""
    chance = 1 / (1 + np.exp(scores[None, :] - scores[:, None]))
    weight = votes * chance * (1 - chance)
    information = np.diag(weight.sum(axis=1)) - weight
    return np.sqrt(np.maximum(np.diag(np.linalg.pinv(information, hermitian=True)), 0))
