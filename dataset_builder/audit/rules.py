"""The rules by which the audit judges a data set: one table, light enough for the recipe to check its keys against."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Literal

from pydantic import Field, field_validator

from dataset_builder.settings import Part, require_one_of

Severity = Literal["severe", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("severe", "warning", "note")


@dataclass(frozen=True)
class Rule:
    """One way in which a data set can be wrong.

    Attributes:
        name: key in the recipe and in `findings.json`.
        section: id of the section of the report that shows the evidence.
        measures: what the value is, with its unit.
        note: the value from which it is worth a note; None for never.
        warning: the value from which it is a warning; None for never.
        severe: the value from which it is severe; None for never.
        above: whether high values are bad; else low ones are.
        remedy: what to do.
    """

    name: str
    section: str
    measures: str
    note: float | None
    warning: float | None
    severe: float | None
    remedy: str
    above: bool = True

    def judge(self, value: float) -> tuple[Severity, float] | None:
        """Severity and the threshold that was reached; None if the value is fine or unknown (NaN)."""
        for severity in SEVERITIES:
            threshold = getattr(self, severity)
            if threshold is not None and (value >= threshold if self.above else value <= threshold):
                return severity, threshold
        return None


_TABLE = (
    Rule(
        "broken_manifest", "contents", "tables that cannot be read", None, None, 1,
        "Restore the file, or delete it and build again; what it held is missing from this report.",
    ),
    Rule(
        "altered_labels", "contents", "label files whose columns contradict each other, the bursts, or the restorer", None, None, 1,
        "Somebody changed them by hand, or mixed labels of two builds: restore the file, or run `buiqa label` again after deleting it.",
    ),
    Rule(
        "shared_scene", "splits", "scenes that lie in two splits", None, None, 1,
        "Run `buiqa split`: it never cuts a scene. Results on these splits are not to be trusted.",
    ),
    Rule(
        "shared_origin", "splits", "photographs that lie in two splits under two scenes", None, None, 1,
        "Give bursts of one photograph one scene_id, then run `buiqa split`.",
    ),
    Rule(
        "shared_frame", "splits", "frames whose very file lies in two splits", None, None, 1,
        "Remove one of the bursts, or give both one scene_id, then run `buiqa split`.",
    ),
    Rule(
        "near_duplicate", "splits", "bursts that look like a burst of another split", None, None, 1,
        "Look at the pairs; give both one scene_id or remove one, then run `buiqa split`.",
    ),
    Rule(
        "few_scenes", "splits", "scenes in the smallest split", 9, None, None,
        "Add scenes to the split, or say beside results that so few scenes cannot carry a ranking of methods.", above=False,
    ),
    Rule(
        "split_shift", "splits", "p-value, times the number of tests, that two splits draw scores from one distribution",
        None, 0.01, None,
        "Draw another split (`buiqa split --salt`), stratify by source and preset, or report per source.", above=False,
    ),
    Rule(
        "blind_split_shift", "splits", "lowest p-value that split_shift can find between two splits, times the number of tests",
        0.01, None, None,
        "So few scenes cannot show that two splits differ, however much they do: add scenes before you rely on the split.",
    ),
    Rule(
        "pointless_selection", "selection", "dB that a perfect selector gains over all frames", None, 0.05, None,
        "No way of choosing frames can help here: leave the preset out for this scenario, or vary its frames more.", above=False,
    ),
    Rule(
        "constant_scores", "scores", "share of bursts whose frames all score the same", None, 0.05, 0.5,
        "Check that the restorer uses all frames it is given and that the metric is not saturated; leave the scenario out until then.",
    ),
    Rule(
        "missing_scores", "scores", "share of the scores that should be there and are not", None, 1e-9, 0.02,
        "Find out why in manifests/failures.parquet, mend it, and run `buiqa label` again.",
    ),
    Rule(
        "coverage", "scores", "share of the bursts that a scenario labels, of the sources and presets of which it labels any",
        0.999, 0.9, None,
        "Scenarios that label other bursts cannot be compared as they are: `buiqa label` says why it left bursts out; label them, or say "
        "beside results which bursts count.", above=False,
    ),
    Rule(
        "outlier", "scores", "interquartile ranges between the quartiles and the most extreme score of an ordinary frame", None, 20, 50,
        "Look at the frame; if the restorer failed there, make it raise instead of returning an image.",
    ),
    Rule(
        "tied_scores", "scores", "share of scores that equal another of their burst", None, 0.25, None,
        "Raise the precision of the metric or of the restorer's output; ranks among ties mean nothing.",
    ),
    Rule(
        "mostly_harmful", "scores", "share of scores below 0", None, 0.5, None,
        "When most frames do harm, the restorer rather than the frames may be at fault: compare its result with the reference alone.",
    ),
    Rule(
        "random_order", "reliability", "p-value, times the number of tests, that scores order frames at random", None, None, 0.01,
        "Nothing goes with these scores: check that labels and frames are joined by the right keys, then label again.",
    ),
    Rule(
        "label_noise", "reliability", "spread of a burst's scores over their error by sampling and noise", None, 2, 1,
        "Sample more (a smaller requested standard error) where sampling is to blame; else leave the estimator out, or report the preset "
        "apart.", above=False,
    ),
    Rule(
        "below_noise", "reliability", "share of bursts whose scores differ less than their noise does", 0.05, 0.5, None,
        "Which of their frames is best cannot be told: leave such bursts out of ranking, or pairs of frames that the noise may swap "
        "(`DrawPairs(min_probability=0.9)`).",
    ),
    Rule(
        "unstable_order", "reliability", "test-retest correlation within bursts", None, 0.6, 0.3,
        "The order of frames changes with the noise, so selecting by it is pointless: use longer or more different bursts, or another "
        "restorer, or report the preset apart.", above=False,
    ),
    Rule(
        "equal_scenarios", "scenarios", "rank correlation of two scenarios", 0.98, None, None,
        "One of the two adds next to nothing; keep the cheaper one, or say so beside results.",
    ),
    Rule(
        "trivial_predictor", "factors", "share of the variance of ranks that trivial factors explain", 0.6, 0.8, 0.95,
        "A linear rule predicts these labels: vary the frames in more ways, or leave the scenario out of the benchmark.",
    ),
    Rule(
        "favoured_position", "factors", "share of bursts whose best frame has one and the same index, beyond that of a random order",
        None, 0.3, 0.5,
        "Check how the restorer treats frame order; shuffle frames before restoring and label again.",
    ),
    Rule(
        "noise_of_source", "factors", "stated noise of a source over that of the others, or its inverse", None, 1.6, None,
        "Compare scores within sources only, or bring the sources to one range of noise.",
    ),
    Rule(
        "noise_not_as_stated", "factors",
        "measured over stated noise, of a source without exact truth against the others (alone: against 1), or its inverse",
        None, 1.6, 1.8,
        "The pixels are noisier, or cleaner, than the manifest says: correct shot_noise and read_noise, or the files.",
    ),
    Rule(
        "failed_units", "contents", "share of units of work that failed", 1e-9, 0.05, 0.25,
        "Read the messages, mend the cause, and run the same build again: only what failed is done anew.",
    ),
    Rule(
        "unreadable_frames", "gallery", "frames whose file cannot be read", None, None, 1,
        "Run `buiqa verify` for the list, restore the files, or build again.",
    ),
    Rule(
        "doubtful_truth", "contents", "bursts whose ground truth is flat or unlike the reference", None, 1, None,
        "Look at them: `ground_truth_method` of bursts.parquet says what is wrong. Labels by such a truth rank frames by accident; leave "
        "the bursts out.",
    ),
    Rule(
        "unknown_licence", "contents", "bursts without a known licence", 1, None, None,
        "State the licence of the source in the recipe before you publish.",
    ),
    Rule(
        "unexplained_change", "changes", "labels that changed although nothing they depend on did", None, None, 1,
        "Something undeclared entered the labels: find it before you publish either build.",
    ),
)  # fmt: skip

RULES: Mapping[str, Rule] = MappingProxyType({rule.name: rule for rule in _TABLE})


def override_rules(changes: Mapping[str, Mapping[str, Any]]) -> dict[str, Rule]:
    """The rules with other thresholds.

    Args:
        changes: by the name of the rule, new values of `note`, `warning` or `severe`; False switches that severity off.
    """
    rules = dict(RULES)
    for name, thresholds in changes.items():
        values: dict[str, Any] = {
            severity: None if value is False else float(value)
            for severity, value in thresholds.items()
            if severity in SEVERITIES and value is not None
        }
        if name in rules:
            rules[name] = replace(rules[name], **values)
    return rules


class RuleChoice(Part):
    """Other thresholds for a rule of the audit; False switches a severity off.

    Attributes:
        note: value from which it is worth a note.
        warning: value from which it is a warning.
        severe: value from which it is severe.
    """

    note: float | Literal[False] | None = None
    warning: float | Literal[False] | None = None
    severe: float | Literal[False] | None = None


class AuditChoice(Part):
    """How the audit judges.

    Attributes:
        rules: changed thresholds by the name of the rule.
    """

    rules: dict[str, RuleChoice] = Field(default_factory=dict)

    @field_validator("rules")
    @classmethod
    def _check_rules(cls, value: dict[str, RuleChoice]) -> dict[str, RuleChoice]:
        for name in value:
            require_one_of(name, RULES)
        return value
