"""The audit's answers in words: each question gets one number and one plain sentence."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pandas as pd

from dataset_builder.audit.burst_view import format_number
from dataset_builder.audit.collect import Statistics
from dataset_builder.audit.statistics import FACTORS
from dataset_builder.audit.tables import LABEL_SET
from manifests.schema import MARGINAL_ESTIMATORS

FACTOR_NAMES = {
    "shot_noise": "noise",
    "blur_length": "blur",
    "displacement": "displacement",
    "exposure_ratio": "exposure",
    "frame_index": "position in burst",
    "reference_distance": "distance to reference",
}


@dataclass(frozen=True)
class Answer:
    """Answer to one question.

    Attributes:
        anchor: id of the section.
        question: its heading.
        number: the figure that answers it.
        caption: what the figure counts, a few words.
        sentence: the answer in full.
    """

    anchor: str
    question: str
    number: str
    caption: str
    sentence: str


def answer_all(statistics: Statistics) -> list[Answer]:
    """Answers in the order of the report."""
    return [
        _answer_contents(statistics),
        _answer_scores(statistics),
        _answer_spread(statistics),
        _answer_scenarios(statistics),
        _answer_factors(statistics),
        _answer_splits(statistics),
        _answer_failures(statistics),
    ]


def is_marginal(estimator: str) -> bool:
    """Whether scores of an estimator are gains and losses."""
    return estimator.split("(", maxsplit=1)[0] in MARGINAL_ESTIMATORS


def percent(share: float | None) -> str:
    """A share of 1 as text; an en dash for None or NaN; never 0 % or 100 % for what is not. Spaces do not break."""
    if share is None or not math.isfinite(share):
        return "–"
    if 0 < share < 0.01:
        return "<\u00a01\u00a0%"
    if 0.99 < share < 1:
        return ">\u00a099\u00a0%"
    return f"{format_number(100 * share, 0)}\u00a0%"


def count(number: float, noun: str, plural: str = "") -> str:
    """1 burst, 2 bursts, 7,346 bursts."""
    return f"{number:,.0f} {noun if number == 1 else plural or noun + 's'}"


def _answer_contents(statistics: Statistics) -> Answer:
    table = statistics.contents
    bursts, frames, scenes, truth = (int(table[name].sum()) for name in ("bursts", "frames", "scenes", "with_truth"))
    sentence = "The data set has no bursts."
    if bursts:
        length = _range(table["min_frames"].min(), table["max_frames"].max())
        known = "All have" if truth == bursts else "None has" if not truth else f"{truth:,} of them have"
        total = f", {frames:,} frames in all" if bursts > 1 else ""
        sources = count(table["source"].nunique(), "source")
        sentence = f"{count(bursts, 'burst')} of {length} frames{total}, from {sources}. {known} a ground truth."
    return Answer(
        "contents",
        "What is in it?",
        f"{bursts:,}",
        f"{'burst' if bursts == 1 else 'bursts'} of {count(scenes, 'scene')}",
        sentence,
    )


def _answer_scores(statistics: Statistics) -> Answer:
    scores = statistics.scores[statistics.scores["scores"] > 0]
    chosen = scores.merge(statistics.label_sets[LABEL_SET], on=LABEL_SET)
    marginal = chosen[[is_marginal(name) for name in chosen["estimator"]]]
    question = "How are scores distributed?"
    if scores.empty:
        return Answer(
            "scores",
            question,
            "0",
            "scores",
            "No frame has a score: nothing was labelled, or no burst has a ground truth.",
        )
    total = int(scores["scores"].sum())
    if marginal.empty:
        sentence = (
            f"{count(total, 'score')}; none of them is the gain of a frame to a burst, so none can be negative worth."
        )
        return Answer("scores", question, f"{total:,}", "scores", sentence)
    harmful = (marginal["negative_share"] * marginal["scores"]).sum() / marginal["scores"].sum()
    ordered = marginal.sort_values("negative_share")
    least, most = ordered.iloc[0], ordered.iloc[-1]
    sentence = f"{percent(harmful)} of the scored frames make the restored image worse"
    if len(ordered) > 1:
        sentence += (
            f": from {percent(least['negative_share'])} under {least['scenario']} "
            f"to {percent(most['negative_share'])} under {most['scenario']}"
        )
    return Answer(
        "scores",
        question,
        percent(harmful),
        "of scored frames do harm",
        f"{sentence}. The rest help, or change nothing.",
    )


def _answer_spread(statistics: Statistics) -> Answer:
    question = "Does it matter which frame?"
    chosen = statistics.spread.merge(statistics.label_sets[LABEL_SET], on=LABEL_SET).dropna(subset="within_share")
    if chosen.empty:
        return Answer(
            "spread", question, "–", "no scores to compare", "There are no scores whose spread could be compared."
        )
    share = chosen["within_share"].median()
    verdict = (
        "Frames of one burst differ more than bursts do: the labels are about frames, not about scenes."
        if share >= 0.5
        else "Bursts differ more than their frames do: compare scores only within a burst, or the scene decides."
    )
    whose = "of the variance of scores lies within bursts" + (" (median over scenarios)" if len(chosen) > 1 else "")
    return Answer(
        "spread", question, percent(share), "of variance within bursts", f"{percent(share)} {whose}. {verdict}"
    )


def _answer_scenarios(statistics: Statistics) -> Answer:
    question = "Do tasks differ?"
    pairs = statistics.scenarios.dropna(subset="spearman")
    if pairs.empty:
        sentence = "Fewer than two scenarios score the same frames, so there is nothing to compare."
        return Answer("scenarios", question, "–", "one scenario or none", sentence)
    mean = pairs["spearman"].mean()
    ordered = pairs.sort_values("spearman")
    sentence = f"Two scenarios order the frames of a burst with a mean rank correlation of {_correlation(mean)}"
    if len(pairs) > 1:
        nearest, furthest = ordered.iloc[-1], ordered.iloc[0]
        sentence += f"; closest are {_pair(nearest)}, furthest apart {_pair(furthest)}"
    return Answer("scenarios", question, _correlation(mean), "mean rank correlation of scenarios", sentence + ".")


def _answer_factors(statistics: Statistics) -> Answer:
    question = "Do trivial factors explain scores?"
    explained = statistics.explained.dropna(subset="explained").sort_values("explained")
    factors = statistics.factors.dropna(subset="spearman")
    if explained.empty or factors.empty:
        sentence = "No factor (noise, blur, motion, exposure, position) is known for frames that have scores."
        return Answer("factors", question, "–", "no factors known", sentence)
    most = explained.iloc[-1]
    mine = factors[factors["scenario"] == most["scenario"]]
    strongest = mine.loc[mine["spearman"].abs().idxmax()]
    share = max(float(most["explained"]), 0.0)
    sentence = (
        f"{len(FACTORS)} trivial factors together explain at most {percent(share)} of how frames rank, under {most['scenario']}; "
        f"the strongest there is {FACTOR_NAMES[strongest['factor']]} (rank correlation {_correlation(strongest['spearman'])})."
    )
    return Answer("factors", question, percent(share), "of ranks explained, at most", sentence)


def _answer_splits(statistics: Statistics) -> Answer:
    question = "Is the split sound?"
    if statistics.splits.empty:
        return Answer("splits", question, "–", "not split", "The data set has not been split.")
    scenes, origins = (int(statistics.overlap[name].sum()) for name in ("shared_scenes", "shared_origins"))
    shared = scenes + origins
    sentence = (
        "No scene and no photograph lies in more than one split."
        if not shared
        else f"{count(scenes, 'scene')} and {count(origins, 'photograph')} lie in more than one split: "
        "results on the test split are not to be trusted."
    )
    if len(statistics.splits) == 1:
        only = statistics.splits["split"].iloc[0]
        sentence = f"All bursts are in the split {only}: nothing can leak, and nothing is left to test on."
    return Answer("splits", question, f"{shared:,}", "scenes or photographs shared", sentence)


def _answer_failures(statistics: Statistics) -> Answer:
    failures = statistics.failures
    total = int(failures["failures"].sum()) if len(failures) else 0
    sentence = (
        "Every unit of work succeeded."
        if not total
        else f"{count(total, 'unit')} of work failed with {count(failures['error_type'].nunique(), 'kind')} of error; "
        "their bursts or labels are absent."
    )
    return Answer("failures", "What failed?", f"{total:,}", "failed unit" if total == 1 else "failed units", sentence)


def _correlation(value: float) -> str:
    return format_number(value, 2, signed=True)


def _pair(row: pd.Series) -> str:
    return f"{row['scenario']} and {row['other_scenario']} ({_correlation(row['spearman'])})"


def _range(low: float, high: float) -> str:
    return f"{low:,.0f}" if low == high else f"{low:,.0f} to {high:,.0f}"
