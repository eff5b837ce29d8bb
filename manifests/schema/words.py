"""Words, patterns and bounds that the columns of a data set keep to."""

from __future__ import annotations

DOMAINS = ("raw_bayer", "linear_rgb", "srgb")
CFA_PATTERNS = ("RGGB", "GRBG", "GBRG", "BGGR")
OUTLIERS = ("blocked", "misaligned")
GROUND_TRUTH_KINDS = ("exact", "reference_capture", "none")
REFERENCE_RULES = ("given", "first", "sharpest", "medoid")
SPLIT_NAMES = ("train", "val", "test")
STAGES = ("bursts", "labels")
PACKED_TYPES = ("uint8", "uint16")
MARGINAL_ESTIMATORS = frozenset(
    {"leave_one_out", "add_one", "half_sum", "shapley", "banzhaf", "marginal", "best_subset", "interaction"}
)
"""Estimators that never remove the reference, so that it has no score."""

LABEL_SET = ["scenario", "estimator", "metric"]
"""Columns that identify a set of comparable labels."""

SHA256 = r"[0-9a-f]{64}"
PERCEPTUAL_HASH = r"[0-9a-f]{16}"
IDENTIFIER = r"[a-z0-9_-]{1,32}"
"""Names of bursts, scenes, sources and presets, which become names of files."""
SCENARIO = r"[A-Za-z0-9_][A-Za-z0-9_.@:/?&=%,+~()\[\]-]{0,239}"
"""Names of scenarios: `denoise/mean`, `module:attr`, `onnx:FILE?domain=srgb`."""
ESTIMATOR = r"[a-z0-9_]{1,40}(\([a-z0-9_.()&|]{1,100}\))?"
"""Names of estimators with their settings: `solo`, `banzhaf(4)`, `shapley(spread(0.1)|evaluations(500))`."""
METRIC = r"[a-z0-9_]{1,40}"
UNIT = r"[^\x00-\x1f\x7f]{1,40}"

MOST_FRAMES = 100_000
LONGEST_SIDE = 100_000
"""Of a frame, px."""
MOST_PIXELS = 200_000_000
"""Of an image; larger ones are not decoded."""
MOST_PIXELS_HERE = 64_000_000
"""Of an image that the process of a command decodes itself, and not a worker, whose time and memory are limited."""
LARGEST_SCALE = 1_000
LEAST_RANGE = 1e-6
"""Between the file values that mean no light and white."""
LONGEST_TEXT = 100_000
"""Bytes."""
LARGEST = 2_147_483_647
LARGEST_FILE = 2**60
"""Bytes."""
LARGEST_NUMBER = 1e12
"""Above it, sums of squares would leave what a number can hold."""
DOUBTFUL = "doubtful: "
"""What stands in `ground_truth_method` before the reason why a truth is not to be trusted."""


def is_marginal(estimator: str) -> bool:
    """Whether scores of an estimator are gains and losses."""
    return estimator.split("(", maxsplit=1)[0] in MARGINAL_ESTIMATORS
