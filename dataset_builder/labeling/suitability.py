"""Which metrics suit a burst, and which can be had of it at all: what no burst of its kind can have is left out, and not tried."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from restorers import Domain, RestorerInfo
from restorers.fidelity import METRICS, MetricConvention
from restorers.imaging.stack_quality import SMALLEST_SIDE

NARROW, WIDE = ("psnr", "psnr_srgb"), ("psnr_mu", "psnr_pu21")
WITHOUT_TRUTH = ("mse_held_out", "mse_unbiased", "mef_ssim")
LEAST_TO_HOLD_OUT = 4
"""Frames: the reference, and three to be held out in turn."""
_OF_STACKS = frozenset({"hdr", "focus"})
"""Tasks whose frames each show something that no other does."""

REASONS: Mapping[str, str] = MappingProxyType(
    {
        "too few to hold out": f"mse_held_out needs {LEAST_TO_HOLD_OUT} frames and more",
        "noise unknown": "mse_unbiased needs the noise of raw_bayer frames",
        "no frames alike": "the restorer's output has another scale or domain than the frames, which the metric compares it with",
        "too small": "the frames are too small for the metric",
    }
)


def choose_metrics(task: str, burst: Mapping[str, Any]) -> tuple[str, ...]:
    """The metrics that suit a burst under a task.

    PSNR in linear light and as displayed, for the two often disagree; where light may be brighter than the white of the reference, PSNR
    through the μ-law and PU21, for the former two are cut there or are about the brightest pixels alone. Without truth one that needs
    none: under `hdr` and `focus`, how much of the full stack is kept, else the error against frames that are held out, or, of RAW bursts
    that are too short for that, the unbiased risk.

    Args:
        task: task of the scenario.
        burst: its row, or at least `ground_truth_white`.
    """
    if burst.get("ground_truth_kind") == "none":
        short = burst["num_frames"] < LEAST_TO_HOLD_OUT and burst["domain"] == Domain.RAW_BAYER
        return ("mef_ssim" if task in _OF_STACKS else "mse_unbiased" if short else "mse_held_out",)
    return WIDE if task == "hdr" or (burst["ground_truth_white"] or 1) > 1 else NARROW


def explain_metric(metric: MetricConvention, info: RestorerInfo, burst: Mapping[str, Any]) -> str | None:
    """Why a metric cannot be had of a burst under a restorer: a key of `REASONS`; None if it can.

    Args:
        metric: the metric.
        info: facts of the restorer.
        burst: its row.
    """
    domain = Domain(burst["domain"])
    output = info.output_for(domain)
    smallest = SMALLEST_SIDE + 2 * metric.border
    hindrances = {
        "too few to hold out": metric.kind == "held_out" and burst["num_frames"] < LEAST_TO_HOLD_OUT,
        "noise unknown": metric.kind == "unbiased_risk" and domain is not Domain.RAW_BAYER,
        "no frames alike": (metric.space in {"raw", "frame"} and not _is_comparable(metric, info, domain, output))
        or (metric.compares_stack and info.scale != 1),
        "too small": metric.compares_stack and min(burst["height"], burst["width"]) < smallest,
    }
    return next((reason for reason, hinders in hindrances.items() if hinders), None)


def describe_choice(metric: str) -> str:
    """What a label by a metric that was chosen for want of a truth says, in a few words."""
    return {
        "held_out": "the error against frames that are held out",
        "unbiased_risk": "an unbiased estimate of the error",
        "mef_ssim": "how much of the contrast and structure of all frames is kept",
    }[METRICS[metric].kind]


def _is_comparable(metric: MetricConvention, info: RestorerInfo, domain: Domain, output: Domain) -> bool:
    """Whether an output can be brought into the domain of the frames; colours are not brought to another scale."""
    if domain is Domain.RAW_BAYER or metric.space == "raw":
        return domain is Domain.RAW_BAYER and output is not Domain.SRGB
    return info.scale == 1 and output is not Domain.RAW_BAYER and (domain is Domain.SRGB or output is not Domain.SRGB)
