"""Why definitions do not apply to bursts: known from tables and facts alone, before anything is computed."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from dataset_builder.labeling.estimators import find_estimator
from dataset_builder.labeling.game import is_enumerable
from dataset_builder.labeling.known_limits import is_misleading
from dataset_builder.labeling.scenarios import Definition, ResolvedScenario
from dataset_builder.labeling.suitability import REASONS, explain_metric
from dataset_builder.labeling.truth import explain_mismatch
from dataset_builder.labeling.units import BurstRows
from restorers import Domain, RestorerInfo
from restorers.fidelity import METRICS

_MAX_SAMPLES = 2**28
"""Of the frames of a burst together, 1 GiB as float32."""
_REASONS = {
    "too large": "the burst is too large to be restored as a whole; ingest it with crops",
    "without truth": "the burst has no ground truth, which most metrics need (docs/labels.md, Without truth, has those that do not)",
    "other domain": "the restorer does not take the burst's domain",
    "too many subsets": "exact Shapley values need a linear merge or a burst of at most 8 frames",
    "misleading": "without truth, series whose reference is not the shortest exposure are ranked by the wrong thing (docs/labels.md); "
    "label them all the same by --insist, or insist = true in the recipe",
    "no counterpart": "the truth's scale is no multiple of the restorer's, or the restorer returns a display image",
}


@dataclass(frozen=True, order=True)
class Skip:
    """Why a definition does not apply to a burst.

    Attributes:
        reason: why; of a burst of the wrong length, what takes how many frames.
        frames: frames of a burst of the wrong length; None where its length is right.
    """

    reason: str
    frames: int | None = None


WITHOUT_TRUTH = Skip(_REASONS["without truth"])
UNSUITABLE = frozenset(REASONS.values())
"""Reasons that concern a metric alone."""


def find_skip(rows: BurstRows, scenario: ResolvedScenario, definition: Definition) -> Skip | None:
    """Why a definition does not apply to a burst; None if it does."""
    burst, info = rows.burst, scenario.info
    domain, count = Domain(burst["domain"]), burst["num_frames"]
    metric, estimator = METRICS[definition.metric], find_estimator(definition.estimator)
    samples = count * burst["height"] * burst["width"] * (1 if domain is Domain.RAW_BAYER else 3)
    fits = estimator.family == "alone" or info.min_frames <= count <= (info.max_frames or count)
    hindrances: Mapping[Skip, bool] = {
        WITHOUT_TRUTH: metric.needs_truth and burst["ground_truth_kind"] == "none",
        Skip(_REASONS["misleading"]): not scenario.insist and is_misleading(metric, rows.frames),
        Skip(_REASONS["other domain"]): domain not in info.input_domains,
        Skip(_REASONS["too large"]): samples > _MAX_SAMPLES,
        Skip(f"{scenario.name} takes {_tell_length(info)}", count): not fits,
        Skip(f"{estimator.name} takes {estimator.min_frames} frames or more", count): count < estimator.min_frames,
        Skip(_REASONS["too many subsets"]): estimator.exact
        and not is_enumerable(metric, info, domain, count, linear=scenario.linear),
        Skip(_REASONS["no counterpart"]): metric.needs_truth
        and explain_mismatch(info, domain, burst["scale"]) is not None,
    }
    found = next((skip for skip, hinders in hindrances.items() if hinders), None)
    if found is not None or (reason := explain_metric(metric, info, burst)) is None:
        return found
    return Skip(REASONS[reason])


def describe_skips(skips: Counter[Skip]) -> list[str]:
    """A line for each reason, with the number of (burst, scenario) that it leaves without labels, and what lengths they have."""
    totals: Counter[str] = Counter()
    lengths: defaultdict[str, set[int]] = defaultdict(set)
    for skip, number in skips.items():
        totals[skip.reason] += number
        if skip.frames is not None:
            lengths[skip.reason].add(skip.frames)
    return [
        f"{number} of (burst, scenario) got no labels: {reason}{_tell_lengths(lengths[reason])}"
        for reason, number in sorted(totals.items())
    ]


def _tell_length(info: RestorerInfo) -> str:
    least, most = info.min_frames, info.max_frames
    if most is None:
        return f"{least} frames or more"
    if info.missing_frames == "repeat_reference":
        # It says how the way out is written, for who uses a model in a file.
        return f"{most} frames (for more, add take=nearest, first or spread to the model's name: docs/restorers.md)"
    return f"{least} to {most} frames" if least < most else f"{most} frames"


def _tell_lengths(lengths: set[int]) -> str:
    if not lengths:
        return ""
    least, most = min(lengths), max(lengths)
    return f", the burst has {least}" if least == most else f", the bursts have {least} to {most}"
