"""The audit's answers in words: each question gets one number and one plain sentence."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from dataset_builder.audit.audit import Audit
from dataset_builder.audit.collect import Statistics
from dataset_builder.audit.factors import FACTORS
from dataset_builder.audit.restorations import LABELS
from dataset_builder.audit.statistics.selection import WITHOUT_ONE
from dataset_builder.audit.tables import find_extreme, to_rows
from dataset_builder.audit.wording import (
    count,
    format_interval,
    format_number,
    format_score,
    format_score_interval,
    percent,
)
from dataset_builder.selection.gains import OTHER_NOISE
from dataset_builder.selection.guides import BASELINES, ORACLE
from dataset_builder.selection.policies import DROP_HARMFUL
from manifests.schema import LABEL_SET, is_marginal


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


def answer_all(audit: Audit) -> dict[str, Answer]:
    """Answers by anchor, in the order of the report; `changes` only where another build was given."""
    functions: tuple[Callable[[Statistics], Answer], ...] = (
        _answer_contents, _answer_scores, _answer_selection, _answer_scenarios, _answer_reliability, _answer_factors, _answer_splits,
    )  # fmt: skip
    answers = [function(audit.statistics) for function in functions]
    if audit.changes is not None:
        answers.append(_answer_changes(audit.changes.labels, audit.changes.other))
    return {answer.anchor: answer for answer in answers}


def _answer_contents(statistics: Statistics) -> Answer:
    table, failures = statistics.contents, statistics.failures
    bursts, frames, scenes, truth = (int(table[name].sum()) for name in ("bursts", "frames", "scenes", "with_truth"))
    sentence = "The data set has no bursts."
    if bursts:
        length = _range(table["min_frames"].min(), table["max_frames"].max())
        known = "All have" if truth == bursts else "None has" if not truth else f"{truth:,} of them have"
        total = f", {frames:,} frames in all" if bursts > 1 else ""
        sources = count(table["source"].nunique(), "source")
        sentence = f"{count(bursts, 'burst')} of {length} frames{total}, from {sources}. {known} a ground truth."
    failed, noted = (int(failures[column].sum()) if len(failures) else 0 for column in ("units", "failures"))
    if failed:
        kinds = count(failures["error_type"].nunique(), "kind")
        sentence += f" {count(failed, 'unit')} of work failed with {kinds} of error; their bursts or labels are absent."
    else:
        sentence += " Every unit of work succeeded."
    if noted > failed:
        sentence += f" {count(noted - failed, 'failure')} cost a single score, or those of one estimator."
    caption = f"{'burst' if bursts == 1 else 'bursts'} of {count(scenes, 'scene')}"
    return Answer("contents", "What is in it?", f"{bursts:,}", caption, sentence)


def _answer_scores(statistics: Statistics) -> Answer:
    question = "How are scores distributed?"
    scores = statistics.scores[statistics.scores["scores"] > 0]
    if scores.empty:
        sentence = "No frame has a score: nothing was labelled, or no burst has a ground truth."
        return Answer("scores", question, "0", "scores", sentence)
    chosen = scores.merge(statistics.label_sets[LABEL_SET], on=LABEL_SET)
    marginal = chosen[[is_marginal(name) for name in chosen["estimator"]]]
    total = int(scores["scores"].sum())
    spread = _say_spread(statistics)
    if marginal.empty:
        sentence = (
            f"{count(total, 'score')}; none of them is the gain of a frame to a burst, so none can be negative worth."
        )
        return Answer("scores", question, f"{total:,}", "scores", f"{sentence} {spread}".strip())
    harmful = (marginal["negative_share"] * marginal["scores"]).sum() / marginal["scores"].sum()
    ordered = marginal.sort_values("negative_share")
    least, most = ordered.iloc[0], ordered.iloc[-1]
    sentence = f"{percent(harmful)} of the scored frames make the restored image worse"
    if len(ordered) > 1:
        sentence += (
            f": from {percent(least['negative_share'])} under {least['scenario']} "
            f"to {percent(most['negative_share'])} under {most['scenario']}"
        )
    return Answer("scores", question, percent(harmful), "of scored frames do harm", f"{sentence}. {spread}".strip())


def _say_spread(statistics: Statistics) -> str:
    chosen = statistics.spread.merge(statistics.label_sets[LABEL_SET], on=LABEL_SET).dropna(subset="within_share")
    if chosen.empty:
        return ""
    share = float(chosen["within_share"].median())
    verdict = (
        "frames of one burst differ more than bursts do."
        if share >= 0.5
        else "bursts differ more than their frames do, so compare scores only within a burst."
    )
    return f"{percent(share)} of the variance lies within bursts{' (median over scenarios)' if len(chosen) > 1 else ''}: {verdict}"


def _answer_selection(statistics: Statistics) -> Answer:
    question = "Is selecting frames worth it?"
    table = statistics.selection
    if len(statistics.gain):
        return _answer_by_gain(statistics.gain)
    free = statistics.curves[statistics.curves["policy"] == DROP_HARMFUL]
    measured, labelled = (free[free["guide"] == name] for name in (ORACLE, LABELS))
    known = measured if len(measured) else labelled
    if len(known):
        # Of each scenario the preset that gains most: means over presets would hide it.
        known = known.loc[known.groupby("scenario", sort=True)["gain"].idxmax()]
        most = find_extreme(known, "gain")
        number = format_score(most["gain"], most["unit"], signed=True).replace(" ", "\u00a0")
        who = "A perfect selector" if len(measured) else "A selector that drops the frames of negative labels"
        listed = ", ".join(
            f"{format_score(row['gain'], row['unit'], signed=True)} under {row['scenario']} on {row['preset']}"
            for row in to_rows(known)
        )
        sentence = (
            f"{who} gains over using all frames, on the preset where it gains most: {listed} "
            f"(means of {int(known['bursts'].min())} to {count(int(known['bursts'].max()), 'burst')})."
        )
        return Answer("selection", question, number, f"from selecting, under {most['scenario']}", sentence)
    dropping = table[table["choice"] == WITHOUT_ONE]
    if len(dropping):
        most = find_extreme(dropping, "best")
        number = format_score(most["best"], most["unit"], signed=True).replace(" ", "\u00a0")
        sentence = (
            f"Dropping the worst frame of each burst, or none where all help, gains "
            f"{format_score(most['best'], most['unit'], signed=True)} "
            f"on average under {most['scenario']}; dropping a random one {format_score(most['random'], most['unit'], signed=True)}."
        )
        return Answer("selection", question, number, f"from dropping one frame, under {most['scenario']}", sentence)
    if len(table):
        most = find_extreme(table, "best")
        gap = most["best"] - most["random"]
        number = format_score(gap, most["unit"], signed=True).replace(" ", "\u00a0")
        sentence = (
            f"Beside the reference, the best frame is worth {format_score(gap, most['unit'])} "
            f"more than a random one under {most['scenario']}."
        )
        return Answer("selection", question, number, f"best over random frame, under {most['scenario']}", sentence)
    return Answer(
        "selection",
        question,
        "–",
        "no gains known",
        "No label is the gain of leaving out or adding one frame (leave_one_out, add_one).",
    )


def _answer_by_gain(gain: pd.DataFrame) -> Answer:
    """From what `buiqa gain` found: the guide of each scenario and preset that gains most, under the policy that drops harmful frames."""
    free = gain[gain["policy"] == DROP_HARMFUL]
    labels = free[~free["guide"].isin(BASELINES)]
    most = find_extreme(labels if len(labels) else gain, "gain")
    number = format_score(most["gain"], most["unit"], signed=True).replace(" ", "\u00a0")
    interval = format_score_interval(most["low"], most["high"], most["unit"])
    sentence = (
        f"Restored from the frames that {most['guide']} chooses, bursts of {most['preset']} gain "
        f"{format_score(most['gain'], most['unit'], signed=True)} over all frames under {most['scenario']}"
        f"{f' (95 % interval {interval})' if interval else ''}, judged on {'' if most['judged'] == OTHER_NOISE else 'the '}{most['judged']}"
    )
    same = free[(free["scenario"] == most["scenario"]) & (free["preset"] == most["preset"])]
    oracle = same[same["guide"] == ORACLE]
    if len(oracle):
        sentence += f"; the best choice gains {format_score(float(oracle['gain'].iloc[0]), most['unit'], signed=True)}"
    return Answer(
        "selection", "Is selecting frames worth it?", number, f"by labels, under {most['scenario']}", f"{sentence}."
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
    sentence += f". They agree on the best frame in {percent(pairs['same_best'].mean())} of the bursts."
    return Answer("scenarios", question, _correlation(mean), "mean rank correlation of scenarios", sentence)


def _answer_reliability(statistics: Statistics) -> Answer:
    question = "Are labels reliable?"
    repeated = statistics.repetition.dropna(subset="spearman")
    if len(repeated):
        middle, least = repeated["spearman"].median(), find_extreme(repeated, "spearman", lowest=True)
        sentence = (
            f"Labels made again with other noise order frames with a median rank correlation of "
            f"{_correlation(middle)}; the least stable is "
            f"{least['scenario']} {least['estimator']}{_of_preset(least)} ({_correlation(least['spearman'])})."
        )
        return Answer("reliability", question, _correlation(middle), "test-retest rank correlation", sentence)
    noisy = statistics.label_noise.dropna(subset="reliability")
    if len(noisy):
        middle, least = noisy["reliability"].median(), find_extreme(noisy, "reliability", lowest=True)
        sentence = (
            f"By redraws of the noise, {percent(middle)} of the variance of scores within bursts is no noise (median); least under "
            f"{least['scenario']} {least['estimator']}{_of_preset(least)} ({percent(least['reliability'])}), where noise moves a score by "
            f"{format_score(least['noise_error'], least['unit'])} and {percent(least['clear_best'])} of the bursts have a clear best "
            "frame."
        )
        return Answer("reliability", question, percent(middle), "of the spread of scores is no noise", sentence)
    tested = statistics.randomness.dropna(subset="p_value")
    sampled = statistics.precision[statistics.precision["max_error"] > 0]
    error = (
        "No score was sampled, so none has a standard error."
        if sampled.empty
        else f"{count(len(sampled), 'label set')} of {len(statistics.precision)} were sampled; spreads exceed their standard errors "
        f"{format_number(sampled['signal'].min(), 1)} times at least."
    )
    untested = "How labels would change with other noise was not measured (noise_redraws, or buiqa reliability)."
    agreement = statistics.estimators.dropna(subset="spearman")
    if len(agreement):
        mean = agreement["spearman"].mean()
        sentence = f"Estimators of one scenario order frames with a mean rank correlation of {_correlation(mean)}. {error} {untested}"
        return Answer("reliability", question, _correlation(mean), "rank correlation of estimators", sentence)
    if tested.empty:
        sentence = "There is nothing that the scores could be compared with."
        return Answer("reliability", question, "–", "nothing to compare", sentence)
    return Answer("reliability", question, "–", "not measured", f"{error} {untested}")


def _answer_factors(statistics: Statistics) -> Answer:
    question = "Are labels biased?"
    explained = statistics.explained.dropna(subset="explained").sort_values("explained")
    factors = statistics.factors.dropna(subset="spearman")
    # Of few bursts a share can be told where no single correlation can.
    explained = explained[explained["scenario"].isin(set(factors["scenario"]))]
    if explained.empty or factors.empty:
        sentence = (
            "No factor (noise, blur, motion, exposure, sharpness, position) is known for frames that have scores."
        )
        return Answer("factors", question, "–", "no factors known", sentence)
    most = explained.iloc[-1]
    mine = factors[factors["scenario"] == most["scenario"]]
    strongest = find_extreme(mine.assign(size=mine["spearman"].abs()), "size")
    interval = format_interval(strongest["low"], strongest["high"])
    share = max(float(most["explained"]), 0.0)
    sentence = (
        f"{mine['bursts'].gt(0).sum()} trivial factors together explain at most {percent(share)} "
        f"of how frames rank, under {most['scenario']}; "
        f"the strongest there is {FACTORS[strongest['factor']].word} (rank correlation {_correlation(strongest['spearman'])}"
        f"{f', 95 % interval {interval}' if interval else ''})."
    )
    return Answer("factors", question, percent(share), "of ranks explained, at most", sentence)


def _answer_splits(statistics: Statistics) -> Answer:
    question = "Is the split sound?"
    if statistics.splits.empty:
        return Answer("splits", question, "–", "not split", "The data set has not been split.")
    names = ("shared_scenes", "shared_origins", "shared_frames")
    scenes, origins, frames = (int(statistics.overlap[name].sum()) for name in names)
    pairs = len(statistics.near_duplicates)
    shared = scenes + origins + frames + pairs
    sentence = (
        "No scene, photograph or frame lies in more than one split, and no two bursts of different splits look alike."
    )
    if shared:
        sentence = (
            f"{count(scenes, 'scene')}, {count(origins, 'photograph')} and {count(frames, 'frame')} lie in more than one split, and "
            f"{count(pairs, 'pair')} of bursts look alike: results on the test split are not to be trusted."
        )
    if len(statistics.splits) == 1:
        only = statistics.splits["split"].iloc[0]
        rest = "train on" if only == "test" else "test on"
        sentence = f"All bursts are in the split {only}: nothing can leak, and nothing is left to {rest}."
    return Answer("splits", question, f"{shared:,}", "overlaps between splits", sentence)


def _answer_changes(labels: pd.DataFrame, other: str) -> Answer:
    question = "What changed?"
    common, changed = (int(labels[name].sum()) for name in ("common", "changed"))
    if not common:
        return Answer(
            "changes", question, "–", "no label in common", f"This build and {other} have no label in common."
        )
    sentence = f"{changed:,} of {count(common, 'label')} that {other} has too changed"
    if changed:
        most = find_extreme(labels, "changed")
        causes = [
            name
            for name in ("data", "restorer", "convention", "definition", "software", "unexplained")
            if labels[name].sum()
        ]
        sentence += f", most under {most['scenario']}, because of: {', '.join(causes)}"
    added, removed = (int(labels[name].sum()) for name in ("added", "removed"))
    sentence += f". {added:,} are new, {removed:,} are gone."
    return Answer("changes", question, percent(changed / common), "of common labels changed", sentence)


def _of_preset(row: Mapping[str, Any]) -> str:
    return f", {row['preset']}" if row["preset"] else ""


def _correlation(value: float) -> str:
    return format_number(value, 2, signed=True)


def _pair(row: pd.Series) -> str:
    return f"{row['scenario']} and {row['other_scenario']} ({_correlation(row['spearman'])})"


def _range(low: float, high: float) -> str:
    if math.isnan(low):
        return "–"
    return f"{low:,.0f}" if low == high else f"{low:,.0f} to {high:,.0f}"
