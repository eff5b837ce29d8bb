"""Where labels without truth are known to mislead, and where they are known to be weak (docs/labels.md, "Without truth")."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from restorers.fidelity import MetricConvention

SHORTER = 0.6
"""Share of the light of the reference; a frame that gathers less holds highlights that the reference does not show."""
WEAK = 0.6
"""Rank correlation of Shapley values with those by truth below which `describe_limits` speaks."""
MEASURED: Mapping[str, Mapping[str, float]] = MappingProxyType(
    {
        "mse_held_out": {
            "daylight": 0.69,
            "handheld": 0.78,
            "night": 0.72,
            "action": 0.71,
            "kpn": 0.43,
            "bracket": -0.10,
            "ntire2025_hdr": 0.66,
            "focus": -0.30,
        },
        "mse_unbiased": {
            "daylight": 0.83,
            "handheld": 0.67,
            "night": 0.70,
            "action": 0.93,
            "kpn": 0.65,
            "bracket": -0.36,
            "ntire2025_hdr": 0.56,
            "focus": -0.13,
        },
        "mef_ssim": {"bracket": 0.11, "focus": 0.64},
    }
)
"""Rank correlation of Shapley values with those by truth, frames of 96 px (`python -m benchmarks.without_truth`): under `denoise/hdrplus`,
exposure series under `hdr/radiance`, focus series under `focus/stack`. By metric and preset."""


def is_misleading(metric: MetricConvention, frames: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a metric without truth would rank the frames of a burst by the wrong thing.

    In an exposure series whose reference is not the shortest, the shorter frames are worth having for the highlights that saturate the
    reference. Nothing that is compared with the reference or with longer frames sees those; what is compared with all frames does.

    Args:
        metric: any metric.
        frames: rows of the burst's frames, or at least `exposure_ratio`.
    """
    ratios = [frame["exposure_ratio"] for frame in frames if frame["exposure_ratio"] is not None]
    return metric.compares_parts and bool(ratios) and min(ratios) < SHORTER


def describe_limits(asked: Iterable[tuple[MetricConvention, str | None]]) -> list[str]:
    """A line for each metric without truth whose labels are known to be weak on bursts of some presets.

    Args:
        asked: metrics, each with the preset of a burst that is to be labelled by it.
    """
    presets: dict[str, set[str]] = defaultdict(set)
    for metric, preset in asked:
        if preset is not None and MEASURED.get(metric.name, {}).get(preset, 1.0) < WEAK:
            presets[metric.name].add(preset)
    return [
        f"{name} ranks frames of {preset} as the truth does by {MEASURED[name][preset]:.2f} only (Shapley values of unseen photographs)"
        for name in sorted(presets)
        for preset in sorted(presets[name])
    ]
