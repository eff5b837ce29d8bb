"""What the labels say about themselves: pure functions over manifests that return pandas frames.

Read the manifests once with `audit.tables.read_tables`, put scores beside frames with `audit.tables.build_score_matrix`; counts
of contents, splits and
failures live in `manifests.documents.statistics`. "Within" always means among the frames of one burst, the only comparison that selecting
frames makes.
"""

from dataset_builder.audit.statistics.agreement import (
    assess_randomness,
    correlate_estimators,
    correlate_metrics,
    correlate_scenarios,
    find_disagreements,
    order_scenarios,
)
from dataset_builder.audit.statistics.bias import (
    compare_groups,
    compare_noise,
    correlate_content,
    correlate_factors,
    explain_ranks,
    gather_factors,
    locate_best,
)
from dataset_builder.audit.statistics.coverage import measure_coverage
from dataset_builder.audit.statistics.distributions import (
    QUANTILES,
    choose_label_sets,
    compare_spread,
    count_constant,
    count_failures,
    count_missing,
    estimator_place,
    find_outliers,
    histogram_scores,
    quantile_name,
    summarise_scores,
)
from dataset_builder.audit.statistics.ranks import MIN_FRAMES, correlate_within
from dataset_builder.audit.statistics.reliability import list_below_noise, measure_label_noise, measure_precision
from dataset_builder.audit.statistics.selection import bound_selection, measure_selection, summarise_curves
from dataset_builder.audit.statistics.splits import balance_best, compare_distributions, count_overlap, count_splits

__all__ = [
    "MIN_FRAMES",
    "QUANTILES",
    "assess_randomness",
    "balance_best",
    "bound_selection",
    "choose_label_sets",
    "compare_distributions",
    "compare_groups",
    "compare_noise",
    "compare_spread",
    "correlate_content",
    "correlate_estimators",
    "correlate_factors",
    "correlate_metrics",
    "correlate_scenarios",
    "correlate_within",
    "count_constant",
    "count_failures",
    "count_missing",
    "count_overlap",
    "count_splits",
    "estimator_place",
    "explain_ranks",
    "find_disagreements",
    "find_outliers",
    "gather_factors",
    "histogram_scores",
    "list_below_noise",
    "locate_best",
    "measure_coverage",
    "measure_label_noise",
    "measure_precision",
    "measure_selection",
    "order_scenarios",
    "quantile_name",
    "summarise_curves",
    "summarise_scores",
]
