"""What is wrong with a data set, by the rules: each finding has a severity, its evidence, and what to do."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dataset_builder.audit.changes import Changes
from dataset_builder.audit.collect import Statistics
from dataset_builder.audit.finding import Finding
from dataset_builder.audit.rules import SEVERITIES, Rule
from dataset_builder.audit.tables import find_extreme, to_rows
from dataset_builder.audit.wording import count, format_number, format_score, percent
from manifests.schema import LABEL_SET, is_marginal

_MIN_BURSTS = 8
"""Fewest bursts by which a restorer's habit is judged."""
_MAX_NULL_ERROR = 0.1
"""Largest error of a mean correlation, were the order random, at which its absence says anything."""


@dataclass(frozen=True)
class _Candidate:
    rule: str
    subject: str
    value: float
    evidence: str
    bursts: tuple[str, ...] = ()


def judge(
    statistics: Statistics,
    rules: Mapping[str, Rule],
    *,
    num_units: int,
    unreadable: Sequence[str] = (),
    doubtful: Sequence[str] = (),
    changes: Changes | None = None,
    broken: Sequence[str] = (),
    altered: Sequence[str] = (),
) -> list[Finding]:
    """Apply the rules, worst findings first.

    Args:
        statistics: statistics of the data set.
        rules: what `rules.override_rules` gives.
        num_units: units of work of the data set, done and failed.
        unreadable: bursts with a frame that cannot be read.
        doubtful: bursts with a ground truth that is not to be trusted.
        changes: against another build.
        broken: what is wrong with tables that cannot be read.
        altered: label files whose columns contradict each other: file, then what, in a line each.
    """
    candidates = [
        *(_Candidate("broken_manifest", each.split(":", maxsplit=1)[0], 1, each) for each in broken),
        *(_Candidate("altered_labels", each.split(":", maxsplit=1)[0], 1, each) for each in altered),
        *_look_at_splits(statistics),
        *_look_at_scores(statistics),
        *_look_at_selection(statistics),
        *_look_at_reliability(statistics),
        *_look_at_bias(statistics),
        *_look_at_truths(doubtful),
        *_look_at_rest(statistics, num_units, unreadable, changes),
    ]
    findings = []
    for each in candidates:
        rule = rules[each.rule]
        verdict = None if math.isnan(each.value) else rule.judge(each.value)
        if verdict is not None:
            severity, threshold = verdict
            findings.append(
                Finding(
                    each.rule,
                    severity,
                    each.subject,
                    each.value,
                    threshold,
                    each.evidence,
                    rule.remedy,
                    rule.section,
                    each.bursts,
                )
            )
    order = list(rules)
    return sorted(findings, key=lambda each: (SEVERITIES.index(each.severity), order.index(each.rule), each.subject))


def _look_at_splits(statistics: Statistics) -> Iterator[_Candidate]:
    for row in to_rows(statistics.overlap):
        pair = f"{row['split']} and {row['other_split']}"
        for rule, column, noun in (
            ("shared_scene", "shared_scenes", "scene"),
            ("shared_origin", "shared_origins", "photograph"),
            ("shared_frame", "shared_frames", "frame"),
        ):
            number = int(row[column])
            verb = "lies" if number == 1 else "lie"
            yield _Candidate(rule, pair, number, f"{count(number, noun)} {verb} in both {pair}.")
    for (split, other), rows in statistics.near_duplicates.groupby(["split", "other_split"], sort=True):
        first = rows.iloc[0]
        bursts = tuple(dict.fromkeys([*rows["burst_id"], *rows["other_burst_id"]]))
        sentence = (
            f"{count(len(rows), 'pair')} of bursts in {split} and {other} look alike, as "
            f"{first['burst_id']} and {first['other_burst_id']} do."
        )
        yield _Candidate("near_duplicate", f"{split} and {other}", len(rows), sentence, bursts[:5])
    if len(statistics.splits) > 1:
        least = find_extreme(statistics.splits, "scenes", lowest=True)
        sentence = f"The split {least['split']} holds only {count(int(least['scenes']), 'scene')}."
        yield _Candidate("few_scenes", str(least["split"]), float(least["scenes"]), sentence)
    tests = max(len(statistics.shift), 1)
    for row in to_rows(statistics.shift):
        sentence = (
            f"Under {row['scenario']}, scores of {row['split']} and {row['other_split']} differ by a Kolmogorov–Smirnov distance of "
            f"{format_number(row['ks'], 2)} (population stability index "
            f"{format_number(row['psi'], 2)}), more than when scenes are dealt at random."
        )
        subject = f"{row['scenario']}, {row['split']} and {row['other_split']}"
        yield _Candidate("split_shift", subject, min(1.0, float(row["p_value"]) * tests), sentence)
    for (split, other), rows in statistics.shift.groupby(["split", "other_split"], sort=True):
        lowest, scenes = float(rows["least_p_value"].max()), int(rows["scenes"].min())
        sentence = (
            f"Of {count(scenes, 'scene')} in the smaller of {split} and {other}, even the most extreme deal has a p-value of "
            f"{format_number(lowest, 4)}; with {count(tests, 'test')} split_shift cannot fire."
        )
        yield _Candidate("blind_split_shift", f"{split} and {other}", min(1.0, lowest * tests), sentence)


def _look_at_scores(statistics: Statistics) -> Iterator[_Candidate]:
    for row in to_rows(statistics.constant):
        sentence = f"In {percent(row['constant_share'])} of {count(int(row['bursts']), 'burst')} all frames have the same score."
        yield _Candidate("constant_scores", _name(row), float(row["constant_share"]), sentence)
    for row in to_rows(statistics.missing):
        sentence = f"{count(int(row['missing']), 'score')} of {int(row['expected']):,} ({percent(row['missing_share'])}) are missing."
        yield _Candidate("missing_scores", _name(row), float(row["missing_share"]), sentence)
    for row in to_rows(statistics.coverage):
        example = f", not {row['unlabelled'][0]}" if row["unlabelled"] else ""
        sentence = (
            f"It labels {int(row['bursts']):,} of {count(int(row['expected']), 'burst')} of its sources and "
            f"presets{example}."
        )
        yield _Candidate("coverage", str(row["scenario"]), float(row["coverage"]), sentence, row["unlabelled"])
    quartiles = statistics.scores.set_index(LABEL_SET)
    for row in to_rows(statistics.outliers):
        middle = quartiles.loc[tuple(row[name] for name in LABEL_SET)]
        sentence = (
            f"Frame {row['frame_index']} of {row['burst_id']} scores "
            f"{format_score(row['score'], row['unit'])}, while half of all scores lie between "
            f"{format_score(middle['q25'], row['unit'])} and {format_score(middle['q75'], row['unit'])}."
        )
        yield _Candidate("outlier", _name(row), float(row["distance"]), sentence, (str(row["burst_id"]),))
    constant = statistics.constant.set_index(LABEL_SET)["constant_share"]
    for row in to_rows(statistics.scores[statistics.scores["scores"] > 0]):
        # Where whole bursts are constant, `constant_scores` says it already.
        if constant.get(tuple(row[name] for name in LABEL_SET), 0) == 0:
            sentence = f"{percent(row['tied_share'])} of the scores equal another of their burst."
            yield _Candidate("tied_scores", _name(row), float(row["tied_share"]), sentence)
        if is_marginal(row["estimator"]):
            sentence = f"{percent(row['negative_share'])} of the scored frames make the restored image worse."
            yield _Candidate("mostly_harmful", _name(row), float(row["negative_share"]), sentence)


def _look_at_selection(statistics: Statistics) -> Iterator[_Candidate]:
    for row in to_rows(statistics.oracle[statistics.oracle["unit"] == "dB"]):
        sentence = (
            f"Selecting is pointless here: the best choice of frames gains {format_number(row['gain'], 3, signed=True)} dB over all frames "
            f"(mean of {count(int(row['bursts']), 'burst')})."
        )
        yield _Candidate("pointless_selection", f"{row['scenario']}, {row['preset']}", float(row["gain"]), sentence)


def _look_at_reliability(statistics: Statistics) -> Iterator[_Candidate]:
    for row in to_rows(statistics.randomness):
        if row["null_error"] <= _MAX_NULL_ERROR:
            sentence = (
                f"Nothing goes with these scores: the strongest of "
                f"{count(int(row['tests']), 'rank correlation')} with other labels and factors is "
                f"{format_number(row['strongest'], 2, signed=True)} ({row['partner']}), no more than a random order would have."
            )
            yield _Candidate("random_order", _name(row), float(row["p_value"]), sentence)
    yield from _look_at_noise(statistics)
    for row in to_rows(statistics.repetition):
        sentence = (
            f"Labels made again with other noise order the frames with a rank correlation of "
            f"{format_number(row['spearman'], 2, signed=True)}."
        )
        yield _Candidate("unstable_order", _name(row), float(row["spearman"]), sentence)


def _look_at_noise(statistics: Statistics) -> Iterator[_Candidate]:
    measured = set(statistics.label_noise[LABEL_SET].itertuples(index=False, name=None))
    below = statistics.below_noise.groupby([*LABEL_SET, "preset"])["burst_id"].agg(tuple).to_dict()
    repeated = set(statistics.repetition[LABEL_SET].itertuples(index=False, name=None))
    for row in to_rows(statistics.precision):
        if tuple(row[name] for name in LABEL_SET) not in measured:
            sentence = (
                f"Scores of a burst spread by {format_score(row['median_spread'], row['unit'])}, with a standard error of "
                f"{format_score(row['median_error'], row['unit'])}."
            )
            yield _Candidate("label_noise", _name(row), float(row["signal"]), sentence)
    for row in to_rows(statistics.label_noise):
        key = tuple(row[name] for name in LABEL_SET)
        sentence = (
            f"Scores of a burst spread by {format_score(row['spread'], row['unit'])}; noise and sampling move them by "
            f"{format_score(row['noise_error'], row['unit'])}."
        )
        yield _Candidate("label_noise", _name(row), float(row["signal"]), sentence)
        sentence = (
            f"In {percent(row['below_noise'])} of {count(int(row['bursts']), 'burst')} noise makes up more than half of the variance of "
            f"the scores; {percent(row['clear_best'])} have a clear best frame."
        )
        examples = below.get((*key, row["preset"]), ())[:5]
        yield _Candidate("below_noise", _name(row), float(row["below_noise"]), sentence, examples)
        if key not in repeated:
            sentence = (
                f"By their noise, labels of another draw would correlate with these by {format_number(row['reliability'], 2, signed=True)} "
                "within bursts."
            )
            yield _Candidate("unstable_order", _name(row), float(row["reliability"]), sentence)


def _look_at_bias(statistics: Statistics) -> Iterator[_Candidate]:
    for row in to_rows(statistics.scenarios):
        sentence = (
            f"{row['scenario']} and {row['other_scenario']} order frames alike (rank correlation "
            f"{format_number(row['spearman'], 2, signed=True)})."
        )
        yield _Candidate(
            "equal_scenarios", f"{row['scenario']}, {row['other_scenario']}", float(row["spearman"]), sentence
        )
    for row in to_rows(statistics.explained):
        sentence = f"Noise, blur, motion, sharpness, position and the like explain {percent(row['explained'])} of how frames rank."
        yield _Candidate("trivial_predictor", _name(row), float(row["explained"]), sentence)
    positions = statistics.positions[statistics.positions["bursts"] >= _MIN_BURSTS]
    positions = positions.assign(beyond=positions["best_share"] - positions["expected_share"])
    for _, rows in positions.groupby(LABEL_SET, sort=True):
        most = find_extreme(rows, "beyond")
        sentence = (
            f"Frame {most['frame_index']} is the best of {percent(most['best_share'])} of {count(int(most['bursts']), 'burst')}; "
            f"of a random order it would be {percent(most['expected_share'])}."
        )
        yield _Candidate("favoured_position", _name(most), float(most["beyond"]), sentence)
    for row in to_rows(statistics.noise):
        ratio, alone = row["stated_ratio"], statistics.noise["excess"].notna().sum() == 1
        sentence = f"Frames of {row['source']} carry {format_number(ratio, 1)} times the noise of the other sources, by the manifest."
        yield _Candidate("noise_of_source", str(row["source"]), _fold(ratio), sentence)
        excess = row["excess"] if alone else row["excess_ratio"]
        against = "" if alone else ", against the other sources"
        sentence = f"Frames of {row['source']} measure {format_number(excess, 1)} times the noise that the manifest states{against}."
        yield _Candidate("noise_not_as_stated", str(row["source"]), _fold(excess), sentence)


def _look_at_truths(doubtful: Sequence[str]) -> Iterator[_Candidate]:
    if doubtful:
        sentence = (
            f"The ground truth of {count(len(doubtful), 'burst')} is flat or unlike the reference, as of {doubtful[0]}."
        )
        yield _Candidate("doubtful_truth", "ground truth", len(doubtful), sentence, tuple(doubtful[:5]))


def _look_at_rest(
    statistics: Statistics, num_units: int, unreadable: Sequence[str], changes: Changes | None
) -> Iterator[_Candidate]:
    failed = int(statistics.failures["units"].sum()) if len(statistics.failures) else 0
    if failed:
        share = failed / max(num_units, failed)
        yield _Candidate(
            "failed_units", "build", share, f"{count(failed, 'unit')} of {num_units:,} failed ({percent(share)})."
        )
    if unreadable:
        sentence = f"Frames of {count(len(unreadable), 'burst')} cannot be read, as of {unreadable[0]}."
        yield _Candidate("unreadable_frames", "files", len(unreadable), sentence, tuple(unreadable[:5]))
    unknown = statistics.licenses[statistics.licenses["license"].str.lower().isin(["", "unknown"])]
    for row in to_rows(unknown):
        sentence = f"{count(int(row['bursts']), 'burst')} of {row['source']} have no known licence."
        yield _Candidate("unknown_licence", str(row["source"]), float(row["bursts"]), sentence)
    if changes is not None and changes.unexplained:
        total = int(changes.labels["unexplained"].sum())
        sentence = (
            f"{count(total, 'label')} changed while burst, restorer, estimator and metric stayed the "
            f"same, as {changes.unexplained[0]}."
        )
        yield _Candidate("unexplained_change", "labels", total, sentence)


def _name(row: Mapping[Any, Any]) -> str:
    metric = "" if row["metric"] == "psnr" else f" {row['metric']}"
    preset = f", {row['preset']}" if row.get("preset") else ""
    return f"{row['scenario']} {row['estimator']}{metric}{preset}"


def _fold(ratio: float) -> float:
    """A ratio and its inverse are equally bad."""
    if math.isnan(ratio) or ratio <= 0:
        return math.nan
    return max(ratio, 1 / ratio)
