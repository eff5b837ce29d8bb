"""Why bursts get no labels, with the numbers."""

from collections import Counter
from dataclasses import replace

import pytest

from dataset_builder.labeling.scenarios import Definition, ResolvedScenario
from dataset_builder.labeling.skips import Skip, describe_skips, find_skip
from dataset_builder.labeling.units import BurstRows
from restorers import Domain, RestorerInfo

INFO = RestorerInfo("denoise", "1", frozenset({Domain.RAW_BAYER}), Domain.RAW_BAYER)
FIXED = replace(INFO, max_frames=5, missing_frames="repeat_reference")


def skip(info, frames, estimator="leave_one_out", **facts):
    burst = {
        "num_frames": frames,
        "height": 64,
        "width": 64,
        "domain": "raw_bayer",
        "scale": 1,
        "ground_truth_kind": "exact",
        **facts,
    }
    definition = Definition(estimator, "psnr")
    return find_skip(BurstRows(burst, ()), ResolvedScenario("a/b", (definition,), "0" * 64, info), definition)


@pytest.mark.parametrize(
    ("info", "frames", "expected"),
    [
        (
            FIXED,
            12,
            "a/b takes 5 frames (for more, add take=nearest, first or spread to the model's name: docs/restorers.md)",
        ),
        (replace(INFO, max_frames=5), 12, "a/b takes 1 to 5 frames"),
        (replace(INFO, min_frames=3), 2, "a/b takes 3 frames or more"),
        (replace(INFO, min_frames=4, max_frames=4), 2, "a/b takes 4 frames"),
        (INFO, 1, "leave_one_out takes 2 frames or more"),
    ],
)
def test_a_length_that_does_not_fit_is_told_with_both_numbers(info, frames, expected):
    assert skip(info, frames) == Skip(expected, frames)


def test_what_fits_is_not_skipped():
    assert skip(FIXED, 5) is None
    assert skip(FIXED, 3) is None
    assert skip(FIXED, 12, "solo") is None
    assert skip(INFO, 12) is None
    assert "no ground truth" in skip(INFO, 12, ground_truth_kind="none").reason
    assert "domain" in skip(INFO, 12, domain="srgb").reason


def test_one_line_for_each_reason():
    skips = Counter({Skip("a/b takes 5 frames", 8): 2, Skip("a/b takes 5 frames", 14): 1, Skip("no truth"): 4})
    assert describe_skips(skips) == [
        "3 of (burst, scenario) got no labels: a/b takes 5 frames, the bursts have 8 to 14",
        "4 of (burst, scenario) got no labels: no truth",
    ]
    assert describe_skips(Counter({Skip("a/b takes 5 frames", 12): 2}))[0].endswith("takes 5 frames, the burst has 12")
